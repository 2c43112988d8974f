import { Tooltip } from "@mantine/core";

import { useNow } from "@/lib/clock";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./top-bar.module.css";

const RADIUS = 14.25;
const LENGTH = 2 * Math.PI * RADIUS;

/** Community time, with the interval being delivered as a thin ring that fills. */
export function IntervalClock() {
  const text = useText();
  const format = useFormats();
  const now = useNow(250);
  if (!now) return <div className={classes.clock} style={{ minHeight: 34 }} />;
  const done = Math.min(1, (now.ms - now.start) / now.stepMs);
  const range = format.range(now.start, now.start + now.stepMs);
  const pace =
    now.speed === 1 ? text("clock.real") : now.speed === 0 ? text("clock.stepped") : text("clock.fast", { speed: format.number(now.speed) });
  return (
    <Tooltip label={text("clock.about", { range, percent: format.percent(done), pace })}>
      {/* The tooltip's words are in the text below too, but for the share. */}
      <div className={classes.clock} role="timer" aria-live="off">
        <svg className={classes.ring} width="34" height="34" viewBox="0 0 34 34" aria-hidden>
          <circle cx="17" cy="17" r={RADIUS} fill="none" stroke="var(--line)" strokeWidth="2.5" />
          <circle
            cx="17"
            cy="17"
            r={RADIUS}
            fill="none"
            stroke="var(--ink)"
            strokeWidth="2.5"
            strokeLinecap="round"
            strokeDasharray={`${done * LENGTH} ${LENGTH}`}
          />
        </svg>
        <div>
          <div className={classes.time}>
            {format.time(now.ms)} {format.zone(now.ms)}
          </div>
          <div className={classes.interval}>
            {format.day(now.ms)}
            {now.speed !== 1 && ` · ${now.speed === 0 ? text("clock.stepped") : `×${format.number(now.speed)}`}`}
          </div>
        </div>
      </div>
    </Tooltip>
  );
}
