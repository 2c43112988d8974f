import { Button, NumberInput } from "@mantine/core";
import { useState, type SubmitEvent } from "react";

import { describe } from "@/components/failure";
import { Icon } from "@/components/icons";
import { ApiProblem } from "@/lib/api/problem";
import { useText } from "@/lib/text";

import classes from "./agreements.module.css";

/** Whole units of the contract in one unit of the form. */
const SCALE = { price: 1_000_000, kWh: 1_000, W: 1, days: 1 } as const;
const STEP = { price: 0.01, kWh: 5, W: 50, days: 30 } as const;
const DECIMALS = { price: 6, kWh: 3, W: 0, days: 0 } as const;

export interface Field<Name extends string> {
  name: Name;
  label: string;
  unit: keyof typeof SCALE;
  /** As the contract counts it. */
  value: number;
}

interface TermsFormProps<Name extends string> {
  label: string;
  fields: readonly Field<Name>[];
  busy: boolean;
  error: Error | null;
  sign: (terms: Record<Name, number>) => void;
}

/** Limits to be signed with the member's own wallet. */
export function TermsForm<Name extends string>({ label, fields, busy, error, sign }: TermsFormProps<Name>) {
  const text = useText();
  const [written, setWritten] = useState<Partial<Record<Name, number | string>>>({});
  const shown = (field: Field<Name>) => written[field.name] ?? field.value / SCALE[field.unit];
  const whole = fields.every((field) => typeof shown(field) === "number");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const terms = fields.map((field) => [field.name, Math.round(Number(shown(field)) * SCALE[field.unit])]);
    sign(Object.fromEntries(terms) as Record<Name, number>);
  };
  return (
    <form className={classes.form} aria-label={label} onSubmit={submit}>
      <div className={classes.fields}>
        {fields.map((field) => (
          <NumberInput
            key={field.name}
            name={field.name}
            label={field.label}
            suffix={field.unit === "price" ? "" : ` ${field.unit === "days" ? text("agreements.days") : field.unit}`}
            min={0}
            step={STEP[field.unit]}
            decimalScale={DECIMALS[field.unit]}
            allowNegative={false}
            value={shown(field)}
            onChange={(value) => setWritten({ ...written, [field.name]: value })}
          />
        ))}
      </div>
      {error && (
        <p className={classes.refused} role="alert">
          <Icon name="alarm" size={17} />
          {error instanceof ApiProblem ? describe(error, text) : text("agreements.walletRefused")}
        </p>
      )}
      {window.ethereum ? (
        <Button type="submit" size="md" disabled={!whole} loading={busy}>
          {text("ticket.signWallet")}
        </Button>
      ) : (
        <p className={classes.small}>{text("ticket.noWallet")}</p>
      )}
    </form>
  );
}
