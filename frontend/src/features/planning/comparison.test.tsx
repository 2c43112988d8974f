import { fireEvent, render, screen, within as inside } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

import type { Comparison } from "@/lib/api/types";
import { TestProviders } from "@/testing/providers";

import { extremes, within } from "./comparison";
import { ComparisonPage } from "./comparison-page";

const STEPS = 24;
const START = Date.parse("2017-07-11T07:00:00Z");

function site(cost_micro: number, lost: number | null, powerKw: number, failed = "") {
  return {
    cost_micro,
    lost,
    feasible: failed === "",
    planned_by: failed === "" ? "exact" : "idle",
    reason: failed === "" ? "least cost, proven by its dual" : `rule passed over (${failed}); no action`,
    power_kw: Array<number>(STEPS).fill(powerKw),
    soc_kwh: Array<number>(STEPS).fill(3 + powerKw),
  };
}

/** Alder could save 2 (the rule saves half of it), Birch 1 (the rule has no plan). */
const comparison: Comparison = {
  day: "2017-07-11",
  first_day: "2017-06-15",
  last_day: "2017-07-11",
  interval_s: 3600,
  starts: Array.from({ length: STEPS }, (_, hour) => new Date(START + hour * 3_600_000).toISOString()),
  cost_without_micro: 5_000_000,
  optimum_micro: 2_000_000,
  sites: [
    { pseudonym: "Birch", capacity_kwh: 6.4, soc_start_kwh: 3, cost_without_micro: 2_000_000, optimum_micro: 1_000_000 },
    { pseudonym: "Alder", capacity_kwh: 6.4, soc_start_kwh: 3, cost_without_micro: 3_000_000, optimum_micro: 1_000_000 },
  ],
  left_out: [{ pseudonym: "Cedar", missing_intervals: 2 }],
  methods: [
    {
      method: "rule",
      seconds: 0.001,
      cost_micro: 4_000_000,
      lost: 2 / 3,
      sites: [site(2_000_000, 1, 0, "soc_min_kwh broken by 0.2 in interval 3"), site(2_000_000, 0.5, 1)],
    },
    {
      method: "exact",
      seconds: 0.0004,
      cost_micro: 1_999_999,
      lost: -1e-9,
      sites: [site(1_000_000, 0, 2), site(999_999, -1e-9, 4)],
    },
  ],
};

function answer(body: unknown, status = 200) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (request: Request) => {
    asked.push(new URL(request.url).search);
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } }));
  });
  return asked;
}

function show() {
  render(
    <TestProviders>
      <ComparisonPage />
    </TestProviders>,
  );
  return userEvent.setup();
}

/** The words of each cell of a method's row. */
async function row(name: string): Promise<string[]> {
  const tick = await screen.findByRole("checkbox", { name: new RegExp(`^${name}`) });
  const found = tick.closest("tr");
  if (!found) throw new Error("the method is not in a table");
  return inside(found)
    .getAllByRole("cell")
    .map((cell) => cell.textContent);
}

beforeAll(() => {
  // jsdom has no layout to scroll.
  window.HTMLElement.prototype.scrollIntoView = () => undefined;
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a scope", () => {
  it("ranks the methods and adds up the batteries of all homes", () => {
    const all = within(comparison, null);
    expect(all.rows.map(({ method }) => method)).toEqual(["exact", "rule"]);
    expect(all.rows.map(({ saved }) => saved)).toEqual([3_000_001, 1_000_000]);
    expect(all.rows[0]?.powerKw[0]).toBe(6);
    expect(all.rows[0]?.socKwh.slice(0, 2)).toEqual([6, 12]);
    expect(all.rows[1]).toMatchObject({ kept: 1, homes: 2, lost: 2 / 3 });
    expect(extremes(all.rows)).toEqual(["exact", "rule"]);
  });

  it("has one home's figures and reasons alone", () => {
    const alder = within(comparison, "Alder");
    expect(alder).toMatchObject({ costWithout: 3_000_000, optimum: 1_000_000, homes: 1 });
    expect(alder.rows[1]).toMatchObject({ method: "rule", saved: 1_000_000, lost: 0.5, kept: 1 });
    expect(alder.rows[0]?.powerKw[0]).toBe(4);
    expect(alder.rows[0]?.reasons).toEqual([{ home: "Alder", reason: "least cost, proven by its dual" }]);
  });
});

