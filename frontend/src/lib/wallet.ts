/** The member's own wallet in the browser (EIP-1193): it holds the key, shows what is to be signed, and signs. */
import { createPublicClient, createWalletClient, custom, type Address, type EIP1193Provider } from "viem";

import type { Community } from "@/lib/api/types";

declare global {
  interface Window {
    ethereum?: EIP1193Provider;
  }
}

/** The wallet, the chain as it sees it, and the account that the member lets this page use. */
export async function connect() {
  if (!window.ethereum) throw new Error("no wallet");
  const transport = custom(window.ethereum);
  const wallet = createWalletClient({ transport });
  const [account] = await wallet.requestAddresses();
  if (!account) throw new Error("no account");
  return { wallet, chain: createPublicClient({ transport }), account };
}

/** What every signature of an owner is bound to: chain and exchange. */
export function exchangeDomain({ eip712 }: Community) {
  const { name, version, chainId, verifyingContract } = eip712;
  return { name, version, chainId, verifyingContract: verifyingContract as Address };
}
