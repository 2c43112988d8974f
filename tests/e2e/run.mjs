/** A member's day in the browser, against a running platform at WEB_URL: look, trade, follow the money, read the bill. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launchBrowser } from "./browser.mjs";

const WEB_URL = process.env.WEB_URL ?? "http://127.0.0.1:8000";
const SHOTS = fileURLToPath(new URL("../../build/e2e/", import.meta.url));
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** Gate closure, delivery, readings and settlement of one interval, with room for a slow machine. */
const SETTLE_MS = 600_000;
const SOON_MS = 60_000;
const MICRO = 1_000_000;
/** How many open intervals after the soonest one to trade. */
const AHEAD = 3;

let browser;
let buyer;
let seller;
/** Start of the interval that is traded, as the API writes it. */
let interval;

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await launchBrowser();
  buyer = await newPage();
  seller = await newPage();
});

after(async () => {
  await browser?.close();
});

async function newPage() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, baseURL: WEB_URL });
  context.setDefaultTimeout(SOON_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`page error: ${error.stack ?? error}`));
  return page;
}

const shot = (page, name) => page.screenshot({ path: `${SHOTS}${name}.png`, fullPage: true });

/** In the dark, without motion, and without scrolling sideways. */
async function holdsOnAPhone(page, name) {
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForFunction(() => document.documentElement.scrollWidth === window.innerWidth);
  await shot(page, `phone-${name}`);
  await accessible(page);
}

/** Nothing that axe calls a violation, on any page. */
async function accessible(page) {
  // What slides or fades in is judged when it is there.
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => Number.isFinite(animation.effect.getComputedTiming().endTime))
        .map((animation) => animation.finished),
    ),
  );
  await page.addScriptTag({ path: AXE });
  const violations = await page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
    const result = await window.axe.run(document, { runOnly: tags });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  });
  assert.deepEqual(violations, []);
}

async function signIn(page, index) {
  await page.goto("/login");
  await page.locator('[data-role="prosumer"]').nth(index).click();
  await page.waitForURL(`${WEB_URL}/`);
}

/** What the API answers to the page, with the page's own session. */
const read = (page, path) => page.evaluate(async (url) => (await fetch(url)).json(), path);

async function goTo(page, name) {
  await page.getByRole("link", { name, exact: true }).click();
}

async function pick(page, label) {
  await page.getByLabel(/Delivery interval/).first().click();
  await page.getByRole("option", { name: label, exact: true }).click();
}

/** Presses one word of a segmented control. */
async function choose(page, word) {
  await page.locator("label").filter({ hasText: new RegExp(`^${word}$`) }).click();
}

/** Fills the ticket and signs with the agent; the interval is the one chosen on the ticket. */
async function order(page, { side, kwh, limit }) {
  await choose(page, side);
  await page.getByLabel("Energy", { exact: true }).fill(String(kwh));
  await page.getByLabel(/^At (most|least)/).fill(String(limit));
  await page.getByRole("button", { name: "Sign with my agent" }).click();
}

test("a member signs in with one press and sees the community live", async () => {
  await signIn(buyer, 0);
  await buyer.getByText("Now delivering").waitFor();
  await buyer.getByRole("img", { name: /^The sun gives/ }).waitFor();
  await buyer.getByRole("heading", { name: /homes are online/ }).waitFor();
  await buyer.getByRole("heading", { name: /energy used in these hours/ }).waitFor();
  assert.ok((await buyer.locator("[data-online]").count()) >= 2);
  await buyer.locator('[data-health="good"]').nth(1).waitFor();
  await shot(buyer, "community");
  await accessible(buyer);
});

test("two members place orders that must meet", async () => {
  await signIn(seller, 1);
  const { tariff } = await read(buyer, "/api/v1/community");
  for (const page of [buyer, seller]) await goTo(page, "Trade");
  await buyer.getByTestId("summary").waitFor();

  // An interval for which the agents have not placed orders yet: they leave alone whoever came first.
  const field = buyer.getByLabel(/Delivery interval/).first();
  await field.click();
  await buyer.getByRole("option").nth(AHEAD).click();
  await pick(seller, await field.inputValue());
  const price = (micro) => micro / MICRO;
  await order(seller, { side: "Sell", kwh: 0.777, limit: price(tariff.feed_in_micro_per_kwh + tariff.fee_micro_per_kwh) });
  await order(buyer, { side: "Buy", kwh: 0.777, limit: price(tariff.import_micro_per_kwh - tariff.fee_micro_per_kwh) });

  // The agents place orders of their own: ours are known by their amount.
  const bid = buyer.locator('[data-order][data-state="open"]').filter({ hasText: "Buy 0.78 kWh" });
  const offer = seller.locator('[data-order][data-state="open"]').filter({ hasText: "Sell 0.78 kWh" });
  await bid.waitFor();
  await offer.waitFor();
  interval = await bid.getAttribute("data-interval");
  assert.equal(await offer.getAttribute("data-interval"), interval);
  await shot(buyer, "trade");
  await accessible(buyer);
});

