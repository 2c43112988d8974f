import {
  createTheme,
  defaultVariantColorsResolver,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";

import { ENERGY, SURFACE, type Surface } from "@/lib/palette";

const ink: MantineColorsTuple = [
  "#e7efec",
  "#d0dcd7",
  "#b3c3bc",
  "#95a8a1",
  "#74877f",
  "#52645d",
  "#3a4a44",
  "#24332e",
  "#182722",
  "#10201b",
];

const gray: MantineColorsTuple = [
  "#f5f8f7",
  "#edf2f0",
  "#e4ebe8",
  "#dbe3df",
  "#c9d4cf",
  "#a8b6b0",
  "#7d8d86",
  "#52645d",
  "#35453f",
  "#1a2723",
];

const tall = { styles: { root: { "--input-height": "2.625rem" } } };

/** Ink on paper by day, paper on ink by night: Mantine's own contrast looks at the light shade alone. */
const variantColors: VariantColorsResolver = (input) => {
  const resolved = defaultVariantColorsResolver(input);
  if (input.variant !== "filled" || (input.color ?? input.theme.primaryColor) !== "ink") return resolved;
  return { ...resolved, background: "var(--ink)", hover: "color-mix(in srgb, var(--ink) 86%, var(--card))", color: "var(--card)" };
};

export const theme = createTheme({
  variantColorResolver: variantColors,
  primaryColor: "ink",
  primaryShade: { light: 9, dark: 0 },
  colors: { ink, gray, dark: ["#e7efec", "#c3d0ca", "#95a8a1", "#5f736b", "#35453f", "#24332e", "#1a2723", "#111b18", "#0d1614", "#0a1210"] },
  fontFamily: "'Geist Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'Geist Mono Variable', ui-monospace, monospace",
  headings: { fontWeight: "600" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  focusRing: "auto",
  components: {
    TextInput: tall,
    NumberInput: tall,
    PasswordInput: tall,
    Select: tall,
    Tooltip: { defaultProps: { openDelay: 250, multiline: true, maw: 280, events: { hover: true, focus: true, touch: true } } },
  },
});

const surface = (of: Surface) => ({
  "--paper": of.paper,
  "--card": of.card,
  "--wash": of.wash,
  "--line": of.line,
  "--ink": of.ink,
  "--quiet": of.quiet,
  "--focus": of.focus,
  "--mantine-color-body": of.card,
  "--mantine-color-text": of.ink,
  "--mantine-color-dimmed": of.quiet,
  "--mantine-color-placeholder": of.quiet,
  "--mantine-color-default-border": of.line,
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: Object.fromEntries(Object.entries(ENERGY).map(([kind, colour]) => [`--${kind}`, colour])),
  light: surface(SURFACE.light),
  dark: surface(SURFACE.dark),
});
