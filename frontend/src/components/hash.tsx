import { CopyButton, Tooltip, UnstyledButton } from "@mantine/core";

import { shortHash } from "@/lib/format";
import { useText } from "@/lib/text";

import { Icon } from "./icons";
import classes from "./hash.module.css";

/** A hash or address, shortened; a press copies the whole. */
export function Hash({ value, label }: { value: string; label: string }) {
  const text = useText();
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? text("hash.copied") : value} maw={520}>
          <UnstyledButton
            className={classes.hash}
            onClick={copy}
            aria-label={text("hash.copy", { label, value: shortHash(value) })}
            data-hash={value}
          >
            {shortHash(value)}
            <Icon name={copied ? "check" : "copy"} size={13} />
          </UnstyledButton>
        </Tooltip>
      )}
    </CopyButton>
  );
}