describe("the page", () => {
  it("says what each method would have cost and saved, and why one has no plan", async () => {
    answer(comparison);
    show();
    expect(await row("Exact optimiser")).toEqual(["$2.00", "$3.00", "100 %", "$0.00 (0 %)", "0.4 ms", "kept"]);
    expect(await row("Self-consumption rule")).toEqual([
      "$4.00",
      "$1.00",
      "33.3 %",
      "$2.00 (66.7 %)",
      "1 ms",
      "kept in 1 of 2 homesBirch: Self-consumption rule passed over (the battery's reserve broken by 0.2 in interval 3)",
    ]);
    expect(screen.getByText("Left out, for lack of readings: Cedar (2 intervals).")).toBeTruthy();
    expect(screen.getByRole("heading", { name: "Alder had the most to save: $2.00" })).toBeTruthy();
  });

  it("shows one home when it is chosen", async () => {
    answer(comparison);
    const user = show();
    await user.click(await screen.findByRole("combobox", { name: "Show" }));
    await user.click(screen.getByRole("option", { name: "Alder" }));
    expect((await row("Self-consumption rule")).slice(0, 3)).toEqual(["$2.00", "$1.00", "50 %"]);
    expect(screen.getByRole("heading", { name: "What the battery of Alder would have done" })).toBeTruthy();
  });

  it("draws the methods that are ticked, and says so when none is", async () => {
    answer(comparison);
    const user = show();
    for (const name of [/^Exact/, /^Self/]) {
      const tick = await screen.findByRole<HTMLInputElement>("checkbox", { name });
      expect(tick.checked).toBe(true);
      await user.click(tick);
    }
    expect(screen.getByText("Tick a method in the table to draw it.")).toBeTruthy();
  });

  it("asks for the day before, and for none that cannot be", async () => {
    const asked = answer(comparison);
    const user = show();
    expect(await screen.findByRole("button", { name: "The day after" })).toHaveProperty("disabled", true);
    await user.click(screen.getByRole("button", { name: "The day before" }));
    expect(asked).toEqual(["", "?day=2017-07-10"]);
  });

  it("says what is wrong with a day that was typed, and which can be chosen", async () => {
    answer(comparison);
    const user = show();
    const field = await screen.findByLabelText("Day that is over");
    const asked = answer({ title: "Bad request", code: "not_over", errors: [{ field: "day", message: "must be over", code: "not_over" }] }, 400);
    fireEvent.change(field, { target: { value: "0203-01-01" } });
    fireEvent.change(field, { target: { value: "2030-01-01" } });
    expect(asked).toEqual([]);
    await user.type(field, "{Enter}");
    expect(asked).toEqual(["?day=2030-01-01"]);
    expect(await screen.findByText("must be over")).toBeTruthy();
    expect(screen.getByText("Choose a day from 2017-06-15 to 2017-07-11.")).toBeTruthy();
  });

  it("explains that nothing can be compared yet", async () => {
    answer({ title: "Bad request", code: "none_yet", errors: [{ field: "day", message: "no whole day", code: "none_yet" }] }, 400);
    show();
    expect(await screen.findByText("The first comparison is possible when one whole local day has been metered.")).toBeTruthy();
  });

  it("says that the role does not allow it", async () => {
    answer({ title: "Not allowed", detail: "", code: "permission_denied", errors: [] }, 403);
    show();
    expect((await screen.findByRole("alert")).textContent).toContain("Your role does not allow this.");
  });
});
