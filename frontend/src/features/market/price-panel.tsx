import { Skeleton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { Chart } from "@/components/chart";
import { ChartPanel } from "@/components/chart-panel";
import { Failure } from "@/components/failure";
import { Legend } from "@/components/legend";
import { intervalsQuery, seriesQuery } from "@/lib/api/queries";
import { chartWindow } from "@/lib/chart-window";
import { useCurrentInterval } from "@/lib/clock";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText, type Text } from "@/lib/text";

import { priceOption, pricePoints, type PricePoint } from "./price-option";

const HEIGHT = 312;

/** What a neighbour's kilowatt-hour costs, against what the retailer asks and pays. */
export function PricePanel({ className }: { className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const { ref, width } = useElementSize();
  const interval = useCurrentInterval();
  const { from, to } = chartWindow(interval?.start ?? 0);
  const enabled = interval !== null;
  const series = useQuery({ ...seriesQuery(from, to, "community"), enabled });
  const intervals = useQuery({ ...intervalsQuery(from, to), enabled });

  const narrow = width < 520;
  const now = interval?.start ?? 0;
  const stepMs = interval?.stepMs ?? 3_600_000;
  const points = useMemo(
    () => (series.data ? pricePoints(series.data, intervals.data ?? [], now) : null),
    [series.data, intervals.data, now],
  );
  const option = useMemo(
    () => (surface: Surface) => priceOption({ points: points ?? [], stepMs, now, narrow, text, format }, surface),
    [points, stepMs, now, narrow, text, format],
  );
  const title = points ? message(points, now, text, format) : text("price.waiting");

  return (
    <ChartPanel
      kicker={text("price.kicker")}
      title={title}
      height={HEIGHT}
      className={className}
      figures={
        points && {
          name: "prices",
          header: ["start", "retail_micro_per_kwh", "feed_in_micro_per_kwh", "cleared_micro_per_kwh", "reference_micro_per_kwh"],
          rows: points.map((point) => [point.start, point.retail, point.feedIn, point.cleared, point.reference]),
        }
      }
      legend={
        <Legend
          items={[
            { label: text("price.cleared"), colour: ENERGY.neighbours, kind: "line" },
            { label: text("price.reference"), colour: ENERGY.neighbours, kind: "dashed" },
            { label: text("price.band"), colour: ENERGY.grid, kind: "line" },
          ]}
        />
      }
    >
      <div ref={ref} style={{ minHeight: HEIGHT, display: "grid", gridTemplateColumns: "minmax(0, 1fr)" }}>
        {points ? (
          <Chart label={title} height={HEIGHT} option={option} />
        ) : series.error ? (
          <Failure error={series.error} retry={() => void series.refetch()} />
        ) : (
          <Skeleton height={HEIGHT} radius="md" />
        )}
      </div>
    </ChartPanel>
  );
}

function message(points: readonly PricePoint[], now: number, text: Text, format: Formats): string {
  const current = points.find((point) => Date.parse(point.start) === now);
  if (current?.retail === undefined || current.retail === null) return text("price.unknown");
  if (current.cleared === null) return text("price.none", { retail: format.price(current.retail) });
  const below = current.retail - current.cleared;
  const values = { price: format.price(current.cleared), difference: format.price(Math.abs(below)) };
  return text(below >= 0 ? "price.below" : "price.above", values);
}
