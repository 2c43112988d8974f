import { useSearchParams } from "react-router";

import { Icon } from "@/components/icons";
import { State } from "@/components/state";
import type { Trade } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./trades.module.css";

/** Who sold how much to whom, for when, at what price, and how far it is; opens the receipt. */
export function TradeRow({ trade, mine }: { trade: Trade; mine: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const [search, setSearch] = useSearchParams();
  const open = () => {
    const next = new URLSearchParams(search);
    next.set("receipt", String(trade.id));
    setSearch(next, { preventScrollReset: true });
  };
  const price = text("price.perKwh", { price: format.price(trade.price_micro_per_kwh) });
  return (
    <li className={classes.item}>
      <button
        type="button"
        className={classes.trade}
        onClick={open}
        data-trade={trade.id}
        data-state={trade.state}
        data-interval={trade.interval_start}
      >
        <span className={classes.parties}>
          <Party name={trade.seller} mine={mine} />
          <span className={classes.arrow} aria-label={text("trades.to")}>
            →
          </span>
          <Party name={trade.buyer} mine={mine} />
        </span>
        <span className={classes.when}>{format.time(trade.interval_start)}</span>
        <span className={classes.energy}>{format.energy(trade.energy_wh)}</span>
        <span className={classes.price}>{price}</span>
        <span className={classes.stage}>
          <State name={trade.state} />
        </span>
        <span className={classes.go}>
          <Icon name="next" size={16} />
        </span>
      </button>
    </li>
  );
}

function Party({ name, mine }: { name: string; mine: string | undefined }) {
  const text = useText();
  return <span className={name === mine ? classes.mine : undefined}>{name === mine ? text("trades.you", { name }) : name}</span>;
}
