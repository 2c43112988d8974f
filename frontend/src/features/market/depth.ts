import type { Book } from "@/lib/api/types";

export interface Level {
  price: number;
  /** All that is on offer at this price or better, Wh. */
  cumulative: number;
}

type Levels = readonly { price_micro_per_kwh: number; energy_wh: number }[];

function cumulate(levels: Levels, better: (one: number, other: number) => number): Level[] {
  let cumulative = 0;
  const merged = new Map<number, number>();
  for (const { price_micro_per_kwh: price, energy_wh } of levels) merged.set(price, (merged.get(price) ?? 0) + energy_wh);
  return [...merged]
    .sort(([one], [other]) => better(one, other))
    .map(([price, wh]) => {
      cumulative += wh;
      return { price, cumulative };
    });
}

export interface Depth {
  /** Best (highest) bid first. */
  bids: Level[];
  /** Best (lowest) offer first. */
  offers: Level[];
}

export function depth(book: Book): Depth {
  return { bids: cumulate(book.bids, (one, other) => other - one), offers: cumulate(book.offers, (one, other) => one - other) };
}

/** The most energy that bids and offers would exchange at one price, Wh; 0 where they do not cross. */
export function crossing({ bids, offers }: Depth): number {
  let most = 0;
  for (const { price } of offers) {
    const wanted = Math.max(0, ...bids.filter((bid) => bid.price >= price).map((bid) => bid.cumulative));
    const given = Math.max(0, ...offers.filter((offer) => offer.price <= price).map((offer) => offer.cumulative));
    most = Math.max(most, Math.min(wanted, given));
  }
  return most;
}
