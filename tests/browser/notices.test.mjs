/** The bell and the help: what people are told arrives by itself, is read by mouse and by keyboard, and an open page is no use of a session. */
import { test, after, before, describe } from "node:test";
import { serve, assert, until, recount, PASSWORD, ADMIN } from "../api/harness.mjs";
import { browser, signIn, open, axe, shot, tooWide, inside } from "./harness.mjs";

const R = "/api/v2/auditlog/retention", N = "/api/v1/user/notifications";
let s, b, admin, page;
before(async () => {
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }, { email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }] });
  admin = await s.as();
  await admin.ok("PUT", R, { months_kept: 12 });
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

const announce = () => admin.ok("PUT", R, { months_kept: 6 });
const cancel = () => admin.ok("DELETE", R + "/pending");
const bell = (p, n) => p.getByRole("button", { name: n ? `Notifications, ${n} unread` : "Notifications", exact: true });
const box = (p) => p.getByRole("dialog", { name: "Notifications" });
const told = (p) => box(p).getByRole("listitem");
const unread = async (c) => (await c.ok("GET", `${N}?read=unread&limit=1000`)).data;

test("nothing yet: the bell says so", async () => {
  await bell(page).click();
  await box(page).getByRole("heading", { name: "Nothing here yet" }).waitFor();
  assert.ok(await box(page).getByRole("button", { name: "Mark all as read" }).isDisabled());
  await axe(page, "no notifications");
  await shot(page, "notices-empty");
  await page.keyboard.press("Escape");
  await box(page).waitFor({ state: "hidden" });
});
test("a notice arrives without reload, in every tab, over the browser's one stream", async () => {
  const other = await page.context().newPage();
  let streams = 0;
  other.on("request", (r) => { if (/auditlog\/hints/.test(r.url())) streams++; });
  await open(other, s, "/clients");
  await page.evaluate(() => { Reflect.set(window, "untouched", true); });
  await announce();
  await bell(page, 1).waitFor();
  await bell(other, 1).waitFor();
  assert.equal(await page.evaluate(() => Reflect.get(window, "untouched")), true);
  assert.equal(streams, 0, "the second tab needs none of its own");
  await other.close();
  await page.bringToFront();
});
test("opening one tells the whole and reads it", async () => {
  await bell(page, 1).click();
  const one = told(page).first();
  await one.getByRole("button", { name: /The audit log will be kept shorter/ }).click();
  await one.getByText(`${ADMIN.first} ${ADMIN.last} (${ADMIN.email}) announced that the audit log will be kept for 6 instead of 12 whole months.`).waitFor();
  await one.getByText(/^It takes effect on \d{4}-/).waitFor();
  await until(async () => (await unread(admin)).length === 0, "it to be read at the server");
  await bell(page).waitFor();
  await axe(page, "an opened notification");
  await page.keyboard.press("Escape");
  await page.reload();
  await inside(page);
  await bell(page).click();
  await told(page).first().waitFor();
  assert.equal(await told(page).count(), 1, "read ones stay in the list");
  assert.equal(await page.locator(".notices .unread").count(), 0);
  await page.keyboard.press("Escape");
});
test("by keyboard alone: open, read one, close; the focus comes back", async () => {
  await cancel();
  await bell(page, 1).waitFor();
  await bell(page, 1).focus();
  await page.keyboard.press("Enter");
  await told(page).nth(1).waitFor();
  await until(() => page.evaluate(() => !!document.activeElement.closest(".notices")), "the focus to be inside");
  const mark = told(page).first().getByRole("button", { name: "Mark as read" });
  for (let i = 0; i < 8 && !(await mark.evaluate((n) => n === document.activeElement)); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await bell(page).waitFor();
  assert.equal((await unread(admin)).length, 0);
  await page.keyboard.press("Escape");
  await box(page).waitFor({ state: "hidden" });
  await until(() => bell(page).evaluate((n) => n === document.activeElement), "the focus to come back");
});
test("more than a hundred: counted as far as that, and all of them read at once", async () => {
  for (let i = 0; i < 55; i++) { await announce(); await cancel(); }
  assert.equal((await unread(admin)).length, 110);
  await bell(page, "99+").waitFor();
  await bell(page, "99+").click();
  await told(page).nth(99).waitFor();
  await axe(page, "many notifications");
  await shot(page, "notices-full");
  await box(page).getByRole("button", { name: "Mark all as read" }).click();
  await bell(page).waitFor();
  assert.equal((await unread(admin)).length, 0);
  assert.equal((await unread(await s.as("bert@example.org"))).length, 112, "another's are untouched");
  await page.keyboard.press("Escape");
});
test("a text is text", async () => {
  await admin.ok("PUT", "/api/v1/user/update", { name: { first: "<b>Al\u202Eice</b>", last: "Archer" } });
  await announce();
  await bell(page, 1).click();
  await told(page).first().getByText("<b>Al\\u{202E}ice</b> Archer").waitFor();
  assert.equal(await told(page).first().locator("b").count(), 0);
  await page.keyboard.press("Escape");
  await admin.ok("PUT", "/api/v1/user/update", { name: { first: ADMIN.first, last: ADMIN.last } });
});
for (const { scheme, width } of [{ scheme: "light", width: 1440 }, { scheme: "dark", width: 1440 }, { scheme: "dark", width: 360 }])
  describe(`${scheme}, ${width} px`, () => {
    test("bell and help fit, and axe finds nothing", async () => {
      const p = await b.page({ scheme, width, height: width < 500 ? 740 : 900 });
      await signIn(p, s, "bert@example.org", PASSWORD);
      await bell(p, "99+").click();
      await told(p).nth(2).waitFor();
      await told(p).nth(1).getByRole("button", { name: /kept shorter/ }).click();
      const at = await box(p).boundingBox();
      assert.ok(at.x >= 0 && at.x + at.width <= width, JSON.stringify(at));
      assert.ok((await tooWide(p)) <= 1);
      await axe(p, "notifications");
      await shot(p, `notices-${scheme}-${width}`);
      await p.keyboard.press("Escape");
      await open(p, s, "/help");
      assert.ok((await tooWide(p)) <= 1);
      await axe(p, "help");
      await shot(p, `help-${scheme}-${width}`);
      await p.context().close();
    });
  });
test("who may not see the log has a bell and no stream", async () => {
  const p = await b.page();
  let streams = 0;
  p.on("request", (r) => { if (/auditlog\/hints/.test(r.url())) streams++; });
  await signIn(p, s, "stan@example.org", PASSWORD);
  await bell(p).click();
  await box(p).getByRole("heading", { name: "Nothing here yet" }).waitFor();
  assert.equal(streams, 0);
  await p.context().close();
});
test("help: from the menu, by ?, and what it says is so", async () => {
  await open(page, s, "/clients");
  await page.getByRole("button", { name: "User menu" }).click();
  await page.getByRole("menuitem", { name: "Help" }).click();
  await page.getByRole("heading", { name: "Help", level: 1 }).waitFor();
  const version = /recount (\S+)/.exec(recount(["--version"]).out)?.[1];
  await page.getByText(`Recount ${version}`, { exact: true }).waitFor();
  for (const name of ["operations.md", "audit-log.md", "security.md"]) await page.getByText(name, { exact: true }).waitFor();
  await page.getByRole("link", { name: "The audit log" }).click();
  await page.getByRole("heading", { name: "Audit log", level: 1 }).waitFor();
  await page.keyboard.press("Shift+?");
  await page.getByRole("heading", { name: "Help", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("?");
  assert.equal(await page.getByRole("combobox", { name: "Go to a page or client" }).inputValue(), "?", "in a box it is a letter");
  await page.keyboard.press("Escape");
});
test("an open page is no use: what it asks by itself says so", async () => {
  const p = await b.page(), own = [];
  await signIn(p, s, ADMIN.email, PASSWORD);
  await open(p, s, "/admin/audit-log");
  await p.locator(".live.on").waitFor();
  p.on("request", (r) => { const u = new URL(r.url()); if (u.pathname.startsWith("/api/") && !u.pathname.endsWith("/hints")) own.push(r); });
  await cancel();
  await until(() => own.some((r) => /follow=/.test(r.url())) && own.some((r) => /notifications/.test(r.url())), "the page to ask");
  await until(() => own.some((r) => /\/seal/.test(r.url())), "the seal to be looked at again");
  for (const r of own) assert.equal(r.headers()["x-recount"], "background", r.url());
  await p.context().close();
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
