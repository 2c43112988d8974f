import { Tooltip } from "@mantine/core";
import { useNetwork } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";

import { liveQuery } from "@/lib/api/queries";
import { useNow } from "@/lib/clock";
import type { Connection } from "@/lib/events";
import { ENERGY } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./top-bar.module.css";

/** A block older than this, in wall seconds, is news. */
const OLD_BLOCK_S = 30;

type Health = "good" | "waiting" | "bad";

/** Two small marks: is the data live, is the chain alive. Shape and words say what colour says. */
export function Freshness({ connection }: { connection: Connection }) {
  const text = useText();
  const format = useFormats();
  const now = useNow(1000);
  const { online } = useNetwork();
  const { data: live, dataUpdatedAt, isError } = useQuery(liveQuery);

  const age = live && now ? Math.max(0, Math.round((now.ms - Date.parse(live.now)) / 1000 / Math.max(now.speed, 1))) : null;
  const data: Health = !online || isError ? "bad" : connection === "open" && live ? "good" : "waiting";
  const dataWords =
    data === "good"
      ? text("fresh.dataLive")
      : dataUpdatedAt === 0 || age === null
        ? text(data === "bad" ? "fresh.dataNone" : "fresh.dataWaiting")
        : text(data === "bad" ? "fresh.dataOffline" : "fresh.dataLost", { age: format.number(age) });

  const block = live?.chain;
  const behind =
    block?.block_time && now ? (now.ms - Date.parse(block.block_time)) / 1000 / Math.max(now.speed, 1) : null;
  const chain: Health = behind === null ? "waiting" : behind > OLD_BLOCK_S && now?.speed !== 0 ? "bad" : "good";
  const chainWords =
    block?.block_number === null || block?.block_number === undefined || behind === null
      ? text("fresh.chainWaiting")
      : text(chain === "good" ? "fresh.chainGood" : "fresh.chainOld", {
          block: format.number(block.block_number),
          age: format.number(Math.max(0, Math.round(behind))),
        });

  return (
    <div className={classes.dots}>
      <Dot health={data} name={text("fresh.data")} words={dataWords} />
      <Dot health={chain} name={text("fresh.chain")} words={chainWords} />
    </div>
  );
}

function Dot({ health, name, words }: { health: Health; name: string; words: string }) {
  const colour = { good: ENERGY.battery, waiting: "var(--quiet)", bad: ENERGY.alarm }[health];
  return (
    <Tooltip label={words}>
      {/* Focusable, so that the words open by keyboard too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={classes.dot} tabIndex={0} role="img" aria-label={`${name}: ${words}`} data-health={health}>
        <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden>
          {health === "good" && <circle cx="5" cy="5" r="4" fill={colour} />}
          {health === "waiting" && <circle cx="5" cy="5" r="3.5" fill="none" stroke={colour} strokeWidth="1.5" />}
          {health === "bad" && <path d="M5 0.5 9.7 9H0.3z" fill={colour} />}
        </svg>
        <span>{name}</span>
      </div>
    </Tooltip>
  );
}
