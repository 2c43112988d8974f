import type { ReactNode } from "react";

import { Icon } from "./icons";
import classes from "./steps.module.css";

const MARKS = { done: "check", pending: "wait", failed: "alarm" } as const;

/** What followed from what, one line an event. */
export function Steps({ children }: { children: ReactNode }) {
  return <ol className={classes.steps}>{children}</ol>;
}

interface StepProps {
  name: string;
  state: keyof typeof MARKS;
  title: string;
  /** When, and how far. */
  aside?: ReactNode;
  about: string;
  children?: ReactNode;
}

export function Step({ name, state, title, aside, about, children }: StepProps) {
  return (
    <li data-step={name} data-state={state}>
      <span className={classes.mark}>
        <Icon name={MARKS[state]} size={14} stroke={2.4} />
      </span>
      <div className={classes.head}>
        <h3>{title}</h3>
        {aside && <span>{aside}</span>}
      </div>
      <p className={classes.about}>{about}</p>
      {children}
    </li>
  );
}

export interface Fact {
  key: string;
  label: string;
  value: ReactNode;
  /** The last line of an addition. */
  sum?: boolean;
}

/** Labelled figures under a step. */
export function StepFacts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className={classes.facts}>
      {facts.map(({ key, label, value, sum = false }) => (
        <div key={key} data-sum={sum}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
