import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { recoverTypedDataAddress, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";

import { digest, TYPES, type Domain, type PrimaryType } from "./eip712";

interface Vectors {
  domain: Domain;
  cases: {
    name: string;
    primary_type: PrimaryType;
    private_key: Hex;
    signer: Hex;
    message: Record<string, string | number>;
    digest: Hex;
    signature: Hex;
  }[];
}

const raw = readFileSync(resolve(import.meta.dirname, "../../../contracts/vectors/eip712.json"), "utf8");
// Whole numbers above 2^53 must not pass through a double.
const vectors = JSON.parse(raw.replace(/(:\s*)(\d{16,})(?=\s*[,}])/g, '$1"$2"')) as Vectors;

function typed(primaryType: PrimaryType, message: Record<string, string | number>): Record<string, unknown> {
  const kinds = new Map<string, string>(TYPES[primaryType].map(({ name, type }) => [name, type]));
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [name, kinds.get(name) === "uint64" ? BigInt(value) : value]),
  );
}

describe("EIP-712 vectors shared with Solidity and Python", () => {
  it("has every primary type", () => {
    expect(new Set(vectors.cases.map((one) => one.primary_type))).toEqual(new Set(Object.keys(TYPES)));
  });

  for (const one of vectors.cases) {
    it(`${one.name}: digest, signature and signer`, async () => {
      const message = typed(one.primary_type, one.message);
      expect(digest(one.primary_type, vectors.domain, message)).toBe(one.digest);
      const document = {
        domain: vectors.domain,
        types: { [one.primary_type]: TYPES[one.primary_type] },
        primaryType: one.primary_type,
        message,
      };
      const signature = await privateKeyToAccount(one.private_key).signTypedData(document);
      expect(signature).toBe(one.signature);
      expect(await recoverTypedDataAddress({ ...document, signature: one.signature })).toBe(one.signer);
    });
  }
});
