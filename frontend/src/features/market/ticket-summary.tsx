import type { Account } from "@/lib/api/types";
import { shortHash } from "@/lib/format";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { worstCase, type Bounds, type Draft } from "./draft";
import classes from "./trade-desk.module.css";

interface TicketSummaryProps {
  draft: Draft;
  bounds: Bounds;
  mandate: Account["mandate"];
}

/** What will be signed, in plain words. */
export function TicketSummary({ draft, bounds: { retail, feedIn, fee }, mandate }: TicketSummaryProps) {
  const text = useText();
  const format = useFormats();
  const cost = worstCase(draft, fee);
  const buys = draft.side === "buy";
  return (
    <div className={classes.summary} data-testid="summary">
      <p>
        {text(buys ? "summary.buy" : "summary.sell", {
          energy: format.energy(draft.energyWh),
          when: `${format.day(draft.interval.start)}, ${format.range(draft.interval.start, draft.interval.end)}`,
          price: format.price(draft.limit),
          amount: format.money(cost.amount),
          fee: format.money(cost.fee),
        })}
      </p>
      <p className={classes.small}>
        {text(buys ? "summary.restBuy" : "summary.restSell", { price: format.price(buys ? retail : feedIn) })}
      </p>
      {mandate && (
        <p className={classes.small}>
          {text("summary.mandate", { agent: shortHash(mandate.agent_address), energy: format.energy(mandate.max_wh_per_day) })}
        </p>
      )}
    </div>
  );
}
