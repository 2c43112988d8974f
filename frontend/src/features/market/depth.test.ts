import { expect, it } from "vitest";

import { crossing, depth } from "./depth";

it("cumulates each side from its best price and finds what would trade", () => {
  const sides = depth({
    bids: [
      { price_micro_per_kwh: 100, energy_wh: 500 },
      { price_micro_per_kwh: 200, energy_wh: 300 },
      { price_micro_per_kwh: 200, energy_wh: 200 },
    ],
    offers: [
      { price_micro_per_kwh: 150, energy_wh: 400 },
      { price_micro_per_kwh: 90, energy_wh: 250 },
    ],
  });
  expect(sides.bids).toEqual([
    { price: 200, cumulative: 500 },
    { price: 100, cumulative: 1000 },
  ]);
  expect(sides.offers).toEqual([
    { price: 90, cumulative: 250 },
    { price: 150, cumulative: 650 },
  ]);
  expect(crossing(sides)).toBe(500);
  expect(crossing({ bids: [], offers: sides.offers })).toBe(0);
});
