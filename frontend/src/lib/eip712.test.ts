import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { concat, hashStruct, hashTypedData, keccak256, recoverTypedDataAddress, zeroHash, type Address, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";

import { TYPES, type OrderMessage } from "./eip712";

const READINGS = [
  { name: "intervalStart", type: "uint64" },
  { name: "intervalSeconds", type: "uint32" },
  { name: "readingsHash", type: "bytes32" },
] as const;

/** What others sign: agents, meters, attestors, and owners for the token. */
const EVERY_TYPE = {
  ...TYPES,
  AgentOrders: [
    { name: "intervalStart", type: "uint64" },
    { name: "ordersHash", type: "bytes32" },
  ],
  MeterReading: [
    { name: "meterId", type: "bytes32" },
    { name: "intervalStart", type: "uint64" },
    { name: "intervalSeconds", type: "uint32" },
    { name: "importWh", type: "uint64" },
    { name: "exportWh", type: "uint64" },
  ],
  Attestation: READINGS,
  AttestationWithGaps: READINGS,
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
} as const;

type PrimaryType = keyof typeof EVERY_TYPE;
type Message = Record<string, string | number>;

interface Domain {
  name: string;
  version: string;
  chainId: number;
  verifyingContract: Address;
}

interface Vectors {
  domains: Record<string, Domain>;
  cases: {
    name: string;
    primary_type: PrimaryType;
    domain: string;
    /** Of an agent's orders. */
    orders?: Message[];
    /** Of an attestation, packed. */
    readings?: Hex;
    private_key: Hex;
    signer: Hex;
    message: Message;
    digest: Hex;
    signature: Hex;
  }[];
}

const raw = readFileSync(resolve(import.meta.dirname, "../../../contracts/vectors/eip712.json"), "utf8");
// Whole numbers above 2^53 must not pass through a double.
const vectors = JSON.parse(raw.replace(/(:\s*)(\d{16,})(?=\s*[,}])/g, '$1"$2"')) as Vectors;

function typed(primaryType: PrimaryType, message: Message): Record<string, unknown> {
  const kinds = new Map<string, string>(EVERY_TYPE[primaryType].map(({ name, type }) => [name, type]));
  const big = (name: string) => ["uint64", "uint256"].includes(kinds.get(name) ?? "");
  return Object.fromEntries(Object.entries(message).map(([name, value]) => [name, big(name) ? BigInt(value) : value]));
}

/** h(n) with h(0) = 0 and h(i) = keccak256(h(i - 1) ‖ struct hash of order i). */
function ordersHash(orders: readonly Message[]): Hex {
  return orders.reduce<Hex>((chain, order) => {
    const data = typed("Order", order) as unknown as OrderMessage;
    const struct = hashStruct({ types: { Order: TYPES.Order }, primaryType: "Order", data });
    return keccak256(concat([chain, struct]));
  }, zeroHash);
}

describe("EIP-712 vectors shared with Solidity and Python", () => {
  it("has every primary type", () => {
    expect(new Set(vectors.cases.map((one) => one.primary_type))).toEqual(new Set(Object.keys(EVERY_TYPE)));
  });

  for (const one of vectors.cases) {
    it(`${one.name}: digest, signature and signer`, async () => {
      const document = {
        domain: vectors.domains[one.domain],
        types: { [one.primary_type]: EVERY_TYPE[one.primary_type] },
        primaryType: one.primary_type,
        message: typed(one.primary_type, one.message),
      };
      expect(hashTypedData(document)).toBe(one.digest);
      expect(await privateKeyToAccount(one.private_key).signTypedData(document)).toBe(one.signature);
      expect(await recoverTypedDataAddress({ ...document, signature: one.signature })).toBe(one.signer);
      if (one.orders) expect(ordersHash(one.orders)).toBe(one.message.ordersHash);
      if (one.readings) expect(keccak256(one.readings)).toBe(one.message.readingsHash);
    });
  }
});
