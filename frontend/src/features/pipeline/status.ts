/** What is due, and what the chain side waits for. */
import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { PipelineStatus } from "@/lib/api/types";

export const pipelineQuery = queryOptions({
  queryKey: ["pipeline"],
  queryFn: () => unwrap(api.GET("/api/v1/pipeline/status")),
  refetchInterval: 5_000,
});

export type OutboxRow = PipelineStatus["outbox"][number];

/** The states in which a transaction needs a person, or soon will. */
const ALARMS: ReadonlySet<OutboxRow["state"]> = new Set(["failed", "reverted"]);

export const isAlarm = (row: OutboxRow): boolean => ALARMS.has(row.state);

/** Those that need a person first, then as they were written. */
export function alarmsFirst(outbox: readonly OutboxRow[]): OutboxRow[] {
  return [...outbox.filter(isAlarm), ...outbox.filter((row) => !isAlarm(row))];
}

export interface OutboxCounts {
  pending: number;
  sent: number;
  mined: number;
  alarms: number;
}

export function outboxCounts(outbox: readonly OutboxRow[]): OutboxCounts {
  const count = (state: OutboxRow["state"]) => outbox.filter((row) => row.state === state).length;
  return { pending: count("pending"), sent: count("sent"), mined: count("mined"), alarms: outbox.filter(isAlarm).length };
}
