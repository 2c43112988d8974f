import { Skeleton, useComputedColorScheme } from "@mantine/core";
import { useReducedMotion } from "@mantine/hooks";
import type { EChartsOption, EChartsType } from "echarts";
import { useEffect, useRef, useState } from "react";

import { SURFACE, type Surface } from "@/lib/palette";

const FONT = "'Geist Variable', system-ui, sans-serif";

interface ChartProps {
  /** What the drawing says, for those who do not see it; the table behind it has the figures. */
  label: string;
  height: number;
  option: (surface: Surface) => EChartsOption;
  /** Dragging selects a span of time; a double click shows all again. */
  zoomable?: boolean;
}

/** An ECharts drawing that follows its box, the colour scheme and the wish for less motion. */
export function Chart({ label, height, option, zoomable = false }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [chart, setChart] = useState<EChartsType | null>(null);
  const scheme = useComputedColorScheme("light");
  const still = useReducedMotion();

  useEffect(() => {
    let drawn: EChartsType | null = null;
    let gone = false;
    let observer: ResizeObserver | undefined;
    void import("./echarts").then(({ init }) => {
      if (gone || !box.current) return;
      drawn = init(box.current, undefined, { renderer: "svg" });
      observer = new ResizeObserver(() => drawn?.resize());
      observer.observe(box.current);
      setChart(drawn);
    });
    return () => {
      gone = true;
      observer?.disconnect();
      drawn?.dispose();
      setChart(null);
    };
  }, []);

  useEffect(() => {
    if (!chart) return;
    chart.setOption({
      textStyle: { fontFamily: FONT },
      animation: !still,
      animationDuration: 300,
      animationDurationUpdate: 400,
      ...option(SURFACE[scheme]),
    });
  }, [chart, option, scheme, still]);

  useEffect(() => {
    if (!chart || !zoomable) return undefined;
    const select = { type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true };
    const showAll = () => chart.dispatchAction({ type: "dataZoom", start: 0, end: 100 });
    chart.dispatchAction(select);
    chart.getZr().on("dblclick", showAll);
    return () => {
      if (!chart.isDisposed()) chart.getZr().off("dblclick", showAll);
    };
  }, [chart, zoomable, option]);

  return (
    <div style={{ height, position: "relative" }} role="img" aria-label={label}>
      {!chart && <Skeleton height={height} radius="md" style={{ position: "absolute" }} />}
      <div ref={box} style={{ height }} />
    </div>
  );
}
