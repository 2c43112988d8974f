import { Skeleton } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";

import { DataTable } from "@/components/data-table";
import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { api, unwrap } from "@/lib/api/client";
import { useCurrentInterval } from "@/lib/clock";
import { period } from "@/lib/periods";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { ReportFacts } from "./report-facts";

function reportQuery(from: string, to: string) {
  return queryOptions({
    queryKey: ["statement", "report", from, to],
    queryFn: () => unwrap(api.GET("/api/v1/kpi/report", { params: { query: { from, to } } })),
    placeholderData: (previous) => previous,
  });
}

/** What the day was worth to each member, and whether the books are whole. */
export function ReportPanel({ className }: { className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const interval = useCurrentInterval();
  const { from, to } = period("today", interval?.start ?? 0, format);
  const { data: report, error, refetch } = useQuery({ ...reportQuery(from, to), enabled: interval !== null });
  const settled = report !== undefined && report.settled_intervals > 0;
  return (
    <Panel
      kicker={text("report.kicker")}
      title={report ? text("report.title", { saved: format.money(report.saved_micro) }) : text("report.waiting")}
      className={className}
    >
      {settled ? (
        <>
          <ReportFacts report={report} />
          <DataTable
            caption={text("report.kicker")}
            rows={report.members}
            rowKey={(member) => member.pseudonym}
            columns={[
              { key: "member", header: text("report.member"), cell: (member) => member.pseudonym },
              { key: "cost", header: text("report.cost"), numeric: true, cell: (member) => format.money(member.cost_micro), footer: format.money(report.cost_micro) },
              { key: "without", header: text("report.without"), numeric: true, cell: (member) => format.money(member.cost_without_micro), footer: format.money(report.cost_without_micro) },
              { key: "saved", header: text("report.saved"), numeric: true, cell: (member) => format.money(member.saved_micro), footer: format.money(report.saved_micro) },
            ]}
          />
        </>
      ) : report ? (
        <Empty>{text("report.empty")}</Empty>
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={320} radius="md" />
      )}
    </Panel>
  );
}
