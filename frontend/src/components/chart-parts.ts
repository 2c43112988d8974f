/** Axes, the line of now, and one tooltip table for all series, alike in every chart. */
import type { EChartsOption } from "echarts";

import type { Formats } from "@/lib/format";
import type { Surface } from "@/lib/palette";

const HOUR_MS = 3_600_000;

interface AxisLook {
  labels: boolean;
  narrow: boolean;
}

/** Local hours that divide the day evenly, so that midnight has a tick on days of 23 and 25 hours too. */
export function localTicks(from: number, to: number, everyH: number, format: Formats): number[] {
  const ticks: number[] = [];
  for (let at = Math.ceil(from / HOUR_MS) * HOUR_MS; at <= to; at += HOUR_MS) {
    const [hour, minute] = format.time(at).split(":").map(Number);
    if (hour !== undefined && hour % everyH === 0 && minute === 0) ticks.push(at);
  }
  return ticks;
}

export function timeAxis(
  surface: Surface,
  format: Formats,
  points: readonly { start: string }[],
  stepMs: number,
  { labels, narrow }: AxisLook,
) {
  const first = points[0];
  const last = points[points.length - 1];
  const from = first ? Date.parse(first.start) : 0;
  const to = last ? Date.parse(last.start) + stepMs : 1;
  // A label at the very edge would be cut.
  const ticks = localTicks(from, to - (to - from) * 0.035, narrow ? 12 : 6, format);
  return {
    type: "time" as const,
    min: from,
    max: to,
    axisLine: { show: labels, onZero: false, lineStyle: { color: surface.line } },
    axisTick: { show: false, customValues: ticks },
    axisLabel: {
      show: labels,
      color: surface.quiet,
      customValues: ticks,
      hideOverlap: true,
      margin: 12,
      formatter: (value: number) => {
        const time = format.time(value);
        return time === "00:00" ? `{day|${format.day(value)}}` : time;
      },
      rich: { day: { color: surface.ink, fontWeight: 600 as const } },
    },
    splitLine: { show: false },
  };
}

export function valueAxis(surface: Surface) {
  return {
    type: "value" as const,
    nameTextStyle: { color: surface.quiet, align: "left" as const, padding: [0, 0, 0, -30] },
    nameGap: 12,
    axisLabel: { color: surface.quiet },
    splitLine: { lineStyle: { color: surface.line } },
    splitNumber: 4,
  };
}

/** Points of a value that holds through each interval, to its last millisecond, also where the next one is unknown. */
export function held<Point extends { start: string }>(
  points: readonly Point[],
  stepMs: number,
  pick: (point: Point) => number | null,
): (number | null)[][] {
  return points.flatMap((point) => {
    const start = Date.parse(point.start);
    const value = pick(point);
    return [
      [start, value],
      [start + stepMs - 1, value],
    ];
  });
}

export function nowLine(surface: Surface, now: number, label: string) {
  return {
    silent: true,
    symbol: "none",
    animation: false,
    lineStyle: { color: surface.ink, width: 1, type: "solid" as const },
    label: { formatter: label, color: surface.ink, fontSize: 12, distance: 4 },
    data: [{ xAxis: now }],
  };
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

export interface TipRow {
  name: string;
  figure: string;
  colour: string;
}

interface Tip {
  surface: Surface;
  format: Formats;
  stepMs: number;
  /** What is known of the interval that starts at an instant, ms. */
  rows: (start: number) => TipRow[];
}

/** One table of all that is known of the interval under the pointer, whichever series the pointer is near. */
export function intervalTooltip({ surface, format, stepMs, rows }: Tip): EChartsOption["tooltip"] {
  return {
    trigger: "axis",
    confine: true,
    axisPointer: { type: "line", lineStyle: { color: surface.quiet, type: "dotted" } },
    backgroundColor: surface.card,
    borderColor: surface.line,
    textStyle: { color: surface.ink, fontSize: 13 },
    extraCssText: "border-radius:10px;box-shadow:0 8px 28px rgb(0 0 0 / 18%);padding:10px 12px",
    formatter: (raw) => {
      const [first] = raw as unknown as { axisValue: number }[];
      if (!first) return "";
      const start = Math.floor(first.axisValue / stepMs) * stepMs;
      const head = `${format.day(start)}, ${format.range(start, start + stepMs)} ${format.zone(start)}`;
      const body = rows(start)
        .map(
          ({ name, figure, colour }) =>
            `<tr><td><i style="display:inline-block;width:10px;height:10px;margin-right:8px;border-radius:2px;background:${colour}"></i>${escape(name)}</td>` +
            `<td style="text-align:right;padding-left:18px;font-weight:600">${escape(figure)}</td></tr>`,
        )
        .join("");
      return `<div style="margin-bottom:6px;color:${surface.quiet}">${escape(head)}</div><table>${body}</table>`;
    },
  };
}
