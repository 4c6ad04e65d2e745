// The customer: signing in by a link, every page of the portal, and a card that
// is declined and replaced. It goes on where console.test.js has left the
// sandbox: a month is over and its invoice is paid.

import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {Reader, call, env, launch, looker, weir} from "./browser.js";

let browser, light, plain, look;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const invoices = async () => JSON.parse(await weir("invoice", "list", "--customer", "demo", "--json")).items;

test("the operator's link signs the customer in, once", async () => {
  const link = (await weir("portal", "link", "--customer", "demo")).trim().split("\n").at(-1);
  light = await Reader.arrive(browser);
  await light.step("sign in", async () => {
    const page = await light.at(link);
    await light.accessible("the page behind the link");
    await light.follow(page.getByRole("button", {name: "Sign in"}));
    assert.equal(await page.getByRole("heading", {level: 1}).textContent(), "Overview");
    light.unharmed("sign-in");
    await light.at("/console/");
    assert.match(page.url(), /\/console\/login/, "a customer is let into the console");
    light.unharmed("the console's sign-in");
  });
  plain = await Reader.arrive(browser, {script: false, cookies: await light.context.storageState()});
  look = looker(light, plain);

  const other = await Reader.arrive(browser, {script: false});
  await other.step("the link again", async () => {
    const page = await other.at(link);
    await other.follow(page.getByRole("button", {name: "Sign in"}));
    assert.match(await page.textContent("main"), /used/);
    await other.at("/portal/invoices");
    assert.match(page.url(), /\/portal\/login/);
  });
  await other.leave();
});

test("every page, light, dark, narrow and without script", async () => {
  await light.at("/portal/");
  const nav = await light.page.$$eval("nav.rail a", (as) => as.map((a) => a.getAttribute("href")));
  assert.ok(nav.length >= 5, `the navigation has ${nav}`);
  for (const path of nav) await look(path);
  for (const [from, kind] of [["/portal/calls", /^\/portal\/calls\/[^?]+$/], ["/portal/keys", /^\/portal\/keys\/[^?#]+$/], ["/portal/invoices", /^\/portal\/invoices\/[^?#/]+$/]]) {
    await light.at(from);
    const found = await light.links(kind);
    assert.ok(found.length > 0, `${from} leads to no ${kind}`);
    await look(found[0]);
    light.unharmed(from);
  }
});

test("customer and operator read the same invoice", async () => {
  const [{id, number, total}] = await invoices();
  await light.step("invoice", async () => {
    const page = await light.at(`/portal/invoices/${id}`);
    assert.match(await page.textContent("h1"), new RegExp(number));
    assert.equal(await page.locator(".tile", {hasText: "Total"}).locator("data").getAttribute("value"), total);
    const detail = JSON.parse(await weir("invoice", "show", number, "--json"));
    const figures = await light.figures();
    for (const line of detail.lines) {
      for (const figure of [line.quantity, line.exact, line.amount]) assert.ok(figures.includes(figure), `${figure} is not on the page: ${figures}`);
    }
    light.unharmed("invoice");
  });
});

// change has the customer enter a card with the payment provider.
const change = (reader, number) => reader.step(`card ${number}`, async () => {
  let page = await reader.at("/portal/card");
  await reader.follow(page.getByRole("button", {name: /enter (a|another) card/i}));
  const onward = page.getByRole("link", {name: /continue to the payment provider/i});
  if (await onward.count()) await reader.follow(onward);
  assert.equal(await page.textContent("h1"), "Add a card");
  if (reader === light) await reader.accessible("the payment provider's page");
  await page.getByLabel("Card number").fill(number);
  await page.getByLabel("Expires").fill("12/40");
  await page.getByLabel("Security code").fill("123");
  await reader.follow(page.getByRole("button", {name: "Save the card"}));
  assert.match(page.url(), /\/portal\/card/);
  assert.match(await page.textContent("main"), new RegExp(`ending in ${number.slice(-4)}`));
  reader.unharmed("card");
});

test("a card is declined, and another one pays at once", async () => {
  await change(plain, "4000000000000002"); // without script
  const key = readFileSync(join(env.DATA, "demo-key"), "utf8").trim();
  await call(key, {words: 80_000});
  await weir("clock", "advance", "1mo");
  const [unpaid] = await invoices();
  assert.equal(unpaid.state, "failed");
  assert.notEqual(unpaid.due, "0.00");

  await light.step("what is owed", async () => {
    const page = await light.at("/portal/");
    assert.match(await page.textContent("main"), new RegExp(unpaid.number));
    await light.accessible("the overview with something owed");
    await light.at(`/portal/invoices/${unpaid.id}`);
    assert.match(await page.textContent("main"), /declined/);
    await light.accessible("an invoice that is owed");
    light.unharmed("what is owed");
  });
  await change(light, "4242424242424242");
  const [paid] = await invoices();
  assert.deepEqual([paid.number, paid.state, paid.due], [unpaid.number, "paid", "0.00"]);
  await plain.step("paid", async () => {
    const page = await plain.at(`/portal/invoices/${paid.id}`);
    assert.match(await page.textContent("h1"), /paid/);
  });
});
