/**
 * Drives the pages in Debian's Chromium with playwright-core, against a server of their own. The
 * packages come from web/node_modules.
 *
 * RECOUNT_SHOTS=DIR   keeps a screenshot of every page looked at
 * RECOUNT_DIST=DIR    takes the pages from a folder (web/dist) instead of from the binary: a changed page is tried at once
 */
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT, assert, until } from "../api/harness.mjs";

const require = createRequire(path.join(ROOT, "web/package.json"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { RECOUNT_SHOTS: SHOTS, RECOUNT_DIST: DIST } = process.env;
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
// Chromium writes a line for each answer of these states by itself; the pages ask on purpose.
const EXPECTED = /Failed to load resource: the server responded with a status of (400|401|403|404|409)/;

/**
 * One browser against one server. `page(o)` opens a fresh profile. What nobody should ever see is kept in
 * `complaints`: errors and warnings of the console (a break of the content policy is one), uncaught
 * exceptions, requests that leave the origin, answers of 500 and above.
 */
export async function browser(s) {
  const b = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ARGS });
  const complaints = [];
  return {
    complaints,
    /** @param {{scheme?: "light" | "dark", width?: number, height?: number, zone?: string}} o */
    async page({ scheme = "light", width = 1440, height = 900, zone = "Europe/Berlin" } = {}) {
      const context = await b.newContext({ viewport: { width, height }, colorScheme: scheme, timezoneId: zone, locale: "en-GB", reducedMotion: "reduce", acceptDownloads: true, permissions: ["clipboard-read", "clipboard-write"] });
      if (DIST) await context.route((u) => !u.pathname.startsWith("/api/"), (route) => fromFolder(route));
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !EXPECTED.test(m.text())) complaints.push(`${page.url()}: ${m.text()}`); });
      page.on("pageerror", (e) => complaints.push(`${page.url()}: ${e.stack}`));
      page.on("request", (r) => { const u = new URL(r.url()); if (u.protocol.startsWith("http") && u.origin !== new URL(s.base).origin) complaints.push(`a request left the origin: ${r.url()}`); });
      page.on("response", (r) => { if (r.status() >= 500) complaints.push(`${r.request().method()} ${r.url()} answered ${r.status()}`); });
      return page;
    },
    close: () => b.close(),
  };
}

function fromFolder(route) {
  const at = path.join(DIST, new URL(route.request().url()).pathname), file = existsSync(at) && path.extname(at) ? at : path.join(DIST, "index.html");
  return route.fulfill({ path: file, headers: { "content-type": { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" }[path.extname(file)] ?? "text/html; charset=utf-8" } });
}

/** Fills the form; whether it lets one in is the caller's question. */
export async function offer(within, email, password) {
  if (email) await within.getByLabel("Email").fill(email);
  await within.getByLabel("Password", { exact: true }).fill(password);
  await within.getByRole("button", { name: "Sign in" }).click();
}
export const inside = (page) => page.getByRole("button", { name: "User menu" }).waitFor();
export async function signIn(page, s, email, password) {
  await page.goto(s.base + "/");
  await offer(page, email, password);
  await inside(page);
}

/** Opens an address of the application and waits until nothing of it is still loading. */
export async function open(page, s, at) {
  await page.goto(s.base + at);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await settled(page);
}
export const settled = (page) => until(async () => !(await page.locator(".sk,[aria-busy=true]").count()), "the page to be filled");

/** Waits for the small message that says a thing was done. */
export const toast = (page, text) => page.locator(".toast").filter({ hasText: text }).first().waitFor();
/** Chooses from one of the boxes with a list. */
export async function choose(within, label, option) {
  const page = typeof within.page === "function" ? within.page() : within;
  await within.getByRole("combobox", { name: label }).or(within.getByRole("textbox", { name: label })).first().click();
  await page.getByRole("option", { name: option }).first().click();
}

/** Runs axe over the page, or over a part of it; any violation fails, with what and where. */
export async function axe(page, name, part) {
  await page.evaluate(AXE); // evaluated from outside, which the content policy does not forbid
  const r = await page.evaluate((at) => Reflect.get(window, "axe").run((at && document.querySelector(at)) || document, { resultTypes: ["violations"] }), part);
  const bad = r.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "")).join(" | ")}`);
  assert.deepEqual(bad, [], name);
}

/** By how many pixels the page, or the part of it that scrolls, is too wide. */
export const tooWide = (page) => page.evaluate(() => {
  const main = document.querySelector(".main");
  return Math.max(document.documentElement.scrollWidth - innerWidth, main ? main.scrollWidth - main.clientWidth : 0);
});

export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, name + ".png") });
}
