/** One day planned by every method, for all homes together or for one. */
import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { Comparison } from "@/lib/api/types";
import type { Formats } from "@/lib/format";

const FRESH_MS = 5 * 60_000;

/** A local day, `2026-08-04`, or the newest that is over. */
export function comparisonQuery(day: string | null) {
  return queryOptions({
    queryKey: ["comparison", day],
    queryFn: () => unwrap(api.GET("/api/v1/planning/comparison", { params: { query: day === null ? {} : { day } } })),
    staleTime: FRESH_MS,
    refetchInterval: false,
  });
}

/** A method's figures within a scope; money in micro-units, `lost` a part of what could be saved. */
export interface MethodRow {
  method: string;
  cost: number;
  saved: number;
  lost: number | null;
  aboveOptimum: number;
  seconds: number;
  /** Homes whose plan is the method's own and keeps every limit. */
  kept: number;
  homes: number;
  /** Of each home, in the platform's words. */
  reasons: { home: string; reason: string }[];
  /** Positive charges, by interval. */
  powerKw: number[];
  /** At the start, then at the end of each interval. */
  socKwh: number[];
}

export interface Scope {
  /** A pseudonym, or null for all. */
  home: string | null;
  costWithout: number;
  optimum: number;
  homes: number;
  /** The cheapest first. */
  rows: MethodRow[];
}

/** What a comparison says of one home, or of all together. */
export function within(comparison: Comparison, home: string | null): Scope {
  const chosen = comparison.sites.flatMap(({ pseudonym }, index) => (home === null || pseudonym === home ? [index] : []));
  const frame = home === null ? comparison : comparison.sites[chosen[0] ?? -1];
  const costWithout = frame?.cost_without_micro ?? 0;
  const optimum = frame?.optimum_micro ?? 0;
  const rows = comparison.methods.map((outcome): MethodRow => {
    const sites = chosen.flatMap((index) => {
      const [site, at] = [outcome.sites[index], comparison.sites[index]];
      return site && at ? [{ ...at, ...site }] : [];
    });
    const figures = home === null ? outcome : sites[0];
    const cost = figures?.cost_micro ?? 0;
    return {
      method: outcome.method,
      cost,
      saved: costWithout - cost,
      lost: figures?.lost ?? null,
      aboveOptimum: cost - optimum,
      seconds: outcome.seconds,
      kept: sites.filter((site) => site.feasible).length,
      homes: sites.length,
      reasons: sites.map(({ pseudonym, reason }) => ({ home: pseudonym, reason })),
      powerKw: total(sites.map((site) => site.power_kw)),
      socKwh: total(sites.map((site) => [site.soc_start_kwh, ...site.soc_kwh])),
    };
  });
  return { home, costWithout, optimum, homes: chosen.length, rows: rows.sort((a, b) => a.cost - b.cost) };
}

/** The two that say most: the cheapest and the dearest. */
export function extremes(rows: readonly MethodRow[]): string[] {
  return [...new Set([rows[0], rows[rows.length - 1]].flatMap((row) => (row ? [row.method] : [])))];
}

/** `91.3 %`; a solver's last digits below zero are none. */
export function percent(fraction: number, format: Formats): string {
  return `${format.number(rounded(fraction, 1000) * 100, 1)} %`;
}

/** Money to the thousandth, which is as exact as a plan is. */
export function money(micro: number, format: Formats): string {
  return format.money(rounded(micro, 1 / 1000));
}

/** `0.4 ms`, `62 ms`, `1.8 s`. */
export function duration(seconds: number, format: Formats): string {
  const ms = seconds * 1000;
  return ms < 1000 ? `${format.number(ms, ms < 10 ? 1 : 0)} ms` : `${format.number(seconds, 1)} s`;
}

function rounded(value: number, perUnit: number): number {
  return Math.round(value * perUnit) / perUnit + 0;
}

function total(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, index) => rows.reduce((sum, row) => sum + (row[index] ?? 0), 0));
}
