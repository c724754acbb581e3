/** After a step of the clock the audit page says that months are held, and who may lets them go. */
import { test, after, before } from "node:test";
import { serve, assert, sqlOn, PASSWORD, ADMIN } from "../api/harness.mjs";
import { browser, signIn, open, axe, shot } from "./harness.mjs";

let s, b;
before(async () => {
  s = await serve({ users: [{ email: "ada@example.org", first: "Ada", last: "Auer", role: "AUDITOR" }] });
  await s.stop({ drop: false });
  sqlOn(s.store, `UPDATE audit_clock SET wall = wall + ${3 * 3600 * 1_000_000}`);
  await s.start();
  b = await browser(s);
});
after(async () => { await b?.close(); await s?.stop(); });

test("an auditor is told, and can not confirm", async () => {
  const page = await b.page();
  await signIn(page, s, "ada@example.org", PASSWORD);
  await open(page, s, "/admin/audit-log");
  await page.getByText("The server's clock was stepped").waitFor();
  assert.equal(await page.getByRole("button", { name: "The time is right" }).count(), 0);
  await page.context().close();
});
test("an administrator confirms; the notice goes and stays away", async () => {
  const page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
  await open(page, s, "/admin/audit-log");
  await page.locator(".log-row", { hasText: "No month of the audit log expires" }).waitFor();
  await axe(page, "clock held");
  await shot(page, "audit-clock");
  await page.getByRole("button", { name: "The time is right" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Confirm the time" }).click();
  await page.getByText("The server's clock was stepped").waitFor({ state: "hidden" });
  await page.locator(".log-row", { hasText: "confirmed the clock" }).waitFor();
  await page.reload();
  await page.locator(".log-row").first().waitFor();
  assert.equal(await page.getByText("The server's clock was stepped").count(), 0);
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
