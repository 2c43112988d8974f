import { ENERGY } from "@/lib/palette";

/** The sign of the house: four energies around one spark. */
export function Mark({ size = 30 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden focusable="false">
      <g fill="none" strokeWidth="3.4" strokeLinecap="round">
        <path d="M4.5 14.5A11.6 11.6 0 0 1 14.5 4.5" stroke={ENERGY.solar} />
        <path d="M17.5 4.5a11.6 11.6 0 0 1 10 10" stroke={ENERGY.neighbours} />
        <path d="M27.5 17.5a11.6 11.6 0 0 1-10 10" stroke={ENERGY.grid} />
        <path d="M14.5 27.5a11.6 11.6 0 0 1-10-10" stroke={ENERGY.battery} />
      </g>
      <path d="m17.6 8.3-6.4 8.7h4.3l-1.3 6.7 6.7-9.1h-4.6z" fill="var(--ink)" />
    </svg>
  );
}
