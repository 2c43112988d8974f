/** What an owner lets its agent and the retailer do. Prices in micro-units per kWh, times in Unix seconds. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, unwrap } from "@/lib/api/client";
import type { Account, Community } from "@/lib/api/types";

export interface MandateTerms {
  maxBuyPrice: number;
  minSellPrice: number;
  feeCap: number;
  imbalanceCap: number;
  maxWhPerDay: number;
  validUntil: number;
}

export interface SupplyTerms {
  maxImportPrice: number;
  minFeedInPrice: number;
  fallbackImportW: number;
  validFrom: number;
  validUntil: number;
}

const MODEST_FALLBACK_W = 500;
const MODEST_WH_A_DAY = 20_000;

/** The dearest price of the retailer, at any time of the day. */
function dearest({ import_micro_per_kwh: usual, bands }: Community["tariff"]): number {
  return Math.max(usual, ...bands.map((band) => band.price_micro_per_kwh));
}

/** The mandate that stands, or one in which the agent does no worse than the retailer. */
export function suggestedMandate(mandate: Account["mandate"], { tariff }: Community): Omit<MandateTerms, "validUntil"> {
  if (mandate) {
    return {
      maxBuyPrice: mandate.max_buy_micro_per_kwh,
      minSellPrice: mandate.min_sell_micro_per_kwh,
      feeCap: mandate.fee_cap_micro_per_kwh,
      imbalanceCap: mandate.imbalance_cap_micro_per_kwh,
      maxWhPerDay: mandate.max_wh_per_day,
    };
  }
  return {
    maxBuyPrice: dearest(tariff),
    minSellPrice: tariff.feed_in_micro_per_kwh,
    feeCap: tariff.fee_micro_per_kwh,
    imbalanceCap: dearest(tariff),
    maxWhPerDay: MODEST_WH_A_DAY,
  };
}

/** The retailer's present prices as limits. */
export function suggestedSupply({ tariff }: Community): Omit<SupplyTerms, "validFrom" | "validUntil"> {
  return {
    maxImportPrice: dearest(tariff),
    minFeedInPrice: tariff.feed_in_micro_per_kwh,
    fallbackImportW: MODEST_FALLBACK_W,
  };
}

/** viem is loaded only by those who sign with a wallet. */
const wallet = () => import("./agreement-wallet");

export function useSignMandate(community: Community) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (terms: MandateTerms) =>
      unwrap(api.POST("/api/v1/mandates", { body: await (await wallet()).signMandate(community, terms) })),
    onSettled: () => client.invalidateQueries({ queryKey: ["account"] }),
  });
}

export function useSignSupply(community: Community) {
  return useMutation({
    mutationFn: async (terms: SupplyTerms) =>
      unwrap(api.POST("/api/v1/supply-agreements", { body: await (await wallet()).signSupply(community, terms) })),
  });
}

export function useCancelBefore(community: Community) {
  return useMutation({ mutationFn: async (floor: number) => (await wallet()).cancelBefore(community, floor) });
}
