import { Skeleton, useMatches } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { EChartsOption } from "echarts";
import { useMemo } from "react";

import { Chart } from "@/components/chart";
import { ChartPanel } from "@/components/chart-panel";
import { valueAxis } from "@/components/chart-parts";
import { Empty, Failure } from "@/components/failure";
import { Legend } from "@/components/legend";
import type { Interval } from "@/lib/api/types";
import type { Formats } from "@/lib/format";
import { ENERGY, type Surface } from "@/lib/palette";
import { useFormats } from "@/lib/use-formats";
import { useText, type Text } from "@/lib/text";

import { crossing, depth, type Depth, type Level } from "./depth";
import { bookQuery } from "./orders";

const HEIGHT = 470;
const HEIGHT_NARROW = 320;
const MICRO = 1_000_000;

/** What is wanted and what is offered at each price for one interval. */
export function BookPanel({ interval, className }: { interval: Interval; className?: string | undefined }) {
  const text = useText();
  const format = useFormats();
  const { data: book, error, refetch } = useQuery(bookQuery(interval.start));
  const sides = useMemo(() => (book ? depth(book) : null), [book]);
  const option = useMemo(
    () => (surface: Surface) => depthOption(sides ?? { bids: [], offers: [] }, interval, text, format, surface),
    [sides, interval, text, format],
  );
  const narrow = useMatches({ base: true, sm: false });
  const height = narrow ? HEIGHT_NARROW : HEIGHT;
  const orders = sides ? sides.bids.length + sides.offers.length : 0;
  const crossed = sides ? crossing(sides) : 0;
  const title = !sides
    ? text("book.waiting")
    : crossed > 0
      ? text("book.crosses", { energy: format.energy(crossed) })
      : text(orders > 0 ? "book.apart" : "book.none");
  return (
    <ChartPanel
      kicker={text("book.kicker", { interval: format.range(interval.start, interval.end) })}
      title={title}
      height={height}
      className={className}
      figures={
        !book ? null : {
          name: `book-${interval.start}`,
          header: ["level", "side", "price_micro_per_kwh", "energy_wh"],
          rows: [
            ...book.bids.map((bid, index) => [`bid ${index + 1}`, "buy", bid.price_micro_per_kwh, bid.energy_wh]),
            ...book.offers.map((offer, index) => [`offer ${index + 1}`, "sell", offer.price_micro_per_kwh, offer.energy_wh]),
          ],
        }
      }
      legend={
        orders > 0 && (
          <Legend
            items={[
              { label: text("book.bids"), colour: "var(--ink)", kind: "line" },
              { label: text("book.offers"), colour: ENERGY.neighbours, kind: "line" },
            ]}
          />
        )
      }
    >
      <div style={{ minHeight: height, display: "grid", gridTemplateColumns: "minmax(0, 1fr)" }}>
        {sides ? (
          orders > 0 ? (
            <Chart label={title} height={height} option={option} />
          ) : (
            <Empty>{text("book.empty")}</Empty>
          )
        ) : error ? (
          <Failure error={error} retry={() => void refetch()} />
        ) : (
          <Skeleton height={height} radius="md" />
        )}
      </div>
    </ChartPanel>
  );
}

function depthOption({ bids, offers }: Depth, interval: Interval, text: Text, format: Formats, surface: Surface): EChartsOption {
  const prices = [...bids, ...offers].map((level) => level.price / MICRO);
  const low = Math.min(interval.feed_in_micro_per_kwh / MICRO, ...prices);
  const high = Math.max(interval.retail_micro_per_kwh / MICRO, ...prices);
  // Bids hold at every lower price, offers at every higher one; each line starts on the axis at its best price.
  const line = (levels: Level[], edge: number) => {
    const first = levels[0];
    const last = levels[levels.length - 1];
    if (!first || !last) return [];
    return [[first.price / MICRO, 0], ...levels.map((level) => [level.price / MICRO, level.cumulative / 1000]), [edge, last.cumulative / 1000]];
  };
  const series = (name: string, colour: string, data: number[][]) => ({
    type: "line" as const,
    name,
    step: "end" as const,
    symbol: "none",
    data,
    lineStyle: { color: colour, width: 2.5 },
    itemStyle: { color: colour },
    areaStyle: { color: colour, opacity: 0.1 },
    emphasis: { disabled: true },
  });
  const mark = (price: number, name: string) => ({ xAxis: price / MICRO, label: { formatter: name } });
  return {
    grid: { left: 46, right: 32, top: 50, bottom: 44 },
    xAxis: {
      type: "value",
      min: low - (high - low) * 0.06,
      max: high + (high - low) * 0.06,
      name: text("book.priceAxis"),
      nameLocation: "middle",
      nameGap: 28,
      nameTextStyle: { color: surface.quiet },
      axisLine: { lineStyle: { color: surface.line } },
      axisLabel: { color: surface.quiet, formatter: (value: number) => value.toFixed(2), showMinLabel: false, showMaxLabel: false },
      splitLine: { show: false },
    },
    yAxis: { ...valueAxis(surface), name: text("energy.unit"), nameGap: 30, min: 0 },
    tooltip: {
      trigger: "axis",
      confine: true,
      axisPointer: { type: "line", lineStyle: { color: surface.quiet, type: "dotted" } },
      backgroundColor: surface.card,
      borderColor: surface.line,
      textStyle: { color: surface.ink, fontSize: 13 },
      valueFormatter: (value) => (typeof value === "number" ? format.energyKwh(value) : "–"),
    },
    series: [
      series(text("book.bids"), surface.ink, line(bids, low - (high - low) * 0.06)),
      {
        ...series(text("book.offers"), ENERGY.neighbours, line(offers, high + (high - low) * 0.06)),
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: ENERGY.grid, width: 1.5, type: "solid" },
          label: { color: surface.quiet, fontSize: 12, distance: 5 },
          data: [mark(interval.feed_in_micro_per_kwh, text("price.feedIn")), mark(interval.retail_micro_per_kwh, text("price.retail"))],
        },
      },
    ],
  };
}
