import { Hash } from "@/components/hash";
import { SidePanel } from "@/components/side-panel";
import type { StatementLine } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import classes from "./bills.module.css";

interface LineDrawerProps {
  line: StatementLine | null;
  onClose: () => void;
}

/** How one line of the bill came about: what was measured, what was traded, what each part cost. */
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
  const energies: [MessageId, number][] = [
    ["line.imported", line.imported_wh],
    ["line.exported", line.exported_wh],
    ["line.bought", line.bought_wh],
    ["line.sold", line.sold_wh],
    ["line.delivered", line.delivered_wh],
    ["line.retailImport", line.retail_import_wh],
    ["line.feedIn", line.feed_in_wh],
  ];
  const amounts: [MessageId, number][] = [
    ["line.purchase", line.purchase_micro],
    ["line.fee", line.fee_micro],
    ["line.retail", line.retail_micro],
    ["line.shortfall", line.shortfall_micro],
    ["line.sale", -line.sale_micro],
    ["line.feedInPaid", -line.feed_in_micro],
  ];
  return (
    <article>
      <p className={classes.balance}>{format.money(line.net_micro)}</p>
      <p className={classes.when}>
        {format.dayTime(line.interval_start)} {format.zone(line.interval_start)} · {text(line.net_micro >= 0 ? "line.pays" : "line.gets")}
      </p>
      {line.estimated && <p className={classes.estimated}>{text("line.estimated")}</p>}
      <h3 className={classes.part}>{text("line.energy")}</h3>
      <dl className={classes.facts}>
        {energies.map(([id, wh]) => (
          <div key={id}>
            <dt>{text(id)}</dt>
            <dd>{format.energy(wh)}</dd>
          </div>
        ))}
      </dl>
      <h3 className={classes.part}>{text("line.money")}</h3>
      <dl className={classes.facts}>
        {amounts.map(([id, micro]) => (
          <div key={id}>
            <dt>{text(id)}</dt>
            <dd>{format.money(micro)}</dd>
          </div>
        ))}
        <div className={classes.sum}>
          <dt>{text("line.net")}</dt>
          <dd>{format.money(line.net_micro)}</dd>
        </div>
        <div>
          <dt>{text("chain.transaction")}</dt>
          <dd>{line.tx_hash ? <Hash value={line.tx_hash} label={text("chain.transaction")} /> : text("receipt.waiting")}</dd>
        </div>
      </dl>
    </article>
  );
}
