/** What the steps of a receipt carry, as labelled figures in the units that the field names say. */
import type { Receipt } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import type { Text } from "@/lib/text";

type Step = Receipt["steps"][number];

export interface Fact {
  key: string;
  label: string;
  value: string;
}

/** Facts of the step itself, or of one of the two sides. */
export interface FactGroup {
  title: string | null;
  facts: Fact[];
}

type Scalar = string | number | boolean;

/** Said elsewhere on the receipt. */
const SAID = new Set(["participant", "side"]);

export function factGroups(step: Step, text: Text, format: Formats): FactGroup[] {
  const entries = Object.entries(step.detail as Record<string, unknown>);
  const own = entries.flatMap(([key, value]) => fact(key, value, text, format));
  const sides = entries
    .flatMap(([, value]) => (Array.isArray(value) ? (value as Record<string, unknown>[]) : []))
    .map((side) => ({
      title: sideTitle(side, text),
      facts: Object.entries(side)
        .filter(([key, value]) => !SAID.has(key) && value !== 0)
        .flatMap(([key, value]) => fact(key, value, text, format)),
    }));
  return [{ title: null, facts: own }, ...sides].filter(({ facts }) => facts.length > 0);
}

function sideTitle({ participant, side }: Record<string, unknown>, text: Text): string | null {
  if (typeof participant !== "string") return null;
  if (side === "buy") return text("receipt.buys", { name: participant });
  if (side === "sell") return text("receipt.sells", { name: participant });
  return participant;
}

function fact(key: string, value: unknown, text: Text, format: Formats): Fact[] {
  if (value === null || value === undefined || value === "" || typeof value === "object") return [];
  const label = key.replace(/(_micro_per_kwh|_micro|_wh|_kwh|_at)$/, "").replaceAll("_", " ");
  return [{ key, label, value: figure(key, value as Scalar, text, format) }];
}

function figure(key: string, value: Scalar, text: Text, format: Formats): string {
  if (typeof value === "boolean") return text(value ? "yes" : "no");
  if (typeof value === "string") return /^\d{4}-\d\d-\d\dT/.test(value) ? format.dayTime(value) : value;
  if (key.endsWith("_micro_per_kwh")) return text("price.perKwh", { price: format.price(value) });
  if (key.endsWith("_micro")) return format.money(value);
  if (key.endsWith("_wh")) return format.energy(value);
  return format.number(value, 2);
}

/** Whether a value is a hash, an address or a signature. */
export function isHash(value: string): boolean {
  return /^0x[0-9a-f]{40,}$/i.test(value);
}
