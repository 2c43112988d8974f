import type { Report } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import classes from "./report.module.css";

/** Peak, forecast errors beside the naive yardstick, gas, and whether money is conserved. */
export function ReportFacts({ report }: { report: Report }) {
  const text = useText();
  const format = useFormats();
  const error = ({ served_mae_kwh: served, reference_mae_kwh: naive }: Report["forecast_error"]["load"]) =>
    text("report.errorValue", {
      served: served === null ? "–" : format.energyKwh(served),
      naive: naive === null ? "–" : format.energyKwh(naive),
    });
  const facts = [
    [text("report.peak"), text("report.peakValue", { with: format.power(report.peak_import_kw), without: format.power(report.peak_import_without_kw) })],
    [text("report.loadError"), error(report.forecast_error.load)],
    [text("report.pvError"), error(report.forecast_error.pv)],
    [text("report.gas"), report.gas_per_trade === null ? "–" : format.number(report.gas_per_trade)],
    [text("report.books"), text(report.conserved ? "report.whole" : "report.broken")],
  ] as const;
  return (
    <dl className={classes.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
