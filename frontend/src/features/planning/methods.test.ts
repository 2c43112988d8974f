import { describe, expect, it } from "vitest";

import en from "@/lib/messages/en.json";
import type { Text } from "@/lib/text";

import { methodAbout, methodName, notesInWords, reasonInWords } from "./methods";

const text: Text = (id, values) => (values ? `${values.does}; ${values.knows}` : en[id]);

describe("a reason", () => {
  it("says what happened to the methods before, and what this one does", () => {
    const reason = "l2o passed over (max_charge_kw broken by 95 in interval 0); least cost, proven by its dual";
    expect(reasonInWords("exact", reason, text)).toBe(
      "Learned planner (L2O) passed over (charging power broken by 95 in interval 0); finds the least cost, with a proof",
    );
    expect(reasonInWords("exact", "least cost, proven by its dual", text)).toBe("finds the least cost, with a proof");
    expect(notesInWords("least cost, proven by its dual", text)).toBe("");
  });

  it("names the limits that are in conflict", () => {
    const conflict = "soc_final_kwh and import_limit_kw cannot be kept together; least relaxation: soc_final_kwh by 2 kWh";
    expect(notesInWords(`${conflict}; stores surplus and covers deficit`, text)).toBe(
      "what is to be stored at the end and the import limit cannot be kept together; least relaxation: what is to be stored at the end by 2 kWh",
    );
  });

  it("keeps what it does not know", () => {
    const reason = "seer passed over (some_limit_kw broken); sees all";
    expect(reasonInWords("oracle", reason, text)).toBe(reason);
    expect(methodName("oracle", text)).toBe("oracle");
    expect(methodAbout("oracle", text)).toBe("");
  });
});

describe("an account of a method", () => {
  it("says what it knows", () => {
    expect(methodAbout("rule", text)).toBe("stores surplus and covers need; looks at no price");
    expect(methodAbout("idle", text)).toBe("the battery rests");
  });
});
