/** How a method's line looks: by its place in the scheduler's list, so that it keeps its look whatever is drawn. */
interface Look {
  colour: string;
  dash: "solid" | "dashed" | "dotted";
}

/** Told apart by colour-blind readers, none of them a colour of energy (Tol's muted scheme). */
const COLOURS = {
  light: ["#10201b", "#332288", "#aa4499", "#117733", "#8a5a00"],
  dark: ["#e7efec", "#88ccee", "#ee99cc", "#77cc99", "#ddcc77"],
} as const;
const DASHES = ["solid", "dashed", "dotted"] as const;

export function lookOf(position: number, scheme: keyof typeof COLOURS): Look {
  const colours = COLOURS[scheme];
  return {
    colour: colours[position % colours.length] ?? colours[0],
    dash: DASHES[Math.floor(position / colours.length) % DASHES.length] ?? "solid",
  };
}
