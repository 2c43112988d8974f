import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";

import { Hash } from "@/components/hash";
import { Panel } from "@/components/panel";
import type { Live } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./chain-panel.module.css";

/** What is written where nobody can change it. */
export function ChainPanel({ chain, className }: { chain: Live["chain"] | undefined; className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const last = chain?.last_settled;
  const title = !chain
    ? text("chain.waiting")
    : last
      ? text("chain.title", { interval: format.time(last.interval_start) })
      : text("chain.none");
  return (
    <Panel kicker={text("chain.kicker")} title={title} className={className}>
      {chain ? (
        <>
          <div className={classes.counts}>
            <Count value={chain.commitments} name={text("chain.commitments")} />
            <Count value={chain.settled} name={text("chain.settled")} />
            <Count value={chain.pending} name={text("chain.pending")} />
            {chain.lapsed > 0 && <Count value={chain.lapsed} name={text("chain.lapsed")} />}
          </div>
          <dl className={classes.facts}>
            <Fact name={text("chain.block")}>
              {chain.block_number === null ? "–" : format.number(chain.block_number)}
              {chain.block_time !== null && <span> · {format.time(chain.block_time)}</span>}
            </Fact>
            <Fact name={text("chain.last")}>
              {last ? `${format.day(last.interval_start)}, ${format.time(last.interval_start)}` : text("chain.notYet")}
            </Fact>
            <Fact name={text("chain.transaction")}>
              {last ? <Hash value={last.tx_hash} label={text("chain.transaction")} /> : "–"}
            </Fact>
          </dl>
        </>
      ) : (
        <Skeleton height={190} radius="md" />
      )}
      <p className={classes.why}>{text("chain.why")}</p>
    </Panel>
  );
}

function Count({ value, name }: { value: number; name: string }) {
  const format = useFormats();
  return (
    <div className={classes.count}>
      <b>{format.number(value)}</b>
      <span>{name}</span>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
