import { Checkbox, useComputedColorScheme } from "@mantine/core";

import { DataTable } from "@/components/data-table";
import { Panel } from "@/components/panel";
import type { Comparison } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { duration, money, percent, type MethodRow, type Scope } from "./comparison";
import classes from "./comparison.module.css";
import { lookOf } from "./looks";
import { methodAbout, methodName, notesInWords } from "./methods";

interface ComparisonTableProps {
  comparison: Comparison;
  scope: Scope;
  drawn: readonly string[];
  onDraw: (methods: string[]) => void;
}

/** What each method would have cost, the cheapest first. */
export function ComparisonTable({ comparison, scope, drawn, onDraw }: ComparisonTableProps) {
  const text = useText();
  const format = useFormats();
  const kicker = text("compare.kicker", { day: format.day(comparison.starts[0] ?? 0) });
  const facts = [
    [text("compare.without"), money(scope.costWithout, format)],
    [text("compare.optimum"), money(scope.optimum, format)],
    [text("compare.attainable"), money(scope.costWithout - scope.optimum, format)],
    [text("compare.homes"), format.number(scope.homes)],
  ] as const;
  return (
    <Panel kicker={kicker} title={text("compare.title", { saved: money(scope.costWithout - scope.optimum, format) })}>
      <dl className={classes.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <DataTable
        caption={kicker}
        rows={scope.rows}
        rowKey={(row) => row.method}
        columns={[
          {
            key: "method",
            header: text("compare.method"),
            cell: ({ method }) => (
              <MethodTick
                method={method}
                position={comparison.methods.findIndex((outcome) => outcome.method === method)}
                ticked={drawn.includes(method)}
                onTick={(on) => onDraw(on ? [...drawn, method] : drawn.filter((name) => name !== method))}
              />
            ),
          },
          { key: "cost", header: text("compare.cost"), numeric: true, cell: (row) => money(row.cost, format) },
          { key: "saved", header: text("compare.saved"), numeric: true, cell: (row) => money(row.saved, format) },
          {
            key: "share",
            header: text("compare.share"),
            numeric: true,
            cell: ({ lost }) => (lost === null ? "–" : percent(1 - lost, format)),
          },
          {
            key: "lost",
            header: text("compare.lost"),
            numeric: true,
            cell: ({ lost, aboveOptimum }) => (lost === null ? "–" : `${money(aboveOptimum, format)} (${percent(lost, format)})`),
          },
          { key: "seconds", header: text("compare.seconds"), numeric: true, cell: (row) => duration(row.seconds, format) },
          { key: "limits", header: text("compare.feasible"), cell: (row) => <Limits row={row} scope={scope} /> },
        ]}
      />
      <p className={classes.about}>{text("compare.about")}</p>
      {comparison.left_out.length > 0 && <LeftOut sites={comparison.left_out} />}
    </Panel>
  );
}

interface MethodTickProps {
  method: string;
  position: number;
  ticked: boolean;
  onTick: (on: boolean) => void;
}

function MethodTick({ method, position, ticked, onTick }: MethodTickProps) {
  const text = useText();
  const { colour, dash } = lookOf(position, useComputedColorScheme("light"));
  return (
    <Checkbox
      checked={ticked}
      onChange={(event) => onTick(event.currentTarget.checked)}
      label={
        <>
          {methodName(method, text)}
          {ticked && <span className={classes.sample} style={{ borderTop: `2px ${dash} ${colour}` }} />}
        </>
      }
      description={methodAbout(method, text)}
      classNames={{ description: classes.what ?? "" }}
      iconColor="var(--card)"
      data-method={method}
    />
  );
}

function Limits({ row, scope }: { row: MethodRow; scope: Scope }) {
  const text = useText();
  const whole = row.kept === row.homes;
  const words = whole
    ? text("compare.kept")
    : scope.home === null
      ? text("compare.keptBy", { kept: row.kept, all: row.homes })
      : text("compare.notKept");
  return (
    <>
      <span data-kept={whole}>{words}</span>
      {row.reasons
        .map(({ home, reason }) => ({ home, notes: notesInWords(reason, text) }))
        .filter(({ notes }) => notes !== "")
        .map(({ home, notes }) => (
          <span key={home} className={classes.reason}>
            {scope.home === null ? text("compare.reasonAt", { home, reason: notes }) : notes}
          </span>
        ))}
    </>
  );
}

/** Which homes are missing, and how much of their day. */
export function LeftOut({ sites }: { sites: Comparison["left_out"] }) {
  const text = useText();
  const homes = sites.map(({ pseudonym, missing_intervals }) =>
    text("compare.leftOutOne", { home: pseudonym, intervals: missing_intervals }),
  );
  return <p className={classes.about}>{text("compare.leftOut", { homes: homes.join(", ") })}</p>;
}
