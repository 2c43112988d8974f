import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { clockQuery } from "@/lib/api/queries";
import type { Interval } from "@/lib/api/types";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

interface IntervalSelectProps {
  intervals: readonly Interval[];
  interval: Interval;
  /** Community time, ms. */
  now: number;
  onPick: (start: string) => void;
}

/** Which delivery interval, and how long its gate stays open in the reader's own time. */
export function IntervalSelect({ intervals, interval, now, onPick }: IntervalSelectProps) {
  const text = useText();
  const format = useFormats();
  const { data: clock } = useQuery(clockQuery);
  const left = Math.max(0, Date.parse(interval.gate_closure) - now) / Math.max(clock?.speed ?? 1, 1) / 1000;
  return (
    <Select
      label={text("ticket.interval", { zone: format.zone(interval.start) })}
      data={intervals.map(({ start, end }) => ({ value: start, label: `${format.day(start)}, ${format.range(start, end)}` }))}
      value={interval.start}
      allowDeselect={false}
      onChange={(start) => {
        if (start !== null) onPick(start);
      }}
      description={text("ticket.gate", { at: format.time(interval.gate_closure), left: format.duration(left) })}
      comboboxProps={{ middlewares: { flip: true, shift: true } }}
      name="interval"
    />
  );
}
