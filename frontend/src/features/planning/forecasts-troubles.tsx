import { Trouble } from "@/components/trouble";

import classes from "./forecasts.module.css";

export interface Told {
  key: string;
  what: string;
  about: string;
}

/** What an operator should look at; nothing where there is nothing. */
export function Troubles({ label, troubles }: { label: string; troubles: readonly Told[] }) {
  if (troubles.length === 0) return null;
  return (
    <ul className={classes.troubles} aria-label={label}>
      {troubles.map(({ key, what, about }) => (
        <li key={key}>
          <Trouble what={what} about={about} />
        </li>
      ))}
    </ul>
  );
}
