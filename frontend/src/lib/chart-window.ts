/** The span that the charts of a page share, so that they line up. */
const BACK_H = 18;
const AHEAD_H = 24;
const HOUR_MS = 3_600_000;

export interface Window {
  from: string;
  to: string;
}

/** From 18 h before the interval that starts at `start` (ms) to 24 h after. */
export function chartWindow(start: number): Window {
  return { from: new Date(start - BACK_H * HOUR_MS).toISOString(), to: new Date(start + AHEAD_H * HOUR_MS).toISOString() };
}