test("an order can be cancelled while its gate is open", async () => {
  await buyer.getByLabel(/Delivery interval/).first().click();
  await buyer.getByRole("option").last().click();
  await order(buyer, { side: "Buy", kwh: 0.313, limit: 0.05 });
  const latest = buyer.locator('[data-order][data-state="open"]').filter({ hasText: "Buy 0.31 kWh" });
  await latest.waitFor();
  const id = await latest.getAttribute("data-order");
  await latest.getByRole("button", { name: /^Cancel the order/ }).click();
  await buyer.locator(`[data-order="${id}"][data-state="cancelled"]`).waitFor();
});

test("the order is matched, and its receipt ends in a settlement on chain", async () => {
  assert.ok(interval, "no order was placed");
  await buyer.locator('[data-order][data-state="matched"]').filter({ hasText: "Buy 0.78 kWh" }).waitFor({ timeout: SETTLE_MS });
  const trade = buyer.locator(`[data-trade][data-interval="${interval}"]`).first();
  await trade.waitFor();
  await trade.click();
  const receipt = buyer.locator("[data-receipt]");
  await receipt.locator('[data-step="commitment"][data-state="done"]').waitFor({ timeout: SETTLE_MS });
  await shot(buyer, "receipt-committed");

  const settlement = receipt.locator('[data-step="settlement"][data-state="done"]');
  await settlement.waitFor({ timeout: SETTLE_MS });
  await receipt.and(buyer.locator('[data-state="settled"]')).waitFor({ timeout: SOON_MS });
  const hash = await settlement.locator("[data-hash]").first().getAttribute("data-hash");
  assert.match(hash, /^0x[0-9a-f]{64}$/i);
  for (const step of ["order", "match", "commitment", "reading", "bill"]) {
    await receipt.locator(`[data-step="${step}"][data-state="done"]`).waitFor();
  }
  await shot(buyer, "receipt-settled");
  await accessible(buyer);
  await buyer.getByRole("button", { name: "Close" }).click();
});

test("the bill has a line for the interval, with its transaction", async () => {
  assert.ok(interval, "no order was placed");
  await goTo(buyer, "Bills");
  await choose(buyer, "7 days");
  await buyer.getByTestId("balance").waitFor();
  const line = buyer.locator(`[data-line="${interval}"]`);
  await line.waitFor();
  await shot(buyer, "bills");
  await accessible(buyer);
  await line.click();
  await buyer.getByText("Line of your statement").waitFor();
  const dialog = buyer.getByRole("dialog");
  for (const step of ["reading", "settlement", "bill"]) await dialog.locator(`[data-step="${step}"][data-state="done"]`).waitFor();
  // Meter, its signature, the transaction.
  await dialog.locator("[data-hash]").nth(2).waitFor();
  await shot(buyer, "bill-line");
  await accessible(buyer);
  await buyer.getByRole("button", { name: "Close" }).click();
  const [file] = await Promise.all([buyer.waitForEvent("download"), buyer.getByRole("button", { name: "CSV" }).click()]);
  assert.match(file.suggestedFilename(), /^statement-.*\.csv$/);
});

async function operatorPage() {
  const operator = await newPage();
  await operator.goto("/login");
  await operator.locator('[data-role="operator"]').first().click();
  await operator.waitForURL(`${WEB_URL}/`);
  return operator;
}

test("an operator sees what is on its way to the chain", async () => {
  const operator = await operatorPage();
  await goTo(operator, "Plant");
  await operator.getByText("On the way to the chain").first().waitFor();
  for (const name of ["pending", "sent", "mined"]) await operator.locator(`[data-count="${name}"]`).waitFor();
  assert.equal(await operator.locator('[data-count="alarms"]').getAttribute("data-alarm"), "false");
  assert.equal(await operator.getByTestId("chain-trouble").count(), 0);
  await shot(operator, "plant");
  await accessible(operator);
  await operator.context().close();
});

test("an operator compares methods on a day that is over", async () => {
  const operator = await operatorPage();
  await goTo(operator, "Methods");
  const best = operator.locator("tr", { has: operator.locator('[data-method="exact"]') });
  await best.getByText("100 %", { exact: true }).waitFor();
  await operator.getByRole("img", { name: "What all batteries together would have done" }).waitFor();
  await shot(operator, "methods");
  await accessible(operator);
  await holdsOnAPhone(operator, "methods");
  await operator.context().close();
});

test("an operator sees who forecasts, and whether anything drifts", async () => {
  const operator = await operatorPage();
  await goTo(operator, "Forecasts");
  await operator.getByRole("heading", { name: /forecasts? the load of \d+ homes/ }).waitFor();
  await shot(operator, "forecasts");
  await accessible(operator);
  await holdsOnAPhone(operator, "forecasts");
  await operator.context().close();
});

test("the pages hold in the dark, on a phone, without motion", async () => {
  await buyer.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await buyer.setViewportSize({ width: 390, height: 844 });
  for (const name of ["Community", "My home", "Trade", "Bills", "Agreements"]) {
    await goTo(buyer, name);
    await buyer.getByRole("heading", { level: 2 }).first().waitFor();
    await buyer.waitForTimeout(1_500);
    // Drawings follow a new width a moment later.
    const fits = () => document.documentElement.scrollWidth === window.innerWidth;
    await buyer.waitForFunction(fits).catch(() => assert.fail(`${name} scrolls sideways`));
    await shot(buyer, `phone-${name.toLowerCase().replace(" ", "-")}`);
    await accessible(buyer);
  }
});
