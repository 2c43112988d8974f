/** Spans of whole local days, as members think of bills. */
import type { Formats } from "./format";

const HOUR_MS = 3_600_000;

export const PERIODS = ["today", "yesterday", "week"] as const;
export type Period = (typeof PERIODS)[number];

/** The last local midnight at or before `at` (ms); days of 23 and 25 hours included. */
export function localMidnight(at: number, format: Formats): number {
  const date = format.localDate(at);
  // The earliest minute-aligned quarter of an hour that is still the same local date.
  let start = Math.floor(at / (HOUR_MS / 4)) * (HOUR_MS / 4);
  while (format.localDate(start - 1) === date) start -= HOUR_MS / 4;
  return start;
}

/** `[from, to)` of a period as instants, given community time `now` (ms). */
export function period(name: Period, now: number, format: Formats): { from: string; to: string } {
  const today = localMidnight(now, format);
  const yesterday = localMidnight(today - 1, format);
  const tomorrow = localMidnight(today + 26 * HOUR_MS, format);
  const spans: Record<Period, [number, number]> = {
    today: [today, tomorrow],
    yesterday: [yesterday, today],
    week: [localMidnight(today - 6 * 24 * HOUR_MS + 2 * HOUR_MS, format), tomorrow],
  };
  const [from, to] = spans[name];
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}
