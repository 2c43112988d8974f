/** The EIP-712 types of `domain/typed_data.py`; `contracts/vectors` holds both to the same digests. */
import { hashTypedData, type Address, type Hex } from "viem";

export const TYPES = {
  Order: [
    { name: "owner", type: "address" },
    { name: "meterId", type: "bytes32" },
    { name: "side", type: "uint8" },
    { name: "intervalStart", type: "uint64" },
    { name: "intervalSeconds", type: "uint32" },
    { name: "energyWh", type: "uint64" },
    { name: "limitPrice", type: "uint64" },
    { name: "feeCap", type: "uint64" },
    { name: "imbalanceCap", type: "uint64" },
    { name: "nonce", type: "uint64" },
    { name: "expiry", type: "uint64" },
  ],
  Mandate: [
    { name: "owner", type: "address" },
    { name: "agent", type: "address" },
    { name: "maxBuyPrice", type: "uint64" },
    { name: "minSellPrice", type: "uint64" },
    { name: "maxWhPerDay", type: "uint64" },
    { name: "validUntil", type: "uint64" },
    { name: "nonce", type: "uint64" },
  ],
  SupplyAgreement: [
    { name: "owner", type: "address" },
    { name: "meterId", type: "bytes32" },
    { name: "maxImportPrice", type: "uint64" },
    { name: "minFeedInPrice", type: "uint64" },
    { name: "validUntil", type: "uint64" },
    { name: "nonce", type: "uint64" },
  ],
  MeterReading: [
    { name: "meterId", type: "bytes32" },
    { name: "intervalStart", type: "uint64" },
    { name: "intervalSeconds", type: "uint32" },
    { name: "importWh", type: "uint64" },
    { name: "exportWh", type: "uint64" },
  ],
} as const;

export type PrimaryType = keyof typeof TYPES;

export interface Domain {
  name: string;
  version: string;
  chainId: number;
  verifyingContract: Address;
}

export const SIDE_CODE = { buy: 0, sell: 1 } as const;

/** What the owner of a meter signs to trade: energy in Wh, prices in micro-units per kWh, times in Unix seconds. */
export interface OrderMessage {
  owner: Address;
  meterId: Hex;
  side: number;
  intervalStart: bigint;
  intervalSeconds: number;
  energyWh: bigint;
  limitPrice: bigint;
  feeCap: bigint;
  imbalanceCap: bigint;
  nonce: bigint;
  expiry: bigint;
}

/** The digest that a wallet signs. */
export function digest(primaryType: PrimaryType, domain: Domain, message: Record<string, unknown>): Hex {
  return hashTypedData({ domain, types: { [primaryType]: TYPES[primaryType] }, primaryType, message });
}
