import { Icon } from "@/components/icons";
import { Hash } from "@/components/hash";
import type { Receipt } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId, type Text } from "@/lib/text";

import classes from "./receipt.module.css";

type Step = Receipt["steps"][number];

/** One line an event: what it is, when, how far, and the hash that proves it. */
export function ReceiptSteps({ steps }: { steps: readonly Step[] }) {
  const text = useText();
  const format = useFormats();
  return (
    <ol className={classes.steps}>
      {steps.map((step) => {
        const name: MessageId = `receipt.${step.name}`;
        const about: MessageId = `receipt.${step.name}About`;
        const done = step.at !== null;
        return (
          <li key={step.name} data-step={step.name} data-done={done} data-state={step.state}>
            <span className={classes.mark}>
              <Icon name={done ? "check" : "wait"} size={14} stroke={2.4} />
            </span>
            <div className={classes.head}>
              <h3>{text(name)}</h3>
              <time dateTime={step.at ?? undefined}>
                {step.at ? `${format.dayTime(step.at)} ${format.zone(step.at)}` : text("receipt.waiting")}
              </time>
            </div>
            <p className={classes.about}>{text(about)}</p>
            <dl className={classes.detail}>
              <div>
                <dt>{text("receipt.state")}</dt>
                <dd>{step.state}</dd>
              </div>
              {step.hash && (
                <div>
                  <dt>{text(step.name === "order" ? "receipt.digest" : "receipt.hash")}</dt>
                  <dd>
                    <Hash value={step.hash} label={text(name)} />
                  </dd>
                </div>
              )}
              {details(step, text, format).map(({ key, label, value }) => (
                <div key={key}>
                  <dt>{label}</dt>
                  <dd>{isHash(value) ? <Hash value={value} label={label} /> : value}</dd>
                </div>
              ))}
            </dl>
          </li>
        );
      })}
    </ol>
  );
}

const isHash = (value: string) => /^0x[0-9a-f]{40,}$/i.test(value);

interface Detail {
  key: string;
  label: string;
  value: string;
}

/** The details that an API step carries, in the units that its field names say. */
function details(step: Step, text: Text, format: Formats): Detail[] {
  return Object.entries(step.detail).flatMap(([key, value]) => {
    if (value === null || value === undefined || value === "" || typeof value === "object") return [];
    const label = key.replace(/(_micro_per_kwh|_micro|_wh|_kwh)$/, "").replaceAll("_", " ");
    return [{ key, label, value: figure(key, value as string | number | boolean, text, format) }];
  });
}

function figure(key: string, value: string | number | boolean, text: Text, format: Formats): string {
  if (typeof value === "boolean") return text(value ? "yes" : "no");
  if (typeof value === "string") return /^\d{4}-\d\d-\d\dT/.test(value) ? format.dayTime(value) : value;
  if (key.endsWith("_micro_per_kwh")) return text("price.perKwh", { price: format.price(value) });
  if (key.endsWith("_micro")) return format.money(value);
  if (key.endsWith("_wh")) return format.energy(value);
  return format.number(value, 2);
}
