import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { StatementLine } from "@/lib/api/types";
import { csv } from "@/lib/csv";

/** One's own bill, or for staff that of a member known by pseudonym. */
export function statementQuery(from: string, to: string, participant?: string) {
  return queryOptions({
    queryKey: ["statement", participant, from, to],
    queryFn: () => unwrap(api.GET("/api/v1/statements", { params: { query: { from, to, participant } } })),
    placeholderData: (previous) => previous,
  });
}

const FIELDS = [
  "interval_start",
  "meter_id",
  "imported_wh",
  "exported_wh",
  "bought_wh",
  "sold_wh",
  "delivered_wh",
  "retail_import_wh",
  "feed_in_wh",
  "purchase_micro",
  "sale_micro",
  "shortfall_micro",
  "fee_micro",
  "retail_micro",
  "feed_in_micro",
  "net_micro",
  "estimated",
  "reading_signature",
  "tx_hash",
  "block_number",
] as const satisfies readonly (keyof StatementLine)[];

/** The lines as they settled: Wh and micro-units, whole numbers. */
export function statementCsv(lines: readonly StatementLine[]): string {
  return csv(FIELDS, lines.map((line) => FIELDS.map((field) => line[field])));
}

type Amount = "purchase_micro" | "sale_micro" | "shortfall_micro" | "fee_micro" | "retail_micro" | "feed_in_micro" | "net_micro";
type Energy = "bought_wh" | "sold_wh" | "retail_import_wh" | "feed_in_wh" | "imported_wh" | "exported_wh";

/** Sum of one field, in its own unit. */
export function total(lines: readonly StatementLine[], field: Amount | Energy): number {
  return lines.reduce((sum, line) => sum + line[field], 0);
}
