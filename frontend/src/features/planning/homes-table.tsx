import { DataTable } from "@/components/data-table";
import { Panel } from "@/components/panel";
import type { Comparison } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { money, percent } from "./comparison";
import { methodName } from "./methods";

type Site = Comparison["sites"][number];

const attainable = (site: Site) => site.cost_without_micro - site.optimum_micro;

/** How much of what could be saved each method would have saved at each home. */
export function HomesTable({ comparison }: { comparison: Comparison }) {
  const text = useText();
  const format = useFormats();
  const kicker = text("compare.byHomeKicker", { day: format.day(comparison.starts[0] ?? 0) });
  const rows = comparison.sites.map((site, index) => ({ site, index })).sort((a, b) => attainable(b.site) - attainable(a.site));
  const most = rows[0]?.site;
  return (
    <Panel
      kicker={kicker}
      title={most ? text("compare.byHomeTitle", { home: most.pseudonym, saved: money(attainable(most), format) }) : kicker}
    >
      <DataTable
        caption={kicker}
        rows={rows}
        rowKey={({ site }) => site.pseudonym}
        maxHeight={520}
        columns={[
          { key: "home", header: text("compare.home"), cell: ({ site }) => site.pseudonym },
          { key: "without", header: text("compare.without"), numeric: true, cell: ({ site }) => money(site.cost_without_micro, format) },
          { key: "attainable", header: text("compare.attainable"), numeric: true, cell: ({ site }) => money(attainable(site), format) },
          ...comparison.methods.map(({ method, sites }) => ({
            key: method,
            header: methodName(method, text),
            numeric: true,
            cell: ({ index }: { index: number }) => {
              const lost = sites[index]?.lost ?? null;
              return lost === null ? "–" : percent(1 - lost, format);
            },
          })),
        ]}
      />
    </Panel>
  );
}
