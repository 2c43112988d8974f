/** Which models forecast load and PV, how they were chosen, and what has drifted. */
import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { Forecasting } from "@/lib/api/types";

export const forecastingQuery = queryOptions({
  queryKey: ["forecasting"],
  queryFn: () => unwrap(api.GET("/api/v1/planning/models")),
});

export type Served = Forecasting["served"][number];
export type ServingModel = Served["models"][number];
export type Contest = Forecasting["contests"][number];
export type ContestEntry = Contest["entries"][number];
export type DriftAlarm = Forecasting["alarms"][number];
export type DriftCheck = Forecasting["checks"][number];
export type Quantity = Contest["quantity"];

const QUANTITIES: readonly Quantity[] = ["load", "pv"];

/** The models that serve, the one of most homes first. */
export function modelsOf({ models }: Served): ServingModel[] {
  return [...models].sort((one, other) => other.sites - one.sites);
}

export interface Standing {
  /** kW */
  pinball: number;
  /** Part of the reference's loss by which the model's is lower. */
  lowerBy: number;
  coverage80: number | undefined;
}

/** How who serves did when it was judged last; nothing where that was never. */
export function standing({ contests }: Forecasting, quantity: Quantity, { name, version }: ServingModel): Standing | undefined {
  for (const { entries } of contests.filter((contest) => contest.quantity === quantity)) {
    const reference = entries.find(({ part }) => part === "reference");
    const judged = entries.find((entry) => entry.name === name && entry.version === version);
    if (judged?.pinball != null && reference?.pinball != null) {
      const lowerBy = reference.pinball > 0 ? 1 - judged.pinball / reference.pinball : 0;
      return { pinball: judged.pinball, lowerBy, coverage80: judged.figures.coverage_80 };
    }
  }
  return undefined;
}

/** The newest contest of each quantity, of those that `counts`; contests come newest first. */
export function newestContests(contests: readonly Contest[], counts: (contest: Contest) => boolean = () => true): Contest[] {
  return QUANTITIES.flatMap((quantity) => contests.find((contest) => contest.quantity === quantity && counts(contest)) ?? []);
}

/** Who took the incumbent's place. The reference has no version: that it won, its verdict alone says. */
export function winnerOf({ winner_id, entries }: Contest): ContestEntry | undefined {
  return winner_id === null
    ? entries.find(({ part, verdict }) => part === "reference" && verdict === "better")
    : entries.find(({ version }) => version === winner_id);
}

export const isOpen = ({ closed_at }: DriftAlarm): boolean => closed_at === null;

/** Whether a check looked at errors and readings of everything, and found no drift. */
export function allClear(checks: readonly DriftCheck[]): boolean {
  return checks.length > 0 && checks.every(({ error, inputs }) => error.alarm === false && inputs.alarm === false);
}
