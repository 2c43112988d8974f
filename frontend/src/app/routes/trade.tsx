import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { OrdersPanel } from "@/features/market/orders-panel";
import { TradeDesk } from "@/features/market/trade-desk";
import { TradesPanel } from "@/features/market/trades-panel";
import { accountQuery, communityQuery, meQuery } from "@/lib/api/queries";

import classes from "./trade.module.css";

/** Ticket and depth, then orders and trades. */
export default function Trade() {
  const { data: me } = useQuery(meQuery);
  const { data: community } = useQuery(communityQuery);
  const participant = me?.participant ?? null;
  const { data: account } = useQuery({ ...accountQuery(), enabled: participant !== null });
  if (!community || !me) return <Skeleton height={520} radius="lg" />;
  return (
    <div className={classes.page}>
      <TradeDesk community={community} participant={participant} account={account} />
      <div className={classes.mine}>
        <OrdersPanel everyone={participant === null} />
        <TradesPanel scope={participant ? "mine" : "community"} limit={24} mine={participant?.pseudonym} scroll />
      </div>
    </div>
  );
}
