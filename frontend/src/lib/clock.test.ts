import { describe, expect, it } from "vitest";

import { communityTime, intervalStart } from "./clock";

const reading = { now: "2017-07-12T20:00:00Z", speed: 120, interval_s: 3600, readAt: 1_000_000 };

describe("community time", () => {
  it("runs at its speed from the last reading", () => {
    expect(new Date(communityTime(reading, 1_030_000)).toISOString()).toBe("2017-07-12T21:00:00.000Z");
  });

  it("stands still when stepped", () => {
    expect(communityTime({ ...reading, speed: 0 }, 9_999_999)).toBe(Date.parse(reading.now));
  });

  it("knows the interval that holds an instant", () => {
    expect(intervalStart(Date.parse("2017-07-12T20:59:59.999Z"), 900)).toBe(Date.parse("2017-07-12T20:45:00Z"));
    expect(intervalStart(Date.parse("2017-07-12T21:00:00Z"), 900)).toBe(Date.parse("2017-07-12T21:00:00Z"));
  });
});
