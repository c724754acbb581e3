/** Access on a date: the page asks the log, each right leads to the event it came from, and the review is a file. */
import { test, after, before } from "node:test";
import { readFileSync } from "node:fs";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, open, settled, axe, shot, tooWide } from "./harness.mjs";

let s, b, admin, page;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }, { email: "aud@example.org", first: "Audrey", last: "Ditor", role: "AUDITOR" }] });
  admin = await s.as();
  for (const name of ["Acme", "Zenith"]) {
    const id = (await admin.ok("POST", "/api/v1/client/create", { name })).client_id;
    await admin.ok("POST", `/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "stan@example.org", role: "ANALYST" }] });
  }
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });
const row = (p, text) => p.getByRole("row").filter({ hasText: text }).first();

test("from the audit log to the people of this moment", async () => {
  await open(page, s, "/admin/audit-log");
  await page.getByRole("link", { name: "Access on a date" }).click();
  await page.getByRole("heading", { name: "Access on a date", level: 1 }).waitFor();
  await settled(page);
  for (const name of ["Alice Archer", "Stan Stone", "Audrey Ditor"]) await row(page, name).waitFor();
  assert.match(await page.getByText(/3 people on/).innerText(), /baseline of/);
  await axe(page, "access on a date");
  await shot(page, "access");
});
test("a person's rights, and the event one came from", async () => {
  await page.getByRole("button", { name: "Rights of Stan Stone" }).click();
  await page.getByRole("heading", { name: "On clients" }).waitFor();
  await page.getByRole("cell", { name: "Zenith", exact: true }).waitFor();
  await axe(page, "rights of a person");
  await shot(page, "access-rights");
  await page.locator(".rights").getByRole("row").filter({ hasText: "Acme" }).getByRole("link").first().click();
  await page.getByRole("heading", { name: "User assigned to client", level: 1 }).waitFor();
  await page.goBack();
  await settled(page);
});
test("search, and a client", async () => {
  await page.getByLabel("Find a person").fill("ston");
  await until(async () => (await page.getByRole("button", { name: /^Rights of/ }).count()) === 1, "one person");
  assert.match(page.url(), /q=ston/);
  await page.getByLabel("Find a person").fill("nobody at all");
  await page.getByRole("heading", { name: "Nobody matches" }).waitFor();
  await axe(page, "nobody matches");
  await page.getByLabel("Find a person").fill("");
  await until(async () => (await page.getByRole("button", { name: /^Rights of/ }).count()) === 3, "all again");
});
test("a date before the log says why", async () => {
  await open(page, s, "/admin/access?on=2019-05-01T12:00:00.000Z");
  await page.getByText(/before what the log keeps/).waitFor();
  await axe(page, "too early");
  await page.getByRole("button", { name: "Date" }).click();
  await page.getByRole("menuitem", { name: "Now" }).click();
  await row(page, "Stan Stone").waitFor();
});
test("the review is a file that the log knows by its digest", async () => {
  await page.getByRole("button", { name: "Export review" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: /CSV/ }).click()]);
  assert.match(file.suggestedFilename(), /^access-review-.*\.csv$/);
  const text = readFileSync(await file.path(), "utf8");
  assert.match(text.split("\r\n")[0], /reviewed by,decision$/);
  assert.ok(text.includes("stan@example.org"));
  await admin.event("AccessExported");
});
test("an auditor has it; dark and narrow", async () => {
  const own = await b.page({ scheme: "dark", width: 390, height: 840 });
  await signIn(own, s, "aud@example.org", PASSWORD);
  await open(own, s, "/admin/access");
  await own.getByRole("button", { name: "Rights of Stan Stone" }).click();
  await own.getByRole("heading", { name: "On clients" }).waitFor();
  await axe(own, "access, dark and narrow");
  await shot(own, "access-dark-narrow");
  assert.ok((await tooWide(own)) <= 0, "nothing sticks out");
  await own.context().close();
  assert.deepEqual(b.complaints, []);
});
