/** Every page: it opens, axe finds nothing, light and dark; the way in and out. */
import { test, after, before, describe } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, axe, shot } from "./harness.mjs";

let s, b, admin, client;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }, { email: "aud@example.org", first: "Aud", last: "Itor", role: "AUDITOR" }] });
  admin = await s.as();
  for (const name of ["Acme Corporation", "Borealis", "Cobalt Group"])
    client = (await admin.ok("POST", "/api/v1/client/create", { name, description: "A client", tags: ["web"] })).client_id;
  b = await browser();
});
after(async () => { await b?.close(); await s?.stop(); });

const PAGES = [["dashboard", "/"], ["clients", "/clients"], ["client", () => `/clients/${client}`], ["profile", "/profile"], ["profile-password", "/profile/password"], ["profile-mfa", "/profile/mfa"],
  ["profile-sessions", "/profile/sessions"], ["profile-tokens", "/profile/tokens"], ["admin", "/admin"], ["users", "/admin/users"], ["roles", "/admin/roles"], ["authorization", "/admin/authorization"],
  ["tiers", "/admin/classification-tiers"], ["general", "/admin/general"], ["email", "/admin/email"], ["authentication", "/admin/authentication"], ["audit-settings", "/admin/audit-settings"],
  ["health", "/admin/health"], ["audit-log", "/admin/audit-log"]];

for (const scheme of ["light", "dark"])
  describe(`${scheme}: axe`, () => {
    let page;
    before(async () => {
      page = await b.page({ scheme });
      await page.goto(s.base + "/");
      await page.getByRole("button", { name: "Sign in" }).waitFor();
    });
    test("sign-in", async () => { await axe(page, "sign-in"); await shot(page, `sign-in-${scheme}`); });
    test("forgotten password", async () => {
      await page.goto(s.base + "/forgot");
      await page.getByRole("button", { name: "Send the link" }).waitFor();
      await axe(page, "forgot");
    });
    test("signed in", () => signIn(page, s, ADMIN.email, PASSWORD));
    for (const [name, at] of PAGES)
      test(name, async () => {
        await page.goto(s.base + (typeof at === "function" ? at() : at));
        await page.getByRole("heading", { level: 1 }).waitFor();
        await until(async () => !(await page.locator(".skeleton,[aria-busy=true]").count()), "the page to be filled");
        assert.equal(await page.getByText(/something went wrong|server answered 5/i).count(), 0);
        await axe(page, name);
        await shot(page, `${name}-${scheme}`);
      });
  });

test("narrow: the audit log and the clients fit a telephone", async () => {
  const page = await b.page({ width: 390, height: 800 });
  await page.goto(s.base + "/");
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Menu", exact: true }).waitFor();
  for (const at of ["/admin/audit-log", "/clients", "/"]) {
    await page.goto(s.base + at);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 1, `${at} is ${over} px too wide`);
    await shot(page, `narrow-${at.replaceAll("/", "_")}`);
  }
});
test("a wrong password says so, and does not say which part was wrong", async () => {
  const page = await b.page();
  await page.goto(s.base + "/");
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password", { exact: true }).fill("Wrong-Password-1!");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  assert.doesNotMatch(await page.getByRole("alert").innerText(), /unknown|no such|disabled|locked/i);
});
test("an auditor sees the log and no more of the administration", async () => {
  const page = await b.page();
  await signIn(page, s, "aud@example.org", PASSWORD);
  await page.goto(s.base + "/admin/audit-log");
  await page.locator(".log-row").first().waitFor();
  await page.goto(s.base + "/admin");
  assert.equal(await page.getByRole("link", { name: /^Users/ }).count(), 0);
});
test("a session that ends asks for the password and loses nothing typed", async () => {
  const page = await b.page();
  await signIn(page, s, "stan@example.org", PASSWORD);
  await page.goto(s.base + "/profile");
  await page.getByLabel("First name").fill("Stanislaus");
  await page.context().clearCookies();
  await page.getByRole("button", { name: /update settings|save/i }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await admin.event("UserUpdated", (e) => JSON.stringify(e.changes).includes("Stanislaus"));
});
test("signing out ends the session at the server", async () => {
  const page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
  await page.getByRole("button", { name: "User menu" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await admin.event("Logout");
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
