import classes from "./legend.module.css";

export interface LegendItem {
  label: string;
  colour: string;
  kind: "area" | "line" | "dashed" | "fan" | "hatched";
}

/** Names beside samples of how each is drawn. */
export function Legend({ items }: { items: readonly LegendItem[] }) {
  return (
    <ul className={classes.legend}>
      {items.map((item) => (
        <li key={item.label}>
          <span className={classes.sample} data-kind={item.kind} style={{ "--colour": item.colour } as React.CSSProperties} />
          {item.label}
        </li>
      ))}
    </ul>
  );
}
