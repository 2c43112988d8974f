import { expect, it } from "vitest";

import { alarmsFirst, outboxCounts, type OutboxRow } from "./status";

const row = (key: string, state: OutboxRow["state"]): OutboxRow => ({
  key,
  stage: "settle",
  interval_start: "2017-07-12T20:00:00Z",
  state,
  reason: "the next block",
  age_s: 3,
});

const outbox = [row("a", "mined"), row("b", "reverted"), row("c", "pending"), row("d", "failed"), row("e", "sent"), row("f", "pending")];

it("puts what needs a person first and keeps the order otherwise", () => {
  expect(alarmsFirst(outbox).map(({ key }) => key)).toEqual(["b", "d", "a", "c", "e", "f"]);
});

it("counts how far transactions have come", () => {
  expect(outboxCounts(outbox)).toEqual({ pending: 2, sent: 1, mined: 1, alarms: 2 });
  expect(outboxCounts([])).toEqual({ pending: 0, sent: 0, mined: 0, alarms: 0 });
});
