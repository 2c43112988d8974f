/** Signing agreements with the wallet in the browser, and voiding orders on chain. */
import { parseAbi, type Address } from "viem";

import type { Community, SignedMandate, SignedSupply } from "@/lib/api/types";
import { TYPES } from "@/lib/eip712";
import { connect, exchangeDomain } from "@/lib/wallet";

import type { MandateTerms, SupplyTerms } from "./agreements";

const EXCHANGE = parseAbi([
  "struct Mandate { uint256 maxBuyPrice; uint256 minSellPrice; uint256 feeCap; uint256 imbalanceCap; uint256 maxWhPerDay; uint256 validUntil; uint256 since; uint256 endsAt; uint256 nextNonce; }",
  "struct Supply { uint256 maxImportPrice; uint256 minFeedInPrice; uint256 fallbackImportW; uint256 validFrom; uint256 endDay; uint256 since; uint256 endsAt; uint256 nextNonce; }",
  "function mandateOf(address owner, address agent) view returns (Mandate)",
  "function supplyOf(address owner) view returns (Supply)",
  "function cancelBefore(uint64 floor)",
]);

/** Whole numbers as EIP-712 takes them. */
function big<Terms extends object>(terms: Terms): Record<keyof Terms, bigint> {
  const entries = Object.entries(terms).map(([name, value]) => [name, BigInt(value as number)]);
  return Object.fromEntries(entries) as Record<keyof Terms, bigint>;
}

/** A mandate for the platform's agent; it replaces the one that stands. */
export async function signMandate(community: Community, terms: MandateTerms): Promise<SignedMandate> {
  const { wallet, chain, account } = await connect();
  const domain = exchangeDomain(community);
  const agent = community.agent_address as Address;
  const { nextNonce } = await chain.readContract({
    address: domain.verifyingContract,
    abi: EXCHANGE,
    functionName: "mandateOf",
    args: [account, agent],
  });
  const signature = await wallet.signTypedData({
    account,
    domain,
    types: { Mandate: TYPES.Mandate },
    primaryType: "Mandate",
    message: { owner: account, agent, ...big(terms), nonce: nextNonce },
  });
  return { message: { owner: account, agent, ...terms, nonce: Number(nextNonce) }, signature };
}

/** A supply agreement for all the owner's meters; it replaces the one that stands. */
export async function signSupply(community: Community, terms: SupplyTerms): Promise<SignedSupply> {
  const { wallet, chain, account } = await connect();
  const domain = exchangeDomain(community);
  const { nextNonce } = await chain.readContract({
    address: domain.verifyingContract,
    abi: EXCHANGE,
    functionName: "supplyOf",
    args: [account],
  });
  const signature = await wallet.signTypedData({
    account,
    domain,
    types: { SupplyAgreement: TYPES.SupplyAgreement },
    primaryType: "SupplyAgreement",
    message: { owner: account, ...big(terms), nonce: nextNonce },
  });
  return { message: { owner: account, ...terms, nonce: Number(nextNonce) }, signature };
}

/** Sends the transaction that voids every order of the owner for intervals which start before `floor` (Unix s). */
export async function cancelBefore(community: Community, floor: number): Promise<string> {
  const { wallet, account } = await connect();
  const { verifyingContract: address } = exchangeDomain(community);
  return wallet.writeContract({ account, chain: null, address, abi: EXCHANGE, functionName: "cancelBefore", args: [BigInt(floor)] });
}
