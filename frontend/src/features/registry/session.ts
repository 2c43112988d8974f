import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import { meQuery } from "@/lib/api/queries";

export interface Credentials {
  username: string;
  password: string;
}

/** Signs in; everything read before belongs to someone else and is forgotten. */
export function useSignIn() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (credentials: Credentials) => unwrap(api.POST("/api/v1/session", { body: credentials })),
    onSuccess: (me) => {
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "community" && queryKey[0] !== "clock" });
      client.setQueryData(meQuery.queryKey, me);
    },
  });
}

export function useSignOut() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/session")),
    onSuccess: () => {
      client.removeQueries({ predicate: ({ queryKey }) => ["account", "orders", "statement", "receipt"].includes(String(queryKey[0])) });
      client.setQueryData(meQuery.queryKey, null);
    },
  });
}
