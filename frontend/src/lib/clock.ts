import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { clockQuery } from "@/lib/api/queries";

export interface ClockReading {
  /** Community time when read, ISO. */
  now: string;
  /** Community seconds per second. */
  speed: number;
  interval_s: number;
  /** This machine's time when read, ms. */
  readAt: number;
}

/** Community time, ms, at this machine's instant `wallMs`. */
export function communityTime(clock: ClockReading, wallMs: number): number {
  return Date.parse(clock.now) + (wallMs - clock.readAt) * clock.speed;
}

/** Start of the delivery interval that holds `instantMs`, ms. Intervals divide an hour, so they align with the epoch. */
export function intervalStart(instantMs: number, intervalS: number): number {
  const step = intervalS * 1000;
  return Math.floor(instantMs / step) * step;
}

export interface Now {
  /** Community time, ms. */
  ms: number;
  speed: number;
  stepMs: number;
  /** Start of the interval being delivered, ms. */
  start: number;
}

/** Community time, renewed every `everyMs` of wall time; null until the clock is known. */
export function useNow(everyMs = 1000): Now | null {
  const { data: clock } = useQuery(clockQuery);
  const [wall, setWall] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setWall(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  if (!clock) return null;
  const ms = communityTime(clock, Math.max(wall, clock.readAt));
  return { ms, speed: clock.speed, stepMs: clock.interval_s * 1000, start: intervalStart(ms, clock.interval_s) };
}

/** The interval being delivered; renders again only when the next one begins (checked every 250 ms). */
export function useCurrentInterval(): Omit<Now, "ms"> | null {
  const { data: clock } = useQuery(clockQuery);
  const [start, setStart] = useState<number | null>(null);
  useEffect(() => {
    if (!clock) return undefined;
    const read = () => setStart(intervalStart(communityTime(clock, Date.now()), clock.interval_s));
    read();
    const timer = setInterval(read, 250);
    return () => clearInterval(timer);
  }, [clock]);
  if (!clock || start === null) return null;
  return { speed: clock.speed, stepMs: clock.interval_s * 1000, start };
}
