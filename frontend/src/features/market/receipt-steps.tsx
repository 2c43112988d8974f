import { Hash } from "@/components/hash";
import { Step, StepFacts, Steps } from "@/components/steps";
import type { Receipt } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import { factGroups, isHash, type FactGroup } from "./receipt-facts";
import classes from "./receipt.module.css";

type ReceiptStep = Receipt["steps"][number];

/** One line an event: what it is, when, how far, and the hash that proves it. */
export function ReceiptSteps({ steps }: { steps: readonly ReceiptStep[] }) {
  return (
    <Steps>
      {steps.map((step) => (
        <StepItem key={step.name} step={step} />
      ))}
    </Steps>
  );
}

function StepItem({ step }: { step: ReceiptStep }) {
  const text = useText();
  const format = useFormats();
  const name: MessageId = `receipt.${step.name}`;
  const about: MessageId = `receipt.${step.name}About`;
  const state: MessageId = `receipt.${step.state}`;
  const aside = (
    <>
      {step.at && (
        <time dateTime={step.at}>
          {format.dayTime(step.at)} {format.zone(step.at)},{" "}
        </time>
      )}
      {text(state)}
    </>
  );
  return (
    <Step name={step.name} state={step.state} title={text(name)} aside={aside} about={text(about)}>
      {step.hash && step.name !== "order" && (
        <StepFacts facts={[{ key: "hash", label: text("receipt.hash"), value: <Hash value={step.hash} label={text(name)} /> }]} />
      )}
      {factGroups(step, text, format).map((group) => (
        <Facts key={group.title} group={group} />
      ))}
    </Step>
  );
}

function Facts({ group }: { group: FactGroup }) {
  const facts = group.facts.map(({ key, label, value }) => ({
    key,
    label,
    value: isHash(value) ? <Hash value={value} label={label} /> : value,
  }));
  return (
    <>
      {group.title && <h4 className={classes.side}>{group.title}</h4>}
      <StepFacts facts={facts} />
    </>
  );
}
