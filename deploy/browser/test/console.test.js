// The operator: signing in by the printed link, making a key and calling with it, a
// month that ends, its invoice and its audit, and every page of the console,
// looked at in light and dark by axe, on a narrow screen, and without script,
// where it has the same figures.

import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Reader, call, env, launch, looker, weir} from "./browser.js";

let browser, light, plain, look; // plain: without script
let key;
const calls = 6; // of the new key, in the month that ends
// month is a period with the calls in it, whatever the sandbox's clock says.
const date = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
const month = `from=${date(-5)}&to=${date(40)}`;

before(async () => {
  browser = await launch();
  light = await Reader.arrive(browser);
});
after(() => browser?.close());

test("the printed link signs in, once", async () => {
  await light.step("sign in", async () => {
    const page = await light.at(env.LOGIN);
    await light.accessible("the page behind the link");
    await light.follow(page.getByRole("button", {name: "Sign in"}));
    assert.equal(await page.getByRole("heading", {level: 1}).textContent(), "Overview");
    light.unharmed("sign-in");
  });
  const cookies = await light.context.storageState();
  plain = await Reader.arrive(browser, {script: false, cookies});
  look = looker(light, plain);

  const other = await Reader.arrive(browser, {script: false});
  await other.step("the link again", async () => {
    const page = await other.at(env.LOGIN);
    await other.follow(page.getByRole("button", {name: "Sign in"}));
    assert.match(await page.textContent("main"), /was used/);
    await other.at("/console/invoices");
    assert.match(page.url(), /\/console\/login\?next=/);
  });
  await other.leave();
});

test("an open alert is on every page, and what to do on one", async () => {
  for (const reader of [light, plain]) {
    await reader.step("alerts", async () => {
      const page = await reader.at("/console/usage");
      const banner = page.locator("main > .banner");
      assert.match(await banner.textContent(), /^1 alert is open\./);
      await reader.follow(banner.getByRole("link"));
      assert.equal(await page.getByRole("heading", {level: 1}).textContent(), "Alerts");
      const row = page.locator("main tbody tr");
      assert.equal(await row.count(), 1);
      assert.match(await row.textContent(), /Prices that wait for a person.*warning.*weir pricebook approve and reject decide/s);
      reader.unharmed("alerts");
    });
  }
});

test("pages without anything teach", async () => {
  for (const path of ["/console/", "/console/live", "/console/usage", "/console/events", "/console/invoices", "/console/margin"]) {
    await light.step(`empty ${path}`, async () => {
      await light.at(path);
      await light.accessible(`${path} without anything`);
      light.unharmed(`${path} without anything`);
    });
  }
});

test("a key is shown once, and works", async () => {
  await plain.step("make a key", async () => { // without script
    const page = await plain.at("/console/customers/demo");
    await page.fill("main form[action$='/keys'] input[name=name]", "walk");
    await plain.follow(page.getByRole("button", {name: "Make a key"}));
    key = (await page.textContent("#secret")).trim();
    assert.match(key, /^weir_live_\w{40,}$/);
    await plain.at(new URL(page.url()).pathname);
    assert.ok(!(await page.content()).includes(key), "the key is shown again");
    await plain.at("/console/keys");
    assert.ok(!(await page.content()).includes(key), "the list shows the key");
    assert.match(await page.textContent("main"), /walk/);
  });
  for (let i = 0; i < calls; i++) {
    await call(key, {model: i < 4 ? "gpt-4o-mini" : "gpt-4o", stream: i % 2 === 1, words: 3000 * i});
  }
  const usage = JSON.parse(await weir("usage", "--customer", "demo", "--sync", "--json"));
  assert.equal(usage.totals.requests, calls);

  await light.step("the overview has the calls", async () => {
    const page = await light.at("/console/");
    const requests = await page.locator(".tile", {hasText: "Requests"}).locator("data").getAttribute("value");
    assert.equal(requests, String(calls));
    const tokens = await page.locator(".tile", {hasText: "Tokens in"}).locator("data").getAttribute("value");
    assert.equal(tokens, String(usage.totals.input_tokens));
  });
  await light.step("the explorer adds up to the same", async () => {
    const page = await light.at("/console/usage?metric=requests&group=model");
    await light.drawn();
    assert.ok((await light.figures()).includes(String(calls)), "no figure of the explorer is the number of calls");
    light.unharmed("explorer");
    assert.ok(page.url().includes("metric=requests"));
  });
});

