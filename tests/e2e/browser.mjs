import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

/** The packaged headless Chromium, quiet towards the network. */
export async function launchBrowser() {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--no-default-browser-check",
    ],
  });
}
