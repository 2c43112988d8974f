import { render, screen, within as inside } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";

import type { Forecasting } from "@/lib/api/types";
import { TestProviders } from "@/testing/providers";

import { winnerOf, type Contest, type ContestEntry, type DriftAlarm } from "./forecasts";
import { ForecastsPage } from "./forecasts-page";

const NOW = "2017-07-12T20:00:00Z";
const MIDNIGHT = "2017-07-12T07:00:00Z";

function entry(name: string, part: ContestEntry["part"], pinball: number | null, more: Partial<ContestEntry> = {}): ContestEntry {
  return { name, part, pinball, version: null, lower_by: null, p_value: null, verdict: "", figures: {}, ...more };
}

const stays: Contest = {
  quantity: "load",
  as_of: MIDNIGHT,
  judged_from: "2017-07-05T07:00:00Z",
  incumbent_id: 1,
  winner_id: null,
  reason: "nobody is better than lightgbm",
  entries: [
    entry("seasonal_naive", "reference", 0.02, { lower_by: -1 / 3, p_value: 0.9996, verdict: "not lower than the incumbent's loss by 3%" }),
    entry("lightgbm", "champion", 0.015, { version: 1, verdict: "stays", figures: { coverage_80: 0.791 } }),
    entry("hybrid", "challenger", 0.0142, { version: 2, lower_by: 0.053, p_value: 0.12, verdict: "lower, but that may be chance" }),
    entry("lstm", "challenger", null, { verdict: "failed: FieldError: too little is known" }),
  ],
};

const champion: Forecasting["versions"][number] = {
  id: 1,
  name: "lightgbm",
  quantity: "load",
  status: "champion",
  trained_at: "2016-12-31T23:00:00Z",
  crowned_at: "2017-07-01T07:00:00Z",
  retired_at: null,
  shipped: true,
  horizon: 24,
  seed: 1,
  settings: {},
  metrics: {},
  data_hash: `23ce${"0".repeat(56)}2b2f`,
  artefact_sha256: "1".repeat(64),
  command: "python -m forecasting.shipped",
  versions: {},
};

const unchecked = { alarm: null, reason: "the champion has just been judged" };
const asBefore = { alarm: false, index: { Alder: 0.1, Birch: 0.2 }, bound: { Alder: 0.25, Birch: 0.3 }, drifted: [], reason: "" };

const naive = (sites: number) => ({ name: "seasonal_naive", version: null, sites });

const forecasting: Forecasting = {
  served: [
    { quantity: "load", issued_at: NOW, models: [naive(1), { name: "lightgbm", version: 1, sites: 11 }], passed_over: [] },
    { quantity: "pv", issued_at: NOW, models: [naive(8)], passed_over: [] },
  ],
  versions: [champion, { ...champion, id: 2, name: "hybrid", status: "retired", trained_at: "2017-07-05T07:00:00Z", shipped: false }],
  contests: [stays],
  alarms: [],
  checks: [
    { quantity: "load", as_of: NOW, error: { alarm: false, ratio: 0.972, p_value: 0.8, reason: "" }, inputs: asBefore },
    { quantity: "pv", as_of: NOW, error: { alarm: false, ratio: 1, p_value: 0.5, reason: "" }, inputs: asBefore },
  ],
};

const alarm: DriftAlarm = {
  quantity: "load",
  kind: "error",
  opened_at: NOW,
  closed_at: null,
  figures: { alarm: true, ratio: 1.51, p_value: 0.0004, reason: "" },
};

function show(body: unknown = forecasting, status = 200) {
  vi.stubGlobal("fetch", () =>
    Promise.resolve(new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } })),
  );
  render(
    <TestProviders>
      <ForecastsPage />
    </TestProviders>,
  );
}

const heading = (name: string) => screen.findByRole("heading", { name });

