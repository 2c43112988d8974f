import { Icon } from "./icons";
import classes from "./trouble.module.css";

/** What needs a person, marked by more than colour, and what is known of it. */
export function Trouble({ what, about }: { what: string; about: string }) {
  return (
    <div className={classes.box}>
      <Icon name="alarm" size={20} />
      <div>
        <p className={classes.what}>{what}</p>
        <p className={classes.about}>{about}</p>
      </div>
    </div>
  );
}
