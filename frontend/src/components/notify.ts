import { notifications } from "@mantine/notifications";

import type { Text } from "@/lib/text";

/** A word about what was just done, or about why it was not. */
export function notify(text: Text, message: string, failed = false): void {
  notifications.show({
    message,
    withBorder: true,
    color: failed ? "red" : "ink",
    closeButtonProps: { "aria-label": text("notify.close") },
  });
}
