import { Skeleton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";

import { Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { useFormats } from "@/lib/use-formats";
import { useText, type Text } from "@/lib/text";
import type { Formats } from "@/lib/format";

import { FlowDrawing } from "./flow-drawing";
import { ownShare, STILL_KW, type Power } from "./flow";

const HEIGHT = 348;

interface FlowPanelProps {
  power: Power | undefined;
  /** A member's own home has no neighbours of its own to draw. */
  alone?: boolean;
  error: unknown;
  retry: () => void;
  className?: string | undefined;
}

/** Sun, homes, batteries, neighbours and grid, as they flow now. */
export function FlowPanel({ power, alone = false, error, retry, className }: FlowPanelProps) {
  const text = useText();
  const format = useFormats();
  const { ref, width } = useElementSize();
  return (
    <Panel kicker={text(alone ? "flow.kickerHome" : "flow.kicker")} title={power ? message(power, text, format) : text("flow.waiting")} className={className}>
      <div ref={ref} style={{ minHeight: HEIGHT }}>
        {power && width > 0 ? (
          <FlowDrawing power={power} width={width} height={HEIGHT} alone={alone} label={sentence(power, text, format)} />
        ) : error ? (
          <Failure error={error} retry={retry} />
        ) : (
          <Skeleton height={HEIGHT} radius="md" />
        )}
      </div>
    </Panel>
  );
}

function message(power: Power, text: Text, format: Formats): string {
  const sun = Math.abs(power.pv_kw);
  if (power.grid_kw < -STILL_KW) return text("flow.spare", { power: format.power(-power.grid_kw) });
  if (sun >= power.load_kw) return text("flow.sunCovers");
  return text("flow.own", { percent: format.percent(ownShare(power)) });
}

/** The drawing in words. */
function sentence(power: Power, text: Text, format: Formats): string {
  return text("flow.sentence", {
    sun: format.power(Math.abs(power.pv_kw)),
    load: format.power(power.load_kw),
    battery: format.power(Math.abs(power.battery_kw)),
    batteryDoes: power.battery_kw > STILL_KW ? "charge" : power.battery_kw < -STILL_KW ? "discharge" : "rest",
    grid: format.power(Math.abs(power.grid_kw)),
    gridDoes: power.grid_kw > STILL_KW ? "import" : power.grid_kw < -STILL_KW ? "export" : "rest",
    neighbours: format.power(Math.abs(power.neighbours_kw)),
  });
}
