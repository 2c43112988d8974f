/** An order before it is placed: its rules and what it would cost. Energy in Wh, prices in micro-units per kWh. */
import type { Account, Interval, Side } from "@/lib/api/types";
import type { MessageId } from "@/lib/text";

export interface Draft {
  side: Side;
  interval: Interval;
  energyWh: number;
  limit: number;
}

export interface Bounds {
  retail: number;
  feedIn: number;
  fee: number;
}

type Mandate = NonNullable<Account["mandate"]>;

/** A sentence about one field, with its figures in the units of the API. */
export interface Remark {
  id: MessageId;
  micro?: number;
  wh?: number;
}

export interface Review {
  energy: Remark | null;
  limit: Remark | null;
  gate: Remark | null;
  /** Allowed, but worth a word. */
  advice: Remark | null;
}

export interface Numbers {
  side: Side;
  energyWh: number | null;
  limit: number | null;
}

/** What stands in the way of `numbers`; the mandate counts when the agent is to sign. */
export function review(
  { side, energyWh, limit }: Numbers,
  bounds: Bounds,
  gateClosed: boolean,
  mandate: Mandate | null,
): Review {
  return {
    energy: energyRemark(energyWh, mandate),
    limit: limitRemark(side, limit, mandate),
    gate: gateClosed ? { id: "ticket.gateClosed" } : null,
    advice: limit === null ? null : advice(side, limit, bounds),
  };
}

function energyRemark(energyWh: number | null, mandate: Mandate | null): Remark | null {
  if (energyWh === null || energyWh <= 0) return { id: "ticket.energyNeeded" };
  if (mandate && energyWh > mandate.max_wh_per_day) return { id: "ticket.energyMandate", wh: mandate.max_wh_per_day };
  return null;
}

function limitRemark(side: Side, limit: number | null, mandate: Mandate | null): Remark | null {
  if (limit === null || limit < 0) return { id: "ticket.limitNeeded" };
  if (mandate && side === "buy" && limit > mandate.max_buy_micro_per_kwh) {
    return { id: "ticket.limitMandateBuy", micro: mandate.max_buy_micro_per_kwh };
  }
  if (mandate && side === "sell" && limit < mandate.min_sell_micro_per_kwh) {
    return { id: "ticket.limitMandateSell", micro: mandate.min_sell_micro_per_kwh };
  }
  return null;
}

function advice(side: Side, limit: number, { retail, feedIn, fee }: Bounds): Remark | null {
  if (side === "buy" && limit + fee > retail) return { id: "ticket.dearerThanRetail", micro: retail };
  if (side === "sell" && limit - fee < feedIn) return { id: "ticket.cheaperThanFeedIn", micro: feedIn };
  if (side === "buy" && limit < feedIn) return { id: "ticket.belowFeedIn", micro: feedIn };
  if (side === "sell" && limit > retail) return { id: "ticket.aboveRetail", micro: retail };
  return null;
}

/** The most a buyer pays or the least a seller gets, micro-units, fee apart; rounded against the member, as on chain. */
export function worstCase({ side, energyWh, limit }: { side: Side; energyWh: number; limit: number }, fee: number) {
  const up = (price: number) => Math.ceil((energyWh * price) / 1000);
  const down = (price: number) => Math.floor((energyWh * price) / 1000);
  return { amount: side === "buy" ? up(limit) : down(limit), fee: up(fee) };
}

/** Where most orders meet: half-way between what the retailer pays and asks, fee kept clear. */
export function suggestedLimit(side: Side, { retail, feedIn, fee }: Bounds, reference: number | null): number {
  const within = (price: number) => Math.min(Math.max(price, feedIn + fee), retail - fee);
  if (reference !== null) return within(reference);
  return side === "buy" ? retail - fee : feedIn + fee;
}
