import { expect, it } from "vitest";

import { statementLine } from "@/testing/fixtures";

import { charges, evidence } from "./line";

it("takes a line apart into what adds up to it, each with its price", () => {
  const line = {
    ...statementLine,
    bought_wh: 1_000,
    retail_import_wh: 500,
    sold_wh: 400,
    delivered_wh: 300,
    feed_in_wh: 0,
    purchase_micro: 150_000,
    retail_micro: 110_000,
    fee_micro: 2_600,
    shortfall_micro: 7_000,
    sale_micro: 45_000,
    feed_in_micro: 0,
    net_micro: 224_600,
  };
  const found = charges(line);
  expect(found).toEqual([
    { name: "purchase", wh: 1_000, price: 150_000, amount: 150_000 },
    { name: "retail", wh: 500, price: 220_000, amount: 110_000 },
    { name: "fee", wh: 1_300, price: 2_000, amount: 2_600 },
    { name: "shortfall", wh: 100, price: 70_000, amount: 7_000 },
    { name: "sale", wh: 300, price: 150_000, amount: -45_000 },
  ]);
  expect(found.reduce((sum, { amount }) => sum + amount, 0)).toBe(line.net_micro);
});

it("says what its quantities rest on", () => {
  expect(evidence(statementLine)).toBe("signed");
  expect(evidence({ ...statementLine, reading_signature: null })).toBe("proven");
  expect(evidence({ ...statementLine, reading_signature: null, estimated: true })).toBe("estimated");
});
