import { describe, expect, it } from "vitest";

import type { SeriesPoint } from "@/lib/api/types";

import { balance, ownEnergy, stack } from "./balance";

const unknown: SeriesPoint = {
  start: "2017-07-12T20:00:00Z",
  price_micro_per_kwh: null,
  reference_micro_per_kwh: null,
  retail_micro_per_kwh: 220_000,
  feed_in_micro_per_kwh: 80_000,
  traded_wh: null,
  load_kwh: null,
  pv_kwh: null,
  battery_kwh: null,
  import_kwh: null,
  export_kwh: null,
  soc_kwh: null,
  load_p10_kwh: null,
  load_forecast_kwh: null,
  load_p90_kwh: null,
  pv_p10_kwh: null,
  pv_forecast_kwh: null,
  pv_p90_kwh: null,
  battery_plan_kwh: null,
  soc_plan_kwh: null,
};
const noon: SeriesPoint = { ...unknown, load_kwh: 6, pv_kwh: 10, battery_kwh: 3, import_kwh: 1, export_kwh: 2 };
const evening: SeriesPoint = { ...unknown, load_kwh: 8, pv_kwh: 1, battery_kwh: -3, import_kwh: 5, export_kwh: 1 };

describe("energy balance of an interval", () => {
  it("counts neither what neighbours exchange nor anything twice", () => {
    expect(balance(noon)).toEqual({ solar: 10, discharge: 0, grid: 0, charge: -3, feedIn: -1 });
    expect(balance(evening)).toEqual({ solar: 1, discharge: 3, grid: 4, charge: 0, feedIn: 0 });
  });

  it("stacks sources up to what is used, stored and fed in", () => {
    const { solar, discharge, grid, charge, feedIn } = stack([noon]);
    const start = Date.parse(noon.start);
    expect([...solar, ...discharge, ...grid]).toEqual([{ start, from: 0, to: 10 }]);
    expect([...charge, ...feedIn]).toEqual([
      { start, from: 0, to: -3 },
      { start, from: -3, to: -4 },
    ]);
    expect(stack([unknown]).solar).toEqual([]);
  });

  it("knows how much of what was used was our own", () => {
    expect(ownEnergy([noon, evening, unknown])).toBeCloseTo(1 - 4 / 14);
    expect(ownEnergy([unknown])).toBeNull();
  });
});