test("a month passes: the invoice opens down to its calls and is proven", async () => {
  await weir("clock", "advance", "1mo");
  const list = JSON.parse(await weir("invoice", "list", "--customer", "demo", "--json"));
  assert.equal(list.items.length, 1);
  const {number, total, state} = list.items[0];
  assert.equal(state, "paid"); // by the card that the demo customer has
  await light.step("the invoice", async () => {
    const page = await light.at("/console/invoices");
    assert.match(await page.textContent("main table:has(caption:text('newest first'))"), new RegExp(number));
    await light.follow(page.getByRole("link", {name: number}));
    assert.match(await page.textContent("h1"), new RegExp(`Invoice ${number}`));
    assert.equal(await page.locator(".tile", {hasText: "Total"}).locator("data").getAttribute("value"), total);
    const invoice = page.url();

    const events = page.locator("#line-1 a", {hasText: "events"});
    assert.match(await events.textContent(), new RegExp(`^${calls} events$`));
    await light.follow(events);
    assert.equal((await light.links(/^\/console\/events\/[^?]+$/)).length, calls, "the calls that make the line");
    const [one] = await light.links(/^\/console\/events\/[^?]+$/);
    await light.at(one);
    assert.match(await page.textContent("main"), new RegExp(`invoice ${number}, line 1`));
    assert.match(await page.textContent("main"), /÷ 1000 =/);

    await light.at(new URL(invoice).pathname);
    await light.follow(page.getByRole("button", {name: "Audit now"}));
    assert.match(await page.textContent("main"), /every figure agrees/);
    await light.accessible("the audit");
    const pdf = await light.context.request.get(new URL(await page.getByRole("link", {name: "PDF"}).getAttribute("href"), env.CONSOLE).href);
    assert.equal(pdf.headers()["content-type"], "application/pdf");
    assert.match((await pdf.body()).subarray(0, 5).toString(), /^%PDF-/);
    const lines = await light.context.request.get(`${invoice.split("?")[0]}/lines.csv`);
    assert.equal((await lines.text()).trim().split("\n").length, 2, "the file has one line of the invoice");
    light.unharmed("the invoice");
  });
});

test("a margin opens into what makes it", async () => {
  await light.step("margins", async () => {
    const page = await light.at(`/console/margin?by=model&${month}`);
    await page.selectOption("main select[name=then]", "key");
    await light.follow(page.getByRole("button", {name: "Show"}).last());
    assert.match(await page.textContent("#margins caption"), /by model and key/);
    const row = page.locator("#margins tbody tr").first();
    const figures = (await row.locator("td.n data").evaluateAll((cells) => cells.map((c) => c.value))).join();
    assert.ok(figures.length > 0);
    await light.follow(row.getByRole("link", {name: /^Open /}));
    assert.match(await page.textContent("#margins caption"), /by customer/);
    const total = (await page.locator("#margins tfoot td.n data").evaluateAll((cells) => cells.map((c) => c.value))).join();
    assert.equal(total, figures, "a row that is opened has the same figures");
    await light.accessible("the opened margin");
    const file = await (await light.context.request.get(new URL(await page.getByRole("link", {name: /^CSV/}).getAttribute("href"), env.CONSOLE).href)).text();
    assert.match(file, /^row,customer,customer_name,unknown,groups,requests,cost_usd/);
    await light.follow(page.getByRole("link", {name: "any Model"}));
    assert.ok((await page.locator("#margins tbody tr").count()) > 0);
    light.unharmed("margins");
  });
});

test("every page, light, dark, narrow and without script", async () => {
  await light.at("/console/");
  const nav = await light.page.$$eval("nav.rail a", (as) => as.map((a) => a.getAttribute("href")));
  assert.ok(nav.length >= 12, `the navigation has ${nav}`);
  for (const path of nav) await look(path);
  // One of each kind that a page leads to.
  for (const [from, kind] of [
    [`/console/events?${month}`, /^\/console\/events\/[^?]+$/], ["/console/customers", /^\/console\/customers\/[^/?]+/], ["/console/keys", /^\/console\/keys\/[^?#]+$/],
    ["/console/meters", /^\/console\/meters\/[^?#]+$/], ["/console/products", /^\/console\/products\/[^?#]+$/],
    ["/console/subscriptions", /^\/console\/subscriptions\/[^?#]+$/], ["/console/subscriptions", /\/billing$/], ["/console/invoices", /^\/console\/invoices\/[^?#/]+$/],
  ]) {
    await light.at(from);
    const found = await light.links(kind);
    assert.ok(found.length > 0, `${from} leads to no ${kind}`);
    await look(found[0]);
    light.unharmed(from);
  }
  for (const path of [
    `/console/?${month}`, `/console/usage?group=model&${month}`, `/console/margin?by=day&${month}`, `/console/margin?by=model&then=run&only=provider%3Dopenai&${month}`,
    `/console/customers/demo?${month}`, `/console/events?${month}`, "/console/invoices?state=paid", "/console/events?outcome=failed",
  ]) await look(path);
});

test("what is not there says so", async () => {
  for (const path of ["/console/nowhere", "/console/invoices/INV-999999", "/console/margin?by=moon"]) {
    await light.step(path, async () => {
      const page = await light.at(path);
      await light.accessible(path);
      assert.ok(await page.getByRole("heading", {level: 1}).isVisible());
      light.faults = light.faults.filter((f) => !/^(404|400) for|status of (404|400)/.test(f));
      light.unharmed(path);
    });
  }
});

test("the reader chooses the theme", async () => {
  await light.step("theme", async () => {
    const page = await light.at("/console/products");
    await Promise.all([page.waitForEvent("load"), page.selectOption("select[name=theme]", "dark")]);
    assert.equal(await page.getAttribute("html", "data-theme"), "dark");
    assert.match(page.url(), /\/console\/products$/);
    light.unharmed("theme");
  });
});
