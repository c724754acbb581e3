/**
 * Drives the pages in Debian's Chromium with playwright-core, against a server of their own. The
 * packages come from web/node_modules. RECOUNT_SHOTS=DIR keeps a screenshot of every page looked at.
 */
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { ROOT, assert } from "../api/harness.mjs";

const require = createRequire(path.join(ROOT, "web/package.json"));
const { chromium } = require("playwright-core");
const AXE = require.resolve("axe-core/axe.min.js");
export const SHOTS = process.env.RECOUNT_SHOTS;

/** One browser; `page(o)` opens a fresh profile. Complaints of the console and of the content policy are kept. */
export async function browser() {
  const b = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
  });
  const complaints = [];
  return {
    complaints,
    async page({ scheme = "light", width = 1440, height = 900, zone = "Europe/Berlin", bypassCSP = false } = {}) {
      const context = await b.newContext({ viewport: { width, height }, colorScheme: scheme, timezoneId: zone, locale: "en-GB", bypassCSP });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/401|404|Download the React DevTools/.test(m.text())) complaints.push(`${page.url()}: ${m.text()}`); });
      page.on("pageerror", (e) => complaints.push(`${page.url()}: ${e.stack}`));
      page.on("request", (r) => { const u = new URL(r.url()); if (!["127.0.0.1", "localhost"].includes(u.hostname) && u.protocol.startsWith("http")) complaints.push(`a request left the origin: ${r.url()}`); });
      return page;
    },
    close: () => b.close(),
  };
}

export async function signIn(page, s, email, password) {
  await page.goto(s.base + "/");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Modules" }).waitFor();
}

/** Runs axe over the page; any violation fails, with what and where. */
export async function axe(page, name) {
  await page.waitForLoadState("networkidle").catch(() => {});
  // The content policy forbids added scripts; evaluating is not one.
  const source = (await import("node:fs")).readFileSync(AXE, "utf8");
  await page.evaluate(source);
  const r = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const bad = r.violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? n.all[0]?.message ?? "")).join(" | ")}`);
  assert.deepEqual(bad, [], name);
}

export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, name + ".png") });
}
