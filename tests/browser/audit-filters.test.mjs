/**
 * The filters and keys of the audit page, one by one, over the demonstration's 160 days. What is shown is compared with
 * the whole log, read page by page without any filter and sifted here.
 */
import { test, after, before } from "node:test";
import { serve, assert, until, everything } from "../api/harness.mjs";
import { browser, signIn, open, axe, shot } from "./harness.mjs";

const DAY = 86_400_000, TALL = { width: 1440, height: 6400 }; // of the list only what is in sight is drawn: a tall window draws it all
let s, b, admin, page, all, kind, first;
before(async () => {
  s = await serve({ noAdmin: true, args: ["--demo"] });
  const text = await until(() => /Three steps:[^]*Verify\./.test(s.out) && s.out, "the tour", 60_000);
  const [, email, password] = /^ +administrator +(\S+@\S+) +(\S+)$/m.exec(text);
  admin = await s.as(email, password);
  all = (await everything(admin)).reverse();
  // The kind with the most events that still fit the window, and that nothing here adds to.
  const count = new Map();
  for (const e of all) count.set(e.event_type, (count.get(e.event_type) ?? 0) + 1);
  [kind] = [...count].filter(([k, n]) => n <= 130 && !/^(Login|Audit|Server|Logout|Session|Access)/.test(k)).sort((x, y) => y[1] - x[1])[0];
  first = Math.min(...all.map((e) => Date.parse(e.timestamp)));
  b = await browser(s);
  page = await b.page(TALL);
  page.setDefaultTimeout(8_000);
  await signIn(page, s, email, password);
});
after(async () => { await b?.close(); await s?.stop(); });

const at = (e) => Date.parse(e.timestamp);
const line = (e) => `${e.timestamp} ${e.message}`;
const lines = () => page.locator(".log-row").evaluateAll((rows) => rows.map((r) => [r.querySelector("time").getAttribute("datetime"), r.querySelector(".what .cut").getAttribute("title"), Number(r.closest(".log-item").dataset.index)])
  .sort((x, y) => Number(x[2]) - Number(y[2])).map((x) => `${x[0]} ${x[1]}`));
const SHOWN = `event_type=`;
/** The list shows exactly these events, newest first. */
async function shows(match, what) {
  await page.locator(".log.loading").waitFor({ state: "detached" });
  await until(async () => {
    const want = all.filter(match).map(line), got = await lines();
    return got.length === want.length && got.every((l, i) => l === want[i]);
  }, what).catch(async (e) => { assert.deepEqual(await lines(), all.filter(match).map(line), what); throw e; });
}
const box = (label) => page.getByRole("button", { name: label, exact: true });
const pick = async (label, preset) => { await box(label).click(); await page.getByRole("menuitem", { name: preset, exact: true }).click(); };
const param = (k) => new URL(page.url()).searchParams.get(k);
const ofKind = (e) => e.event_type === kind;

test("there is something to sift", async () => {
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  assert.ok(all.filter(ofKind).length >= 20, `${kind}: ${all.filter(ofKind).length}`);
  await shows(ofKind, "the kind alone");
});
for (const [preset, raw, days] of /** @type {[string, string, number][]} */ ([["Past 24 hours", "1d", 1], ["Past 7 days", "7d", 7], ["Past 30 days", "30d", 30], ["Past 90 days", "90d", 90], ["Whole window", null, 1000]]))
  test(`Start date: ${preset}`, async () => {
    await pick("Start date", preset);
    await shows((e) => ofKind(e) && at(e) >= Date.now() - days * DAY, preset);
    await until(() => param("from") === raw, "the address");
    assert.ok(await page.getByRole("textbox", { name: "Search", exact: true }).evaluate((n) => n === document.activeElement), "and one can type at once");
    await box("Start date").click();
    assert.equal(await page.locator(".presets button[data-on]").innerText(), preset);
    await page.keyboard.press("Escape");
  });
