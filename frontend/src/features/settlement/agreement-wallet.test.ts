import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { decodeFunctionData, encodeAbiParameters, parseAbi, type EIP1193Provider, type Hex, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { Community } from "@/lib/api/types";
import { community as fixture } from "@/testing/fixtures";

import { cancelBefore, signMandate, signSupply } from "./agreement-wallet";

interface Case {
  name: string;
  private_key: Hex;
  message: Record<string, string | number>;
  signature: Hex;
}

const file = resolve(import.meta.dirname, "../../../../contracts/vectors/eip712.json");
const vectors = JSON.parse(readFileSync(file, "utf8")) as { domains: { exchange: Community["eip712"] }; cases: Case[] };
function vector(name: string): Case {
  const found = vectors.cases.find((one) => one.name === name);
  if (!found) throw new Error(`there is no vector named ${name}`);
  return found;
}

const mandate = vector("a mandate");
const supply = vector("a supply agreement");
const owner = privateKeyToAccount(mandate.private_key);
const community: Community = { ...fixture, agent_address: String(mandate.message.agent), eip712: vectors.domains.exchange };

const sent: { to: Hex; data: Hex }[] = [];

/** A wallet with the vectors' owner, on a chain on which the next nonces are those of the vectors. */
const wallet = {
  request: async ({ method, params }: { method: string; params: unknown[] }) => {
    if (method === "eth_requestAccounts") return [owner.address];
    if (method === "eth_signTypedData_v4") return owner.signTypedData(JSON.parse(String(params[1])) as TypedDataDefinition);
    if (method === "eth_call") {
      const { data } = params[0] as { data: Hex };
      // One address: supplyOf; two: mandateOf. All their answers' fields are words, the next nonce the last.
      const words = data.length === 2 + 8 + 64 ? [0, 0, 0, 0, 0, 0, 0, 2] : [0, 0, 0, 0, 0, 0, 0, 0, 1];
      return encodeAbiParameters(words.map(() => ({ type: "uint256" })), words.map(BigInt));
    }
    if (method === "eth_sendTransaction") {
      sent.push(params[0] as (typeof sent)[number]);
      return `0x${"5".repeat(64)}`;
    }
    throw new Error(`the page asked the wallet for ${method}`);
  },
};

beforeEach(() => {
  window.ethereum = wallet as unknown as EIP1193Provider;
});

afterEach(() => {
  delete window.ethereum;
});

const terms = ({ message }: Case, ...names: string[]) => Object.fromEntries(names.map((name) => [name, Number(message[name])]));

it("signs a mandate as Solidity and Python do", async () => {
  const limits = terms(mandate, "maxBuyPrice", "minSellPrice", "feeCap", "imbalanceCap", "maxWhPerDay", "validUntil");
  const signed = await signMandate(community, limits as unknown as Parameters<typeof signMandate>[1]);
  expect(signed).toEqual({ message: mandate.message, signature: mandate.signature });
});

it("signs a supply agreement as Solidity and Python do", async () => {
  const limits = terms(supply, "maxImportPrice", "minFeedInPrice", "fallbackImportW", "validFrom", "validUntil");
  const signed = await signSupply(community, limits as unknown as Parameters<typeof signSupply>[1]);
  expect(signed).toEqual({ message: supply.message, signature: supply.signature });
});

it("tells the exchange itself to void orders", async () => {
  await cancelBefore(community, 1_750_000_500);
  const [transaction] = sent;
  expect(transaction?.to).toBe(community.eip712.verifyingContract);
  const call = decodeFunctionData({ abi: parseAbi(["function cancelBefore(uint64 floor)"]), data: transaction?.data ?? "0x" });
  expect(call.args).toEqual([1_750_000_500n]);
});
