import { DataTable } from "@/components/data-table";
import { Panel } from "@/components/panel";
import type { Formats } from "@/lib/format";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId, type Text } from "@/lib/text";

import { allClear, isOpen, type DriftAlarm, type DriftCheck } from "./forecasts";
import { Troubles, type Told } from "./forecasts-troubles";
import { capital, errorInWords, inputsInWords, quantityName } from "./forecasts-words";
import classes from "./forecasts.module.css";

interface DriftPanelProps {
  /** Newest first. */
  alarms: readonly DriftAlarm[];
  checks: readonly DriftCheck[];
}

/** Open alarms first, then what the newest checks found. */
export function DriftPanel({ alarms, checks }: DriftPanelProps) {
  const text = useText();
  const format = useFormats();
  const open = alarms.filter(isOpen);
  const state = stateOf(checks);
  return (
    <Panel kicker={text("drift.kicker")} title={open.length > 0 ? text("drift.open", { alarms: open.length }) : text(`drift.${state}`)}>
      <Troubles label={text("drift.alarms")} troubles={open.map((alarm) => inWords(alarm, text, format))} />
      {open.length === 0 && <p className={classes.said}>{text(`drift.${state}About`)}</p>}
      {checks.length > 0 && <Checks checks={checks} />}
      <Over alarms={alarms} />
    </Panel>
  );
}

function stateOf(checks: readonly DriftCheck[]): "never" | "clear" | "partly" {
  if (checks.length === 0) return "never";
  return allClear(checks) ? "clear" : "partly";
}

function inWords({ kind, quantity, opened_at, figures }: DriftAlarm, text: Text, format: Formats): Told {
  const id: MessageId = `drift.${kind}Alarm`;
  const found = kind === "error" ? errorInWords(figures, text, format) : inputsInWords(figures, text, format);
  return {
    key: `${kind} ${quantity}`,
    what: text(id, { quantity: quantityName(quantity, text) }),
    about: text("drift.since", { at: `${format.dayTime(opened_at)} ${format.zone(opened_at)}`, found }),
  };
}

function Checks({ checks }: { checks: readonly DriftCheck[] }) {
  const text = useText();
  const format = useFormats();
  return (
    <DataTable
      caption={text("drift.checks")}
      rows={checks}
      rowKey={({ quantity }) => quantity}
      columns={[
        { key: "quantity", header: text("forecasts.quantity"), cell: ({ quantity }) => capital(quantityName(quantity, text)) },
        {
          key: "at",
          header: text("drift.checked", { zone: format.zone(checks[0]?.as_of ?? 0) }),
          cell: ({ as_of }) => format.dayTime(as_of),
        },
        {
          key: "error",
          header: text("drift.errors"),
          cell: ({ error }) => <span className={classes.why}>{capital(errorInWords(error, text, format))}</span>,
        },
        {
          key: "inputs",
          header: text("drift.inputs"),
          cell: ({ inputs }) => <span className={classes.why}>{capital(inputsInWords(inputs, text, format))}</span>,
        },
      ]}
    />
  );
}

/** Alarms that have closed, in a line. */
function Over({ alarms }: { alarms: readonly DriftAlarm[] }) {
  const text = useText();
  const format = useFormats();
  const closed = alarms.flatMap(({ closed_at }) => closed_at ?? []).sort();
  const last = closed.at(-1);
  if (last === undefined) return null;
  return <p className={classes.about}>{text("drift.over", { alarms: closed.length, at: format.dayTime(last) })}</p>;
}
