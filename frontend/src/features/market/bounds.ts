import type { Interval } from "@/lib/api/types";

import type { Bounds } from "./draft";

/** The prices between which trading pays in an interval. */
export function bounds(interval: Interval): Bounds {
  return {
    retail: interval.retail_micro_per_kwh,
    feedIn: interval.feed_in_micro_per_kwh,
    fee: interval.fee_micro_per_kwh,
  };
}
