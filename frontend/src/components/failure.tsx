import { Button } from "@mantine/core";

import { ApiProblem } from "@/lib/api/problem";
import { useText, type Text } from "@/lib/text";

import { Icon } from "./icons";
import classes from "./failure.module.css";

/** What happened, in a sentence. */
export function describe(error: unknown, text: Text): string {
  if (!(error instanceof ApiProblem)) return text("failure.unknown");
  if (error.status === 0) return text("failure.unreachable");
  if (error.message !== "") return error.message;
  if (error.status === 403) return text("failure.forbidden");
  return error.status >= 500 ? text("failure.server", { status: error.status }) : text("failure.refused", { status: error.status });
}

/** Says what happened, what is safe and what to do. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const text = useText();
  return (
    <div className={classes.box} role="alert">
      <span className={classes.icon}>
        <Icon name="alarm" />
      </span>
      <div>
        <p className={classes.what}>{describe(error, text)}</p>
        <p className={classes.safe}>{text("failure.safe")}</p>
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            {text("failure.retry")}
          </Button>
        )}
      </div>
    </div>
  );
}

/** An empty place explains itself. */
export function Empty({ children }: { children: string }) {
  return <p className={classes.empty}>{children}</p>;
}
