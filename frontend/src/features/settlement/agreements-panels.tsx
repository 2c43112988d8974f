import { Button, Select } from "@mantine/core";
import { useState } from "react";

import { Icon } from "@/components/icons";
import { notify } from "@/components/notify";
import { Panel } from "@/components/panel";
import type { Account, Community } from "@/lib/api/types";
import { useNow } from "@/lib/clock";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { suggestedMandate, suggestedSupply, useCancelBefore, useSignMandate, useSignSupply } from "./agreements";
import classes from "./agreements.module.css";
import { TermsForm } from "./terms-form";

const DAY_S = 86_400;
const HOUR_S = 3_600;
const YEAR = 365;

/** What the member's agent may do, and signing anew. */
export function MandatePanel({ community, account }: { community: Community; account: Account }) {
  const text = useText();
  const format = useFormats();
  const now = useNow(60_000);
  const sign = useSignMandate(community);
  const { mandate } = account;
  const suggested = suggestedMandate(mandate, community);
  const title = mandate
    ? text("mandate.title", { energy: format.energy(mandate.max_wh_per_day), until: format.localDate(mandate.valid_until) })
    : text("mandate.none");
  const { currency } = community;
  return (
    <Panel kicker={text("mandate.kicker")} title={title}>
      <p className={classes.about}>{text("mandate.about")}</p>
      <TermsForm
        label={text("mandate.kicker")}
        busy={sign.isPending}
        error={sign.error}
        fields={[
          { name: "maxBuyPrice", label: text("mandate.buy", { currency }), unit: "price", value: suggested.maxBuyPrice },
          { name: "minSellPrice", label: text("mandate.sell", { currency }), unit: "price", value: suggested.minSellPrice },
          { name: "feeCap", label: text("mandate.fee", { currency }), unit: "price", value: suggested.feeCap },
          { name: "imbalanceCap", label: text("mandate.imbalance", { currency }), unit: "price", value: suggested.imbalanceCap },
          { name: "maxWhPerDay", label: text("mandate.energy"), unit: "kWh", value: suggested.maxWhPerDay },
          { name: "days", label: text("agreements.valid"), unit: "days", value: YEAR },
        ]}
        sign={({ days, ...terms }) =>
          sign.mutate(
            { ...terms, validUntil: Math.floor((now?.ms ?? 0) / 1000) + days * DAY_S },
            { onSuccess: () => notify(text, text("agreements.signed")) },
          )
        }
      />
    </Panel>
  );
}

/** What the retailer may bill, and what counts while a meter is silent. */
export function SupplyPanel({ community }: { community: Community }) {
  const text = useText();
  const now = useNow(60_000);
  const sign = useSignSupply(community);
  const suggested = suggestedSupply(community);
  const { currency } = community;
  return (
    <Panel kicker={text("supply.kicker")} title={text("supply.title")}>
      <p className={classes.about}>{text("supply.about")}</p>
      <TermsForm
        label={text("supply.kicker")}
        busy={sign.isPending}
        error={sign.error}
        fields={[
          { name: "maxImportPrice", label: text("supply.import", { currency }), unit: "price", value: suggested.maxImportPrice },
          { name: "minFeedInPrice", label: text("supply.feedIn", { currency }), unit: "price", value: suggested.minFeedInPrice },
          { name: "fallbackImportW", label: text("supply.fallback"), unit: "W", value: suggested.fallbackImportW },
          { name: "days", label: text("agreements.valid"), unit: "days", value: YEAR },
        ]}
        sign={({ days, ...terms }) => {
          const validFrom = Math.floor((now?.ms ?? 0) / 1000);
          sign.mutate(
            { ...terms, validFrom, validUntil: validFrom + days * DAY_S },
            { onSuccess: () => notify(text, text("agreements.signed")) },
          );
        }}
      />
    </Panel>
  );
}

/** Voiding every order at once, on chain, without the platform. */
export function CancelPanel({ community, className }: { community: Community; className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const now = useNow(1_000);
  const cancel = useCancelBefore(community);
  const choices = [1, 6, community.gate_open_h + 1];
  const [hours, setHours] = useState(community.gate_open_h + 1);
  const floor = Math.ceil((now?.ms ?? 0) / 1000) + hours * HOUR_S;
  return (
    <Panel kicker={text("cancel.kicker")} title={text("cancel.title")} className={className}>
      <p className={classes.about}>{text("cancel.about")}</p>
      <div className={classes.row}>
        <Select
          label={text("cancel.within")}
          data={choices.map((count) => ({ value: String(count), label: text("cancel.hours", { count }) }))}
          value={String(hours)}
          allowDeselect={false}
          onChange={(value) => setHours(Number(value))}
          maw={260}
        />
        {window.ethereum ? (
          <Button
            size="md"
            variant="default"
            loading={cancel.isPending}
            disabled={!now}
            onClick={() =>
              cancel.mutate(floor, {
                onSuccess: () => notify(text, text("cancel.sent", { when: format.dayTime(floor * 1000) })),
              })
            }
          >
            {text("cancel.do")}
          </Button>
        ) : (
          <p className={classes.small}>{text("ticket.noWallet")}</p>
        )}
      </div>
      {cancel.error && (
        <p className={classes.refused} role="alert">
          <Icon name="alarm" size={17} />
          {text("cancel.refused")}
        </p>
      )}
    </Panel>
  );
}
