/** Signing an order with the wallet in the browser (EIP-1193). */
import type { Hex } from "viem";

import type { Community, SignedOrder } from "@/lib/api/types";
import { SIDE_CODE, TYPES, type OrderMessage } from "@/lib/eip712";
import { connect, exchangeDomain } from "@/lib/wallet";

import type { Draft } from "./draft";

interface Signing {
  draft: Draft;
  community: Community;
  meterId: string;
  /** One of the 256 that the owner has for the interval: its start x 256 + k, not yet used. */
  nonce: number;
}

/** The order as typed data, shown by the wallet and signed there; caps are the interval's own prices. */
export async function signOrder({ draft, community, meterId, nonce }: Signing): Promise<SignedOrder> {
  const { wallet, account } = await connect();
  const start = Date.parse(draft.interval.start) / 1000;
  const end = Date.parse(draft.interval.end) / 1000;
  const feeCap = draft.interval.fee_micro_per_kwh;
  // A seller bears the imbalance price when it does not deliver; a buyer never does.
  const shortfall = Math.max(draft.interval.imbalance_micro_per_kwh - draft.limit, 0);
  const imbalanceCap = draft.side === "sell" ? shortfall : 0;
  const message: OrderMessage = {
    owner: account,
    meterId: meterId as Hex,
    side: SIDE_CODE[draft.side],
    intervalStart: BigInt(start),
    intervalSeconds: end - start,
    energyWh: BigInt(draft.energyWh),
    limitPrice: BigInt(draft.limit),
    feeCap: BigInt(feeCap),
    imbalanceCap: BigInt(imbalanceCap),
    nonce: BigInt(nonce),
    expiry: BigInt(start),
  };
  const signature = await wallet.signTypedData({
    account,
    domain: exchangeDomain(community),
    types: { Order: TYPES.Order },
    primaryType: "Order",
    message,
  });
  return {
    owner: account,
    meter_id: meterId,
    side: draft.side,
    interval_start: draft.interval.start,
    interval_s: end - start,
    energy_wh: draft.energyWh,
    limit_micro_per_kwh: draft.limit,
    fee_cap_micro_per_kwh: feeCap,
    imbalance_cap_micro_per_kwh: imbalanceCap,
    nonce,
    expiry: draft.interval.start,
    signature,
  };
}
