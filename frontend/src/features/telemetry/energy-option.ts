import type { BarSeriesOption, EChartsOption, LineSeriesOption } from "echarts";

import { intervalTooltip, nowLine, timeAxis, valueAxis } from "@/components/chart-parts";
import type { SeriesPoint } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import type { Text } from "@/lib/text";

import { balance } from "./balance";
import { energyRows } from "./energy-rows";

interface EnergyOption {
  points: readonly SeriesPoint[];
  stepMs: number;
  /** Community time, ms. */
  now: number;
  narrow: boolean;
  text: Text;
  format: Formats;
}

/** Sources stacked above the line, storing and feed-in below it, use as a line; beneath it what is stored. */
export function energyOption({ points, stepMs, now, narrow, text, format }: EnergyOption, surface: Surface): EChartsOption {
  // A bar stands in the middle of its interval.
  const middle = points.map((point) => Date.parse(point.start) + stepMs / 2);
  const balances = points.map(balance);
  const byStart = new Map(points.map((point) => [Date.parse(point.start), point]));
  const at = (values: readonly (number | null)[]) => values.map((value, index) => [middle[index], value]);

  const bar = (name: string, colour: string, values: (number | null)[], hollow = false): BarSeriesOption => ({
    type: "bar",
    name,
    stack: "energy",
    data: at(values),
    barWidth: "86%",
    itemStyle: hollow ? { color: colour, opacity: 0.42 } : { color: colour },
    emphasis: { disabled: true },
  });
  const line = (name: string, colour: string, values: (number | null)[], dashed: boolean, width = 2): LineSeriesOption => ({
    type: "line",
    name,
    step: "middle",
    symbol: "none",
    data: at(values),
    z: 4,
    lineStyle: { color: colour, width, type: dashed ? [5, 4] : "solid" },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  });
  const fan = (values: (number | null)[], lower: boolean): LineSeriesOption => ({
    type: "line",
    name: lower ? "fan-low" : "fan",
    stack: "fan",
    step: "middle",
    symbol: "none",
    data: at(values),
    silent: true,
    lineStyle: { opacity: 0 },
    areaStyle: { color: surface.ink, opacity: lower ? 0 : 0.11 },
  });
  const ahead = (pick: (point: SeriesPoint) => number | null) =>
    points.map((point) => (Date.parse(point.start) + stepMs > now ? pick(point) : null));

  const low = ahead((point) => point.load_p10_kwh);
  const high = ahead((point) => point.load_p90_kwh);
  const soc = (pick: (point: SeriesPoint) => number | null, dashed: boolean): LineSeriesOption => ({
    ...line(text(dashed ? "energy.socPlan" : "energy.soc"), ENERGY.battery, [], dashed),
    type: "line",
    step: false,
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: points.map((point) => [Date.parse(point.start) + stepMs, pick(point)]),
    ...(dashed ? {} : { areaStyle: { color: ENERGY.battery, opacity: 0.14 } }),
  });

  const left = narrow ? 38 : 50;
  return {
    grid: [
      { left, right: 12, top: 26, height: 236 },
      { left, right: 12, top: 304, height: 62 },
    ],
    xAxis: [
      timeAxis(surface, format, points, stepMs, { labels: false, narrow }),
      { ...timeAxis(surface, format, points, stepMs, { labels: true, narrow }), gridIndex: 1 },
    ],
    yAxis: [
      { ...valueAxis(surface), name: text("energy.unit"), axisLabel: { color: surface.quiet, formatter: (value: number) => format.number(value, 1) } },
      { ...valueAxis(surface), gridIndex: 1, name: text("energy.socUnit"), splitNumber: 2, min: 0, axisLabel: { color: surface.quiet, formatter: (value: number) => format.number(value, 1) } },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    dataZoom: [{ type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false }],
    toolbox: { right: -100, feature: { dataZoom: { yAxisIndex: "none", xAxisIndex: [0, 1] } } },
    tooltip: intervalTooltip({ surface, format, stepMs, rows: (start) => energyRows(byStart.get(start), surface, text, format) }),
    series: [
      bar(text("energy.solar"), ENERGY.solar, balances.map((item) => item.solar)),
      bar(text("energy.discharge"), ENERGY.battery, balances.map((item) => item.discharge)),
      bar(text("energy.grid"), ENERGY.grid, balances.map((item) => item.grid)),
      bar(text("energy.charge"), ENERGY.battery, balances.map((item) => item.charge), true),
      bar(text("energy.feedIn"), ENERGY.grid, balances.map((item) => item.feedIn), true),
      fan(low, true),
      fan(high.map((value, index) => (value === null ? null : value - (low[index] ?? 0))), false),
      line(text("energy.pvForecast"), ENERGY.solar, ahead((point) => (point.pv_forecast_kwh === null ? null : Math.abs(point.pv_forecast_kwh))), true),
      line(text("energy.loadForecast"), surface.ink, ahead((point) => point.load_forecast_kwh), true),
      { ...line(text("energy.load"), surface.ink, points.map((point) => point.load_kwh), false, 2.25), markLine: nowLine(surface, now, text("chart.now")) },
      soc((point) => (Date.parse(point.start) + stepMs >= now ? point.soc_plan_kwh : null), true),
      soc((point) => point.soc_kwh, false),
    ],
  };
}
