import { expect, it } from "vitest";

import { csv } from "./csv";

it("quotes what needs quotes, and writes nothing for nothing", () => {
  expect(csv(["a", "b"], [["x,y", 'say "hi"'], [null, 3]])).toBe('a,b\r\n"x,y","say ""hi"""\r\n,3\r\n');
});
