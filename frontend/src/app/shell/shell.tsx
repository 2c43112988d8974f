import { Suspense } from "react";
import { Outlet } from "react-router";

import { useServerEvents } from "@/lib/events";
import { useText } from "@/lib/text";
import { ReceiptDrawer } from "@/features/market/receipt-drawer";

import { Navigation } from "./navigation";
import { TopBar } from "./top-bar";
import classes from "./shell.module.css";

/** Rail or bottom bar, top bar, the page, and the receipt that any page may open with `?receipt=ID`. */
export function Shell() {
  const text = useText();
  const connection = useServerEvents();
  return (
    <div className={classes.shell}>
      <a className="skip-link" href="#page">
        {text("shell.skip")}
      </a>
      <Navigation />
      <div className={classes.column}>
        <TopBar connection={connection} />
        <main id="page" className={classes.page} tabIndex={-1}>
          <Suspense fallback={null}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <ReceiptDrawer />
    </div>
  );
}
