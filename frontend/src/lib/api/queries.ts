/** Reads that more than one feature needs. A server-sent event invalidates them by the first word of the key. */
import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "./client";
import { ApiProblem } from "./problem";
import type { Me, Scope } from "./types";

export const communityQuery = queryOptions({
  queryKey: ["community"],
  queryFn: () => unwrap(api.GET("/api/v1/community")),
  staleTime: 5 * 60_000,
  refetchInterval: false,
});

/** The person signed in, or null. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me | null> => {
    try {
      return await unwrap(api.GET("/api/v1/me"));
    } catch (error) {
      if (error instanceof ApiProblem && error.signedOut) return null;
      throw error;
    }
  },
  staleTime: Infinity,
  refetchInterval: false,
});

export const clockQuery = queryOptions({
  queryKey: ["clock"],
  queryFn: async () => {
    const asked = Date.now();
    const clock = await unwrap(api.GET("/api/v1/clock"));
    // The answer was true about half-way through the round trip.
    return { ...clock, readAt: (asked + Date.now()) / 2 };
  },
  refetchInterval: 15_000,
});

export const liveQuery = queryOptions({
  queryKey: ["live"],
  queryFn: () => unwrap(api.GET("/api/v1/live")),
  refetchInterval: 10_000,
});

/** Points of `[from, to)`, ISO instants on interval boundaries. */
export function seriesQuery(from: string, to: string, scope: Scope) {
  return queryOptions({
    queryKey: ["series", scope, from, to],
    queryFn: async () => (await unwrap(api.GET("/api/v1/series", { params: { query: { from, to, scope } } }))).points,
    placeholderData: (previous) => previous,
  });
}

/** Delivery intervals that start in `[from, to)`. */
export function intervalsQuery(from: string, to: string) {
  return queryOptions({
    queryKey: ["intervals", from, to],
    queryFn: () => unwrap(api.GET("/api/v1/intervals", { params: { query: { from, to } } })),
    placeholderData: (previous) => previous,
  });
}

export function tradesQuery(scope: Scope, limit: number) {
  return queryOptions({
    queryKey: ["trades", scope, limit],
    queryFn: () => unwrap(api.GET("/api/v1/trades", { params: { query: { scope, limit } } })),
  });
}

/** One's own account, or for staff that of a member known by pseudonym. */
export function accountQuery(participant?: string) {
  return queryOptions({
    queryKey: ["account", participant],
    queryFn: () => unwrap(api.GET("/api/v1/account", { params: { query: { participant } } })),
  });
}
