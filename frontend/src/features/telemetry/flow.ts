/** Where power goes now. Positive is consumption, import, charging, as everywhere on the platform. */
import type { EnergyKind } from "@/lib/palette";

export interface Power {
  load_kw: number;
  /** Generation, as a magnitude. */
  pv_kw: number;
  battery_kw: number;
  grid_kw: number;
  neighbours_kw: number;
}

export interface Strand {
  name: "sun" | "battery" | "grid" | "neighbours";
  kind: EnergyKind;
  /** Magnitude, kW. */
  kw: number;
  /** Towards the homes, or away from them. */
  inwards: boolean;
}

/** Below this, kW, nothing is drawn as flowing. */
export const STILL_KW = 0.01;

export function strands(power: Power): Strand[] {
  return [
    { name: "sun", kind: "solar", kw: Math.abs(power.pv_kw), inwards: true },
    { name: "battery", kind: "battery", kw: Math.abs(power.battery_kw), inwards: power.battery_kw < 0 },
    { name: "grid", kind: "grid", kw: Math.abs(power.grid_kw), inwards: power.grid_kw > 0 },
    { name: "neighbours", kind: "neighbours", kw: Math.abs(power.neighbours_kw), inwards: true },
  ];
}

const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

/** The full width of a strand, kW: the least round figure that holds every flow. */
export function fullScaleKw(power: Power): number {
  const most = Math.max(...strands(power).map((strand) => strand.kw), 1);
  const magnitude = 10 ** Math.floor(Math.log10(most));
  return ROUND.map((step) => step * magnitude).find((step) => step >= most) ?? 10 * magnitude;
}

export interface Share {
  kind: EnergyKind;
  fraction: number;
}

/** What the supply is made of now: sun, batteries, grid. */
export function supplyMix(power: Power): Share[] {
  const parts: [EnergyKind, number][] = [
    ["solar", Math.abs(power.pv_kw)],
    ["battery", Math.max(-power.battery_kw, 0)],
    ["grid", Math.max(power.grid_kw, 0)],
  ];
  const total = parts.reduce((sum, [, kw]) => sum + kw, 0);
  if (total < STILL_KW) return [];
  return parts.filter(([, kw]) => kw > 0).map(([kind, kw]) => ({ kind, fraction: kw / total }));
}

/** Share of the load that does not come from the grid, 0 to 1. */
export function ownShare(power: Power): number {
  if (power.load_kw < STILL_KW) return 1;
  return Math.min(1, Math.max(0, 1 - Math.max(power.grid_kw, 0) / power.load_kw));
}
