import { Button } from "@mantine/core";

import { describe } from "@/components/failure";
import { notify } from "@/components/notify";
import { State } from "@/components/state";
import type { Order } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { useCancelOrder } from "./orders";
import classes from "./orders.module.css";

/** What is wanted or offered, for when, at which limit, and how far it is. */
export function OrderRow({ order, everyone }: { order: Order; everyone: boolean }) {
  const text = useText();
  const format = useFormats();
  const notes = [
    everyone ? order.participant : null,
    format.dayTime(order.interval_start),
    order.matched_wh > 0 ? text("orders.matchedPart", { energy: format.energy(order.matched_wh) }) : null,
    text("orders.signedBy", { by: order.by_agent ? "agent" : "owner" }),
  ];
  return (
    <li
      className={classes.order}
      data-order={order.id}
      data-state={order.state}
      data-side={order.side}
      data-interval={order.interval_start}
    >
      <span className={classes.what}>
        <b>{text("orders.line", { side: order.side, energy: format.energy(order.energy_wh) })}</b>{" "}
        {text("orders.limit", { side: order.side, price: format.price(order.limit_micro_per_kwh) })}
      </span>
      <span className={classes.state}>
        <State name={order.state} />
      </span>
      <span className={classes.notes}>{notes.filter(Boolean).join(" · ")}</span>
      {order.state === "open" && !everyone && <Cancel order={order} />}
    </li>
  );
}

function Cancel({ order }: { order: Order }) {
  const text = useText();
  const format = useFormats();
  const cancel = useCancelOrder();
  return (
    <Button
      size="compact-xs"
      variant="default"
      loading={cancel.isPending}
      className={classes.cancel}
      aria-label={text("orders.cancelOne", { interval: format.time(order.interval_start) })}
      onClick={() =>
        cancel.mutate(order.id, { onError: (error) => notify(text, describe(error, text), true) })
      }
    >
      {text("orders.cancel")}
    </Button>
  );
}
