import { useQuery } from "@tanstack/react-query";

import { Headline } from "@/features/kpi/headline";
import { ReportPanel } from "@/features/kpi/report-panel";
import { OutboxPanel } from "@/features/pipeline/outbox-panel";
import { PlantPanel } from "@/features/pipeline/plant-panel";
import { ChainPanel } from "@/features/settlement/chain-panel";
import { HomesPanel } from "@/features/telemetry/homes-panel";
import { liveQuery } from "@/lib/api/queries";

import classes from "./home.module.css";

/** For operators: is it healthy, and what does it wait for. */
export default function Plant() {
  const { data: live } = useQuery(liveQuery);
  return (
    <div className={classes.page}>
      <Headline live={live} className={classes.wide} />
      <OutboxPanel className={classes.wide} />
      <PlantPanel />
      <ChainPanel chain={live?.chain} />
      <ReportPanel className={classes.wide} />
      <HomesPanel homes={live?.homes} mine={undefined} className={classes.wide} />
    </div>
  );
}
