/** Line icons on a 24-unit grid, drawn in the colour of the text around them. */
const PATHS = {
  community: ["M3 11 8 6.5l5 4.5v8H3z", "M13 12.5 17 9l4 3.5V19h-8", "M6.5 19v-4h3v4"],
  home: ["M4 11.5 12 5l8 6.5V20H4z", "M10 20v-5h4v5"],
  trade: ["M4 8.5h14", "m14.5 5 3.5 3.5-3.5 3.5", "M20 15.5H6", "m9.5 12-3.5 3.5L9.5 19"],
  bills: ["M6 3.5h12V21l-3-2-3 2-3-2-3 2z", "M9.5 8.5h5", "M9.5 12.5h5"],
  agreements: ["M6 3.5h8l4 4V11M6 3.5V20.5h5", "M9.5 9.5h4", "M9.5 13h2", "m13.5 20.5.6-2.7 4.9-4.8 2 2-4.8 4.900z"],
  plant: ["M3.5 12h4l2.5-6.5 4 13L16.5 12h4"],
  forecast: ["M3.5 16 7.5 11.5l4 1.5", "m11.5 13 9-7M11.5 13h9M11.5 13l9 6"],
  sun: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400"],
  moon: ["M19.5 14.200A8 8 0 0 1 9.800 4.5a8 8 0 1 0 9.700 9.700z"],
  battery: ["M4 8h14.5v8.5H4z", "M21 10.800v3", "M7.200 10.800v3M10.200 10.800v3"],
  grid: ["M9 3h6l4 18M15 3l-10 18M9 3 5 21", "M6.800 8.5h10.400M5.800 14h12.4"],
  neighbours: ["M2.5 12 6 9l3.5 3v6h-7z", "M14.5 12 18 9l3.5 3v6h-7z", "M6.5 6c3.5-2.800 7.5-2.800 11 0"],
  account: ["M12 4.5a3.700 3.700 0 1 0 0 7.400 3.700 3.700 0 0 0 0-7.400z", "M4.8 20c.8-3.600 3.5-5.300 7.200-5.300s6.400 1.700 7.200 5.300"],
  copy: ["M9 9h10.5v11H9z", "M15 9V4.5H4.5V15H9"],
  check: ["m5 12.5 4.5 4.5L19 7.5"],
  table: ["M4 5h16v14H4z", "M4 10h16M4 14.5h16M10.5 5v14"],
  chart: ["M4 19h16", "M6 16l4-5 3.5 3L19 7"],
  download: ["M12 4v11", "m7.5 11 4.5 4.5L16.5 11", "M5 20h14"],
  reset: ["M5 5v5h5", "M5.300 10A7.5 7.5 0 1 1 4.600 14"],
  wait: ["M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z", "M12 8v4.5l3 2"],
  alarm: ["M12 4 21 19.5H3z", "M12 10v4.5M12 17v.1"],
  next: ["m9.5 5.5 6.5 6.5-6.5 6.5"],
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20, stroke = 1.6 }: { name: IconName; size?: number; stroke?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={stroke}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden
      focusable="false"
    >
      {PATHS[name].map((path) => (
        <path key={path} d={path} />
      ))}
    </svg>
  );
}
