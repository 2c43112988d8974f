import { parse } from "@formatjs/icu-messageformat-parser";
import { describe, expect, it } from "vitest";

import en from "./en.json";

describe("messages", () => {
  it("are all valid ICU", () => {
    for (const [id, message] of Object.entries(en)) expect(() => parse(message), id).not.toThrow();
  });
});
