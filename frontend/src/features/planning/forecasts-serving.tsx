import { DataTable } from "@/components/data-table";
import { Empty } from "@/components/failure";
import { Panel } from "@/components/panel";
import type { Forecasting } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { useFormats } from "@/lib/use-formats";
import { useText, type Text } from "@/lib/text";

import { percent } from "./comparison";
import { modelsOf, standing, type Served, type Standing } from "./forecasts";
import { Troubles } from "./forecasts-troubles";
import { capital, modelName, quantityName, reasonInWords } from "./forecasts-words";
import classes from "./forecasts.module.css";

/** Who made the newest forecasts, how good it was when it was judged last, and who was passed over. */
export function ServingPanel({ forecasting }: { forecasting: Forecasting }) {
  const text = useText();
  const { served } = forecasting;
  const anybody = served.some((one) => modelsOf(one).length > 0);
  const passedOver = served.flatMap(({ quantity, passed_over }) =>
    passed_over.map((reason) => ({
      key: `${quantity} ${reason}`,
      what: text("serving.passedOver", { quantity: quantityName(quantity, text) }),
      about: reasonInWords(reason, text),
    })),
  );
  return (
    <Panel
      kicker={text("serving.kicker")}
      title={anybody ? capital(served.map((one) => sentence(one, text)).join("; ")) : text("serving.none")}
    >
      <Troubles label={text("serving.passedOverAll")} troubles={passedOver} />
      {anybody ? <ServingTable forecasting={forecasting} /> : <Empty>{text("serving.empty")}</Empty>}
    </Panel>
  );
}

function sentence(served: Served, text: Text): string {
  const models = modelsOf(served);
  const [first] = models;
  const quantity = quantityName(served.quantity, text);
  if (!first) return text("serving.nobody", { quantity });
  const homes = models.reduce((sum, { sites }) => sum + sites, 0);
  return text("serving.title", { model: modelName(first.name, text), more: models.length - 1, quantity, homes });
}

function ServingTable({ forecasting }: { forecasting: Forecasting }) {
  const text = useText();
  const format = useFormats();
  const { served, versions } = forecasting;
  const rows = served.flatMap((one) =>
    modelsOf(one).map((model) => ({
      ...one,
      model,
      trainedAt: versions.find(({ id }) => id === model.version)?.trained_at,
      standing: standing(forecasting, one.quantity, model),
    })),
  );
  return (
    <>
      <DataTable
        caption={text("serving.kicker")}
        rows={rows}
        rowKey={({ quantity, model }) => `${quantity} ${model.name} ${String(model.version)}`}
        columns={[
          { key: "quantity", header: text("forecasts.quantity"), cell: ({ quantity }) => capital(quantityName(quantity, text)) },
          { key: "model", header: text("forecasts.model"), cell: ({ model }) => modelName(model.name, text) },
          { key: "trained", header: text("models.trained"), cell: ({ trainedAt }) => (trainedAt ? format.localDate(trainedAt) : "–") },
          { key: "homes", header: text("serving.homes"), numeric: true, cell: ({ model }) => format.number(model.sites) },
          {
            key: "issued",
            header: text("serving.issued", { zone: format.zone(served[0]?.issued_at ?? 0) }),
            cell: ({ issued_at }) => format.dayTime(issued_at),
          },
          { key: "loss", header: text("serving.loss"), cell: (row) => lossInWords(row.standing, text, format) },
          {
            key: "coverage",
            header: text("serving.coverage"),
            numeric: true,
            cell: (row) => (row.standing?.coverage80 === undefined ? "–" : percent(row.standing.coverage80, format)),
          },
        ]}
      />
      <p className={classes.about}>{text("serving.about")}</p>
    </>
  );
}

/** `0.0131 kW, 21.4 % below the reference`; the reference itself is beside nobody. */
function lossInWords(found: Standing | undefined, text: Text, format: Formats): string {
  if (!found) return text("serving.notJudged");
  const loss = `${format.number(found.pinball, 4)} kW`;
  if (found.lowerBy === 0) return loss;
  const words = found.lowerBy > 0 ? "forecasts.below" : "forecasts.above";
  return `${loss}, ${text(words, { percent: percent(Math.abs(found.lowerBy), format) })}`;
}