for (const [preset, raw, days] of /** @type {[string, string, number][]} */ ([["24 hours ago", "1d", 1], ["7 days ago", "7d", 7], ["30 days ago", "30d", 30], ["90 days ago", "90d", 90], ["Now", null, 0]]))
  test(`End date: ${preset}`, async () => {
    await pick("End date", preset);
    await shows((e) => ofKind(e) && at(e) < Date.now() - days * DAY, preset);
    await until(() => param("to") === raw, "the address");
    await page.locator(".live", { hasText: raw ? "Range has ended" : "Live" }).waitFor();
  });
test("both ends: between 90 and 30 days ago", async () => {
  await pick("Start date", "Past 90 days");
  await pick("End date", "30 days ago");
  await shows((e) => ofKind(e) && at(e) >= Date.now() - 90 * DAY && at(e) < Date.now() - 30 * DAY, "the middle");
});
/** Midnight of a day `ago` days back in the browser's own zone, as the browser itself reckons it. */
const midnight = (ago, plus = 0) => page.evaluate(([n, p]) => { const d = new Date(); return new Date(d.getFullYear(), d.getMonth(), d.getDate() - n + p).toISOString(); }, [ago, plus]);
/** The day `ago` days back, found in the calendar as a person does. */
async function day(label, ago, time) {
  await box(label).click();
  const dialog = page.getByRole("dialog", { name: label });
  if (time) await dialog.getByLabel("Time of day (optional)").fill(time);
  const [name, months] = await page.evaluate((n) => { const now = new Date(), d = new Date(now.getFullYear(), now.getMonth(), now.getDate() - n); return [`${d.getDate()} ${d.toLocaleString("en", { month: "long" })} ${d.getFullYear()}`, (now.getFullYear() - d.getFullYear()) * 12 + now.getMonth() - d.getMonth()]; }, ago);
  const cell = dialog.getByRole("button", { name, exact: true });
  // It opens where its value is.
  for (let i = 0; i <= Number(months) + 12 && !(await cell.count()); i++) {
    const back = dialog.getByRole("button", { name: "Previous month" }), forth = dialog.getByRole("button", { name: "Next month" });
    await ((await back.isEnabled()) && i <= Number(months) ? back : forth).click();
  }
  await cell.click();
}
test("whole days from the calendars, in the reader's own zone", async () => {
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await day("Start date", 75);
  await day("End date", 20);
  const from = await midnight(75), to = await midnight(20, 1); // the end day is part of it
  await shows((e) => ofKind(e) && e.timestamp >= from && e.timestamp < to, "from day to day");
  await until(() => param("from") === from && param("to") === to, "the address");
  assert.doesNotMatch(from, /T00:00/, "Berlin's midnight is not that of UTC");
  await page.setViewportSize({ width: 1440, height: 900 });
  await box("End date").click();
  await axe(page, "the calendar");
  await shot(page, "audit-calendar");
  await page.keyboard.press("Escape");
  await page.setViewportSize(TALL);
});
test("a time of day from the calendar; whole days in UTC when times are shown so", async () => {
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await day("Start date", 40, "15:30");
  const from = new Date(Date.parse(await midnight(40)) + 15.5 * 3_600_000).toISOString();
  await shows((e) => ofKind(e) && e.timestamp >= from, "from half past three");
  await until(() => param("from") === from, "the address");
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}&tz=utc`);
  await day("Start date", 40);
  const utc = (await page.evaluate((n) => { const now = new Date(), d = new Date(now.getFullYear(), now.getMonth(), now.getDate() - n); return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`; }, 40)) + "T00:00:00.000Z";
  await shows((e) => ofKind(e) && e.timestamp >= utc, "a day of UTC");
});
test("days that are not kept, or not yet there, can not be chosen", async () => {
  await open(page, s, "/admin/audit-log");
  await box("Start date").click();
  const dialog = page.getByRole("dialog", { name: "Start date" });
  assert.ok(await dialog.getByRole("button", { name: "Next month" }).isDisabled());
  const back = dialog.getByRole("button", { name: "Previous month" });
  let months = 0;
  for (; await back.isEnabled(); months++) { await back.click(); assert.ok(months < 6, "it goes back no further than the window"); }
  assert.equal(months, 4);
  await page.keyboard.press("Escape");
  assert.ok(await box("Start date").evaluate((n) => n === document.activeElement), "Escape closes and gives the focus back");
});

