import { ForecastsPage } from "@/features/planning/forecasts-page";

/** For operators and auditors: which models forecast, and whether they still may be believed. */
export default function Forecasts() {
  return <ForecastsPage />;
}
