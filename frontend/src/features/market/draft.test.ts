import { describe, expect, it } from "vitest";

import { review, suggestedLimit, worstCase } from "./draft";

const bounds = { retail: 220_000, feedIn: 80_000, fee: 2_000 };
const mandate = {
  agent_address: "0x0",
  max_buy_micro_per_kwh: 540_000,
  min_sell_micro_per_kwh: 80_000,
  fee_cap_micro_per_kwh: 2_000,
  imbalance_cap_micro_per_kwh: 540_000,
  max_wh_per_day: 10_000,
  valid_until: "2030-01-01T00:00:00Z",
};

describe("review of a draft", () => {
  it("finds nothing in a good order", () => {
    const found = review({ side: "buy", energyWh: 1_000, limit: 150_000 }, bounds, false, mandate);
    expect(found).toEqual({ energy: null, limit: null, gate: null, advice: null });
  });

  it("keeps the agent inside the mandate", () => {
    expect(review({ side: "buy", energyWh: 10_001, limit: 540_001 }, bounds, false, mandate)).toMatchObject({
      energy: { id: "ticket.energyMandate", wh: 10_000 },
      limit: { id: "ticket.limitMandateBuy", micro: 540_000 },
    });
    expect(review({ side: "sell", energyWh: 1, limit: 79_999 }, bounds, false, mandate).limit?.id).toBe("ticket.limitMandateSell");
  });

  it("asks for what is missing and knows a closed gate", () => {
    expect(review({ side: "buy", energyWh: null, limit: null }, bounds, true, null)).toEqual({
      energy: { id: "ticket.energyNeeded" },
      limit: { id: "ticket.limitNeeded" },
      gate: { id: "ticket.gateClosed" },
      advice: null,
    });
  });

  it("warns where the retailer is the better neighbour", () => {
    expect(review({ side: "buy", energyWh: 1, limit: 219_000 }, bounds, false, null).advice?.id).toBe("ticket.dearerThanRetail");
    expect(review({ side: "sell", energyWh: 1, limit: 81_000 }, bounds, false, null).advice?.id).toBe("ticket.cheaperThanFeedIn");
  });
});

describe("figures of a draft", () => {
  it("rounds against the member, as the contract does", () => {
    expect(worstCase({ side: "buy", energyWh: 1_500, limit: 142_857 }, 1)).toEqual({ amount: 214_286, fee: 2 });
    expect(worstCase({ side: "sell", energyWh: 1_500, limit: 142_857 }, 1)).toEqual({ amount: 214_285, fee: 2 });
  });

  it("suggests a price that is better than the retailer's after the fee", () => {
    expect(suggestedLimit("buy", bounds, null)).toBe(218_000);
    expect(suggestedLimit("sell", bounds, 10)).toBe(82_000);
  });
});
