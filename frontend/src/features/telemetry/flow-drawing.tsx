import { Icon, type IconName } from "@/components/icons";
import { ENERGY } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText, type MessageId } from "@/lib/text";

import { fullScaleKw, STILL_KW, strands, supplyMix, type Power, type Share, type Strand } from "./flow";
import classes from "./flow-drawing.module.css";

interface FlowDrawingProps {
  power: Power;
  width: number;
  height: number;
  label: string;
  alone: boolean;
}

interface Point {
  x: number;
  y: number;
}

/** Width of a strand at full scale, px. */
const FULL_WIDTH = 34;
const HOMES_RADIUS = 54;
const NODE_RADIUS = 29;
/** Below this width, px, words are shorter. */
const NARROW = 380;

const ICONS: Record<Strand["name"], IconName> = { sun: "sun", battery: "battery", grid: "grid", neighbours: "neighbours" };

/** Strands as wide as their power between the homes and what feeds or drains them; dots move the way power does. */
export function FlowDrawing({ power, width, height, label, alone }: FlowDrawingProps) {
  const text = useText();
  const format = useFormats();
  const scale = FULL_WIDTH / fullScaleKw(power);
  const places = layout(width, height);
  const drawn = strands(power).filter((strand) => !alone || strand.name !== "neighbours");

  return (
    <svg className={classes.drawing} width={width} height={height} role="img" aria-label={label}>
      {drawn.map((strand) => (
        <StrandPath key={strand.name} strand={strand} path={paths(places)[strand.name]} width={strand.kw * scale} />
      ))}
      {drawn.map((strand) => {
        const id = doing(strand, width < NARROW);
        const { x, y } = places[strand.name];
        const beside = strand.name === "neighbours";
        return (
          <g key={strand.name} transform={`translate(${x} ${y})`}>
            <circle r={NODE_RADIUS} className={classes.node} style={{ stroke: strand.kw < STILL_KW ? "var(--line)" : ENERGY[strand.kind] }} />
            <g transform="translate(-12 -12)" className={classes.icon}>
              <Icon name={ICONS[strand.name]} size={24} />
            </g>
            <text y={beside ? -4 : NODE_RADIUS + 19} x={beside ? NODE_RADIUS + 16 : 0} className={beside ? classes.valueBeside : classes.value}>
              {format.power(strand.kw)}
            </text>
            <text y={beside ? 13 : NODE_RADIUS + 36} x={beside ? NODE_RADIUS + 16 : 0} className={beside ? classes.nameBeside : classes.name}>
              {text(id)}
            </text>
          </g>
        );
      })}
      <g transform={`translate(${places.homes.x} ${places.homes.y})`}>
        <circle r={HOMES_RADIUS + 1} className={classes.homes} />
        <MixRing shares={supplyMix(power)} />
        <g transform="translate(-14 -37)" className={classes.icon}>
          <Icon name={alone ? "home" : "community"} size={28} />
        </g>
        <text y={12} className={classes.load}>
          {format.power(power.load_kw)}
        </text>
        <text y={29} className={classes.name}>
          {text(alone ? "flow.home" : "flow.homes")}
        </text>
      </g>
      <ScaleBar kw={fullScaleKw(power) / 2} width={FULL_WIDTH / 2} x={width - 4} y={height - 6} />
    </svg>
  );
}

function doing({ name, kw, inwards }: Strand, narrow: boolean): MessageId {
  if (name === "sun") return "flow.sun";
  if (name === "neighbours") return narrow ? "flow.neighboursShort" : "flow.neighbours";
  if (kw < STILL_KW) return name === "battery" ? "flow.batteryRests" : "flow.gridRests";
  if (name === "battery") return inwards ? "flow.discharging" : "flow.charging";
  return inwards ? "flow.importing" : "flow.exporting";
}

function layout(width: number, height: number): Record<Strand["name"] | "homes", Point> {
  const side = Math.max(48, Math.min(width * 0.15, 130));
  const homes = { x: width / 2, y: height * 0.6 };
  return {
    homes,
    sun: { x: side, y: height * 0.2 },
    battery: { x: side, y: height * 0.72 },
    grid: { x: width - side, y: homes.y },
    neighbours: { x: homes.x, y: 36 },
  };
}

/** Every path runs towards the homes; the loop of the neighbours leaves them and returns. */
function paths({ homes, sun, battery, grid, neighbours }: ReturnType<typeof layout>): Record<Strand["name"], string> {
  const left = homes.x - HOMES_RADIUS;
  const right = homes.x + HOMES_RADIUS;
  const bend = (from: Point, x: number, y: number) => {
    const middle = (from.x + x) / 2;
    return `M${from.x} ${from.y} C${middle} ${from.y} ${middle} ${y} ${x} ${y}`;
  };
  const reach = Math.min(66, homes.x - 70);
  const top = homes.y - HOMES_RADIUS + 14;
  return {
    sun: bend(sun, left + 6, homes.y - 24),
    battery: bend(battery, left + 6, homes.y + 20),
    grid: `M${grid.x} ${grid.y} L${right} ${homes.y}`,
    neighbours:
      `M${homes.x - 30} ${top} C${homes.x - 36} ${top - 40} ${homes.x - reach} ${neighbours.y + 4} ${neighbours.x} ${neighbours.y}` +
      ` C${homes.x + reach} ${neighbours.y + 4} ${homes.x + 36} ${top - 40} ${homes.x + 30} ${top}`,
  };
}

function StrandPath({ strand, path, width }: { strand: Strand; path: string; width: number }) {
  if (strand.kw < STILL_KW) return <path d={path} className={classes.still} />;
  const colour = ENERGY[strand.kind];
  const dot = Math.max(3, Math.min(width * 0.42, 8));
  return (
    <>
      <path d={path} className={classes.strand} stroke={colour} style={{ strokeWidth: Math.max(2, width) }} />
      <path
        d={path}
        className={classes.dots}
        stroke={colour}
        strokeWidth={dot}
        data-outwards={!strand.inwards}
      />
    </>
  );
}

/** What the supply is made of, as a ring around the homes. */
function MixRing({ shares }: { shares: Share[] }) {
  const length = 2 * Math.PI * HOMES_RADIUS;
  const gap = shares.length > 1 ? 3 : 0;
  return (
    <g transform="rotate(-90)">
      {shares.map(({ kind, fraction }, index) => {
        const before = shares.slice(0, index).reduce((sum, share) => sum + share.fraction, 0);
        return (
          <circle
            key={kind}
            r={HOMES_RADIUS}
            fill="none"
            stroke={ENERGY[kind]}
            strokeWidth="5"
            strokeDasharray={`${Math.max(fraction * length - gap, 0.5)} ${length}`}
            strokeDashoffset={-before * length}
          />
        );
      })}
    </g>
  );
}

/** How wide a strand of `kw` is. */
function ScaleBar({ kw, width, x, y }: { kw: number; width: number; x: number; y: number }) {
  const format = useFormats();
  return (
    <g transform={`translate(${x} ${y})`} aria-hidden>
      <path d={`M0 0 V${-width}`} className={classes.scale} />
      <path d={`M-4 0 H4 M-4 ${-width} H4`} className={classes.scale} />
      <text x={-9} y={-width / 2 + 4} className={classes.scaleText}>
        {format.number(kw, 1)} kW
      </text>
    </g>
  );
}
