import { Skeleton, Tooltip } from "@mantine/core";

import { Empty } from "@/components/failure";
import { Panel } from "@/components/panel";
import type { Home } from "@/lib/api/types";
import { ENERGY } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { STILL_KW } from "./flow";
import classes from "./homes-panel.module.css";

interface HomesPanelProps {
  homes: readonly Home[] | undefined;
  /** Pseudonym of the reader's own home. */
  mine: string | undefined;
  className?: string | undefined;
}

/** Every home on one scale: use, sun, what its battery holds, whether it speaks. */
export function HomesPanel({ homes, mine, className }: HomesPanelProps) {
  const text = useText();
  const online = homes?.filter((home) => home.online).length ?? 0;
  const most = Math.max(1, ...(homes ?? []).flatMap((home) => [home.load_kw, Math.abs(home.pv_kw)]));
  return (
    <Panel
      kicker={text("homes.kicker")}
      title={homes ? text("homes.title", { online, all: homes.length }) : text("homes.waiting")}
      className={className}
    >
      {homes?.length === 0 && <Empty>{text("homes.empty")}</Empty>}
      <ul className={classes.homes}>
        {homes
          ? homes.map((home) => <HomeCell key={home.pseudonym} home={home} most={most} mine={home.pseudonym === mine} />)
          : Array.from({ length: 11 }, (_, index) => <Skeleton key={index} component="li" height={132} radius="md" />)}
      </ul>
    </Panel>
  );
}

function HomeCell({ home, most, mine }: { home: Home; most: number; mine: boolean }) {
  const text = useText();
  const format = useFormats();
  const charge = home.soc_kwh !== null && home.capacity_kwh ? Math.min(1, home.soc_kwh / home.capacity_kwh) : null;
  const grid =
    Math.abs(home.grid_kw) < STILL_KW
      ? text("homes.balanced")
      : text(home.grid_kw > 0 ? "homes.takes" : "homes.gives", { power: format.power(Math.abs(home.grid_kw)) });
  return (
    <li className={classes.home} data-mine={mine} data-online={home.online}>
      <div className={classes.head}>
        <span className={classes.name}>{home.pseudonym}</span>
        {mine && <span className={classes.you}>{text("homes.you")}</span>}
        <Tooltip label={text(home.online ? "homes.online" : "homes.offline")}>
          {/* Focusable, so that the words open by keyboard too. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <span className={classes.dot} tabIndex={0} role="img" aria-label={text(home.online ? "homes.online" : "homes.offline")} />
        </Tooltip>
      </div>
      <Bar label={text("homes.load")} value={format.power(home.load_kw)} share={home.load_kw / most} colour="var(--ink)" />
      <Bar label={text("homes.sun")} value={format.power(Math.abs(home.pv_kw))} share={Math.abs(home.pv_kw) / most} colour={ENERGY.solar} />
      {charge === null ? (
        <Bar label={text("homes.noBattery")} value="–" share={0} colour={ENERGY.battery} />
      ) : (
        <Bar
          label={text(home.battery_kw > STILL_KW ? "homes.charging" : home.battery_kw < -STILL_KW ? "homes.discharging" : "homes.battery")}
          value={format.percent(charge)}
          share={charge}
          colour={ENERGY.battery}
          framed
        />
      )}
      <div className={classes.grid}>{grid}</div>
    </li>
  );
}

interface BarProps {
  label: string;
  value: string;
  share: number;
  colour: string;
  /** Drawn against its full measure. */
  framed?: boolean;
}

function Bar({ label, value, share, colour, framed = false }: BarProps) {
  return (
    <div className={classes.measure}>
      <span className={classes.label}>{label}</span>
      <span className={classes.value}>{value}</span>
      <span className={classes.track} data-framed={framed}>
        <span style={{ width: `${share * 100}%`, background: colour }} />
      </span>
    </div>
  );
}
