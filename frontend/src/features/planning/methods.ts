/** Methods of scheduling and what they say of a plan, in the words of members and operators. */
import en from "@/lib/messages/en.json";
import type { MessageId, Text } from "@/lib/text";

const KNOWS: Record<string, MessageId> = {
  exact: "methodKnows.day",
  milp: "methodKnows.day",
  lp: "methodKnows.day",
  l2o: "methodKnows.day",
  l2o_seed: "methodKnows.day",
  mpc: "methodKnows.past",
  policy: "methodKnows.past",
  ppo: "methodKnows.past",
  dqn: "methodKnows.past",
  rule: "methodKnows.present",
};

const LIMITS: Record<string, MessageId> = {
  charge_kw: "limit.charge",
  max_charge_kw: "limit.charge",
  discharge_kw: "limit.discharge",
  max_discharge_kw: "limit.discharge",
  capacity_kwh: "limit.capacity",
  soc_min_kwh: "limit.reserve",
  soc_final_kwh: "limit.final",
  import_limit_kw: "limit.import",
  export_limit_kw: "limit.export",
};

/** A method's name; one that has none here keeps the platform's own. */
export function methodName(method: string, text: Text): string {
  const id = `method.${method}`;
  return isMessage(id) ? text(id) : method;
}

/** What a method does, and what of the day it knows; nothing where no account of it is here. */
export function methodAbout(method: string, text: Text): string {
  const does = methodDoes(method, text);
  const knows = KNOWS[method];
  return knows && does !== "" ? text("methodKnows.about", { does, knows: text(knows) }) : does;
}

function methodDoes(method: string, text: Text): string {
  const id = `methodDoes.${method}`;
  return isMessage(id) ? text(id) : "";
}

function isMessage(id: string): id is MessageId {
  return id in en;
}

/** Why this method made the plan: what happened to those before it, then what it does. */
export function reasonInWords(method: string, reason: string, text: Text): string {
  const does = methodDoes(method, text);
  return does === "" ? inWords(reason, text) : [notesInWords(reason, text), does].filter((part) => part !== "").join("; ");
}

/** What a reason says before the merit of the method, which is its last part: conflicts, and who was passed over. */
export function notesInWords(reason: string, text: Text): string {
  return inWords(reason.split("; ").slice(0, -1).join("; "), text);
}

/** The platform's names of methods and limits replaced by words. */
function inWords(reason: string, text: Text): string {
  return reason
    .replace(/\w+(?= passed over)/g, (method) => methodName(method, text))
    .replace(/[a-z]+(?:_[a-z]+)+/g, (name) => {
      const id = LIMITS[name];
      return id ? text(id) : name;
    });
}
