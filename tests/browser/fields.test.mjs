/** Before → after on a page: every field that the server can record has a name for people, and no secret-like value is shown. */
import { test, after, before } from "node:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, createUser, PASSWORD, ADMIN, ROOT } from "../api/harness.mjs";
import { browser, signIn, open, axe } from "./harness.mjs";

let s, b, admin, page;
before(async () => {
  s = await serve();
  admin = await s.as();
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

/** @returns {Record<string, string>} */
const labels = () => JSON.parse(`{${readFileSync(path.join(ROOT, "web/src/fields.ts"), "utf8").split("const LABELS: Record<string, string> = {")[1].split("\n};")[0]}}`);

/** The names in the server's sources: wherever a change is written down. */
function recorded() {
  const names = new Set(), defines = {}, texts = [];
  for (const f of readdirSync(path.join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((n) => /\.[ch]$/.test(n))) texts.push(readFileSync(path.join(ROOT, "src", f), "utf8"));
  for (const t of texts) for (const [, k, v] of t.matchAll(/^#define (\w+)\s+"([^"]+)"/gm)) defines[k] = v;
  const take = (expression) => { for (const [, text, name] of expression.matchAll(/S\((?:"([^"]+)"|(\w+))\)/g)) names.add(text ?? defines[name] ?? assert.fail(`what is ${name}?`)); };
  for (const t of texts) {
    for (const [, x] of t.matchAll(/\b(?:trail_note|trail_note_bool|trail_note_whole)\(\s*cx,\s*[^,]+,\s*([^,]+),/g)) take(x);
    for (const [, x] of t.matchAll(/\(struct audit_change\)\s*\{\s*([^,]+),/g)) take(x);
    for (const [, x] of t.matchAll(/struct audit_change \w+(?:\[[^\]]*\])? = \{(.*?)\};/gs)) for (const [, y] of `{${x}`.matchAll(/\{\s*(S\((?:"[^"]*"|\w+)\))\s*,/g)) take(y);
    for (const [, x] of t.matchAll(/\.field = (S\((?:"[^"]*"|\w+)\))/g)) take(x);
    for (const [, x] of t.matchAll(/\(struct item\)\{\s*(S\((?:"[^"]*"|\w+)\)),/g)) take(x);
    for (const [, x] of t.matchAll(/\bhe?ld\[\] = \{(.*?)\};/gs)) for (const [, name] of x.matchAll(/\{"([^"]+)",/g)) names.add(name);
    for (const [, x] of t.matchAll(/\bIMAGES\[IMAGE_COUNT\] = \{(.*?)\};/gs)) for (const [, name] of x.matchAll(/= \{"([^"]+)",/g)) names.add(name);
  }
  for (const [, name, title, kind] of readFileSync(path.join(ROOT, "src/core/settings.def"), "utf8").matchAll(/^SETTING\(\w+, "([^"]+)", "([^"]+)", (\w+)/gm)) {
    names.add(name);
    assert.equal(labels()[name], title, "a setting is called on pages as in the table of settings");
    if (kind === "SECRET") names.add(`${name}_mark`);
  }
  return names;
}

test("every field of the sources has a label, and every label a field", () => {
  const l = labels(), names = recorded();
  assert.ok(["credential_mark", "mfa_enabled", "poc_email", "sessions ended", "logoDark", "run before"].every((n) => names.has(n)), "the sources are read");
  assert.deepEqual([...names].filter((n) => !Object.hasOwn(l, n)).sort(), []);
  assert.deepEqual(Object.keys(l).filter((n) => !names.has(n)), []);
  assert.deepEqual(Object.entries(l).filter(([, v]) => !/^\p{Lu}/u.test(v) || /_/.test(v)), []);
});
const changesOf = async (cuid) => {
  await open(page, s, `/admin/audit-log/${cuid}`);
  await page.getByRole("table", { name: "Changes" }).waitFor();
  return Object.fromEntries((await page.getByRole("table", { name: "Changes" }).locator("tbody tr").evaluateAll((rows) => rows.map((r) => [...r.querySelectorAll("td")].map((c) => c.textContent)))).map(([f, ...v]) => [f, v]));
};
test("a person made with a password: named fields, and of the password only that it is there", async () => {
  const email = "mark@example.org";
  createUser(s.store, { email, first: "Mark", last: "Marsh", role: "STD_USER" });
  const e = await admin.event("UserCreated", (x) => x.target.email === email), mark = e.changes.find((c) => c.field === "credential_mark").after;
  assert.match(mark, /^[0-9a-f]{16}$/);
  const c = await changesOf(e.cuid);
  assert.deepEqual([c["First name"], c["E-mail address"], c["Stored password"]], [["none", "Mark"], ["none", "mark@example.org"], ["none", "(not shown)"]]);
  assert.equal((await page.locator("main").innerText()).includes(mark), false);
  await axe(page, "changes");
});
test("the mail server's credential: that it changed, and nothing of it", async () => {
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "mail.example.org", port: 587, security: "starttls", username: "u", password: "Mail-Secret-77", sender: "recount@example.org" });
  const e = await admin.event("SettingChanged", (x) => x.changes.some((c) => c.field === "email.password_mark")), c = await changesOf(e.cuid);
  assert.deepEqual([c["Mail credential"], c["Stored mail credential"], c["Mail server"]], [["none", "(changed)"], ["none", "(not shown)"], ["none", "mail.example.org"]]);
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
