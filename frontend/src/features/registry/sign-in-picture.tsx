import { ENERGY } from "@/lib/palette";

import classes from "./sign-in.module.css";

const HOUSES = [
  { x: 66, y: 376, w: 92, panel: true },
  { x: 180, y: 356, w: 100, panel: true },
  { x: 302, y: 382, w: 86, panel: false },
  { x: 410, y: 360, w: 92, panel: true },
];

/** A street at noon that trades with itself; pure drawing. */
export function SignInPicture() {
  return (
    <div className={classes.picture} aria-hidden>
      <svg viewBox="0 0 560 620" preserveAspectRatio="xMidYMax slice">
        <circle cx="404" cy="150" r="62" fill={ENERGY.solar} />
        {[92, 122, 152].map((radius, index) => (
          <circle key={radius} cx="404" cy="150" r={radius} fill="none" stroke={ENERGY.solar} strokeWidth="1.5" opacity={0.4 - index * 0.12} />
        ))}
        <g fill="none" strokeWidth="5" strokeLinecap="round" className={classes.flow}>
          <path d="M364 205C330 270 262 292 234 340" stroke={ENERGY.solar} />
          <path d="M350 180C250 220 140 270 114 360" stroke={ENERGY.solar} />
          <path d="M420 216C436 260 456 300 458 342" stroke={ENERGY.solar} />
          <path d="M232 478C256 528 322 528 346 478" stroke={ENERGY.neighbours} />
          <path d="M112 478C140 580 430 580 456 478" stroke={ENERGY.neighbours} />
        </g>
        {HOUSES.map(({ x, y, w, panel }) => (
          <g key={x} transform={`translate(${x} ${y})`}>
            <path d={`M0 34 L${w / 2} 0 L${w} 34 V${470 - y} H0 Z`} fill="#f1f4f3" />
            <path d={`M0 34 L${w / 2} 0 L${w} 34`} fill="none" stroke="#10201b" strokeWidth="4" strokeLinejoin="round" strokeLinecap="round" />
            {panel && <path d={`M${w / 2 + 8} 2 L${w - 8} 24`} stroke={ENERGY.grid} strokeWidth="7" />}
            <rect x={w / 2 - 9} y={470 - y - 38} width="18" height="38" fill="#10201b" />
            <rect x={w - 27} y="46" width="13" height="13" fill={ENERGY.solar} />
            {panel && <rect x="12" y={470 - y - 30} width="14" height="22" rx="2" fill={ENERGY.battery} />}
          </g>
        ))}
        <path d="M0 471H560" stroke="#e7efec" strokeWidth="3" />
      </svg>
    </div>
  );
}
