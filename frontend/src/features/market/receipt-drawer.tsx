import { Skeleton } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";

import { Empty, Failure } from "@/components/failure";
import { SidePanel } from "@/components/side-panel";
import { api, unwrap } from "@/lib/api/client";
import { ApiProblem } from "@/lib/api/problem";
import { useFormats } from "@/lib/use-formats";
import { useText } from "@/lib/text";

import { ReceiptSteps } from "./receipt-steps";
import classes from "./receipt.module.css";

function receiptQuery(id: string) {
  return queryOptions({
    queryKey: ["receipt", id],
    queryFn: () => unwrap(api.GET("/api/v1/trades/{trade_id}/receipt", { params: { path: { trade_id: Number(id) } } })),
    // Events push; this catches what they lose.
    refetchInterval: ({ state }) => (state.data?.trade.state === "settled" ? false : 5_000),
  });
}

/** The way of one trade from order to bill; open while the address has `receipt=ID`. */
export function ReceiptDrawer() {
  const text = useText();
  const [search, setSearch] = useSearchParams();
  const id = search.get("receipt");
  const close = () => {
    const next = new URLSearchParams(search);
    next.delete("receipt");
    setSearch(next, { preventScrollReset: true });
  };
  return (
    <SidePanel title={text("receipt.title")} opened={id !== null} onClose={close}>
      {id !== null && <ReceiptOf id={id} />}
    </SidePanel>
  );
}

function ReceiptOf({ id }: { id: string }) {
  const text = useText();
  const format = useFormats();
  const { data, error, refetch } = useQuery(receiptQuery(id));
  // The API shows a receipt to the two sides of the trade, and to staff.
  if (error instanceof ApiProblem && error.status === 404) return <Empty>{text("receipt.private")}</Empty>;
  if (error && !data) return <Failure error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton height={420} radius="md" />;
  const { trade, steps } = data;
  return (
    <article data-receipt={id} data-state={trade.state}>
      <p className={classes.sum}>
        {format.energy(trade.energy_wh)}
        <span> {text("price.perKwhAt", { price: format.price(trade.price_micro_per_kwh) })}</span>
      </p>
      <p className={classes.parties}>
        {text("receipt.parties", {
          seller: trade.seller,
          buyer: trade.buyer,
          when: format.dayTime(trade.interval_start),
          zone: format.zone(trade.interval_start),
        })}
      </p>
      <ReceiptSteps steps={steps} />
    </article>
  );
}
