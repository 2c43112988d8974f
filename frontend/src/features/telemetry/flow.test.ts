import { describe, expect, it } from "vitest";

import { fullScaleKw, ownShare, strands, supplyMix } from "./flow";

const evening = { load_kw: 10, pv_kw: 2, battery_kw: -3, grid_kw: 5, neighbours_kw: 1 };

describe("power flow", () => {
  it("runs the way its sign says", () => {
    const way = Object.fromEntries(strands(evening).map(({ name, inwards }) => [name, inwards]));
    expect(way).toMatchObject({ sun: true, battery: true, grid: true });
    expect(strands({ ...evening, battery_kw: 3, grid_kw: -5 }).filter(({ inwards }) => !inwards).map(({ name }) => name)).toEqual([
      "battery",
      "grid",
    ]);
  });

  it("is drawn on a round scale that holds all of it", () => {
    expect(fullScaleKw(evening)).toBe(5);
    expect(fullScaleKw({ ...evening, pv_kw: 12 })).toBe(15);
  });

  it("knows what the supply is made of", () => {
    expect(supplyMix(evening).map(({ kind, fraction }) => [kind, fraction])).toEqual([
      ["solar", 0.2],
      ["battery", 0.3],
      ["grid", 0.5],
    ]);
    expect(ownShare(evening)).toBe(0.5);
  });
});
