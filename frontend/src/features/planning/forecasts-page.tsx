import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { useText } from "@/lib/text";

import { forecastingQuery } from "./forecasts";
import { ContestsPanel } from "./forecasts-contests";
import { DriftPanel } from "./forecasts-drift";
import { ModelsPanel } from "./forecasts-models";
import { ServingPanel } from "./forecasts-serving";
import classes from "./forecasts.module.css";

/** Which model forecasts load and PV, whether it is any good, and whether anything has drifted. */
export function ForecastsPage() {
  const text = useText();
  const { data, error, refetch } = useQuery(forecastingQuery);
  if (data) {
    return (
      <div className={classes.page}>
        <ServingPanel forecasting={data} />
        <DriftPanel alarms={data.alarms} checks={data.checks} />
        <ContestsPanel contests={data.contests} />
        <ModelsPanel versions={data.versions} />
      </div>
    );
  }
  if (error) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <Panel kicker={text("nav.forecasts")} title={text("forecasts.waiting")}>
      <Skeleton height={420} radius="md" />
    </Panel>
  );
}
