import { Skeleton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { Chart } from "@/components/chart";
import { ChartPanel, type Figures } from "@/components/chart-panel";
import { Empty, Failure } from "@/components/failure";
import { Legend } from "@/components/legend";
import { seriesQuery } from "@/lib/api/queries";
import type { Scope, SeriesPoint } from "@/lib/api/types";
import { chartWindow } from "@/lib/chart-window";
import { useCurrentInterval } from "@/lib/clock";
import { ENERGY, type Surface } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { ownEnergy } from "./balance";
import { energyOption } from "./energy-option";

const HEIGHT = 396;

/** Use against its sources, past and planned, with what is stored beneath. */
export function EnergyPanel({ scope, className }: { scope: Scope; className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const { ref, width } = useElementSize();
  const interval = useCurrentInterval();
  const { from, to } = chartWindow(interval?.start ?? 0);
  const { data: points, error, refetch } = useQuery({ ...seriesQuery(from, to, scope), enabled: interval !== null });

  const narrow = width < 520;
  const now = interval?.start ?? 0;
  const stepMs = interval?.stepMs ?? 3_600_000;
  const option = useMemo(
    () => (surface: Surface) => energyOption({ points: points ?? [], stepMs, now, narrow, text, format }, surface),
    [points, stepMs, now, narrow, text, format],
  );
  const own = points ? ownEnergy(points) : null;
  const title = own === null ? text("energy.waiting") : text("energy.title", { percent: format.percent(own) });
  const known = points?.some((point) => point.load_kwh !== null || point.load_forecast_kwh !== null) ?? false;

  return (
    <ChartPanel
      kicker={text(scope === "mine" ? "energy.kickerHome" : "energy.kicker")}
      title={title}
      figures={points && known ? figures(points, scope) : null}
      height={HEIGHT}
      className={className}
      legend={known && <EnergyLegend />}
    >
      <div ref={ref} style={{ minHeight: HEIGHT, display: "grid", gridTemplateColumns: "minmax(0, 1fr)" }}>
        {points && known ? (
          <Chart label={title} height={HEIGHT} option={option} zoomable={!narrow} />
        ) : error ? (
          <Failure error={error} retry={() => void refetch()} />
        ) : points ? (
          <Empty>{text("energy.empty")}</Empty>
        ) : (
          <Skeleton height={HEIGHT} radius="md" />
        )}
      </div>
    </ChartPanel>
  );
}

function EnergyLegend() {
  const text = useText();
  return (
    <Legend
      items={[
        { label: text("energy.load"), colour: "var(--ink)", kind: "line" },
        { label: text("energy.solar"), colour: ENERGY.solar, kind: "area" },
        { label: text("energy.battery"), colour: ENERGY.battery, kind: "area" },
        { label: text("energy.grid"), colour: ENERGY.grid, kind: "area" },
        { label: text("energy.planned"), colour: "var(--quiet)", kind: "dashed" },
        { label: text("energy.fan"), colour: "var(--ink)", kind: "fan" },
      ]}
    />
  );
}

function figures(points: readonly SeriesPoint[], scope: Scope): Figures {
  const header = [
    "start",
    "load_kwh",
    "pv_kwh",
    "battery_kwh",
    "import_kwh",
    "export_kwh",
    "load_forecast_kwh",
    "load_p10_kwh",
    "load_p90_kwh",
    "pv_forecast_kwh",
    "battery_plan_kwh",
    "soc_kwh",
    "soc_plan_kwh",
  ] as const;
  const cell = (value: string | number | null) => (typeof value === "number" ? Number(value.toFixed(3)) : value);
  return { name: `energy-${scope}`, header, rows: points.map((point) => header.map((key) => cell(point[key]))) };
}
