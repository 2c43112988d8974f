import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { IntlProvider } from "react-intl";

import { clockQuery, communityQuery } from "@/lib/api/queries";
import en from "@/lib/messages/en.json";

import { clock, community } from "./fixtures";

/** What a part of a page stands on, with the community and its clock already read. */
export function TestProviders({ children }: { children: ReactNode }) {
  const [client] = useState(() => {
    const made = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } });
    made.setQueryData(communityQuery.queryKey, community);
    made.setQueryData(clockQuery.queryKey, clock);
    return made;
  });
  return (
    <IntlProvider locale="en" messages={en}>
      <QueryClientProvider client={client}>
        <MantineProvider env="test">{children}</MantineProvider>
      </QueryClientProvider>
    </IntlProvider>
  );
}
