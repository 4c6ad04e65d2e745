// What the walks share: a browser that reaches nothing but this machine, pages
// that report whatever goes wrong in them, and the commands of the sandbox.

import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {mkdirSync, readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {join} from "node:path";
import {promisify} from "node:util";
import {chromium} from "playwright-core";

export const env = Object.fromEntries(["WEIR", "DATA", "PROXY", "CONSOLE", "LOGIN", "CHROMIUM", "SHOTS"].map((name) => {
  assert.ok(process.env[name], `${name} is not set: go test ./deploy/browser runs this`);
  return [name, process.env[name]];
}));

const axe = fileURLToPath(import.meta.resolve("axe-core/axe.min.js"));

// weir runs a command against the sandbox and returns what it prints.
export const weir = async (...args) => {
  const token = readFileSync(join(env.DATA, "admin-token"), "utf8").trim();
  const {stdout} = await promisify(execFile)(env.WEIR, args, {env: {PATH: process.env.PATH, HOME: process.env.HOME, WEIR_URL: env.CONSOLE, WEIR_TOKEN: token}});
  return stdout;
};

export const launch = () => chromium.launch({
  executablePath: env.CHROMIUM,
  args: [
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    "--font-render-hinting=none",
    // Whatever asks for another machine fails, and is seen to.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});

// Reader is somebody with a browser: their cookies, their theme, and what went
// wrong on the pages that they opened.
export class Reader {
  faults = [];

  static async arrive(browser, {theme = "light", script = true, width = 1280, cookies} = {}) {
    const reader = new Reader();
    reader.context = await browser.newContext({
      viewport: {width, height: 900}, colorScheme: theme, javaScriptEnabled: script, storageState: cookies,
      reducedMotion: "reduce", locale: "en-GB", timezoneId: "America/New_York", // the pages are in UTC whatever this is
    });
    reader.context.setDefaultTimeout(30_000);
    if (script) {
      await reader.context.addInitScript({path: axe});
      await reader.context.addInitScript(() => document.addEventListener("securitypolicyviolation",
        (e) => console.error(`policy violated: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`)));
    }
    reader.context.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:"].includes(url.protocol) && url.hostname !== "127.0.0.1") reader.faults.push(`a request to ${url}`);
    });
    reader.context.on("response", (response) => {
      if (response.status() >= 400) reader.faults.push(`${response.status()} for ${response.request().method()} ${response.url()}`);
    });
    reader.page = await reader.context.newPage();
    reader.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) reader.faults.push(`console: ${message.text()}`);
    });
    reader.page.on("pageerror", (fault) => reader.faults.push(`script: ${fault.stack}`));
    return reader;
  }

  // at shows the page of a path of the console, or of a URL.
  async at(path) {
    await this.page.goto(new URL(path, env.CONSOLE).href, {waitUntil: "load"});
    return this.page;
  }

  // follow presses a link or a button that leads to another page.
  async follow(locator) {
    await Promise.all([this.page.waitForEvent("load"), locator.click()]);
    return this.page;
  }

  // accessible wants no finding of axe on the page, whatever its weight.
  async accessible(where) {
    const {violations} = await this.page.evaluate(() => globalThis.axe.run(document, {resultTypes: ["violations"]}));
    assert.deepEqual(violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)).join(" | ")}`), [], `axe on ${where}`);
  }

  // drawn waits for every chart of the page, which a script draws.
  async drawn() {
    await this.page.waitForFunction(() => [...document.querySelectorAll("figure.chart")].every((f) => f.querySelector(".plot svg")));
  }

  // figures are the exact figures that the page shows, in their order.
  figures() {
    return this.page.$$eval("main data", (all) => all.map((d) => d.getAttribute("value")));
  }

  // links are the paths that the page leads to and that match.
  async links(pattern) {
    const all = await this.page.$$eval("main a[href]", (as) => as.map((a) => a.getAttribute("href")));
    return [...new Set(all.filter((href) => pattern.test(href)))];
  }

  // unharmed wants nothing to have gone wrong since it was asked last.
  unharmed(where) {
    const faults = this.faults;
    this.faults = [];
    assert.deepEqual(faults, [], where);
  }

  // step does something and leaves a picture if that fails.
  async step(name, what) {
    try {
      return await what();
    } catch (fault) {
      mkdirSync(env.SHOTS, {recursive: true});
      const file = join(env.SHOTS, name.replace(/[^a-z0-9]+/gi, "-") + ".png");
      await this.page.screenshot({path: file, fullPage: true}).catch(() => {});
      fault.message += ` [at ${this.page.url()}, picture in ${file}]`;
      throw fault;
    }
  }

  async leave() {
    await this.context.close();
  }
}

// call calls the simulated provider through Weir, with a prompt of some words.
export const call = async (key, {model = "gpt-4o-mini", stream = false, words = 0}) => {
  const response = await fetch(`${env.PROXY}/v1/chat/completions`, {
    method: "POST", headers: {authorization: `Bearer ${key}`, "content-type": "application/json"},
    body: JSON.stringify({model, stream, messages: [{role: "user", content: `What does a weir do?${" why?".repeat(words)}`}]}),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
};

// looker returns what wants a page to be right for every reader, once: for light,
// who has script, in both themes and on a narrow screen, and for plain, who has
// none and reads the same figures.
export const looker = (light, plain) => {
  const seen = new Set();
  return async (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    const moving = /\/(live|health)/.test(path); // their figures are of this second
    const scripted = light.step(path, async () => {
      const page = await light.at(path);
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
      await light.drawn();
      await light.accessible(`${path}, light`);
      const figures = await light.figures();
      await page.emulateMedia({colorScheme: "dark"});
      await light.drawn();
      await light.accessible(`${path}, dark`);
      await page.setViewportSize({width: 360, height: 800});
      const over = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => done(document.documentElement.scrollWidth - innerWidth))));
      assert.equal(over, 0, `${path} is ${over} pixels too wide for 360`);
      await page.setViewportSize({width: 1280, height: 900});
      await page.emulateMedia({colorScheme: "light"});
      light.unharmed(path);
      return figures;
    });
    const unscripted = plain.step(`${path} without script`, async () => {
      const page = await plain.at(path);
      for (const figure of await page.$$("figure.chart")) {
        assert.ok(await (await figure.$("table")).isVisible(), `a chart of ${path} has no table without script`);
      }
      plain.unharmed(`${path}, without script`);
      return plain.figures();
    });
    const [figures, same] = await Promise.all([scripted, unscripted]);
    if (!moving) assert.deepEqual(same, figures, `figures of ${path} without script`);
  };
};
