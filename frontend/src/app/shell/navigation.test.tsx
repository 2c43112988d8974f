import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, it, vi } from "vitest";

import { TestProviders } from "@/testing/providers";

import { Navigation } from "./navigation";

afterEach(() => {
  vi.unstubAllGlobals();
});

it.each([
  ["prosumer", ["Community", "My home", "Trade", "Bills", "Agreements"]],
  ["operator", ["Community", "Plant", "Forecasts", "Methods", "Trade", "Bills"]],
  ["auditor", ["Community", "Plant", "Forecasts", "Trade", "Bills"]],
])("offers a %s the pages of that role", async (role, pages) => {
  vi.stubGlobal("fetch", () =>
    Promise.resolve(new Response(JSON.stringify({ role }), { headers: { "Content-Type": "application/json" } })),
  );
  render(
    <TestProviders>
      <MemoryRouter>
        <Navigation />
      </MemoryRouter>
    </TestProviders>,
  );
  await screen.findByRole("link", { name: pages[1] ?? "" });
  expect(screen.getAllByRole("link").map(({ textContent }) => textContent)).toEqual(pages);
});
