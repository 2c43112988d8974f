import { Hash } from "@/components/hash";
import { SidePanel } from "@/components/side-panel";
import { Step, StepFacts, Steps, type Fact } from "@/components/steps";
import type { StatementLine } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import classes from "./bills.module.css";
import { charges, evidence } from "./line";

interface LineDrawerProps {
  line: StatementLine | null;
  onClose: () => void;
}

/** How one line of the bill came about: what was measured, where it was settled, what each part cost. */
export function LineDrawer({ line, onClose }: LineDrawerProps) {
  const text = useText();
  return (
    <SidePanel title={text("line.title")} opened={line !== null} onClose={onClose}>
      {line && <Line line={line} />}
    </SidePanel>
  );
}

function Line({ line }: { line: StatementLine }) {
  const text = useText();
  const format = useFormats();
  return (
    <article>
      <p className={classes.balance}>{format.money(line.net_micro)}</p>
      <p className={classes.when}>
        {format.dayTime(line.interval_start)} {format.zone(line.interval_start)} · {text(line.net_micro >= 0 ? "line.pays" : "line.gets")}
      </p>
      <Steps>
        <Measured line={line} />
        <Settled line={line} />
        <Billed line={line} />
      </Steps>
    </article>
  );
}

function Measured({ line }: { line: StatementLine }) {
  const text = useText();
  const format = useFormats();
  const about: MessageId = `line.${evidence(line)}`;
  const facts: Fact[] = [
    { key: "imported", label: text("line.imported"), value: format.energy(line.imported_wh) },
    { key: "exported", label: text("line.exported"), value: format.energy(line.exported_wh) },
    { key: "meter", label: text("line.meter"), value: <Hash value={line.meter_id} label={text("line.meter")} /> },
  ];
  if (line.reading_signature !== null) {
    const value = <Hash value={line.reading_signature} label={text("line.signature")} />;
    facts.push({ key: "signature", label: text("line.signature"), value });
  }
  return (
    <Step name="reading" state={line.estimated ? "failed" : "done"} title={text("line.measured")} about={text(about)}>
      <StepFacts facts={facts} />
    </Step>
  );
}

function Settled({ line }: { line: StatementLine }) {
  const text = useText();
  const format = useFormats();
  const energies: [MessageId, number][] = [
    ["line.bought", line.bought_wh],
    ["line.sold", line.sold_wh],
    ["line.delivered", line.delivered_wh],
    ["line.retailImport", line.retail_import_wh],
    ["line.feedIn", line.feed_in_wh],
  ];
  const facts: Fact[] = energies
    .filter(([, wh]) => wh > 0)
    .map(([id, wh]) => ({ key: id, label: text(id), value: format.energy(wh) }));
  if (line.block_number !== null) {
    facts.push({ key: "block", label: text("line.block"), value: format.number(line.block_number) });
  }
  if (line.tx_hash !== null) {
    const value = <Hash value={line.tx_hash} label={text("chain.transaction")} />;
    facts.push({ key: "transaction", label: text("chain.transaction"), value });
  }
  const settled = line.tx_hash !== null;
  return (
    <Step
      name="settlement"
      state={settled ? "done" : "pending"}
      title={text("line.settled")}
      aside={settled ? undefined : text("receipt.waiting")}
      about={text("line.settledAbout")}
    >
      <StepFacts facts={facts} />
    </Step>
  );
}

function Billed({ line }: { line: StatementLine }) {
  const text = useText();
  const format = useFormats();
  const facts: Fact[] = charges(line).map(({ name, wh, price, amount }) => {
    const id: MessageId = `line.${name}`;
    return {
      key: name,
      label: text("line.charge", { name: text(id), energy: format.energy(wh), price: format.price(price) }),
      value: format.exact(amount),
    };
  });
  facts.push({ key: "net", label: text(line.net_micro >= 0 ? "line.net" : "line.netGets"), value: format.exact(Math.abs(line.net_micro)), sum: true });
  return (
    <Step name="bill" state={line.tx_hash === null ? "pending" : "done"} title={text("line.billed")} about={text("line.billedAbout")}>
      <StepFacts facts={facts} />
    </Step>
  );
}
