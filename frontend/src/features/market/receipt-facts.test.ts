import { createIntl } from "react-intl";
import { expect, it } from "vitest";

import { formats } from "@/lib/format";
import en from "@/lib/messages/en.json";
import type { Text } from "@/lib/text";

import { factGroups } from "./receipt-facts";

const intl = createIntl({ locale: "en", messages: en });
const text: Text = (id, values) => intl.formatMessage({ id }, values);

it("labels what a step carries by its unit, side by side, and leaves out what is hidden", () => {
  const step = {
    name: "order" as const,
    at: null,
    state: "done" as const,
    hash: null,
    detail: {
      gas_used: 73_595,
      error: null,
      orders: [
        { side: "buy", participant: "Alder", energy_wh: 777, limit_micro_per_kwh: 208_000, by_agent: true },
        { side: "sell", participant: "Sorrel", energy_wh: null, limit_micro_per_kwh: null, by_agent: false },
      ],
    },
  };
  const groups = factGroups(step, text, formats("en", "USD", "UTC"));
  expect(groups.map(({ title, facts }) => [title, facts.map(({ label, value }) => `${label}: ${value}`)])).toEqual([
    [null, ["gas used: 73,595"]],
    ["Alder buys", ["energy: 0.78 kWh", "limit: $0.208/kWh", "by agent: yes"]],
    ["Sorrel sells", ["by agent: no"]],
  ]);
});
