import type { TipRow } from "@/components/chart-parts";
import type { SeriesPoint } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import type { MessageId, Text } from "@/lib/text";

import { balance } from "./balance";

/** All that is known of one interval, in words and figures: measured, expected, planned. */
export function energyRows(point: SeriesPoint | undefined, surface: Surface, text: Text, format: Formats): TipRow[] {
  if (!point) return [];
  const parts = balance(point);
  const row = (id: MessageId, kwh: number | null, colour: string): TipRow[] =>
    kwh === null ? [] : [{ name: text(id), figure: format.energyKwh(Math.abs(kwh)), colour }];
  const flowing = (id: MessageId, kwh: number | null, colour: string) => (kwh === 0 ? [] : row(id, kwh, colour));
  const range: TipRow[] =
    point.load_p10_kwh === null || point.load_p90_kwh === null || point.load_kwh !== null
      ? []
      : [
          {
            name: text("energy.loadRange"),
            figure: text("energy.range", {
              low: format.number(point.load_p10_kwh, 2),
              high: format.energyKwh(point.load_p90_kwh),
            }),
            colour: surface.quiet,
          },
        ];
  const plan = point.battery_plan_kwh;
  return [
    ...row("energy.load", point.load_kwh, surface.ink),
    ...flowing("energy.solar", parts.solar, ENERGY.solar),
    ...flowing("energy.discharge", parts.discharge, ENERGY.battery),
    ...flowing("energy.charge", parts.charge, ENERGY.battery),
    ...flowing("energy.gridImport", parts.grid, ENERGY.grid),
    ...flowing("energy.feedIn", parts.feedIn, ENERGY.grid),
    ...row("energy.loadForecast", point.load_forecast_kwh, surface.quiet),
    ...range,
    ...row("energy.pvForecast", point.pv_forecast_kwh, ENERGY.solar),
    ...flowing(plan !== null && plan > 0 ? "energy.planCharge" : "energy.planDischarge", plan, ENERGY.battery),
    ...row("energy.soc", point.soc_kwh, ENERGY.battery),
    ...(point.soc_kwh === null ? row("energy.socPlan", point.soc_plan_kwh, ENERGY.battery) : []),
  ];
}
