/** One line of a statement, taken apart. Energy in Wh, money in micro-units, prices in micro-units per kWh. */
import type { StatementLine } from "@/lib/api/types";

/** What its quantities rest on: the meter's signature, another proof, or the fallback. */
export type Evidence = "signed" | "proven" | "estimated";

export function evidence(line: StatementLine): Evidence {
  if (line.estimated) return "estimated";
  return line.reading_signature === null ? "proven" : "signed";
}

export interface Charge {
  name: "purchase" | "fee" | "retail" | "shortfall" | "sale" | "feedInPaid";
  wh: number;
  /** What a kWh comes to, after rounding. */
  price: number;
  /** Positive: the member pays. */
  amount: number;
}

const WH_PER_KWH = 1_000;

/** What the net amount is the sum of. */
export function charges(line: StatementLine): Charge[] {
  const parts: [Charge["name"], number, number][] = [
    ["purchase", line.bought_wh, line.purchase_micro],
    ["retail", line.retail_import_wh, line.retail_micro],
    ["fee", line.bought_wh + line.delivered_wh, line.fee_micro],
    ["shortfall", line.sold_wh - line.delivered_wh, line.shortfall_micro],
    ["sale", line.delivered_wh, -line.sale_micro],
    ["feedInPaid", line.feed_in_wh, -line.feed_in_micro],
  ];
  return parts
    .filter(([, wh, amount]) => wh > 0 && amount !== 0)
    .map(([name, wh, amount]) => ({ name, wh, price: Math.abs(amount * WH_PER_KWH) / wh, amount }));
}
