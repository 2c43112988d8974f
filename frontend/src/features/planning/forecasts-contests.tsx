import { DataTable } from "@/components/data-table";
import { Empty } from "@/components/failure";
import { Panel } from "@/components/panel";
import { useFormats } from "@/lib/use-formats";
import { useText, type Text } from "@/lib/text";

import { percent } from "./comparison";
import { newestContests, winnerOf, type Contest } from "./forecasts";
import { capital, modelName, pValue, quantityName, reasonInWords } from "./forecasts-words";
import classes from "./forecasts.module.css";

/** The newest decisions on who forecasts, and who was judged in them. */
export function ContestsPanel({ contests }: { contests: readonly Contest[] }) {
  const text = useText();
  const format = useFormats();
  return (
    <Panel kicker={text("contests.kicker")} title={title(contests, text)}>
      {contests.length > 0 ? (
        <DataTable
          caption={text("contests.kicker")}
          rows={contests}
          rowKey={({ quantity, as_of }) => `${quantity} ${as_of}`}
          maxHeight={300}
          columns={[
            {
              key: "at",
              header: text("contests.at", { zone: format.zone(contests[0]?.as_of ?? 0) }),
              cell: ({ as_of }) => format.dayTime(as_of),
            },
            { key: "quantity", header: text("forecasts.quantity"), cell: ({ quantity }) => capital(quantityName(quantity, text)) },
            {
              key: "outcome",
              header: text("contests.outcome"),
              cell: ({ reason }) => <span className={classes.why}>{reasonInWords(reason, text)}</span>,
            },
          ]}
        />
      ) : (
        <Empty>{text("contests.empty")}</Empty>
      )}
      {newestContests(contests, ({ entries }) => entries.length > 0).map((contest) => (
        <Entries key={contest.quantity} contest={contest} />
      ))}
    </Panel>
  );
}

function title(contests: readonly Contest[], text: Text): string {
  const newest = newestContests(contests);
  if (newest.length === 0) return text("contests.none");
  const won = newest.flatMap((contest) => {
    const winner = winnerOf(contest);
    return winner ? text("contests.won", { model: modelName(winner.name, text), quantity: quantityName(contest.quantity, text) }) : [];
  });
  if (won.length > 0) return won.join("; ");
  return newest.some(({ entries }) => entries.length > 0) ? text("contests.stay") : text("contests.notJudged");
}

/** Who was judged in one contest, with which figures and verdict. */
function Entries({ contest }: { contest: Contest }) {
  const text = useText();
  const format = useFormats();
  const caption = text("contests.judged", {
    quantity: quantityName(contest.quantity, text),
    from: format.day(contest.judged_from ?? contest.as_of),
    to: format.day(contest.as_of),
  });
  return (
    <>
      <h3 className={classes.subhead}>{caption}</h3>
      <DataTable
        caption={caption}
        rows={contest.entries}
        rowKey={({ name, part, version }) => `${name} ${part} ${version ?? ""}`}
        columns={[
          { key: "name", header: text("forecasts.model"), cell: ({ name }) => modelName(name, text) },
          { key: "part", header: text("contests.part"), cell: ({ part }) => text(`contests.${part}`) },
          {
            key: "pinball",
            header: text("contests.pinball"),
            numeric: true,
            cell: ({ pinball }) => (pinball === null ? "–" : format.number(pinball, 4)),
          },
          {
            key: "lower",
            header: text("contests.lowerBy"),
            numeric: true,
            cell: ({ lower_by }) => (lower_by === null ? "–" : percent(lower_by, format)),
          },
          {
            key: "p",
            header: text("contests.p"),
            numeric: true,
            cell: ({ p_value }) => (p_value === null ? "–" : pValue(p_value, format)),
          },
          {
            key: "verdict",
            header: text("contests.verdict"),
            cell: ({ verdict }) => <span className={classes.why}>{verdict === "" ? "–" : capital(verdict)}</span>,
          },
        ]}
      />
    </>
  );
}
