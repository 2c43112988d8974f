import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { CancelPanel, MandatePanel, SupplyPanel } from "@/features/settlement/agreements-panels";
import { accountQuery, communityQuery, meQuery } from "@/lib/api/queries";
import { useText } from "@/lib/text";

import classes from "./home.module.css";

/** What the member has agreed to, with the agent and the retailer, and how to take it back. */
export default function Agreements() {
  const text = useText();
  const { data: me } = useQuery(meQuery);
  const { data: community } = useQuery(communityQuery);
  const { data: account, error, refetch } = useQuery({ ...accountQuery(), enabled: me?.participant !== null });
  if (me && !me.participant) {
    return (
      <Panel kicker={text("nav.agreements")} title={text("home.noneTitle")}>
        <Empty>{text("agreements.none")}</Empty>
      </Panel>
    );
  }
  if (error && !account) return <Failure error={error} retry={() => void refetch()} />;
  if (!community || !account) return <Skeleton height={380} radius="md" />;
  return (
    <div className={classes.page}>
      <MandatePanel community={community} account={account} />
      <SupplyPanel community={community} />
      <CancelPanel community={community} className={classes.wide} />
    </div>
  );
}
