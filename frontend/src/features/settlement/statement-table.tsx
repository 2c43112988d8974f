import { Anchor } from "@mantine/core";

import { DataTable, type Column } from "@/components/data-table";
import type { StatementLine } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { total } from "./statement";
import classes from "./bills.module.css";

interface StatementTableProps {
  /** Whether the lines are all of one day, which then need not be said. */
  oneDay: boolean;
  lines: readonly StatementLine[];
  onOpen: (line: StatementLine) => void;
}

/** Energy beside the money it made, newest interval first. */
export function StatementTable({ lines, oneDay, onOpen }: StatementTableProps) {
  const text = useText();
  const format = useFormats();
  const newest = [...lines].sort((one, other) => Date.parse(other.interval_start) - Date.parse(one.interval_start));
  const energy = (wh: number) => (wh === 0 ? "–" : format.number(wh / 1000, 2));
  const money = (micro: number) => (micro === 0 ? "–" : format.money(micro));
  const sum = {
    bought: total(lines, "bought_wh"),
    sold: total(lines, "sold_wh"),
    retail: total(lines, "retail_import_wh"),
    feedIn: total(lines, "feed_in_wh"),
  };
  const columns: Column<StatementLine>[] = [
    {
      key: "interval",
      header: text("bill.interval"),
      cell: (line) => (
        <Anchor component="button" type="button" size="sm" c="inherit" underline="always" onClick={() => onOpen(line)} data-line={line.interval_start}>
          {oneDay ? format.time(line.interval_start) : format.dayTime(line.interval_start)}
        </Anchor>
      ),
      footer: text("bill.total"),
    },
    { key: "bought", header: text("bill.bought"), numeric: true, cell: (line) => energy(line.bought_wh), footer: energy(sum.bought) },
    { key: "purchase", header: text("bill.purchase"), numeric: true, cell: (line) => money(line.purchase_micro), footer: money(total(lines, "purchase_micro")) },
    { key: "sold", header: text("bill.sold"), numeric: true, cell: (line) => energy(line.sold_wh), footer: energy(sum.sold) },
    { key: "sale", header: text("bill.sale"), numeric: true, cell: (line) => money(-line.sale_micro), footer: money(-total(lines, "sale_micro")) },
    { key: "import", header: text("bill.retailEnergy"), numeric: true, cell: (line) => energy(line.retail_import_wh), footer: energy(sum.retail) },
    { key: "retail", header: text("bill.retail"), numeric: true, cell: (line) => money(line.retail_micro), footer: money(total(lines, "retail_micro")) },
    { key: "feedIn", header: text("bill.feedIn"), numeric: true, cell: (line) => money(-line.feed_in_micro), footer: money(-total(lines, "feed_in_micro")) },
    {
      key: "fee",
      header: text("bill.fee"),
      numeric: true,
      cell: (line) => money(line.fee_micro + line.shortfall_micro),
      footer: money(total(lines, "fee_micro") + total(lines, "shortfall_micro")),
    },
    {
      key: "net",
      header: text("bill.net"),
      numeric: true,
      cell: (line) => <span className={classes.net}>{format.money(line.net_micro)}</span>,
      footer: format.money(total(lines, "net_micro")),
    },
  ];
  return <DataTable caption={text("bill.kicker")} columns={columns} rows={newest} rowKey={(line) => `${line.interval_start} ${line.meter_id}`} maxHeight={560} />;
}
