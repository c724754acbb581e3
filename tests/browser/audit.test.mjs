/** The documented example, in the page: Start date, Past 30 days, the word: three acts, no submit. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, shot } from "./harness.mjs";

let s, b, admin, page;
const expected = new Set(["PasswordChanged", "PasswordChangedByOther", "PasswordResetRequested", "PasswordChangeRefused", "SetPasswordLinkCreated"]);
before(async () => {
  s = await serve({ proxy: true, users: [{ email: "pat@example.org", first: "Pat", last: "Park", role: "STD_USER" }] });
  admin = await s.as();
  await admin.events({ q: "password" });
  let n = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (n < 1000) {
      const i = n++;
      await s.client({ from: `10.${(i >> 8) & 255}.${i & 255}.9` }).post("/api/v1/authenticate", { username: `name${i % 40}@example.org`, password: `Wrong-${i}` });
    }
  }));
  const pat = await s.as("pat@example.org");
  await pat.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Another-Meadow-52?" });
  b = await browser();
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

const messages = () => page.locator(".log-row .what").allInnerTexts();

test("from the menu: Account Admin, Security & User Management, Audit log", async () => {
  await page.getByRole("link", { name: "Account Admin" }).click();
  await page.getByRole("heading", { name: "Admin Dashboard" }).waitFor();
  await page.getByText("Security & User Management").waitFor();
  await page.getByRole("link", { name: /^Audit log/ }).click();
  await page.getByRole("heading", { name: "Audit log" }).waitFor();
  await page.locator(".log-row").first().waitFor();
  await shot(page, "audit-log");
});
test("the example: exactly the password events", async () => {
  await page.getByRole("button", { name: "Start date" }).click();
  await page.getByRole("menuitem", { name: "Past 30 days" }).click();
  await page.keyboard.type("password");
  const want = (await admin.events({ from: "30d", q: "password", limit: "1000" }));
  assert.ok(want.length >= 1 && want.every((e) => expected.has(e.event_type)));
  await until(async () => (await page.locator(".log-row").count()) === want.length, "the list to show them");
  const shown = await messages();
  want.forEach((e, i) => assert.ok(shown[i].includes(e.message), `${shown[i]} / ${e.message}`));
  assert.match(page.url(), /from=30d/);
  await until(() => /q=password/.test(page.url()), "the word in the address");
  await shot(page, "audit-example");
});
test("a new event appears without reload, and holds still while one reads", async () => {
  const pat = await s.as("pat@example.org", "Another-Meadow-52?");
  const count = await page.locator(".log-row").count();
  await pat.ok("PUT", "/api/v1/user/changepass", { currentPassword: "Another-Meadow-52?", newPassword: "Yet-Another-Field-63!" });
  await until(async () => (await page.locator(".log-row").count()) === count + 1, "the new event");
  await page.locator(".log-row").nth(1).click();
  await page.locator(".detail").waitFor();
  const again = await s.as("pat@example.org", "Yet-Another-Field-63!");
  await again.ok("PUT", "/api/v1/user/changepass", { currentPassword: "Yet-Another-Field-63!", newPassword: "One-More-Orchard-74?" });
  await page.getByRole("button", { name: "1 new event" }).waitFor();
  await shot(page, "audit-detail");
  await page.keyboard.press("Escape");
});
test("everything is in the address: reload shows the same", async () => {
  const before = await messages();
  await page.reload();
  await until(async () => (await messages()).length >= before.length, "the list again");
  assert.equal(await page.getByLabel("Search", { exact: true }).inputValue(), "password");
});
test("an event by its own address", async () => {
  const [e] = await admin.events({ event_type: "PasswordChanged", limit: "1" });
  await page.goto(`${s.base}/admin/audit-log/${e.cuid}`);
  await page.getByText(e.message).first().waitFor();
  await page.getByText(e.leaf).waitFor();
  await shot(page, "audit-event");
});
test("no hits in the range offers the older ones", async () => {
  await page.goto(`${s.base}/admin/audit-log?q=password&from=2020-01-01&to=2020-01-02`);
  await page.getByRole("button", { name: /older match(es)?: widen/ }).click();
  await page.locator(".log-row").first().waitFor();
});
test("by keyboard alone", async () => {
  await page.goto(`${s.base}/admin/audit-log`);
  await page.locator(".log-row").first().waitFor();
  await page.locator(".log-scroll").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.locator(".detail").waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("zzzz-nothing");
  await page.getByRole("heading", { name: "No events match" }).waitFor();
});
test("the window is printed", async () => {
  await page.goto(`${s.base}/admin/audit-log`);
  await page.getByText(/Events since 1 \w+( \d{4})?; next change 1 \w+/).waitFor();
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
