/** A series point as what is drawn above the line (sources) and below it (all that is not the homes' own use). */
import type { SeriesPoint } from "@/lib/api/types";

export interface Balance {
  solar: number | null;
  discharge: number | null;
  grid: number | null;
  /** Negative. */
  charge: number | null;
  /** Negative. */
  feedIn: number | null;
}

const positive = (value: number | null) => (value === null ? null : Math.max(value, 0));
const negative = (value: number | null) => (value !== null && value > 0 ? 0 : value);

/** Import counts net of export in the same interval, so that what neighbours exchange is not drawn twice. */
export function balance(point: SeriesPoint): Balance {
  const net =
    point.import_kwh === null || point.export_kwh === null ? null : point.import_kwh - Math.abs(point.export_kwh);
  return {
    solar: point.pv_kwh === null ? null : Math.abs(point.pv_kwh),
    discharge: point.battery_kwh === null ? null : positive(-point.battery_kwh),
    grid: positive(net),
    charge: point.battery_kwh === null ? null : negative(-point.battery_kwh),
    feedIn: negative(net),
  };
}

/** A block of one interval between two heights, kWh. */
export interface Span {
  /** Start of the interval, ms. */
  start: number;
  from: number;
  to: number;
}

/** The blocks of every kind, sources upwards from zero and the rest downwards; unknown intervals have none. */
export function stack(points: readonly SeriesPoint[]): Record<keyof Balance, Span[]> {
  const spans: Record<keyof Balance, Span[]> = { solar: [], discharge: [], grid: [], charge: [], feedIn: [] };
  for (const point of points) {
    const parts = balance(point);
    const start = Date.parse(point.start);
    for (const side of [["solar", "discharge", "grid"], ["charge", "feedIn"]] as const) {
      let from = 0;
      for (const kind of side) {
        const to = from + (parts[kind] ?? 0);
        if (to !== from) spans[kind].push({ start, from, to });
        from = to;
      }
    }
  }
  return spans;
}

/** Share of the load of the known points that did not come from the grid; null when nothing is known. */
export function ownEnergy(points: readonly SeriesPoint[]): number | null {
  let load = 0;
  let imported = 0;
  for (const point of points) {
    if (point.load_kwh === null || point.import_kwh === null || point.export_kwh === null) continue;
    load += point.load_kwh;
    imported += Math.max(point.import_kwh - Math.abs(point.export_kwh), 0);
  }
  return load > 0 ? Math.min(1, Math.max(0, 1 - imported / load)) : null;
}
