import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { useText } from "@/lib/text";

import { OrderRow } from "./order-row";
import { ordersQuery } from "./orders";
import classes from "./orders.module.css";

const SHOWN = 60;

interface OrdersPanelProps {
  /** Operators and auditors see everyone's. */
  everyone: boolean;
  className?: string | undefined;
}

/** Orders, newest first; an open one of one's own can be cancelled. */
export function OrdersPanel({ everyone, className }: OrdersPanelProps) {
  const text = useText();
  const { data: orders, error, refetch } = useQuery(ordersQuery);
  const open = orders?.filter((order) => order.state === "open").length ?? 0;
  return (
    <Panel
      kicker={text(everyone ? "orders.kickerAll" : "orders.kicker")}
      title={orders ? text("orders.title", { open }) : text("orders.waiting")}
      className={className}
    >
      {orders ? (
        orders.length > 0 ? (
          // A scrolling region must be reachable by keyboard.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          <ul className={classes.orders} tabIndex={0} aria-label={text("orders.kicker")}>
            {orders.slice(0, SHOWN).map((order) => (
              <OrderRow key={order.id} order={order} everyone={everyone} />
            ))}
          </ul>
        ) : (
          <Empty>{text("orders.empty")}</Empty>
        )
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={220} radius="md" />
      )}
    </Panel>
  );
}
