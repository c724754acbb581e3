/** The audit log as a page. First the documented example: Start date, Past 30 days, the word: three acts, no submit. */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { serve, assert, createUser, PASSWORD, ADMIN, ROOT, until } from "../api/harness.mjs";
import { browser, signIn, open, shot, axe } from "./harness.mjs";

const ATTEMPTS = 1000;
let s, b, admin, page;
// Written by hand: what someone means who types "password".
const MEANT = new Set(["PasswordChanged", "PasswordChangedByOther", "PasswordResetRequested", "PasswordChangeRefused", "SetPasswordLinkCreated"]);

const fail = (email, from) => s.client({ from }).post("/api/v1/authenticate", { username: email, password: "Wrong-Horse-9!" });
/** Live tests fail as people who exist: failures of unknown names are folded after the flood above. */
const KNOWN = { quinn: "Quinn Quist (quinn@example.org)", pat: "Pat Park (pat@example.org)" };
const rows = () => page.locator(".log-row");
const messages = () => page.locator(".log-row .what").allInnerTexts();
const live = () => page.locator(".live.on").waitFor();
/** The button with at least n waiting: another reader's view may be recorded meanwhile and is an event, too. */
const pill = (n) => page.getByRole("button", { name: new RegExp(`^(${n === 1 ? "1 new event|" : ""}([${Math.max(n, 2)}-9]|\\d{2,}) new events)$`) });

