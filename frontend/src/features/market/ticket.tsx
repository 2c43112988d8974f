import { Button, NumberInput, SegmentedControl } from "@mantine/core";
import { useState, type SubmitEvent } from "react";

import { describe } from "@/components/failure";
import { Icon } from "@/components/icons";
import { notify } from "@/components/notify";
import { ApiProblem } from "@/lib/api/problem";
import type { Account, Community, Interval, Me, Side } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { bounds } from "./bounds";
import { review, suggestedLimit, type Remark } from "./draft";
import { IntervalSelect } from "./interval-select";
import { usePlaceOrder, type Signer } from "./orders";
import { TicketSummary } from "./ticket-summary";
import classes from "./trade-desk.module.css";

const MICRO = 1_000_000;

interface TicketProps {
  community: Community;
  participant: NonNullable<Me["participant"]>;
  account: Account | undefined;
  intervals: readonly Interval[];
  interval: Interval;
  /** Community time, ms. */
  now: number;
  onPick: (start: string) => void;
}

/** A limit order: checked while it is written, said in words before it is signed. */
export function Ticket({ community, participant, account, intervals, interval, now, onPick }: TicketProps) {
  const text = useText();
  const format = useFormats();
  const place = usePlaceOrder();
  const [side, setSide] = useState<Side>("buy");
  const [energyKwh, setEnergyKwh] = useState<number | string>(1);
  /** Null until the member writes a price of their own: then the suggestion no longer follows the interval. */
  const [ownLimit, setOwnLimit] = useState<number | string | null>(null);

  const within = bounds(interval);
  const suggestion = suggestedLimit(side, within, interval.reference_micro_per_kwh) / MICRO;
  const shown = ownLimit ?? Number(suggestion.toFixed(4));
  const energyWh = typeof energyKwh === "number" ? Math.round(energyKwh * 1000) : null;
  const limit = typeof shown === "number" ? Math.round(shown * MICRO) : null;
  const mandate = account?.mandate ?? null;
  const gateClosed = Date.parse(interval.gate_closure) <= now;
  const found = review({ side, energyWh, limit }, within, gateClosed, mandate);
  const refused = place.error instanceof ApiProblem ? place.error : null;
  const ready = !found.energy && !found.limit && !found.gate && energyWh !== null && limit !== null;

  const say = (remark: Remark | null) =>
    remark &&
    text(remark.id, {
      price: remark.micro === undefined ? "" : format.price(remark.micro),
      energy: remark.wh === undefined ? "" : format.energy(remark.wh),
    });

  const submit = (signer: Signer) => {
    if (!ready) return;
    place.mutate(
      { draft: { side, interval, energyWh, limit }, signer, community, participant },
      {
        onSuccess: (order) => {
          const energy = format.energy(order.energy_wh);
          const when = format.range(interval.start, interval.end);
          notify(text, text("ticket.placed", { side: order.side, energy, interval: when }));
        },
      },
    );
  };

  return (
    <form
      className={classes.form}
      aria-label={text("ticket.kicker")}
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        submit("agent");
      }}
    >
      <IntervalSelect intervals={intervals} interval={interval} now={now} onPick={onPick} />
      <SegmentedControl
        fullWidth
        aria-label={text("ticket.side")}
        data={[
          { value: "buy", label: text("ticket.buy") },
          { value: "sell", label: text("ticket.sell") },
        ]}
        value={side}
        onChange={setSide}
      />
      <div className={classes.pair}>
        <NumberInput
          label={text("ticket.energy")}
          suffix=" kWh"
          min={0}
          step={0.5}
          decimalScale={3}
          allowNegative={false}
          value={energyKwh}
          onChange={setEnergyKwh}
          error={say(found.energy) ?? refused?.field("energy_wh")}
          name="energy"
        />
        <NumberInput
          label={text(side === "buy" ? "ticket.limitBuy" : "ticket.limitSell", { currency: community.currency })}
          min={0}
          step={0.005}
          decimalScale={6}
          allowNegative={false}
          value={shown}
          onChange={setOwnLimit}
          error={say(found.limit) ?? refused?.field("limit_micro_per_kwh")}
          name="limit"
        />
      </div>
      {[found.gate, found.advice].map(
        (remark) =>
          remark && (
            <p key={remark.id} className={classes.remark}>
              <Icon name="alarm" size={17} />
              {say(remark)}
            </p>
          ),
      )}
      {energyWh !== null && limit !== null && (
        <TicketSummary draft={{ side, interval, energyWh, limit }} bounds={within} mandate={mandate} />
      )}
      {place.error && (
        <p className={classes.remark} role="alert">
          <Icon name="alarm" size={17} />
          {refused ? describe(refused, text) : text("ticket.walletRefused")}
        </p>
      )}
      <div className={classes.buttons}>
        <Button type="submit" size="md" disabled={!ready || !mandate} loading={place.isPending && place.variables.signer === "agent"}>
          {text("ticket.signAgent")}
        </Button>
        {window.ethereum ? (
          <Button
            size="md"
            variant="default"
            disabled={!ready}
            loading={place.isPending && place.variables.signer === "wallet"}
            onClick={() => submit("wallet")}
          >
            {text("ticket.signWallet")}
          </Button>
        ) : (
          <p className={classes.small}>{text("ticket.noWallet")}</p>
        )}
      </div>
    </form>
  );
}