const chip = (name) => page.getByRole("button", { name, exact: true });
const option = async (filter, type, name) => {
  await chip(filter).click();
  await page.getByRole("textbox", { name: `Find ${filter.toLowerCase()}` }).fill(type);
  await page.getByRole("option", { name }).first().click();
};
test("user: who acted and whom it was done to", async () => {
  const counts = new Map();
  for (const e of all) for (const m of new Set([e.actor?.email, e.target?.email])) if (m) counts.set(m, (counts.get(m) ?? 0) + 1);
  const email = [...counts].filter(([m, n]) => n >= 10 && n <= 140 && all.some((e) => e.target?.email === m && e.actor?.email !== m)).sort((x, y) => y[1] - x[1])[0]?.[0];
  assert.ok(email, JSON.stringify([...counts]));
  await open(page, s, "/admin/audit-log");
  await option("User", email.split("@")[0], new RegExp(email));
  await shows((e) => e.actor?.email === email || e.target?.email === email, `events of ${email}`);
  assert.equal(param("user"), email);
  await page.getByRole("button", { name: "Remove filter User" }).click();
  await until(() => param("user") === null, "the filter to go");
});
test("event: every kind that occurs is offered by its title, grouped, and shows its events", async () => {
  const { data } = await admin.ok("GET", "/api/v2/auditlog/catalogue");
  const counts = new Map();
  for (const e of all) counts.set(e.event_type, (counts.get(e.event_type) ?? 0) + 1);
  const some = [...counts].filter(([k, n]) => n <= 100 && !/^(LoginSuccess|Logout|Session|Audit)/.test(k)).map(([k]) => k);
  assert.ok(some.length >= 8, some.join());
  await open(page, s, "/admin/audit-log");
  for (const k of some) {
    const title = data.find((t) => t.name === k).title;
    await chip("Event").or(page.getByRole("button", { name: /^Event: / })).first().click();
    await page.getByRole("textbox", { name: "Find event" }).fill(title);
    await page.getByRole("option", { name: title, exact: true }).click();
    await shows((e) => e.event_type === k, title);
    assert.equal(param("event_type"), k);
  }
  for (const never of data.filter((t) => t.never ?? t.never_recorded)) {
    await page.getByRole("button", { name: /^Event: / }).click();
    await page.getByRole("textbox", { name: "Find event" }).fill(never.title);
    await page.getByText("Nothing found").waitFor();
    await page.keyboard.press("Escape");
  }
});
test("outcome: success, failure, denied", async () => {
  for (const [name, value] of [["Failure", "failure"], ["Denied", "denied"]]) {
    await open(page, s, "/admin/audit-log");
    await chip("Outcome").click();
    await page.getByRole("option", { name, exact: true }).click();
    await shows((e) => e.outcome === value, name);
  }
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await chip("Outcome").click();
  await page.getByRole("option", { name: "Success", exact: true }).click();
  await shows((e) => ofKind(e) && e.outcome === "success", "successes of a kind");
});
test("client: the events of one, found by typing a part of its name", async () => {
  const counts = new Map();
  for (const e of all) if (e.client?.id) counts.set(e.client.name, (counts.get(e.client.name) ?? 0) + 1);
  const [name, n] = [...counts].filter(([, c]) => c <= 140).sort((x, y) => y[1] - x[1])[0], id = all.find((e) => e.client?.name === name).client.id;
  assert.ok(n >= 5, `${name}: ${n}`);
  await open(page, s, "/admin/audit-log");
  await option("Client", name.slice(0, 4), name);
  await shows((e) => String(e.client?.id) === String(id), `events of ${name}`);
  assert.equal(param("client"), String(id));
});
test("all of them together, and Clear all takes every one away", async () => {
  const e = all.find((x) => x.client?.id && x.actor?.email && x.outcome === "success" && at(x) > Date.now() - 80 * DAY);
  await open(page, s, `/admin/audit-log?from=90d&user=${e.actor.email}&event_type=${e.event_type}&outcome=success&client=${e.client.id}&tz=utc`);
  await shows((x) => at(x) >= Date.now() - 90 * DAY && [x.actor?.email, x.target?.email].includes(e.actor.email) && x.event_type === e.event_type && x.outcome === "success" && String(x.client?.id) === String(e.client.id), "all filters");
  await page.keyboard.press("/");
  await page.keyboard.type(e.client.name.split(" ")[0]);
  await until(() => param("q") !== null, "the word in the address");
  await page.getByRole("button", { name: "Clear all", exact: true }).click();
  await until(() => ["q", "from", "to", "user", "event_type", "outcome", "client", "request"].every((k) => param(k) === null), "an address without filters");
  assert.equal(param("tz"), "utc", "how times are shown is no filter");
  assert.equal(await page.getByRole("textbox", { name: "Search", exact: true }).inputValue(), "");
  await page.getByRole("button", { name: "Clear all", exact: true }).waitFor({ state: "detached" });
  await until(async () => (await lines()).length > 100, "the whole log again");
});
test("the time on hover is relative, and right", async () => {
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  const seen = await page.locator(".log-row .when").evaluateAll((w) => w.map((n) => [n.querySelector("time").getAttribute("datetime"), n.getAttribute("title"), n.textContent]));
  let days = 0;
  for (const [iso, title, text] of seen) {
    const age = (Date.now() - Date.parse(iso)) / DAY, n = Math.round(age);
    assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/, "absolute in the list");
    if (age > 1.6 && age < 25 && Math.abs(age % 1 - 0.5) > 0.01) { assert.equal(title, `${n} days ago`); days++; }
    else if (age > 65) assert.match(title, new RegExp(`^(${Math.floor(age / 30.44)}|${Math.ceil(age / 30.44)}) months ago$`), `${iso}: ${title}`);
  }
  assert.ok(days >= 2, `${days} of ${seen.length} rows are some days old`);
  await page.locator(".log-row .when").first().hover();
});