before(async () => {
  s = await serve({ proxy: true, users: [{ email: "pat@example.org", first: "Pat", last: "Park", role: "STD_USER" }, { email: "quinn@example.org", first: "Quinn", last: "Quist", role: "STD_USER" }] });
  admin = await s.as();
  await admin.events({ q: "password" });
  let n = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (n < ATTEMPTS) {
      const i = n++;
      await fail(`name${i % 40}@example.org`, `10.${(i >> 8) & 255}.${i & 255}.9`);
    }
  }));
  const pat = await s.as("pat@example.org");
  await pat.put("/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "short" });
  await pat.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Another-Meadow-52?" });
  const quinn = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50&offset=0")).data.find((u) => u.email === "quinn@example.org");
  await admin.ok("POST", `/api/v2/tenants/0/users/${quinn.user_id}/password-link`);
  await admin.ok("POST", "/api/v1/client/create", { name: "Acme Corporation" });
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

/** Every event of the log, read page by page without any search: the brute force the page is compared with. */
async function whole() {
  const all = [];
  for (let cursor = ""; ;) {
    const r = await admin.ok("GET", `/api/v2/auditlog?limit=1000${cursor && "&cursor=" + encodeURIComponent(cursor)}`);
    all.push(...r.data);
    if (!r.meta.more) return all;
    cursor = String(r.meta.next);
  }
}

test("from the menu: Account Admin, Security & User Management, Audit log", async () => {
  await page.getByRole("link", { name: "Account Admin" }).click();
  await page.getByRole("heading", { name: "Admin Dashboard" }).waitFor();
  await page.getByRole("region", { name: "Security & User Management" }).getByRole("link", { name: "Audit log", exact: true }).click();
  await page.getByRole("heading", { name: "Audit log" }).waitFor();
  await rows().first().waitFor();
  await live();
  await axe(page, "audit log");
  await shot(page, "audit-log");
});
test("the example: exactly the password events", async () => {
  await page.getByRole("button", { name: "Start date" }).click();
  await page.getByRole("menuitem", { name: "Past 30 days" }).click();
  await page.keyboard.type("password");
  // Of a flood all but the first are folded and counted, and written after their ten seconds.
  const all = await until(async () => {
    const log = await whole(), refused = log.filter((e) => e.event_type === "LoginFail").reduce((sum, e) => sum + Math.max(1, e.count ?? 1), 0);
    assert.equal(refused, ATTEMPTS, "each of the thousand failed sign-ins is in the log, alone or counted");
    return log;
  }, "the counts of the failed sign-ins", 60_000);
  const want = all.filter((e) => MEANT.has(e.event_type));
  assert.ok(all.some((e) => e.event_type === "AuditLogViewed" && /password/.test(JSON.stringify(e))), "and the earlier search");
  assert.deepEqual(new Set(want.map((e) => e.event_type)), new Set(["PasswordChanged", "PasswordChangeRefused", "SetPasswordLinkCreated"]));
  await until(async () => (await rows().count()) === want.length, "the list to show them");
  const shown = await page.locator(".log-item").evaluateAll((n) => n.sort((x, y) => Number(x.dataset.index) - Number(y.dataset.index)).map((x) => `${x.querySelector("time").getAttribute("datetime")} ${x.querySelector(".what .cut").getAttribute("title")}`));
  assert.deepEqual(shown, want.map((e) => `${e.timestamp} ${e.message}`));
  await until(() => /from=30d/.test(page.url()) && /q=password/.test(page.url()), "the filters in the address");
  await shot(page, "audit-example");
});
test("the example on a slow machine: no letter and no filter is lost", async () => {
  const cdp = await page.context().newCDPSession(page);
  const want = (await messages()).join();
  for (const rate of [4, 8, 16]) {
    await open(page, s, "/admin/audit-log");
    await cdp.send("Emulation.setCPUThrottlingRate", { rate });
    await page.getByRole("button", { name: "Start date" }).click();
    await page.getByRole("menuitem", { name: "Past 30 days" }).click();
    await page.keyboard.type("password");
    await until(() => /from=30d/.test(page.url()) && /q=password/.test(page.url()), "the filters in the address");
    const box = page.getByRole("textbox", { name: "Search", exact: true });
    await until(async () => (await messages()).join() === want, "the list to show the password events");
    assert.equal(await box.inputValue(), "password");
    // And on, with pauses in which the address follows while the page still draws.
    await box.fill("");
    for (const piece of ["pass", "word", " alice", " archer"]) {
      await page.keyboard.type(piece);
      await new Promise((r) => setTimeout(r, 260)); // just over the pause after which the address follows
    }
    await until(() => new URL(page.url()).searchParams.get("q") === "password alice archer", "the address to follow");
    assert.equal(await box.inputValue(), "password alice archer");
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  }
  await cdp.detach();
});
test("letters typed at once after opening a box, a filter or the jump are in it", async () => {
  const cdp = await page.context().newCDPSession(page);
  await open(page, s, "/admin/audit-log");
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 8 });
  await page.getByRole("button", { name: "Event", exact: true }).click();
  await page.keyboard.type("password ch");
  assert.equal(await page.getByRole("textbox", { name: "Find event" }).or(page.getByPlaceholder("Find event")).inputValue(), "password ch");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("audit log");
  assert.equal(await page.getByRole("combobox", { name: "Go to a page or client" }).inputValue(), "audit log");
  await page.keyboard.press("Escape");
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  await cdp.detach();
});
test("two changes of the address at one moment are both kept, and a link leads the box", async () => {
  await open(page, s, "/admin/audit-log?q=acme&outcome=success");
  await page.evaluate(() => { for (const name of ["Remove filter Outcome", "Show UTC"]) /** @type {HTMLElement} */ (document.querySelector(`[aria-label="${name}"],[title="${name}"]`)).click(); });
  await until(() => /tz=utc/.test(page.url()) && !/outcome/.test(page.url()), "both changes");
  assert.match(page.url(), /q=acme/);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("audit log");
  await page.keyboard.press("Enter");
  await until(async () => (await page.getByRole("textbox", { name: "Search", exact: true }).inputValue()) === "" && !/q=/.test(page.url()), "the box to follow the link");
});
test("everything is in the address: reload, back and a filter", async () => {
  await open(page, s, "/admin/audit-log?from=30d&q=password");
  const before = await messages();
  await page.reload();
  await until(async () => (await messages()).join() === before.join(), "the same list");
  assert.equal(await page.getByRole("textbox", { name: "Search", exact: true }).inputValue(), "password");
  await page.getByText("Past 30 days").waitFor();
  await page.getByRole("button", { name: "Outcome", exact: true }).click();
  await page.getByRole("option", { name: "Failure" }).click();
  await until(async () => /outcome=failure/.test(page.url()) && (await rows().count()) === 1, "only the refused change");
  await page.getByRole("button", { name: "Remove filter Outcome" }).click();
  await until(async () => !/outcome/.test(page.url()) && (await rows().count()) === before.length, "all of them again");
});
test("every keystroke narrows the list, taking text away widens it", async () => {
  await open(page, s, "/admin/audit-log");
  await page.keyboard.press("/");
  for (const letter of "acme") await page.keyboard.type(letter);
  await until(async () => (await messages()).every((m) => /acme/i.test(m)) && (await rows().count()) >= 1, "events of Acme");
  for (const letter of " zzz") await page.keyboard.type(letter);
  await page.getByRole("heading", { name: "No events match" }).waitFor();
  for (let i = 0; i < 4; i++) await page.keyboard.press("Backspace");
  await until(async () => (await rows().count()) >= 1, "events of Acme again");
  await page.keyboard.press("Escape");
});
test("a failed sign-in elsewhere appears without reload", async () => {
  await open(page, s, "/admin/audit-log?event_type=LoginFail");
  await live();
  await page.evaluate(() => { Reflect.set(window, "untouched", true); });
  await fail("quinn@example.org", "192.0.2.44");
  await page.locator(".log-row", { hasText: KNOWN.quinn }).waitFor();
  assert.equal(await page.evaluate(() => Reflect.get(window, "untouched")), true);
});
test("while one reads further down, new events wait behind a button and the list holds still", async () => {
  const list = page.locator(".log-scroll");
  await open(page, s, "/admin/audit-log");
  await live();
  await page.setViewportSize({ width: 1440, height: 420 });
  await list.hover();
  await page.mouse.wheel(0, 300);
  await until(() => list.evaluate((n) => n.scrollTop > 100), "the list to be scrolled");
  const at = await list.evaluate((n) => n.scrollTop), first = await messages();
  await fail("quinn@example.org", "192.0.2.45");
  await fail("pat@example.org", "192.0.2.46");
  await pill(2).waitFor();
  assert.equal(await list.evaluate((n) => n.scrollTop), at);
  assert.deepEqual(await messages(), first);
  await shot(page, "audit-pill");
  await pill(2).click();
  await page.locator(".log-row", { hasText: `Sign-in failed for ${KNOWN.pat}` }).waitFor();
  assert.equal(await list.evaluate((n) => n.scrollTop), 0);
  await page.setViewportSize({ width: 1440, height: 900 });
});
test("a row opens to the whole event, before and after; meanwhile the list holds still", async () => {
  const id = (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 1 } })).data[0].client_id;
  await admin.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Holding", description: "Renamed" });
  const [e] = await admin.events({ event_type: "ClientUpdated", limit: "1" });
  await open(page, s, "/admin/audit-log?q=acme");
  await live();
  await page.locator(".log-row", { hasText: e.message }).click();
  const detail = page.locator(".detail");
  await detail.waitFor();
  const change = detail.locator("table.changes tbody tr").filter({ has: page.getByRole("cell", { name: "Name", exact: true }) });
  assert.equal(await change.locator("del").innerText(), "Acme Corporation");
  assert.equal(await change.locator("ins").innerText(), "Acme Holding");
  for (const text of [e.event_type, e.cuid, e.leaf, e.request_id, e.address]) assert.ok((await detail.innerText()).includes(text), text);
  await admin.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Holding", description: "Acme, renamed again" });
  await pill(1).waitFor();
  await axe(page, "an opened event");
  await shot(page, "audit-detail");
  await page.keyboard.press("Escape");
  await until(async () => !(await detail.count()), "the event to close");
});
test("an event by its own address", async () => {
  const [e] = await admin.events({ event_type: "PasswordChanged", limit: "1" });
  await open(page, s, `/admin/audit-log/${e.cuid}`);
  await page.getByText(e.message).first().waitFor();
  await page.getByText(e.leaf).waitFor();
  await axe(page, "one event");
  await page.getByRole("button", { name: "Copy link" }).first().click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${s.base}/admin/audit-log/${e.cuid}`);
  await shot(page, "audit-event");
  await page.goto(`${s.base}/admin/audit-log/c00000000000000000000000`);
  await page.getByRole("heading", { name: "This does not exist (any more)" }).waitFor();
});
test("no hits in the range offers the older ones", async () => {
  await open(page, s, "/admin/audit-log?q=password&from=2020-01-01&to=2020-01-02");
  await page.getByRole("button", { name: /older match(es)?: widen/ }).click();
  await rows().first().waitFor();
  assert.doesNotMatch(page.url(), /from=|to=/);
});
test("export gives what is shown, says what it is, and gives the manifest beside it", async () => {
  await open(page, s, "/admin/audit-log?q=password&from=30d");
  const fact = (name) => page.locator("dl.facts dt", { hasText: new RegExp(`^${name}$`) }).locator("+ dd").innerText();
  for (const [name, ends] of [["CSV", ".csv"], ["NDJSON", ".ndjson"], ["OCSF", ".ocsf.ndjson"]]) {
    const all = await admin.events({ q: "password" }), want = all.length, [newest, oldest] = [all[0].index, all.at(-1).index];
    await until(async () => (await rows().count()) === want, "the list to show them");
    await page.getByRole("button", { name: "Export" }).click();
    await page.getByRole("menuitem", { name: new RegExp(`^${name}`) }).click();
    const dialog = page.getByRole("dialog", { name: `Export as ${name}` });
    await dialog.getByRole("link", { name: `Download ${name}` }).waitFor();
    assert.equal(await fact("Events"), `${want} events`);
    assert.match(await fact("Range"), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} to \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC/);
    assert.equal(await fact("Query"), "q: password, from: 30d");
    assert.deepEqual([await fact("First index"), await fact("Last index")], [newest, oldest].map(String));
    const digest = (await fact("SHA-256")).split(/\s/)[0];
    if (name === "CSV") { await axe(page, "the export's dialog"); await shot(page, "audit-export"); }
    await admin.post("/api/v1/user/forgotpass", { email: "pat@example.org" }); // what happens meanwhile is not in it
    const [file] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("link", { name: `Download ${name}` }).click()]);
    assert.ok(file.suggestedFilename().endsWith(ends), file.suggestedFilename());
    const bytes = readFileSync(await file.path()), text = bytes.toString("utf8");
    assert.equal(createHash("sha256").update(bytes).digest("hex"), digest, "the file is what the dialog said");
    const kinds = [...text.matchAll(/\b(PasswordChanged|PasswordChangeRefused|SetPasswordLinkCreated|PasswordResetRequested)\b/g)].length;
    assert.ok(name === "OCSF" || kinds >= want, `${name}: ${kinds} of ${want}`);
    assert.doesNotMatch(text, /LoginFail/);
    const [beside] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("button", { name: "Save manifest" }).click()]);
    assert.match(beside.suggestedFilename(), /^audit-log-\d{4}-\d\d-\d\d\.manifest\.json$/);
    const checked = spawnSync("python3", [`${ROOT}/doc/verify/verify.py`, "export", await file.path(), "--manifest", await beside.path()], { encoding: "utf8" });
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    const m = JSON.parse(readFileSync(await beside.path(), "utf8"));
    const e = await admin.event("AuditLogExported", (x) => x.message.includes(digest));
    assert.ok(e.message.includes(`exported ${want} events of the audit log, from ${m.from} to ${m.to} (index ${newest} to ${oldest}, SHA-256 ${digest})`), e.message);
    await dialog.getByRole("button", { name: "Close" }).last().click();
    await dialog.waitFor({ state: "detached" });
  }
});
test("times: absolute, with the zone in the head; local and UTC", async () => {
  await open(page, s, "/admin/audit-log");
  const time = page.locator(".log-row time").first(), [, offset] = /GMT([+-]\d+)|/.exec(await page.getByRole("columnheader", { name: /^Time/ }).innerText()) ?? [];
  const local = await time.innerText(), iso = await time.getAttribute("datetime");
  assert.match(local, /^\d{4}-\d\d-\d\d \d\d:\d\d/);
  await page.getByTitle("Show UTC").click();
  await page.getByRole("columnheader", { name: "Time (UTC)" }).waitFor();
  const utc = await page.locator(`.log-row time[datetime="${iso}"]`).innerText();
  assert.ok(iso.replace("T", " ").startsWith(utc.slice(0, 16)), `${iso} / ${utc}`);
  assert.notEqual(utc, local, `Berlin is not UTC ${offset ?? ""}`);
});
test("by keyboard alone", async () => {
  await open(page, s, "/admin/audit-log");
  await page.locator(".log-scroll").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.locator(".detail").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("zzzz-nothing");
  await page.getByRole("heading", { name: "No events match" }).waitFor();
});
test("the window is printed", async () => {
  await open(page, s, "/admin/audit-log");
  await page.getByText(/Events since 1 \w+( \d{4})?; next change 1 \w+/).waitFor();
});
test("who may not see the log is told so, without filters over nothing, and it is recorded", async () => {
  const email = "rae@example.org", other = await b.page();
  createUser(s.store, { email, role: "STD_USER" });
  await signIn(other, s, email, PASSWORD);
  await open(other, s, "/admin/audit-log");
  await other.getByText("You do not have access to this").waitFor();
  assert.equal(await other.getByRole("button", { name: "Start date" }).count() + await other.getByRole("link", { name: "Access on a date" }).count(), 0);
  await axe(other, "a log that one may not see");
  await admin.event("AccessDenied", (e) => e.actor.email === email && /auditlog/.test(e.message));
  await other.context().close();
});
test("text in an event is text: no markup, no hidden direction", async () => {
  await admin.ok("POST", "/api/v1/client/create", { name: "<img src=x onerror=alert(1)>\u202Egnp.exe" });
  await open(page, s, "/admin/audit-log?event_type=ClientCreated");
  const text = await page.locator(".log-row .what").first().innerText();
  assert.match(text, /<img src=x/);
  assert.doesNotMatch(text, /\u202E/);
  assert.equal(await page.locator(".log img").count(), 0);
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
