import { useElementSize } from "@mantine/hooks";
import { useMemo } from "react";

import { Chart } from "@/components/chart";
import { ChartPanel, type Figures } from "@/components/chart-panel";
import { Empty } from "@/components/failure";
import type { Comparison } from "@/lib/api/types";
import type { Surface } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import type { MethodRow, Scope } from "./comparison";
import { comparisonOption } from "./comparison-option";

const HEIGHT = 380;

interface ComparisonChartProps {
  comparison: Comparison;
  scope: Scope;
  drawn: readonly string[];
}

/** What the battery, or all together, would have done by the methods that are ticked. */
export function ComparisonChart({ comparison, scope, drawn }: ComparisonChartProps) {
  const text = useText();
  const format = useFormats();
  const { ref, width } = useElementSize();
  const rows = useMemo(() => scope.rows.filter(({ method }) => drawn.includes(method)), [scope, drawn]);
  const option = useMemo(
    () => (surface: Surface) =>
      comparisonOption(
        {
          starts: comparison.starts,
          stepMs: comparison.interval_s * 1000,
          rows,
          methods: comparison.methods.map(({ method }) => method),
          narrow: width < 520,
          text,
          format,
        },
        surface,
      ),
    [comparison, rows, width, text, format],
  );
  const title = text("compare.chartTitle", { who: scope.home ?? "all" });
  return (
    <ChartPanel
      kicker={text("compare.chartKicker", { day: format.day(comparison.starts[0] ?? 0) })}
      title={title}
      figures={rows.length > 0 ? figures(comparison, scope, rows) : null}
      height={HEIGHT}
    >
      <div ref={ref} style={{ minHeight: HEIGHT, display: "grid", gridTemplateColumns: "minmax(0, 1fr)" }}>
        {rows.length > 0 ? (
          // A drawing keeps the lines of earlier choices: another choice is another drawing.
          <Chart key={rows.map(({ method }) => method).join()} label={title} height={HEIGHT} option={option} />
        ) : (
          <Empty>{text("compare.chartNone")}</Empty>
        )}
      </div>
    </ChartPanel>
  );
}

function figures({ day, starts }: Comparison, { home }: Scope, rows: readonly MethodRow[]): Figures {
  return {
    name: `methods-${day}-${home ?? "all"}`,
    header: ["start", ...rows.flatMap(({ method }) => [`${method}_power_kw`, `${method}_soc_kwh`])],
    rows: starts.map((start, index) => [
      start,
      ...rows.flatMap(({ powerKw, socKwh }) => [powerKw[index], socKwh[index + 1]].map((value) => Number((value ?? 0).toFixed(3)))),
    ]),
  };
}
