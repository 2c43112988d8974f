import { useQuery } from "@tanstack/react-query";

import { intervalsQuery } from "@/lib/api/queries";
import type { Interval } from "@/lib/api/types";
import { useCurrentInterval, useNow } from "@/lib/clock";

const HOUR_MS = 3_600_000;

export interface OpenIntervals {
  intervals: Interval[] | undefined;
  error: Error | null;
  retry: () => void;
  /** Community time, ms. */
  now: number;
}

/** The delivery intervals that still take orders, soonest first. */
export function useOpenIntervals(gateOpenH: number): OpenIntervals {
  const current = useCurrentInterval();
  const now = useNow(500);
  const start = current?.start ?? 0;
  const from = new Date(start).toISOString();
  const to = new Date(start + (gateOpenH + 2) * HOUR_MS).toISOString();
  const { data, error, refetch } = useQuery({ ...intervalsQuery(from, to), enabled: current !== null });
  const at = now?.ms ?? 0;
  const intervals = data
    ?.filter((interval) => interval.state === "open" && Date.parse(interval.gate_closure) > at)
    .sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
  return { intervals, error, retry: () => void refetch(), now: at };
}

/** The reader's own time, ms, that an interval must leave before its gate closes to be offered first. */
const UNHURRIED_MS = 12_000;

/** What to trade first: the soonest interval that leaves time to decide. */
export function firstChoice(intervals: readonly Interval[], now: number, speed: number): Interval | undefined {
  const unhurried = intervals.find((interval) => Date.parse(interval.gate_closure) - now > UNHURRIED_MS * Math.max(speed, 1));
  return unhurried ?? intervals[intervals.length - 1];
}
