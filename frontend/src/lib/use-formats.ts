import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useIntl } from "react-intl";

import { communityQuery } from "@/lib/api/queries";

import { formats, type Formats } from "./format";

/** Formats in the reader's language, the community's currency and its time zone (UTC until it is known). */
export function useFormats(): Formats {
  const { locale } = useIntl();
  const { data } = useQuery(communityQuery);
  const currency = data?.currency ?? "USD";
  const zone = data?.time_zone ?? "UTC";
  return useMemo(() => formats(locale, currency, zone), [locale, currency, zone]);
}
