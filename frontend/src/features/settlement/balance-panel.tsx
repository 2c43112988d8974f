import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Failure } from "@/components/failure";
import { Hash } from "@/components/hash";
import { Panel } from "@/components/panel";
import { accountQuery } from "@/lib/api/queries";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./bills.module.css";

interface BalancePanelProps {
  /** For staff: whose. */
  participant?: string | undefined;
  className?: string | undefined;
}

/** What the member has in the exchange, and what its agent may do with it. */
export function BalancePanel({ participant, className }: BalancePanelProps) {
  const text = useText();
  const format = useFormats();
  const { data: account, error, refetch } = useQuery(accountQuery(participant));
  return (
    <Panel kicker={text("balance.kicker")} title={text("balance.title")} className={className}>
      {account ? (
        <>
          <p className={classes.balance} data-testid="balance">
            {account.balance_micro === null ? "–" : format.money(account.balance_micro)}
          </p>
          {account.balance_micro === null && <p className={classes.when}>{text("balance.unknown")}</p>}
          <dl className={classes.facts}>
            <div>
              <dt>{text("balance.wallet")}</dt>
              <dd>
                <Hash value={account.wallet_address} label={text("balance.wallet")} />
              </dd>
            </div>
            <div>
              <dt>{text("balance.withdrawal")}</dt>
              <dd>{account.pending_withdrawal_micro ? format.money(account.pending_withdrawal_micro) : text("balance.noWithdrawal")}</dd>
            </div>
            {account.mandate && (
              <>
                <div>
                  <dt>{text("balance.agent")}</dt>
                  <dd>
                    <Hash value={account.mandate.agent_address} label={text("balance.agent")} />
                  </dd>
                </div>
                <div>
                  <dt>{text("balance.limits")}</dt>
                  <dd>
                    {text("balance.limitsAre", {
                      energy: format.energy(account.mandate.max_wh_per_day),
                      buy: format.price(account.mandate.max_buy_micro_per_kwh),
                      sell: format.price(account.mandate.min_sell_micro_per_kwh),
                    })}
                  </dd>
                </div>
                <div>
                  <dt>{text("balance.caps")}</dt>
                  <dd>
                    {text("balance.capsAre", {
                      fee: format.price(account.mandate.fee_cap_micro_per_kwh),
                      imbalance: format.price(account.mandate.imbalance_cap_micro_per_kwh),
                    })}
                  </dd>
                </div>
                <div>
                  <dt>{text("balance.until")}</dt>
                  <dd>{format.localDate(account.mandate.valid_until)}</dd>
                </div>
              </>
            )}
          </dl>
        </>
      ) : error ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : (
        <Skeleton height={220} radius="md" />
      )}
    </Panel>
  );
}
