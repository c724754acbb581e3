/**
 * What is expected of a page by who uses it all day: the focus is somewhere after every dialog, each button answers to the
 * keyboard, what is destroyed is named, what was refused is told, long and foreign names fit, and what happens is said aloud.
 */
import { test, after, before, describe } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, open, toast, choose, axe, shot, tooWide } from "./harness.mjs";

const T = "/api/v2/tenants/0";
const LONG = { first: "W".repeat(100), last: "X".repeat(100) }, RTL = { first: "محمد", last: "الخوارزمي" }, EMOJI = { first: "👩‍💻", last: "🦊 Fox" };
const CLIENTS = ["A".repeat(200), "شركة الأمن السيبراني المتقدم", "🏦 Banque Générale"];
let s, b, admin, page, ids = [];
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }] });
  admin = await s.as();
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=false", [LONG, RTL, EMOJI].map((name, i) => ({ email: i ? `person${i}@example.org` : `${"l".repeat(60)}@${"d".repeat(60)}.example.org`, role: "STD_USER", name, default_group: false, sendEmail: false })));
  for (const name of CLIENTS) ids.push((await admin.ok("POST", "/api/v1/client/create", { name, poc: name.slice(0, 100), tags: ["t".repeat(60), "web"] })).client_id);
  await admin.ok("POST", `/api/v2/tenant/0/client/${ids[0]}/user/assign`, { users: [{ username: "stan@example.org", role: "STD_USER" }] });
  for (let i = 0; i < 12; i++) await admin.ok("POST", `${T}/security/role`, { title: i ? `Custom role ${i}` : "R".repeat(80), description: "d".repeat(150), permissions: ["CLIENTS.VIEW"] });
  await admin.ok("POST", "/api/v2/sla/benchmarks", { name: "L".repeat(200), daysToClose: 3, findingSeverity: ["High"], enabled: true });
  await admin.ok("POST", `${T}/tiers`, { name: "S".repeat(100), description: "x".repeat(150), enabled: true });
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

const dialog = (name) => page.getByRole("dialog", name ? { name } : undefined);
const row = (text) => page.getByRole("row").filter({ hasText: text });
/** What has the focus, by its name; "" is nothing. */
const focused = () => page.evaluate(() => { const e = /** @type {HTMLElement | null} */ (document.activeElement); return !e || e === document.body ? "" : e.getAttribute("aria-label") || e.innerText?.trim() || e.id || e.tagName; });
const focusIs = (want, what) => until(async () => { const f = await focused(); return want instanceof RegExp ? want.test(f) : f === want; }, `the focus on ${want} ${what}, not on`).catch(async (e) => { throw new Error(`${e.message} ${await focused()}`); });
const press = async (locator, key = "Enter") => { await locator.focus(); await page.keyboard.press(key); };
const button = (name, within = page) => within.getByRole("button", { name, exact: typeof name === "string" });

