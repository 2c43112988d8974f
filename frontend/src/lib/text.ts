import { useCallback } from "react";
import { useIntl } from "react-intl";

import type en from "./messages/en.json";

export type MessageId = keyof typeof en;
export type Text = (id: MessageId, values?: Record<string, string | number>) => string;

/** The words of the page: `text("trade.place", { ... })`, an ICU message of the reader's language. */
export function useText(): Text {
  const intl = useIntl();
  return useCallback((id, values) => intl.formatMessage({ id }, values), [intl]);
}