// The keys, as the help page lists them.
const open_ = () => page.locator(".log-item.open"), cur = () => page.locator(".log-row.cur");
const curLine = () => cur().evaluate((r) => Number(r.closest(".log-item").dataset.index));
test("j and k go from event to event, o and Enter open and close, Escape closes, / searches, the arrow leads back into the list", async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await page.locator(".log-row").first().waitFor();
  await page.locator("body").press("j");
  assert.equal(await curLine(), 0);
  for (let i = 1; i <= 3; i++) { await page.keyboard.press("j"); await until(async () => (await curLine()) === i, `event ${i}`); }
  await page.keyboard.press("k");
  await until(async () => (await curLine()) === 2, "one up");
  await page.keyboard.press("o");
  await open_().waitFor();
  assert.equal(await open_().getAttribute("data-index"), "2");
  await page.keyboard.press("j");
  await until(async () => (await open_().getAttribute("data-index")) === "3", "the next one opened in its place");
  await page.keyboard.press("o");
  await open_().waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  await open_().waitFor();
  await page.keyboard.press("Escape");
  await open_().waitFor({ state: "detached" });
  for (let i = 0; i < 5; i++) await page.keyboard.press("k");
  await until(async () => (await curLine()) === 0, "no further than the first");
  await page.keyboard.press("/");
  const search = page.getByRole("textbox", { name: "Search", exact: true });
  await page.keyboard.type("jko");
  assert.equal(await search.inputValue(), "jko", "in the box they are letters");
  await page.keyboard.press("Escape");
  assert.equal(await search.inputValue(), "", "Escape empties the box");
  await page.keyboard.press("Escape");
  assert.ok(await search.evaluate((n) => n !== document.activeElement), "and then leaves it");
  await until(async () => (await page.locator(".log-row").count()) > 5, "the list again");
  await page.keyboard.press("/");
  await page.keyboard.press("ArrowDown");
  await until(async () => (await cur().count()) === 1, "an event to be marked");
  await page.keyboard.press("o");
  await open_().waitFor();
  await page.keyboard.press("Escape");
  for (let i = 0; i < 40; i++) await page.keyboard.press("j");
  await until(async () => (await cur().count()) === 1 && cur().evaluate((r) => { const a = r.getBoundingClientRect(), box = document.querySelector(".log-scroll").getBoundingClientRect(); return a.top >= box.top - 1 && a.bottom <= box.bottom + 1; }), "the marked event to stay in sight");
});
test("n shows the new events that wait", async () => {
  await open(page, s, "/admin/audit-log?event_type=ClientCreated");
  await page.locator(".live.on").waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("o");
  await open_().waitFor(); // an open event holds the list still
  for (const name of ["Waits one", "Waits two"]) await admin.ok("POST", "/api/v1/client/create", { name });
  await page.getByRole("button", { name: "2 new events" }).waitFor();
  assert.equal(await page.locator(".log-row", { hasText: "Waits two" }).count(), 0);
  await page.keyboard.press("n");
  await page.locator(".log-row", { hasText: "Waits two" }).waitFor();
  assert.match(await page.locator('.log-item[data-index="0"]').innerText(), /Waits two/);
  assert.match(await page.locator('.log-item[data-index="1"]').innerText(), /Waits one/);
  assert.equal(await page.getByRole("button", { name: /new events?$/ }).count(), 0);
  assert.equal(await open_().count(), 0);
});
test("a permalink from the open event leads to it and to nothing else", async () => {
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await page.locator(".log-row").nth(3).click();
  const id = all.filter(ofKind)[3];
  await open_().getByRole("button", { name: "Copy link" }).click();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, `${s.base}/admin/audit-log/${id.cuid}`);
  const other = await page.context().newPage();
  await other.goto(link);
  await other.getByText(id.message).first().waitFor();
  await other.getByText(id.leaf).waitFor();
  await other.close();
  await open_().getByRole("link", { name: "Open by itself" }).click();
  await until(() => page.url() === link, "the event's own address");
});
test("a value of the open event becomes a filter", async () => {
  const e = all.filter(ofKind)[0];
  await open(page, s, `/admin/audit-log?${SHOWN}${kind}`);
  await page.locator(".log-row").first().click();
  await open_().locator("dd").getByRole("button", { name: e.actor.name, exact: true }).first().click();
  await until(() => param("user") === e.actor.email, "the user in the address");
  await page.setViewportSize(TALL);
  await shows((x) => ofKind(x) && [x.actor?.email, x.target?.email].includes(e.actor.email), "his events of the kind");
});
test("all events of one request, from the event's own page and from the list", async () => {
  const sizes = new Map();
  for (const e of all) if (e.request_id) sizes.set(e.request_id, (sizes.get(e.request_id) ?? 0) + 1);
  const [id, n] = [...sizes].sort((x, y) => y[1] - x[1])[0], e = all.find((x) => x.request_id === id);
  assert.ok(n >= 2 && n <= 140, `${n} events of one request`);
  await open(page, s, `/admin/audit-log/${e.cuid}`);
  await page.getByRole("link", { name: "All events of this request" }).click();
  await shows((x) => x.request_id === id, "the events of the request");
  await page.locator(".log-row").first().click();
  await open_().getByRole("button", { name: id, exact: true }).waitFor();
  await page.getByRole("button", { name: "Remove filter Request" }).click();
  await until(() => param("request") === null, "the filter to go");
});
test("what is shown begins with the window", () => assert.ok(Date.now() - first > 119 * DAY));
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
