import { describe, expect, it } from "vitest";

import { formats } from "./format";

import { period } from "./periods";

const local = formats("en", "USD", "America/Los_Angeles");

describe("periods of bills", () => {
  it("are local days", () => {
    expect(period("today", Date.parse("2017-07-12T20:20:00Z"), local)).toEqual({
      from: "2017-07-12T07:00:00.000Z",
      to: "2017-07-13T07:00:00.000Z",
    });
  });

  it("have 23 hours when the clock goes forward and 25 when it goes back", () => {
    expect(period("today", Date.parse("2017-03-12T20:00:00Z"), local)).toEqual({
      from: "2017-03-12T08:00:00.000Z",
      to: "2017-03-13T07:00:00.000Z",
    });
    expect(period("yesterday", Date.parse("2017-11-06T20:00:00Z"), local)).toEqual({
      from: "2017-11-05T07:00:00.000Z",
      to: "2017-11-06T08:00:00.000Z",
    });
  });

  it("count seven days with today", () => {
    expect(period("week", Date.parse("2017-07-12T20:20:00Z"), local).from).toBe("2017-07-06T07:00:00.000Z");
  });
});
