import { DataTable } from "@/components/data-table";
import { Empty } from "@/components/failure";
import { Hash } from "@/components/hash";
import { Panel } from "@/components/panel";
import { State } from "@/components/state";
import type { Forecasting } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { capital, modelName, quantityName } from "./forecasts-words";

/** The registry: what was trained, on which data, and what became of it. */
export function ModelsPanel({ versions }: { versions: Forecasting["versions"] }) {
  const text = useText();
  const format = useFormats();
  const champions = versions.filter(({ status }) => status === "champion").length;
  const any = versions.length > 0;
  return (
    <Panel kicker={text("models.kicker")} title={any ? text("models.title", { models: versions.length, champions }) : text("models.none")}>
      {any ? (
        <DataTable
          caption={text("models.kicker")}
          rows={versions}
          rowKey={({ id }) => String(id)}
          maxHeight={420}
          columns={[
            { key: "name", header: text("forecasts.model"), cell: ({ name }) => modelName(name, text) },
            { key: "quantity", header: text("forecasts.quantity"), cell: ({ quantity }) => capital(quantityName(quantity, text)) },
            { key: "status", header: text("models.status"), cell: ({ status }) => <State name={status} /> },
            { key: "trained", header: text("models.trained"), cell: ({ trained_at }) => format.localDate(trained_at) },
            { key: "made", header: text("models.made"), cell: ({ shipped }) => text(shipped ? "models.shipped" : "models.here") },
            { key: "data", header: text("models.data"), cell: ({ data_hash }) => <Hash value={data_hash} label={text("models.data")} /> },
          ]}
        />
      ) : (
        <Empty>{text("models.empty")}</Empty>
      )}
    </Panel>
  );
}
