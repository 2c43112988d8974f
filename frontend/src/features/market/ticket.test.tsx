import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";

import { account, community, interval, participant } from "@/testing/fixtures";
import { TestProviders } from "@/testing/providers";

import { Ticket } from "./ticket";

function show() {
  render(
    <TestProviders>
      <Ticket
        community={community}
        participant={participant}
        account={account}
        intervals={[interval]}
        interval={interval}
        now={Date.parse("2017-07-12T20:20:00Z")}
        onPick={() => undefined}
      />
    </TestProviders>,
  );
  return { user: userEvent.setup(), sign: screen.getByRole("button", { name: "Sign with my agent" }) };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the ticket", () => {
  it("says in words what will be signed", () => {
    show();
    expect(screen.getByTestId("summary").textContent).toContain(
      "You buy up to 1 kWh for Wed Jul 12, 16:00–17:00, at no more than $0.150 per kWh: $0.15 at most, and $0.002 to the community.",
    );
  });

  it("lets nothing be signed that the mandate forbids", async () => {
    const { user, sign } = show();
    const energy = screen.getByLabelText("Energy");
    await user.clear(energy);
    await user.type(energy, "10.5");
    expect(screen.getByText("Your mandate allows 10 kWh a day.")).toBeTruthy();
    expect(sign).toHaveProperty("disabled", true);
  });

  it("sends whole Wh and micro-units, and shows what the platform says to a refusal", async () => {
    const sent: unknown[] = [];
    vi.stubGlobal("fetch", async (request: Request | string) => {
      if (typeof request === "string") return new Response(null, { status: 204 });
      sent.push(await request.clone().json());
      const problem = { title: "Bad Request", status: 400, detail: "the gate closed", code: "gate_closed", errors: [] };
      return Response.json(problem, { status: 400, headers: { "content-type": "application/problem+json" } });
    });
    const { user, sign } = show();
    const energy = screen.getByLabelText("Energy");
    await user.clear(energy);
    await user.type(energy, "1.2345");
    await user.click(sign);
    expect((await screen.findByRole("alert")).textContent).toContain("the gate closed");
    expect(sent).toEqual([
      { side: "buy", interval_start: interval.start, energy_wh: 1234, limit_micro_per_kwh: 150_000 },
    ]);
  });
});
