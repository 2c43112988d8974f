import { ActionIcon, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Icon } from "@/components/icons";
import { AccountMenu } from "@/features/registry/account-menu";
import { communityQuery } from "@/lib/api/queries";
import type { Connection } from "@/lib/events";
import { useText } from "@/lib/text";

import { Freshness } from "./freshness";
import { IntervalClock } from "./interval-clock";
import classes from "./top-bar.module.css";

/** Where we are, what time it is there, and how fresh what you see is. */
export function TopBar({ connection }: { connection: Connection }) {
  const { data: community } = useQuery(communityQuery);
  return (
    <header className={classes.bar}>
      <h1 className={classes.community}>{community?.name ?? "\u00a0"}</h1>
      <IntervalClock />
      <div className={classes.right}>
        <Freshness connection={connection} />
        <SchemeSwitch />
        <AccountMenu />
      </div>
    </header>
  );
}

function SchemeSwitch() {
  const text = useText();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const label = text(scheme === "dark" ? "shell.light" : "shell.dark");
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        size="lg"
        aria-label={label}
        onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")}
      >
        <Icon name={scheme === "dark" ? "sun" : "moon"} />
      </ActionIcon>
    </Tooltip>
  );
}
