import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Empty, Failure } from "@/components/failure";
import { Panel } from "@/components/panel";
import { clockQuery } from "@/lib/api/queries";
import type { Account, Community, Me } from "@/lib/api/types";
import { useText } from "@/lib/text";

import { BookPanel } from "./book-panel";
import { IntervalSelect } from "./interval-select";
import { firstChoice, useOpenIntervals } from "./open-intervals";
import { Ticket } from "./ticket";
import classes from "./trade-desk.module.css";

interface TradeDeskProps {
  community: Community;
  participant: Me["participant"];
  account: Account | undefined;
}

/** The ticket and the depth of the interval that it is for. */
export function TradeDesk({ community, participant, account }: TradeDeskProps) {
  const text = useText();
  const { data: clock } = useQuery(clockQuery);
  const { intervals, error, retry, now } = useOpenIntervals(community.gate_open_h);
  const [picked, setPicked] = useState<string | null>(null);
  // The choice stays while its gate is open; then the ticket moves on by itself.
  const chosen = intervals?.find((interval) => interval.start === picked) ?? firstChoice(intervals ?? [], now, clock?.speed ?? 1);
  if (chosen && picked !== chosen.start) setPicked(chosen.start);

  return (
    <div className={classes.desk}>
      <Panel kicker={text("ticket.kicker")} title={text(participant ? "ticket.title" : "ticket.readOnly")} className={classes.ticket}>
        {error && !intervals ? (
          <Failure error={error} retry={retry} />
        ) : intervals && !chosen ? (
          <Empty>{text("ticket.noInterval")}</Empty>
        ) : (
          chosen &&
          intervals &&
          (participant ? (
            <Ticket
              community={community}
              participant={participant}
              account={account}
              intervals={intervals}
              interval={chosen}
              now={now}
              onPick={setPicked}
            />
          ) : (
            <IntervalSelect intervals={intervals} interval={chosen} now={now} onPick={setPicked} />
          ))
        )}
      </Panel>
      {chosen && <BookPanel interval={chosen} className={classes.book} />}
    </div>
  );
}
