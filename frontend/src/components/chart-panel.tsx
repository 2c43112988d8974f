import { ActionIcon, Tooltip } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { csv, download, type Cell } from "@/lib/csv";
import { useText } from "@/lib/text";

import { DataTable } from "./data-table";
import { Icon } from "./icons";
import { Panel } from "./panel";

/** The figures behind a drawing. */
export interface Figures {
  /** File name without its ending. */
  name: string;
  header: readonly string[];
  rows: readonly (readonly Cell[])[];
}

interface ChartPanelProps {
  kicker: string;
  title: string;
  figures: Figures | null;
  legend?: ReactNode;
  children: ReactNode;
  className?: string | undefined;
  height: number;
}

/** A drawing with the table behind it one press away, to read or to download. */
export function ChartPanel({ kicker, title, figures, legend, children, className, height }: ChartPanelProps) {
  const text = useText();
  const [asTable, setAsTable] = useState(false);
  const actions = figures && (
    <>
      <Tooltip label={text(asTable ? "chart.draw" : "chart.table")}>
        <ActionIcon
          variant="subtle"
          size="lg"
          aria-label={text(asTable ? "chart.draw" : "chart.table")}
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          <Icon name={asTable ? "chart" : "table"} />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={text("chart.download")}>
        <ActionIcon
          variant="subtle"
          size="lg"
          aria-label={text("chart.download")}
          onClick={() => download(`${figures.name}.csv`, csv(figures.header, figures.rows))}
        >
          <Icon name="download" />
        </ActionIcon>
      </Tooltip>
    </>
  );
  return (
    <Panel kicker={kicker} title={title} actions={actions} className={className}>
      {asTable && figures ? (
        <FigureTable figures={figures} caption={kicker} height={height} />
      ) : (
        <>
          {children}
          {legend}
        </>
      )}
    </Panel>
  );
}

function FigureTable({ figures, caption, height }: { figures: Figures; caption: string; height: number }) {
  return (
    <DataTable<readonly Cell[]>
      caption={caption}
      maxHeight={height}
      rows={figures.rows}
      rowKey={(row) => String(row[0])}
      columns={figures.header.map((header, index) => ({
        key: header,
        header,
        numeric: index > 0,
        cell: (row) => row[index] ?? "",
      }))}
    />
  );
}
