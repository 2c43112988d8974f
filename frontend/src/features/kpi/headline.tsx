import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";

import type { Live } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./headline.module.css";

/** Five figures that answer: am I saving, is it ours, does it move. */
export function Headline({ live, className }: { live: Live | undefined; className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  if (!live) return <Skeleton height={104} radius="lg" className={className} />;
  const { current, kpi } = live;
  const price = current.price_micro_per_kwh;
  return (
    <dl className={`${classes.strip} ${className ?? ""}`}>
      <Figure name={text("headline.now")} note={text("headline.nowNote", { zone: format.zone(live.interval_start) })}>
        {format.range(live.interval_start, live.interval_end)}
      </Figure>
      <Figure
        name={text("headline.price")}
        note={text("headline.priceNote", { retail: format.price(current.retail_micro_per_kwh) })}
      >
        {price === null ? "–" : format.price(price)}
      </Figure>
      <Figure name={text("headline.saved")} note={text("headline.savedNote")}>
        {format.money(kpi.saved_micro_today)}
      </Figure>
      <Figure name={text("headline.own")} note={text("headline.ownNote")}>
        {kpi.self_sufficiency_today === null ? "–" : format.percent(kpi.self_sufficiency_today)}
      </Figure>
      <Figure name={text("headline.traded")} note={text("headline.tradedNote")}>
        {format.energy(kpi.traded_wh_today)}
      </Figure>
    </dl>
  );
}

function Figure({ name, note, children }: { name: string; note: string; children: ReactNode }) {
  return (
    <div className={classes.figure}>
      <dt>{name}</dt>
      <dd className={classes.value}>{children}</dd>
      <dd className={classes.note}>{note}</dd>
    </div>
  );
}
