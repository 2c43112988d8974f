import { useId, type ReactNode } from "react";

import classes from "./panel.module.css";

interface PanelProps {
  /** What is drawn: "Price". */
  kicker: string;
  /** The one message: "Local price is 0.08 below the retailer's". */
  title: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string | undefined;
}

/** A framed part of a page with a message for a title. */
export function Panel({ kicker, title, actions, children, className }: PanelProps) {
  const id = useId();
  return (
    <section className={`${classes.panel} ${className ?? ""}`} aria-labelledby={id}>
      <header className={classes.head}>
        <div className={classes.words}>
          <p className={classes.kicker}>{kicker}</p>
          <h2 className={classes.title} id={id}>
            {title}
          </h2>
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </header>
      <div className={classes.body}>{children}</div>
    </section>
  );
}