describe("by keyboard, the focus comes back", () => {
  test("from a dialog that is left, and from one that did what was asked", async () => {
    await open(page, s, "/admin/users");
    await press(button("Add users"));
    await dialog("Add users").waitFor();
    await page.keyboard.press("Escape");
    await focusIs("Add users", "after Escape");
    await press(button("Import from CSV"));
    await press(button("Cancel"));
    await focusIs("Import from CSV", "after Cancel");
    await press(button("Actions for Stan Stone"));
    await press(page.getByRole("menuitem", { name: "End sessions" }));
    await press(button("End sessions", dialog()));
    await toast(page, "signed out everywhere");
    await focusIs("Actions for Stan Stone", "after the question that a menu asked");
  });
  test("from a person's drawer", async () => {
    await press(page.getByRole("link", { name: "Stan Stone" }));
    await dialog("Stan Stone").waitFor();
    await page.keyboard.press("Escape");
    await focusIs("Stan Stone", "after the drawer");
  });
  test("when what had it was deleted, to what stood around it", async () => {
    await open(page, s, "/admin/roles");
    await press(button("Actions for Custom role 11"));
    await press(page.getByRole("menuitem", { name: "Delete role" }));
    await press(button("Delete role", dialog("Delete the role Custom role 11?")));
    await toast(page, "Custom role 11 deleted");
    await focusIs("Roles", "after the row is gone");
  });
  test("a button that was off while it worked has it again", async () => {
    await open(page, s, "/admin/verify");
    await press(button("Check again"));
    await focusIs("Check again", "after the check");
  });
  test("on another page, to its beginning, and its name is said", async () => {
    await open(page, s, "/admin");
    await press(page.getByRole("link", { name: "Users", exact: true }));
    await page.getByRole("heading", { name: "Users", level: 1 }).waitFor();
    await until(() => page.evaluate(() => document.activeElement?.id === "main"), "the focus in the new page");
    assert.equal(await page.locator("#said").innerText(), "Users");
    assert.equal(await page.locator("#said").getAttribute("role"), "status");
  });
  test("who clicks beside everything has taken it away himself", async () => {
    await page.getByRole("link", { name: "Stan Stone" }).focus();
    await page.mouse.click(100, 400); // the empty part of the navigation
    await page.getByRole("link", { name: "Stan Stone" }).evaluate((n) => n.remove());
    assert.equal(await focused(), "");
  });
});

