import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { BalancePanel } from "@/features/settlement/balance-panel";
import { StatementPanel } from "@/features/settlement/statement-panel";
import { liveQuery, meQuery } from "@/lib/api/queries";
import { useText } from "@/lib/text";

import classes from "./bills.module.css";

/** What was paid, for what, and what is left; staff choose whose. */
export default function Bills() {
  const text = useText();
  const { data: me } = useQuery(meQuery);
  const { data: live } = useQuery(liveQuery);
  const [chosen, setChosen] = useState<string | null>(null);
  if (!me) return null;
  const names = live?.homes.map(({ pseudonym }) => pseudonym) ?? [];
  const whose = me.participant ? undefined : (chosen ?? names[0]);
  const ready = me.participant !== null || whose !== undefined;
  return (
    <>
      {!me.participant && (
        <Select
          label={text("bill.of")}
          data={names}
          value={whose ?? null}
          onChange={setChosen}
          allowDeselect={false}
          searchable
          maw={280}
          mb="md"
        />
      )}
      {ready && (
        <div className={classes.page}>
          <StatementPanel participant={whose} className={classes.statement} />
          <BalancePanel participant={whose} className={classes.balance} />
        </div>
      )}
    </>
  );
}
