import { useQuery } from "@tanstack/react-query";
import { Navigate } from "react-router";

import { Headline } from "@/features/kpi/headline";
import { PricePanel } from "@/features/market/price-panel";
import { TradesPanel } from "@/features/market/trades-panel";
import { ChainPanel } from "@/features/settlement/chain-panel";
import { EnergyPanel } from "@/features/telemetry/energy-panel";
import { FlowPanel } from "@/features/telemetry/flow-panel";
import { HomesPanel } from "@/features/telemetry/homes-panel";
import { ApiProblem } from "@/lib/api/problem";
import { liveQuery, meQuery } from "@/lib/api/queries";

import classes from "./community.module.css";

/** The live view. */
export default function Community() {
  const { data: me } = useQuery(meQuery);
  const { data: live, error, refetch } = useQuery(liveQuery);
  const mine = me?.participant?.pseudonym;
  if (error instanceof ApiProblem && error.signedOut) return <Navigate to="/login" replace />;
  return (
    <div className={classes.page}>
      <Headline live={live} className={classes.headline} />
      <FlowPanel power={live?.current} error={error} retry={() => void refetch()} className={classes.flow} />
      <PricePanel className={classes.price} />
      <EnergyPanel scope="community" className={classes.energy} />
      <HomesPanel homes={live?.homes} mine={mine} className={classes.homes} />
      <TradesPanel scope="community" limit={8} mine={mine} className={classes.trades} />
      <ChainPanel chain={live?.chain} className={classes.chain} />
    </div>
  );
}
