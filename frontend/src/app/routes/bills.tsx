import { useQuery } from "@tanstack/react-query";

import { BalancePanel } from "@/features/settlement/balance-panel";
import { StatementPanel } from "@/features/settlement/statement-panel";
import { meQuery } from "@/lib/api/queries";

import classes from "./bills.module.css";

/** What was paid, for what, and what is left. */
export default function Bills() {
  const { data: me } = useQuery(meQuery);
  const member = me?.participant != null;
  return (
    <div className={member ? classes.page : undefined}>
      <StatementPanel className={classes.statement} />
      {member && <BalancePanel className={classes.balance} />}
    </div>
  );
}
