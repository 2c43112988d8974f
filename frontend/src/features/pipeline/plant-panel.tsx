import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { DataTable } from "@/components/data-table";
import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./pipeline.module.css";
import { pipelineQuery } from "./status";

/** What the flow is waiting for, if anything. */
export function PlantPanel({ className }: { className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const { data, error, refetch } = useQuery(pipelineQuery);
  const title = data ? text("plant.title", { pending: data.pending.length }) : text("plant.waiting");
  return (
    <Panel kicker={text("plant.kicker")} title={title} className={className}>
      {data ? (
        data.pending.length > 0 ? (
          <DataTable
            caption={text("plant.kicker")}
            rows={data.pending}
            rowKey={(row) => `${row.stage} ${row.interval_start}`}
            maxHeight={420}
            columns={[
              { key: "stage", header: text("plant.stage"), cell: (row) => row.stage },
              { key: "interval", header: text("bill.interval"), cell: (row) => format.dayTime(row.interval_start) },
              { key: "waits", header: text("plant.waitsFor"), cell: (row) => <span className={classes.why}>{row.waits_for}</span> },
            ]}
          />
        ) : (
          <Empty>{text("plant.empty")}</Empty>
        )
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={240} radius="md" />
      )}
    </Panel>
  );
}
