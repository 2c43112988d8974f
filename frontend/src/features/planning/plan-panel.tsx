import { Skeleton } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { api, unwrap } from "@/lib/api/client";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { methodName, reasonInWords } from "./methods";
import classes from "./plan-panel.module.css";

const planQuery = queryOptions({
  queryKey: ["series", "plan"],
  queryFn: () => unwrap(api.GET("/api/v1/plan")),
});

/** The next decision of one's battery, in a sentence with its reason. */
export function PlanPanel() {
  const text = useText();
  const format = useFormats();
  const { data: plan, error, refetch } = useQuery(planQuery);
  const title = !plan ? text("plan.waiting") : plan.explanation === "" ? text("plan.none") : plan.explanation;
  return (
    <Panel kicker={text("plan.kicker")} title={title}>
      {plan?.as_of ? (
        <p className={classes.made}>
          {text("plan.made", {
            at: format.time(plan.as_of),
            method: methodName(plan.method, text),
            reason: reasonInWords(plan.method, plan.reason, text),
          })}
        </p>
      ) : plan ? (
        <Empty>{text("plan.noneWhy")}</Empty>
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={22} radius="sm" />
      )}
    </Panel>
  );
}
