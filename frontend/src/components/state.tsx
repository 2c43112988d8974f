import { useText, type MessageId } from "@/lib/text";

import classes from "./state.module.css";

/** How far along a thing is; the mark says it again without colour. */
const MARKS = {
  open: "ring",
  matched: "half",
  committed: "most",
  settled: "full",
  cancelled: "cross",
  unmatched: "cross",
  pending: "ring",
  sent: "half",
  mined: "most",
  reverted: "cross",
  failed: "cross",
  candidate: "ring",
  champion: "full",
  retired: "cross",
} as const;

type StateName = keyof typeof MARKS;

/** A state as a word with a mark that fills up. */
export function State({ name }: { name: StateName }) {
  const text = useText();
  const id: MessageId = `state.${name}`;
  return (
    <span className={classes.state} data-state={name}>
      <Mark kind={MARKS[name]} />
      {text(id)}
    </span>
  );
}

function Mark({ kind }: { kind: (typeof MARKS)[StateName] }) {
  const share = { ring: 0, half: 0.5, most: 0.75, full: 1, cross: 0 }[kind];
  return (
    <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden focusable="false">
      {kind === "cross" ? (
        <path d="M3 3l6 6M9 3l-6 6" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" />
      ) : (
        <>
          <circle cx="6" cy="6" r="4.75" fill={kind === "full" ? "currentColor" : "none"} stroke="currentColor" strokeWidth="1.5" />
          {share > 0 && share < 1 && (
            <circle
              cx="6"
              cy="6"
              r="2.4"
              fill="none"
              stroke="currentColor"
              strokeWidth="4.8"
              strokeDasharray={`${share * 15.08} 15.08`}
              transform="rotate(-90 6 6)"
            />
          )}
        </>
      )}
    </svg>
  );
}
