/** Models, contests and drift in the words of operators. */
import type { Formats } from "@/lib/format";
import en from "@/lib/messages/en.json";
import type { MessageId, Text } from "@/lib/text";

import type { Quantity } from "./forecasts";

type Figures = Record<string, unknown>;

/** So many homes are named; the others are counted. */
const NAMED = 5;
const LEAST_P = 0.001;

/** A model's name; one that has none here keeps the platform's own. */
export function modelName(model: string, text: Text): string {
  const id = `model.${model}`;
  return isMessage(id) ? text(id) : model;
}

function isMessage(id: string): id is MessageId {
  return id in en;
}

/** Load or PV, as it stands in a sentence. */
export function quantityName(quantity: Quantity, text: Text): string {
  return text(`forecasts.${quantity}`);
}

/** The platform's reasons begin in lower case, for its log, and with a model or a comparison with one. */
export function reasonInWords(reason: string, text: Text): string {
  return capital(reason.replace(/(^|than )([a-z_]+)/g, (_, before: string, name: string) => before + modelName(name, text)));
}

export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `0.031`, `< 0.001`. */
export function pValue(p: number, format: Formats): string {
  return p < LEAST_P ? `< ${format.number(LEAST_P, 3)}` : format.number(p, 3);
}

/** What a check or an alarm says of the errors, as a part of a sentence. */
export function errorInWords({ alarm, reason, ratio, p_value: p }: Figures, text: Text, format: Formats): string {
  if (typeof alarm !== "boolean") return notKnown(reason, text);
  if (typeof ratio !== "number") return text("drift.fromNothing");
  const chance = typeof p === "number" ? pValue(p, format) : "–";
  return text("drift.ratio", { ratio: format.number(ratio, 2), p: chance.startsWith("<") ? chance : `= ${chance}` });
}

/** What a check or an alarm says of the readings, as a part of a sentence; the homes furthest from usual first. */
export function inputsInWords({ alarm, reason, index, bound, drifted }: Figures, text: Text, format: Formats): string {
  if (typeof alarm !== "boolean") return notKnown(reason, text);
  const [now, usual] = [figuresByHome(index), figuresByHome(bound)];
  const homes = Array.isArray(drifted) ? drifted.filter((home) => typeof home === "string") : [];
  if (homes.length === 0) return text("drift.same", { homes: Object.keys(now).length });
  const excess = (home: string) => (now[home] ?? 0) - (usual[home] ?? 0);
  const names = homes
    .sort((one, other) => excess(other) - excess(one))
    .slice(0, NAMED)
    .map((home) => text("drift.home", { home, index: format.number(now[home] ?? 0, 2), bound: format.number(usual[home] ?? 0, 2) }));
  if (homes.length > NAMED) names.push(text("drift.more", { more: homes.length - NAMED }));
  return text("drift.unlike", { drifted: homes.length, homes: Object.keys(now).length, names: names.join(", ") });
}

function notKnown(reason: unknown, text: Text): string {
  return text("drift.unknown", { reason: typeof reason === "string" ? reason : "–" });
}

function figuresByHome(figures: unknown): Record<string, number> {
  const entries = typeof figures === "object" && figures !== null ? Object.entries(figures) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}
