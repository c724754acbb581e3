// Pictures and axe findings of all pages against the stand-in (or BASE): node mock/look.mjs out-folder [light|dark] [width] [filter]
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const base = process.env.BASE ?? "http://127.0.0.1:8099", [out = "/tmp/look", scheme = "light", width = "1360", only = ""] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(out, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: +width, height: +width < 600 ? 800 : 860 }, colorScheme: scheme, deviceScaleFactor: 1 });
await context.addInitScript((s) => localStorage.setItem("mantine-color-scheme-value", s), scheme);
const page = await context.newPage();
page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/401|404/.test(m.text())) console.log("CONSOLE", page.url(), m.text().slice(0, 300)); });
page.on("pageerror", (e) => console.log("PAGEERROR", page.url(), String(e.stack).slice(0, 500)));
if (process.env.EMAIL) { await page.goto(base); await page.getByLabel("Email").fill(process.env.EMAIL); await page.getByLabel("Password", { exact: true }).fill(process.env.PASSWORD); await page.getByRole("button", { name: "Sign in" }).click(); await page.getByRole("navigation", { name: "Modules" }).waitFor(); }
const click = (role, name, o = {}) => async () => { await page.getByRole(role, { name, ...o }).first().click(); };
const shots = [
  ["dashboard", "/"], ["clients", "/clients"], ["client-new", "/clients?new=1"], ["client", "/clients/" + (process.env.CLIENT ?? 4155)], ["client-users", `/clients/${process.env.CLIENT ?? 4155}/users`],
  ["admin", "/admin"], ["audit", "/admin/audit-log"], ["audit-date", "/admin/audit-log", click("button", "Start date")], ["audit-open", "/admin/audit-log?q=changed", async () => { await page.locator(".log-row").nth(1).click(); }], ["audit-filter", "/admin/audit-log?outcome=failure&from=30d", click("button", "Event", { exact: true })], ["audit-none", "/admin/audit-log?q=Archer%20reset&from=1d"], ["audit-nothing", "/admin/audit-log?q=zzzz"],
  ["users", "/admin/users"], ["users-edit", "/admin/users/2"], ["users-auth", "/admin/users/2?tab=authorization"], ["users-add", "/admin/users", click("button", "Add users")], ["users-csv", "/admin/users", click("button", "Import from CSV")], ["users-bulk", "/admin/users", async () => { await page.getByLabel("Select all").click(); }],
  ["roles", "/admin/roles"], ["matrix", "/admin/roles?view=matrix"], ["role", "/admin/roles", async () => { await page.getByRole("link", { name: /lead/i }).click().catch(() => {}); }], ["authorization", "/admin/authorization"], ["tiers", "/admin/classification-tiers"], ["general", "/admin/general"], ["email", "/admin/email"], ["authentication", "/admin/authentication"], ["retention", "/admin/retention"], ["witnesses", "/admin/witnesses"], ["proofs", "/admin/proofs"], ["health", "/admin/health"],
  ["profile", "/profile"], ["password", "/profile/password"], ["mfa", "/profile/mfa"], ["mfa-qr", "/profile/mfa", click("button", "Set up")], ["sessions", "/profile/sessions"], ["tokens", "/profile/tokens"], ["token-new", "/profile/tokens", click("button", "New token")], ["jump", "/", async () => { await page.keyboard.press("Control+k"); await page.keyboard.type("au"); }], ["menu", "/", click("button", "User menu")], ["lost", "/nowhere"], ["forgot", "/forgot"], ["password-link", "/password/abc"], ["setup", "/setup"],
];
for (const [name, path, act] of shots) {
  if (only && !name.match(only)) continue;
  try {
    await page.goto(base + path); await page.waitForLoadState("load"); await page.waitForTimeout(450);
    if (act) { await act(); await page.waitForTimeout(450); }
    await page.screenshot({ path: `${out}/${name}.png` });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1 || (document.querySelector(".main")?.scrollWidth ?? 0) > (document.querySelector(".main")?.clientWidth ?? 0) + 1);
    if (overflow) console.log("OVERFLOW", name);
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
    for (const v of found.violations) console.log("AXE", name, v.id, v.impact, v.nodes.length, v.nodes.slice(0, 2).map((n) => n.html.slice(0, 160) + " :: " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "").slice(0, 160)).join(" || "));
  } catch (e) { console.log("FAILED", name, String(e).slice(0, 300)); }
}
await browser.close();