describe("the audit log by keyboard", () => {
  test("Enter presses the button that has the focus", async () => {
    await open(page, s, "/admin/audit-log");
    await press(button("Start date"));
    await page.getByRole("menuitem", { name: "Past 30 days" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await until(() => /from=30d/.test(page.url()), "the preset in the address");
    await focusIs("Search", "after a preset");
    await press(button("Clear all"));
    await until(() => !/from=/.test(page.url()), "the filter to go");
    await focusIs("Search", "after Clear all");
  });
  test("j and k take the focus to the event, which says what happened; Escape leaves it there", async () => {
    await open(page, s, "/admin/audit-log?q=created");
    await page.locator(".log-scroll").focus();
    await page.keyboard.press("j");
    const first = await page.locator('[data-index="0"] .what .cut').getAttribute("title");
    await focusIs(`Details: ${first}`, "after j");
    await page.keyboard.press("j");
    const second = await page.locator('[data-index="1"] .what .cut').getAttribute("title");
    await focusIs(`Details: ${second}`, "after j again");
    await page.keyboard.press("Enter");
    await press(button("Verify", page.locator(".detail")));
    await page.locator(".verdict.ok").waitFor();
    await focusIs("Verify", "after the check");
    await page.keyboard.press("Escape");
    await until(async () => !(await page.locator(".detail").count()), "the event to close");
    await focusIs(`Details: ${second}`, "after Escape");
    await page.keyboard.press("k");
    await focusIs(`Details: ${first}`, "after k");
    await page.keyboard.press("/");
    await page.keyboard.type("x");
    await focusIs("Search", "once somebody types");
  });
  test("a removed filter leaves the focus on its button; how many are found is said", async () => {
    await open(page, s, "/admin/audit-log");
    await press(button("Event"));
    await page.keyboard.type("client created");
    await page.getByRole("option", { name: "Client created" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await until(() => /event_type=ClientCreated/.test(page.url()), "the filter");
    const said = page.getByRole("region", { name: "Events" }).locator(".sr[role=status]");
    await until(async () => (await said.innerText()) === "3 events", "the count");
    await page.getByText("No further matches: 3 events in all").waitFor();
    await press(button("Remove filter Event"));
    await focusIs("Event", "after the cross");
  });
});

describe("what is about to happen is named", () => {
  test("several at once by their names, and a second Enter destroys nothing", async () => {
    await open(page, s, "/admin/users");
    for (const name of ["Stan Stone", `${RTL.first} ${RTL.last}`]) await page.getByRole("checkbox", { name: `Select ${name}` }).click();
    await press(button("Delete", page.getByRole("region", { name: "Bulk actions" })));
    const d = dialog("Delete 2 users?");
    await d.waitFor();
    assert.deepEqual((await d.getByRole("listitem").allInnerTexts()).sort(), ["Stan Stone", `${RTL.first} ${RTL.last}`].sort());
    await focusIs("Cancel", "in a question about what can not be undone");
    await axe(page, "whom it concerns");
    await shot(page, "manners-bulk");
    await page.keyboard.press("Enter");
    await until(async () => !(await d.count()), "the question to go");
    await row("stan@example.org").waitFor();
    assert.deepEqual(await admin.events({ event_type: "UserDeleted" }), []);
  });
  test("taking a role, switching tiers off, joining the Default Group and removing a pin are asked about", async () => {
    const analyst = (await admin.ok("GET", `${T}/security/role`)).data.find((r) => r.key === "ANALYST"), stan = (await admin.ok("GET", `${T}/users?filter=stan`)).data[0];
    await admin.ok("PUT", `${T}/security/role/${analyst.id}/users`, { userId: stan.user_id });
    await open(page, s, `/admin/roles/${analyst.id}?view=users`);
    await button("Remove Stan Stone from Analyst").click();
    await button("Remove from role", dialog("Remove Stan Stone from Analyst?")).click();
    await toast(page, "Stan Stone removed from Analyst");
    await page.getByRole("heading", { name: "Nobody holds this role" }).waitFor();
    await admin.ok("PUT", `${T}/settings/tiers`, { enabled: true });
    await open(page, s, "/admin/classification-tiers");
    const use = page.getByRole("switch", { name: /^Use classification tiers/ });
    await use.click();
    await button("Cancel", dialog("Switch classification tiers off?")).click();
    assert.ok(await use.isChecked());
    assert.equal((await admin.ok("GET", `${T}/settings/tiers`)).data.enabled, true);
    await open(page, s, "/admin/authorization");
    await page.getByRole("switch", { name: "Default Group: Stan Stone" }).click();
    const d = dialog("Add Stan Stone to the Default Group?");
    await d.getByText("all present clients at once").waitFor();
    await button("Cancel", d).click();
    assert.deepEqual(await admin.events({ event_type: "AddedToDefaultGroup" }), []);
  });
  test("what the server refused for one of them is told, not that it was done", async () => {
    await page.route("**/user/assign", (r) => r.fulfill({ json: { status: "success", users_assigned: [], users_rejected: ["stan@example.org"] } }));
    await open(page, s, `/admin/authorization?client=${ids[1]}`);
    await button("Authorize users").click();
    const d = dialog(/^Authorize users for/);
    await choose(d, "User 1", /Stan Stone/);
    await button("Authorize", d).click();
    await page.locator('.toast.bad[role="alert"]').filter({ hasText: "Not possible for stan@example.org" }).waitFor();
    await page.unroute("**/user/assign");
  });
});

test("copying works without the clipboard of secure origins, and a refusal is told", async () => {
  const other = await b.page();
  await other.addInitScript(() => { Object.defineProperty(navigator, "clipboard", { value: undefined }); });
  await signIn(other, s, ADMIN.email, PASSWORD);
  await open(other, s, "/admin/witnesses");
  const copy = other.getByRole("button", { name: "Copy origin" });
  await copy.click();
  await other.getByRole("button", { name: "Copied" }).waitFor();
  const origin = (await admin.ok("GET", "/api/v2/auditlog/witnesses/status")).data.log.origin;
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), origin);
  await other.evaluate(() => { document.execCommand = () => false; });
  await other.getByRole("button", { name: "Copy key" }).first().click();
  await toast(other, "The browser refused to copy");
  await other.context().close();
});

test("lists that are here whole sort by a click and say how many they are", async () => {
  await open(page, s, "/admin/roles");
  await page.getByText("15 in all").waitFor();
  const titles = async () => (await page.getByRole("region", { name: "Roles" }).locator("tbody a").allInnerTexts()).filter((t) => /^Custom role/.test(t));
  assert.deepEqual((await titles()).slice(0, 3), ["Custom role 1", "Custom role 2", "Custom role 3"], "2 before 10");
  await button("Role").click();
  await button("Role").click();
  await until(async () => (await titles())[0] === "Custom role 10", "the last first");
  assert.equal(await page.getByRole("columnheader", { name: "Role", exact: true }).getAttribute("aria-sort"), "descending");
  assert.match(page.url(), /sort=title.*order=desc/);
  await page.getByLabel("Find a role").fill("role 7");
  await page.getByText("1 in all").waitFor();
});

test("a time that stands alone names its zone", async () => {
  await open(page, s, "/admin/retention");
  await page.getByLabel("Whole months kept").fill("12");
  await button("Save").click();
  await button("Keep longer").click();
  await toast(page, "Saved");
  await page.getByLabel("Whole months kept").fill("6");
  await button("Save").click();
  await button("Announce").click();
  assert.match(await page.getByText(/kept for 6 whole months only/).innerText(), /From \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\+[12] on/);
});

test("an error stands beside its field", async () => {
  await open(page, s, "/admin/roles");
  await button("Create role").click();
  await dialog("Create role").getByLabel("Name").fill("Custom role 3");
  await button("Create role", dialog("Create role")).click();
  const name = dialog("Create role").getByLabel("Name");
  await until(async () => (await name.getAttribute("aria-invalid")) === "true", "the field to be marked");
  assert.equal(await page.locator(`#${(await name.getAttribute("aria-describedby")).split(" ").find((x) => x.endsWith("-error"))}`).innerText(), "Another role has this name");
  await page.keyboard.press("Escape");
  await open(page, s, "/profile");
  await page.getByLabel("First name").fill(" ");
  await button("Save").click();
  await until(async () => (await page.getByLabel("First name").getAttribute("aria-invalid")) === "true", "the field to be marked");
});

for (const { width, scheme } of [{ width: 1440, scheme: "light" }, { width: 390, scheme: "dark" }])
  test(`long, right-to-left and emoji names fit ${width} px, and every button is in reach`, async () => {
    const p = await b.page({ width, height: 844, scheme });
    await signIn(p, s, ADMIN.email, PASSWORD);
    for (const at of ["/clients", `/clients/${ids[0]}`, `/clients/${ids[0]}/users`, `/clients/${ids[1]}`, "/admin/users", "/admin/roles", "/admin/authorization", "/admin/classification-tiers", "/admin/slas", "/admin/audit-log", "/admin/access"]) {
      await open(p, s, at);
      assert.ok((await tooWide(p)) <= 1, `${at}: ${await tooWide(p)} px too wide`);
      const out = await p.evaluate(() => [...document.querySelectorAll(".head h1, .head .acts > *, .toolbar > *")].filter((n) => n.getBoundingClientRect().right > innerWidth + 1).map((n) => n.textContent));
      assert.deepEqual(out, [], at);
      if (width > 1000) // a table keeps its last column on the screen
        assert.deepEqual(await p.evaluate(() => [...document.querySelectorAll(".table-box")].filter((n) => n.scrollWidth > n.clientWidth + 1).map((n) => `${n.getAttribute("aria-label")} ${n.scrollWidth - n.clientWidth}`)), [], at);
      await shot(p, `manners-${at.replace(/\W+/g, "-")}-${width}`);
    }
    await open(p, s, "/admin/users");
    const letters = await p.evaluate(() => [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".avatar"))].map((n) => n.dataset.letters));
    assert.ok(letters.includes("👩‍💻🦊") || letters.includes("👩‍💻F"), letters.join());
    assert.ok(letters.every((l) => !/\p{Cs}/u.test(l)), "no half of a letter");
    await open(p, s, `/clients/${ids[0]}/users`);
    await p.getByRole("button", { name: "Authorize users" }).click();
    const box = await p.getByRole("dialog").getByRole("combobox", { name: "User 1" }).or(p.getByRole("dialog").getByRole("textbox", { name: "User 1" })).first().boundingBox();
    assert.ok(box.width >= 190, `the box to choose a user is ${box.width} px wide`);
    await axe(p, `a long name in a dialog, ${width}`);
    await p.context().close();
  });

test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
