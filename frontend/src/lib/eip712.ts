/** What owners sign, by EIP-712, for the exchange; `contracts/vectors` holds it to the digests of `domain/typed_data.py`. */
import type { Address, Hex } from "viem";

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
    { name: "feeCap", type: "uint64" },
    { name: "imbalanceCap", type: "uint64" },
    { name: "maxWhPerDay", type: "uint64" },
    { name: "validUntil", type: "uint64" },
    { name: "nonce", type: "uint64" },
  ],
  SupplyAgreement: [
    { name: "owner", type: "address" },
    { name: "maxImportPrice", type: "uint64" },
    { name: "minFeedInPrice", type: "uint64" },
    { name: "fallbackImportW", type: "uint64" },
    { name: "validFrom", type: "uint64" },
    { name: "validUntil", type: "uint64" },
    { name: "nonce", type: "uint64" },
  ],
} as const;

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
