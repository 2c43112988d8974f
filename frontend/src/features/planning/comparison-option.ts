import type { EChartsOption, LineSeriesOption } from "echarts";

import { held, intervalTooltip, timeAxis, valueAxis } from "@/components/chart-parts";
import type { Formats } from "@/lib/format";
import { SURFACE, type Surface } from "@/lib/palette";
import type { Text } from "@/lib/text";

import type { MethodRow } from "./comparison";
import { lookOf } from "./looks";
import { methodName } from "./methods";

interface ComparisonOption {
  starts: readonly string[];
  stepMs: number;
  rows: readonly MethodRow[];
  /** All methods in the scheduler's order: a method's place decides its look. */
  methods: readonly string[];
  narrow: boolean;
  text: Text;
  format: Formats;
}

/** Battery power of each method in steps, and beneath it what is stored. */
export function comparisonOption(
  { starts, stepMs, rows, methods, narrow, text, format }: ComparisonOption,
  surface: Surface,
): EChartsOption {
  const points = starts.map((start, index) => ({ start, index }));
  const first = Date.parse(starts[0] ?? "");
  const at = new Map(starts.map((start, index) => [Date.parse(start), index]));
  const scheme = surface === SURFACE.dark ? "dark" : "light";
  const drawn = rows.map((row) => ({ ...row, name: methodName(row.method, text), ...lookOf(methods.indexOf(row.method), scheme) }));

  const line = ({ name, colour, dash }: (typeof drawn)[number]): LineSeriesOption => ({
    type: "line",
    name,
    symbol: "none",
    lineStyle: { color: colour, width: 2, type: dash },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  });
  const left = narrow ? 38 : 50;
  const number = { color: surface.quiet, formatter: (value: number) => format.number(value, 1) };
  return {
    grid: [
      { left, right: 20, top: 26, height: 150, outerBoundsMode: "none" },
      { left, right: 20, top: 218, height: 128, outerBoundsMode: "none" },
    ],
    xAxis: [
      timeAxis(surface, format, points, stepMs, { labels: false, narrow }),
      { ...timeAxis(surface, format, points, stepMs, { labels: true, narrow }), gridIndex: 1 },
    ],
    yAxis: [
      { ...valueAxis(surface), name: text("compare.powerUnit"), axisLabel: number },
      { ...valueAxis(surface), gridIndex: 1, name: text("compare.socUnit"), splitNumber: 3, min: 0, axisLabel: number },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: intervalTooltip({
      surface,
      format,
      stepMs,
      rows: (start) => {
        const index = at.get(start);
        if (index === undefined) return [];
        return drawn.map(({ name, colour, powerKw, socKwh }) => ({
          name,
          colour,
          figure: text("compare.point", { power: format.power(powerKw[index] ?? 0), soc: format.energyKwh(socKwh[index + 1] ?? 0) }),
        }));
      },
    }),
    series: drawn.flatMap((row) => [
      { ...line(row), data: held(points, stepMs, ({ index }) => row.powerKw[index] ?? null) },
      {
        ...line(row),
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: row.socKwh.map((soc, index) => [first + index * stepMs, soc]),
      },
    ]),
  };
}
