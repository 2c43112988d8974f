import type { EChartsOption, LineSeriesOption } from "echarts";

import { held, intervalTooltip, nowLine, timeAxis, valueAxis } from "@/components/chart-parts";
import type { Interval, SeriesPoint } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import type { MessageId, Text } from "@/lib/text";

const MICRO = 1_000_000;

export interface PricePoint {
  start: string;
  retail: number | null;
  feedIn: number | null;
  cleared: number | null;
  reference: number | null;
}

/** The tariff of the series and the market of the intervals, one row an interval. */
export function pricePoints(points: readonly SeriesPoint[], intervals: readonly Interval[], now: number): PricePoint[] {
  const market = new Map(intervals.map((interval) => [Date.parse(interval.start), interval]));
  return points.map((point) => {
    const start = Date.parse(point.start);
    const interval = market.get(start);
    return {
      start: point.start,
      retail: point.retail_micro_per_kwh,
      feedIn: point.feed_in_micro_per_kwh,
      cleared: interval?.price_micro_per_kwh ?? point.price_micro_per_kwh,
      reference: start >= now ? (interval?.reference_micro_per_kwh ?? null) : null,
    };
  });
}

interface PriceOption {
  points: readonly PricePoint[];
  stepMs: number;
  now: number;
  narrow: boolean;
  text: Text;
  format: Formats;
}

/** The band between feed-in and retail, what cleared inside it, and the reference ahead. Prices are steps. */
export function priceOption({ points, stepMs, now, narrow, text, format }: PriceOption, surface: Surface): EChartsOption {
  const data = (pick: (point: PricePoint) => number | null) =>
    held(points, stepMs, (point) => {
      const micro = pick(point);
      return micro === null ? null : micro / MICRO;
    });
  const byStart = new Map(points.map((point) => [Date.parse(point.start), point]));
  const step = (name: string, colour: string, pick: (point: PricePoint) => number | null, width: number, dashed = false): LineSeriesOption => ({
    type: "line",
    name,
    symbol: "none",
    data: data(pick),
    lineStyle: { color: colour, width, type: dashed ? [5, 4] : "solid" },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  });
  const band = (pick: (point: PricePoint) => number | null, filled: boolean): LineSeriesOption => ({
    ...step(filled ? "band" : "band-low", "transparent", pick, 0),
    type: "line",
    stack: "band",
    silent: true,
    areaStyle: { color: ENERGY.grid, opacity: filled ? 0.08 : 0 },
  });
  const cleared = (point: PricePoint) => point.cleared;
  return {
    grid: { left: narrow ? 46 : 54, right: 20, top: 26, bottom: 32, outerBoundsMode: "none" },
    xAxis: timeAxis(surface, format, points, stepMs, { labels: true, narrow }),
    yAxis: { ...valueAxis(surface), name: text("price.unit"), min: 0, axisLabel: { color: surface.quiet, formatter: (value: number) => value.toFixed(2) } },
    tooltip: intervalTooltip({
      surface,
      format,
      stepMs,
      rows: (start) => {
        const point = byStart.get(start);
        const row = (id: MessageId, micro: number | null | undefined, colour: string) =>
          micro === null || micro === undefined
            ? []
            : [{ name: text(id), figure: text("price.perKwh", { price: format.price(micro) }), colour }];
        return [
          ...row("price.cleared", point?.cleared, ENERGY.neighbours),
          ...row("price.reference", point?.reference, ENERGY.neighbours),
          ...row("price.retail", point?.retail, ENERGY.grid),
          ...row("price.feedIn", point?.feedIn, ENERGY.grid),
        ];
      },
    }),
    series: [
      band((point) => point.feedIn, false),
      band((point) => (point.retail === null || point.feedIn === null ? null : point.retail - point.feedIn), true),
      step(text("price.retail"), ENERGY.grid, (point) => point.retail, 1.5),
      step(text("price.feedIn"), ENERGY.grid, (point) => point.feedIn, 1.5),
      step(text("price.reference"), ENERGY.neighbours, (point) => (point.cleared === null ? point.reference : null), 2, true),
      { ...step(text("price.cleared"), ENERGY.neighbours, cleared, 3), z: 5, markLine: nowLine(surface, now, text("chart.now")) },
    ],
  };
}
