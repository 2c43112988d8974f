import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Empty, Failure } from "@/components/failure";
import { Icon } from "@/components/icons";
import { Panel } from "@/components/panel";
import type { StatementLine } from "@/lib/api/types";
import { useCurrentInterval } from "@/lib/clock";
import { download } from "@/lib/csv";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import { LineDrawer } from "./line-drawer";
import { period, PERIODS, type Period } from "@/lib/periods";
import { statementCsv, statementQuery, total } from "./statement";
import { StatementTable } from "./statement-table";
import classes from "./bills.module.css";

interface StatementPanelProps {
  /** For staff: whose. */
  participant?: string | undefined;
  className?: string | undefined;
}

/** The bill of a period, line by line, with its sums; each line opens what it was made of. */
export function StatementPanel({ participant, className }: StatementPanelProps) {
  const text = useText();
  const format = useFormats();
  const interval = useCurrentInterval();
  const [name, setName] = useState<Period>("today");
  const [opened, setOpened] = useState<StatementLine | null>(null);
  const { from, to } = period(name, interval?.start ?? 0, format);
  const { data: statement, error, refetch } = useQuery({ ...statementQuery(from, to, participant), enabled: interval !== null });
  const lines = statement?.lines;

  const net = lines ? total(lines, "net_micro") : 0;
  const title = !lines
    ? text("bill.waiting")
    : lines.length === 0
      ? text("bill.none")
      : text(net >= 0 ? "bill.paid" : "bill.earned", { who: participant ?? "you", amount: format.money(Math.abs(net)) });

  return (
    <Panel
      kicker={text("bill.kicker")}
      title={title}
      className={className}
      actions={
        <Button
          variant="subtle"
          size="xs"
          leftSection={<Icon name="download" size={17} />}
          disabled={!lines || lines.length === 0}
          onClick={() => lines && download(`statement-${statement.participant}-${format.localDate(from)}.csv`, statementCsv(lines))}
        >
          {text("bill.csv")}
        </Button>
      }
    >
      <div className={classes.period}>
        <SegmentedControl
          aria-label={text("bill.period")}
          data={PERIODS.map((value) => {
            const id: MessageId = `bill.${value}`;
            return { value, label: text(id) };
          })}
          value={name}
          onChange={setName}
        />
      </div>
      {lines ? (
        lines.length > 0 ? (
          <StatementTable lines={lines} oneDay={name !== "week"} onOpen={setOpened} />
        ) : (
          <Empty>{text("bill.empty")}</Empty>
        )
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={380} radius="md" />
      )}
      <LineDrawer line={opened} onClose={() => setOpened(null)} />
    </Panel>
  );
}
