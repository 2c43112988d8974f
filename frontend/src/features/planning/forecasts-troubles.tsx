import { Icon } from "@/components/icons";

import classes from "./forecasts.module.css";

export interface Trouble {
  key: string;
  what: string;
  about: string;
}

/** What an operator should look at, marked by more than colour; nothing where there is nothing. */
export function Troubles({ label, troubles }: { label: string; troubles: readonly Trouble[] }) {
  if (troubles.length === 0) return null;
  return (
    <ul className={classes.troubles} aria-label={label}>
      {troubles.map(({ key, what, about }) => (
        <li key={key} className={classes.trouble}>
          <Icon name="alarm" size={20} />
          <div>
            <p className={classes.what}>{what}</p>
            <p className={classes.reason}>{about}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}
