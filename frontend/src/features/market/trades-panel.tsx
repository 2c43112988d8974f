import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { tradesQuery } from "@/lib/api/queries";
import type { Scope } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { TradeRow } from "./trade-row";
import classes from "./trades.module.css";

interface TradesPanelProps {
  scope: Scope;
  limit: number;
  /** Pseudonym of the reader. */
  mine: string | undefined;
  className?: string | undefined;
  /** Long lists scroll inside the panel. */
  scroll?: boolean;
}

/** Trades as they happen; each opens its receipt. */
export function TradesPanel({ scope, limit, mine, className, scroll = false }: TradesPanelProps) {
  const text = useText();
  const format = useFormats();
  const { data: trades, error, refetch } = useQuery(tradesQuery(scope, limit));
  const newest = trades?.[0];
  const title = !trades
    ? text("trades.waiting")
    : newest
      ? text(scope === "mine" ? "trades.mineTitle" : "trades.title", { interval: format.time(newest.interval_start) })
      : text("trades.none");
  return (
    <Panel kicker={text(scope === "mine" ? "trades.mineKicker" : "trades.kicker")} title={title} className={className}>
      {error && !trades && <Failure error={error} retry={() => void refetch()} />}
      {trades?.length === 0 && <Empty>{text(scope === "mine" ? "trades.mineEmpty" : "trades.empty")}</Empty>}
      <ul className={classes.trades} data-scroll={scroll}>
        {trades
          ? trades.map((trade) => <TradeRow key={trade.id} trade={trade} mine={mine} />)
          : !error && Array.from({ length: 6 }, (_, index) => <Skeleton key={index} component="li" height={44} mb={6} radius="sm" />)}
      </ul>
    </Panel>
  );
}
