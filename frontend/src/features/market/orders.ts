/** Placing, reading and cancelling orders. */
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { Community, Me, SignedOrder } from "@/lib/api/types";

import type { Draft } from "./draft";

export const ordersQuery = queryOptions({
  queryKey: ["orders"],
  queryFn: () => unwrap(api.GET("/api/v1/orders", { params: { query: {} } })),
});

export function bookQuery(start: string) {
  return queryOptions({
    queryKey: ["book", start],
    queryFn: () => unwrap(api.GET("/api/v1/intervals/{start}/book", { params: { path: { start } } })),
    placeholderData: (previous) => previous,
  });
}

/** Who signs: the member's agent inside its mandate, or the member with a wallet. */
export type Signer = "agent" | "wallet";

interface Placing {
  draft: Draft;
  signer: Signer;
  community: Community;
  participant: NonNullable<Me["participant"]>;
}

export function usePlaceOrder() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ draft, signer, community, participant }: Placing) => {
      if (signer === "wallet") return unwrap(api.POST("/api/v1/orders", { body: await signed(draft, community, participant) }));
      return unwrap(
        api.POST("/api/v1/orders/agent", {
          body: {
            side: draft.side,
            interval_start: draft.interval.start,
            energy_wh: draft.energyWh,
            limit_micro_per_kwh: draft.limit,
          },
        }),
      );
    },
    onSettled: () => Promise.all(["orders", "book"].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

/** viem is loaded only by those who sign with a wallet. */
async function signed(draft: Draft, community: Community, participant: NonNullable<Me["participant"]>): Promise<SignedOrder> {
  const query = { interval_start: draft.interval.start };
  const [{ signOrder }, { nonce }] = await Promise.all([
    import("./wallet"),
    unwrap(api.GET("/api/v1/orders/nonce", { params: { query } })),
  ]);
  return signOrder({ draft, community, meterId: participant.meter_id, nonce });
}

export function useCancelOrder() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => unwrap(api.DELETE("/api/v1/orders/{order_id}", { params: { path: { order_id: id } } })),
    onSettled: () => Promise.all(["orders", "book"].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}
