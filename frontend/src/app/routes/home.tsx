import { useQuery } from "@tanstack/react-query";

import { Panel } from "@/components/panel";
import { Empty } from "@/components/failure";
import { TradesPanel } from "@/features/market/trades-panel";
import { PlanPanel } from "@/features/planning/plan-panel";
import { EnergyPanel } from "@/features/telemetry/energy-panel";
import { FlowPanel } from "@/features/telemetry/flow-panel";
import { liveQuery, meQuery } from "@/lib/api/queries";
import { useText } from "@/lib/text";

import classes from "./home.module.css";

/** One's own home: what flows, what is planned, what was traded. */
export default function Home() {
  const text = useText();
  const { data: me } = useQuery(meQuery);
  const { data: live, error, refetch } = useQuery(liveQuery);
  const mine = me?.participant?.pseudonym;
  const home = live?.homes.find(({ pseudonym }) => pseudonym === mine);
  if (me && !me.participant) {
    return (
      <Panel kicker={text("nav.home")} title={text("home.noneTitle")}>
        <Empty>{text("home.none")}</Empty>
      </Panel>
    );
  }
  return (
    <div className={classes.page}>
      <FlowPanel power={home && { ...home, neighbours_kw: 0 }} alone error={error} retry={() => void refetch()} />
      <div className={classes.column}>
        <PlanPanel />
        <TradesPanel scope="mine" limit={3} mine={mine} />
      </div>
      <EnergyPanel scope="mine" className={classes.wide} />
    </div>
  );
}
