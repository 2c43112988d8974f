import type { CustomSeriesOption, EChartsOption, LineSeriesOption } from "echarts";

import { held, intervalTooltip, nowLine, timeAxis, valueAxis } from "@/components/chart-parts";
import type { SeriesPoint } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import type { Text } from "@/lib/text";

import { stack, type Span } from "./balance";
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

/** Gap between the bars of neighbouring intervals, px. */
const GAP = 1.5;

/** Sources stacked above the line, storing and feed-in below it, use as a line; beneath it what is stored. */
export function energyOption({ points, stepMs, now, narrow, text, format }: EnergyOption, surface: Surface): EChartsOption {
  const { solar, discharge, grid, charge, feedIn } = stack(points);
  const byStart = new Map(points.map((point) => [Date.parse(point.start), point]));
  type Pick = (point: SeriesPoint) => number | null;
  const ahead =
    (pick: Pick): Pick =>
    (point) =>
      Date.parse(point.start) + stepMs > now ? pick(point) : null;

  const line = (name: string, colour: string, pick: Pick, dashed: boolean, width = 2): LineSeriesOption => ({
    type: "line",
    name,
    symbol: "none",
    data: held(points, stepMs, pick),
    z: 4,
    lineStyle: { color: colour, width, type: dashed ? [5, 4] : "solid" },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  });
  const fan = (name: string, pick: Pick, opacity: number): LineSeriesOption => ({
    ...line(name, "transparent", ahead(pick), false, 0),
    type: "line",
    stack: "fan",
    z: 2,
    silent: true,
    areaStyle: { color: surface.ink, opacity },
  });
  const stored = (name: string, pick: Pick, dashed: boolean): LineSeriesOption => ({
    ...line(name, ENERGY.battery, pick, dashed),
    type: "line",
    xAxisIndex: 1,
    yAxisIndex: 1,
    data: points.map((point) => [Date.parse(point.start) + stepMs, pick(point)]),
    ...(dashed ? {} : { areaStyle: { color: ENERGY.battery, opacity: 0.14 } }),
  });
  const width = (point: SeriesPoint) =>
    point.load_p10_kwh === null || point.load_p90_kwh === null ? null : point.load_p90_kwh - point.load_p10_kwh;

  const left = narrow ? 38 : 50;
  const number = { color: surface.quiet, formatter: (value: number) => format.number(value, 1) };
  return {
    grid: [
      // Both keep their edges, so that the two axes of time agree to the pixel.
      { left, right: 20, top: 26, height: 236, outerBoundsMode: "none" },
      { left, right: 20, top: 304, height: 62, outerBoundsMode: "none" },
    ],
    xAxis: [
      timeAxis(surface, format, points, stepMs, { labels: false, narrow }),
      { ...timeAxis(surface, format, points, stepMs, { labels: true, narrow }), gridIndex: 1 },
    ],
    yAxis: [
      { ...valueAxis(surface), name: text("energy.unit"), axisLabel: number },
      { ...valueAxis(surface), gridIndex: 1, name: text("energy.socUnit"), splitNumber: 2, min: 0, axisLabel: number },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    dataZoom: [{ type: "inside", xAxisIndex: [0, 1], zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false }],
    toolbox: { right: -100, feature: { dataZoom: { yAxisIndex: "none", xAxisIndex: [0, 1] } } },
    tooltip: intervalTooltip({ surface, format, stepMs, rows: (start) => energyRows(byStart.get(start), surface, text, format) }),
    series: [
      blocks(text("energy.solar"), ENERGY.solar, solar, stepMs),
      blocks(text("energy.discharge"), ENERGY.battery, discharge, stepMs),
      blocks(text("energy.gridImport"), ENERGY.grid, grid, stepMs),
      blocks(text("energy.charge"), ENERGY.battery, charge, stepMs, 0.42),
      blocks(text("energy.feedIn"), ENERGY.grid, feedIn, stepMs, 0.42),
      fan("fan-low", (point) => point.load_p10_kwh, 0),
      fan("fan", width, 0.11),
      line(text("energy.pvForecast"), ENERGY.solar, ahead((point) => point.pv_forecast_kwh), true),
      line(text("energy.loadForecast"), surface.ink, ahead((point) => point.load_forecast_kwh), true),
      {
        ...line(text("energy.load"), surface.ink, (point) => point.load_kwh, false, 2.25),
        markLine: nowLine(surface, now, text("chart.now")),
      },
      stored(text("energy.socPlan"), (point) => (Date.parse(point.start) + stepMs >= now ? point.soc_plan_kwh : null), true),
      stored(text("energy.soc"), (point) => point.soc_kwh, false),
    ],
  };
}

/** One block an interval, exactly as wide as it: ECharts' own bars would stretch the axis of time. */
function blocks(name: string, colour: string, spans: readonly Span[], stepMs: number, opacity = 1): CustomSeriesOption {
  return {
    type: "custom",
    name,
    data: spans.map(({ start, from, to }) => [start, from, to]),
    encode: { x: 0, y: [1, 2] },
    clip: true,
    z: 1,
    renderItem: (_, api) => {
      const start = Number(api.value(0));
      const [x0 = 0, y0 = 0] = api.coord([start, api.value(1)]);
      const [x1 = 0, y1 = 0] = api.coord([start + stepMs, api.value(2)]);
      return {
        type: "rect",
        shape: { x: x0 + GAP / 2, y: Math.min(y0, y1), width: Math.max(x1 - x0 - GAP, 1), height: Math.abs(y1 - y0) },
        style: { fill: colour, opacity },
      };
    },
  };
}
