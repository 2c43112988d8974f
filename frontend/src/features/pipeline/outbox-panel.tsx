import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { DataTable } from "@/components/data-table";
import { Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { State } from "@/components/state";
import { Trouble } from "@/components/trouble";
import type { PipelineStatus } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId, type Text } from "@/lib/text";

import classes from "./pipeline.module.css";
import { alarmsFirst, outboxCounts, pipelineQuery, type OutboxCounts, type OutboxRow } from "./status";

/** What is on its way to the chain, what it waits for and since when; what needs a person stands first. */
export function OutboxPanel({ className }: { className?: string | undefined }) {
  const text = useText();
  const { data, error, refetch } = useQuery(pipelineQuery);
  return (
    <Panel kicker={text("outbox.kicker")} title={data ? title(data, text) : text("outbox.waiting")} className={className}>
      {data ? (
        <Outbox status={data} />
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={240} radius="md" />
      )}
    </Panel>
  );
}

function title({ chain_trouble: trouble, outbox }: PipelineStatus, text: Text): string {
  const { alarms } = outboxCounts(outbox);
  if (trouble) return text("outbox.halted");
  return alarms > 0 ? text("outbox.needed", { alarms }) : text("outbox.title", { open: outbox.length });
}

const COUNTS: readonly (keyof OutboxCounts)[] = ["pending", "sent", "mined", "alarms"];

function Outbox({ status }: { status: PipelineStatus }) {
  const text = useText();
  const format = useFormats();
  const { chain_trouble: trouble, outbox } = status;
  const counts = outboxCounts(outbox);
  return (
    <>
      {trouble && (
        <div role="alert" data-testid="chain-trouble">
          <Trouble what={sentence(trouble.reason)} about={text("outbox.safe", { age: format.duration(trouble.age_s) })} />
        </div>
      )}
      <dl className={classes.counts}>
        {COUNTS.map((name) => {
          const id: MessageId = `outbox.${name}`;
          return (
            <div key={name} data-alarm={name === "alarms" && counts.alarms > 0} data-count={name}>
              <dd>{format.number(counts[name])}</dd>
              <dt>{text(id)}</dt>
            </div>
          );
        })}
      </dl>
      {outbox.length > 0 ? (
        <DataTable
          caption={text("outbox.kicker")}
          rows={alarmsFirst(outbox)}
          rowKey={(row) => row.key}
          maxHeight={360}
          columns={[
            { key: "stage", header: text("plant.stage"), cell: (row) => <Stage row={row} /> },
            { key: "state", header: text("outbox.state"), cell: (row) => <State name={row.state} /> },
            { key: "reason", header: text("plant.waitsFor"), cell: (row) => <span className={classes.why}>{row.reason}</span> },
            { key: "age", header: text("outbox.age"), numeric: true, cell: (row) => format.duration(row.age_s) },
          ]}
        />
      ) : (
        <p className={classes.quiet}>{text("outbox.empty")}</p>
      )}
    </>
  );
}

function Stage({ row }: { row: OutboxRow }) {
  const text = useText();
  const format = useFormats();
  const id: MessageId = `outbox.${row.stage}`;
  return (
    <span title={row.key}>
      {text(id)}
      {row.interval_start !== null && <span className={classes.when}> {format.dayTime(row.interval_start)}</span>}
    </span>
  );
}

/** The platform's reasons begin in lower case, for its log. */
function sentence(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1) + (/[.!?]$/.test(reason) ? "" : ".");
}
