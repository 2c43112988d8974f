import { Hash } from "@/components/hash";
import { Icon } from "@/components/icons";
import type { Receipt } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import { factGroups, isHash, type FactGroup } from "./receipt-facts";
import classes from "./receipt.module.css";

type Step = Receipt["steps"][number];

const MARKS = { done: "check", pending: "wait", failed: "alarm" } as const;

/** One line an event: what it is, when, how far, and the hash that proves it. */
export function ReceiptSteps({ steps }: { steps: readonly Step[] }) {
  return (
    <ol className={classes.steps}>
      {steps.map((step) => (
        <StepItem key={step.name} step={step} />
      ))}
    </ol>
  );
}

function StepItem({ step }: { step: Step }) {
  const text = useText();
  const format = useFormats();
  const name: MessageId = `receipt.${step.name}`;
  const about: MessageId = `receipt.${step.name}About`;
  const state: MessageId = `receipt.${step.state}`;
  return (
    <li data-step={step.name} data-state={step.state}>
      <span className={classes.mark}>
        <Icon name={MARKS[step.state]} size={14} stroke={2.4} />
      </span>
      <div className={classes.head}>
        <h3>{text(name)}</h3>
        <span>
          {step.at && (
            <time dateTime={step.at}>
              {format.dayTime(step.at)} {format.zone(step.at)},{" "}
            </time>
          )}
          {text(state)}
        </span>
      </div>
      <p className={classes.about}>{text(about)}</p>
      {step.hash && step.name !== "order" && (
        <dl className={classes.facts}>
          <div>
            <dt>{text("receipt.hash")}</dt>
            <dd>
              <Hash value={step.hash} label={text(name)} />
            </dd>
          </div>
        </dl>
      )}
      {factGroups(step, text, format).map((group) => (
        <Facts key={group.title} group={group} />
      ))}
    </li>
  );
}

function Facts({ group }: { group: FactGroup }) {
  return (
    <>
      {group.title && <h4 className={classes.side}>{group.title}</h4>}
      <dl className={classes.facts}>
        {group.facts.map(({ key, label, value }) => (
          <div key={key}>
            <dt>{label}</dt>
            <dd>{isHash(value) ? <Hash value={value} label={label} /> : value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
