/** Colour means energy, everywhere the same, and is safe for colour-blind readers; all else is ink on paper. */
export const ENERGY = {
  solar: "#E69F00",
  battery: "#009E73",
  grid: "#0072B2",
  neighbours: "#CC79A7",
  alarm: "#D55E00",
} as const;

export type EnergyKind = keyof typeof ENERGY;

/** Surfaces and inks; dark is designed, not inverted. */
export const SURFACE = {
  light: {
    paper: "#f1f4f3",
    card: "#ffffff",
    wash: "#e9efec",
    line: "#dbe3df",
    ink: "#10201b",
    quiet: "#52645d",
    focus: "#0072B2",
  },
  dark: {
    paper: "#0a1210",
    card: "#111b18",
    wash: "#1a2723",
    line: "#24332e",
    ink: "#e7efec",
    quiet: "#95a8a1",
    focus: "#56B4E9",
  },
} as const;

export type Surface = (typeof SURFACE)["light" | "dark"];
