import { Select, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { ApiProblem } from "@/lib/api/problem";
import type { Comparison } from "@/lib/api/types";
import { useText } from "@/lib/text";

import { comparisonQuery, extremes, within } from "./comparison";
import { ComparisonChart } from "./comparison-chart";
import { ComparisonTable, LeftOut } from "./comparison-table";
import classes from "./comparison.module.css";
import { DayField } from "./day-field";
import { HomesTable } from "./homes-table";

const ALL = "";

/** A past day planned anew by every method: what it would have cost, and what the batteries would have done. */
export function ComparisonPage() {
  const text = useText();
  const [day, setDay] = useState<string | null>(null);
  const [home, setHome] = useState<string | null>(null);
  const newest = useQuery(comparisonQuery(null));
  const asked = useQuery({ ...comparisonQuery(day), enabled: day !== null });
  const { data: comparison, error, refetch } = day === null ? newest : asked;
  const refused = error instanceof ApiProblem ? error.field("day") : undefined;

  if (newest.error instanceof ApiProblem && newest.error.code === "none_yet") {
    return (
      <Panel kicker={text("nav.methods")} title={text("compare.noneTitle")}>
        <Empty>{text("compare.noneYet")}</Empty>
      </Panel>
    );
  }
  const sites = (comparison ?? newest.data)?.sites ?? [];
  const chosen = sites.some(({ pseudonym }) => pseudonym === home) ? home : null;
  return (
    <div className={classes.page}>
      {newest.data && (
        <div className={classes.choices}>
          <DayField
            day={day ?? newest.data.day}
            first={newest.data.first_day}
            last={newest.data.last_day}
            error={refused}
            onDay={setDay}
          />
          <Select
            label={text("compare.who")}
            data={[{ value: ALL, label: text("compare.all") }, ...sites.map(({ pseudonym }) => pseudonym)]}
            value={chosen ?? ALL}
            onChange={(value) => setHome(value === ALL ? null : value)}
            allowDeselect={false}
            className={classes.who}
          />
        </div>
      )}
      {comparison ? (
        <Compared comparison={comparison} home={chosen} />
      ) : error && refused === undefined ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : error && newest.data ? (
        <Panel kicker={text("nav.methods")} title={text("compare.noneTitle")}>
          <Empty>{text("compare.choose", { first: newest.data.first_day, last: newest.data.last_day })}</Empty>
        </Panel>
      ) : (
        <Panel kicker={text("nav.methods")} title={text("compare.waiting")}>
          <Skeleton height={420} radius="md" />
        </Panel>
      )}
    </div>
  );
}

function Compared({ comparison, home }: { comparison: Comparison; home: string | null }) {
  const text = useText();
  const [ticked, setTicked] = useState<readonly string[] | null>(null);
  const scope = useMemo(() => within(comparison, home), [comparison, home]);
  const drawn = useMemo(() => ticked ?? extremes(scope.rows), [ticked, scope]);
  if (comparison.sites.length === 0) {
    return (
      <Panel kicker={text("nav.methods")} title={text("compare.noneTitle")}>
        <Empty>{text("compare.noSites")}</Empty>
        {comparison.left_out.length > 0 && <LeftOut sites={comparison.left_out} />}
      </Panel>
    );
  }
  return (
    <>
      <ComparisonTable comparison={comparison} scope={scope} drawn={drawn} onDraw={setTicked} />
      <ComparisonChart comparison={comparison} scope={scope} drawn={drawn} />
      <HomesTable comparison={comparison} />
    </>
  );
}
