import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

/** Which reads an event makes stale, by the first word of their keys. */
const STALE: Record<string, readonly string[]> = {
  reading: ["live", "series"],
  status: ["live"],
  order: ["orders", "book"],
  cleared: ["intervals", "series", "orders", "book", "trades", "live"],
  committed: ["intervals", "trades", "receipt", "live"],
  settled: ["intervals", "trades", "receipt", "live", "account", "statement", "pipeline"],
  undone: ["intervals", "trades", "receipt", "live", "account", "statement", "pipeline"],
  clock: ["clock"],
};
const REFRESH_MS = 1500;

export type Connection = "connecting" | "open" | "lost";

/**
 * Listens to the platform's events and refreshes what they touch, at most every 1.5 s.
 * EventSource reconnects by itself; what happened meanwhile is then read anew.
 */
export function useServerEvents(): Connection {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");
  useEffect(() => {
    const source = new EventSource("/api/v1/events");
    const stale = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      timer = undefined;
      const keys = [...stale];
      stale.clear();
      for (const key of keys) void client.invalidateQueries({ queryKey: [key] });
    };
    let missed = false;
    source.onopen = () => {
      setConnection("open");
      if (missed) void client.invalidateQueries();
      missed = false;
    };
    source.onerror = () => {
      missed = true;
      setConnection("lost");
    };
    for (const [name, keys] of Object.entries(STALE)) {
      source.addEventListener(name, () => {
        setConnection("open");
        for (const key of keys) stale.add(key);
        timer ??= setTimeout(flush, REFRESH_MS);
      });
    }
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [client]);
  return connection;
}
