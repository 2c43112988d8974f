import { ActionIcon, TextInput, Tooltip } from "@mantine/core";
import { useState } from "react";

import { Icon } from "@/components/icons";
import { useText } from "@/lib/text";

import classes from "./comparison.module.css";

const DAY_MS = 86_400_000;

/** The calendar day `days` after another, both as `2026-08-04`. */
export function dayAfter(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

interface DayFieldProps {
  /** As `2026-08-04`; the first and the last can be chosen too. */
  day: string;
  first: string;
  last: string;
  error: string | undefined;
  onDay: (day: string) => void;
}

/** A local day by its date, or one step back or forth. */
export function DayField({ day, first, last, error, onDay }: DayFieldProps) {
  const text = useText();
  // While a year is typed, its first digits are a year too: what cannot be is asked for at the end only.
  const [typed, setTyped] = useState<string | null>(null);
  const ask = (date: string) => {
    setTyped(null);
    if (date !== "" && date !== day) onDay(date);
  };
  const step = (days: number, label: string, possible: boolean) => (
    <Tooltip label={label}>
      <ActionIcon
        variant="default"
        size="input-sm"
        aria-label={label}
        disabled={!possible}
        className={days < 0 ? classes.back : undefined}
        onClick={() => onDay(dayAfter(day, days))}
      >
        <Icon name="next" />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <div className={classes.day}>
      {step(-1, text("compare.previous"), day > first)}
      <TextInput
        type="date"
        label={text("compare.day")}
        value={typed ?? day}
        min={first}
        max={last}
        error={error}
        onChange={({ currentTarget: { value } }) => (value >= first && value <= last ? ask(value) : setTyped(value))}
        onBlur={() => typed !== null && ask(typed)}
        onKeyDown={({ key }) => key === "Enter" && typed !== null && ask(typed)}
      />
      {step(1, text("compare.next"), day < last)}
    </div>
  );
}
