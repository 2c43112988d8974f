import { describe, expect, it } from "vitest";

import { formats, shortHash } from "./format";

const fontana = formats("en", "USD", "America/Los_Angeles");

describe("formats", () => {
  it("writes energy with at most two decimals", () => {
    expect(fontana.energy(12_345)).toBe("12.35 kWh");
    expect(fontana.energy(2_000)).toBe("2 kWh");
  });

  it("writes money from micro-units and keeps small amounts visible", () => {
    expect(fontana.money(8_310_000)).toBe("$8.31");
    expect(fontana.money(72_400)).toBe("$0.072");
    expect(fontana.money(0)).toBe("$0.00");
    expect(fontana.exact(567_432)).toBe("$0.567432");
  });

  it("writes a token that is no ISO currency after the number", () => {
    expect(formats("en", "cUSDX", "UTC").price(142_000)).toBe("0.142 cUSDX");
  });

  it("writes local time with the zone's name, on both sides of a clock change", () => {
    expect(fontana.time("2017-07-12T20:20:00Z")).toBe("13:20");
    expect(fontana.zone("2017-07-12T20:20:00Z")).toBe("PDT");
    expect(fontana.zone("2017-01-12T20:20:00Z")).toBe("PST");
    expect(fontana.range("2017-07-12T06:00:00Z", "2017-07-12T07:00:00Z")).toBe("23:00–00:00");
  });

  it("shortens hashes and leaves short texts alone", () => {
    expect(shortHash(`0x${"ab".repeat(32)}`)).toBe("0xabab…abab");
    expect(shortHash("0x12")).toBe("0x12");
  });
});