/** The words of each cell of a table, by row. */
async function table(name: string): Promise<string[][]> {
  const [, ...rows] = inside(await screen.findByRole("table", { name })).getAllByRole("row");
  return rows.map((row) => [...row.children].map((cell) => cell.textContent));
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("what serves", () => {
  it("names the models with their homes, and how good they were when judged last", async () => {
    show();
    expect(await heading("LightGBM and 1 more model forecast the load of 12 homes; Seasonal naive forecasts the PV of 8 homes")).toBeTruthy();
    expect(await table("Serving now")).toEqual([
      ["Load", "LightGBM", "2016-12-31", "11", "Wed Jul 12, 13:00", "0.015 kW, 25 % below the reference", "79.1 %"],
      ["Load", "Seasonal naive", "–", "1", "Wed Jul 12, 13:00", "0.02 kW", "–"],
      ["PV", "Seasonal naive", "–", "8", "Wed Jul 12, 13:00", "not judged here yet", "–"],
    ]);
    expect(screen.getByRole("columnheader", { name: "Issued at (PDT)" })).toBeTruthy();
    expect(screen.queryByRole("list")).toBeNull();
  });

  it("says that nobody forecasts yet", async () => {
    show({ served: [], versions: [], contests: [], alarms: [], checks: [] });
    for (const name of ["Nobody forecasts yet", "Nobody has looked for drift yet", "No contest was held yet", "No model is registered yet"]) {
      expect(await heading(name)).toBeTruthy();
    }
    expect(screen.queryByRole("table")).toBeNull();
  });

  it("says of which quantity nobody forecasts", async () => {
    const [load] = forecasting.served;
    show({ ...forecasting, served: [load, { quantity: "pv", issued_at: NOW, models: [], passed_over: [] }] });
    expect(await heading("LightGBM and 1 more model forecast the load of 12 homes; nobody forecasts PV yet")).toBeTruthy();
  });

  it("says who was passed over and why, and takes no credit from the champion for who stands in", async () => {
    const reason = "lightgbm load 2016-12-31 passed over (FieldError: models/load-lightgbm was changed)";
    const former = { ...champion, id: 3, status: "retired", trained_at: "2017-07-03T07:00:00Z" };
    const served = [
      { quantity: "load", issued_at: NOW, models: [{ name: "lightgbm", version: 3, sites: 12 }], passed_over: [reason] },
    ];
    show({ ...forecasting, served, versions: [...forecasting.versions, former] });
    const passedOver = inside(await screen.findByRole("list", { name: "Models that were passed over" }));
    expect(passedOver.getByText("A model was passed over for load")).toBeTruthy();
    expect(passedOver.getByText("LightGBM load 2016-12-31 passed over (FieldError: models/load-lightgbm was changed)")).toBeTruthy();
    expect((await table("Serving now"))[0]?.slice(1)).toEqual(["LightGBM", "2017-07-03", "12", "Wed Jul 12, 13:00", "not judged here yet", "–"]);
  });
});

describe("drift", () => {
  it("says plainly that nothing has drifted, with the figures", async () => {
    show({ ...forecasting, alarms: [{ ...alarm, opened_at: MIDNIGHT, closed_at: NOW }] });
    expect(await heading("Nothing has drifted")).toBeTruthy();
    expect(screen.queryByRole("list", { name: "Open alarms" })).toBeNull();
    expect((await table("Newest check"))[0]).toEqual([
      "Load",
      "Wed Jul 12, 13:00",
      "The loss is 0.97 times that of the days on which the model was judged first (p = 0.8)",
      "Both homes are as in the weeks before",
    ]);
    expect(screen.getByText("1 earlier alarm is over, since Wed Jul 12, 13:00.")).toBeTruthy();
  });

  it("shows open alarms with since when, and the homes that changed most first", async () => {
    const inputs = { alarm: true, index: { Alder: 0.31, Birch: 1.2, Cedar: 0.1 }, bound: { Alder: 0.25, Birch: 0.5, Cedar: 0.25 }, drifted: ["Alder", "Birch"], reason: "" };
    show({ ...forecasting, alarms: [alarm, { ...alarm, quantity: "pv", kind: "input", figures: inputs }] });
    expect(await heading("2 alarms of drift are open")).toBeTruthy();
    const open = inside(screen.getByRole("list", { name: "Open alarms" }));
    expect(open.getAllByRole("listitem").map(({ textContent }) => textContent)).toEqual([
      "Forecasts of load have become worseSince Wed Jul 12, 13:00 PDT. What was found then: the loss is 1.51 times that of the days on which the model was judged first (p < 0.001).",
      "Readings of PV are unlike beforeSince Wed Jul 12, 13:00 PDT. What was found then: 2 homes of 3 differ from the weeks before: Birch (index 1.2, usual up to 0.5), Alder (index 0.31, usual up to 0.25).",
    ]);
    expect(screen.queryByText(/Nothing has drifted/)).toBeNull();
  });

  it("does not call clear what could not be checked", async () => {
    show({ ...forecasting, checks: [{ ...forecasting.checks[0], error: unchecked }] });
    expect(await heading("No alarm of drift is open")).toBeTruthy();
    expect((await table("Newest check"))[0]?.[2]).toBe("Not known: the champion has just been judged");
  });
});

describe("contests", () => {
  it("without a winner say why, with everybody's figures", async () => {
    show();
    expect(await heading("The newest contests changed nothing")).toBeTruthy();
    expect(await table("Contests")).toEqual([["Wed Jul 12, 00:00", "Load", "Nobody is better than LightGBM"]]);
    expect(await table("Judged for load, Wed Jul 5 to Wed Jul 12")).toEqual([
      ["Seasonal naive", "Reference", "0.02", "-33.3 %", "1", "Not lower than the incumbent's loss by 3%"],
      ["LightGBM", "Champion", "0.015", "–", "–", "Stays"],
      ["Hybrid", "Challenger", "0.0142", "5.3 %", "0.12", "Lower, but that may be chance"],
      ["LSTM", "Challenger", "–", "–", "–", "Failed: FieldError: too little is known"],
    ]);
  });

  it("name the winner", async () => {
    show({ ...forecasting, contests: [{ ...stays, winner_id: 2, reason: "hybrid's loss is 5.3% lower than lightgbm's (p = 0.02)" }] });
    expect(await heading("Hybrid won the newest contest for load")).toBeTruthy();
    expect((await table("Contests"))[0]?.[2]).toBe("Hybrid's loss is 5.3% lower than LightGBM's (p = 0.02)");
  });

  it("go on showing who was judged last when a newer one judged nobody", async () => {
    const newer = { ...stays, as_of: NOW, entries: [], judged_from: null, reason: "too little is known: 48 intervals" };
    show({ ...forecasting, contests: [newer, { ...stays, winner_id: 2 }] });
    expect(await heading("Nobody could be judged in the newest contests")).toBeTruthy();
    expect((await table("Contests"))[0]?.[2]).toBe("Too little is known: 48 intervals");
    expect(await table("Judged for load, Wed Jul 5 to Wed Jul 12")).toHaveLength(4);
  });

  it("can be won by the reference, which has no version", () => {
    const [reference, ...others] = stays.entries;
    expect(winnerOf(stays)).toBeUndefined();
    expect(reference && winnerOf({ ...stays, entries: [{ ...reference, verdict: "better" }, ...others] })?.name).toBe("seasonal_naive");
  });
});

describe("the page", () => {
  it("lists the models with where they come from and what they learned from", async () => {
    show();
    expect(await heading("1 champion among the 2 models listed")).toBeTruthy();
    expect(await table("Models")).toEqual([
      ["LightGBM", "Load", "Champion", "2016-12-31", "came with the platform", "23ce00…2b2f"],
      ["Hybrid", "Load", "Retired", "2017-07-05", "trained here", "23ce00…2b2f"],
    ]);
  });

  it("says that the role does not allow it", async () => {
    show({ title: "Not allowed", detail: "", code: "permission_denied", errors: [] }, 403);
    expect((await screen.findByRole("alert")).textContent).toContain("Your role does not allow this.");
    expect(screen.queryByRole("heading")).toBeNull();
  });
});
