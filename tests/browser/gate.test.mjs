/** The way in and out: set-up by the printed link, sign-in, a forgotten password, a session that ends under one's hands. */
import { test, after, before, describe } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until, smtpSink, mailText } from "../api/harness.mjs";
import { browser, signIn, offer, inside, open, toast, axe, shot } from "./harness.mjs";

describe("an empty folder", () => {
  let s, b, page;
  before(async () => { s = await serve({ noAdmin: true }); b = await browser(s); page = await b.page(); });
  after(async () => { await b?.close(); await s?.stop(); });

  test("the link the server prints leads to the set-up", async () => {
    const link = await until(() => /https?:\/\/\S*setup\S*token=\S+/.exec(s.out)?.[0], "the link");
    const u = new URL(link);
    await page.goto(s.base + u.pathname + u.search + u.hash);
    await page.getByRole("heading", { name: "Set up Recount" }).waitFor();
    assert.notEqual(await page.getByLabel("Set-up token").inputValue(), "");
    await axe(page, "set-up");
    await shot(page, "setup");
  });
  test("a weak password is refused beside its field, and nothing typed is lost", async () => {
    await page.getByLabel("Name of the workspace").fill("Northwind Security");
    await page.getByLabel("First name").fill("Fay");
    await page.getByLabel("Last name").fill("First");
    await page.getByLabel("Email").fill("fay@example.org");
    await page.getByLabel("Password", { exact: true }).fill("short");
    await page.getByRole("button", { name: "Create the workspace" }).click();
    await page.getByRole("alert").first().waitFor();
    await axe(page, "set-up refused");
    assert.equal(await page.getByLabel("Name of the workspace").inputValue(), "Northwind Security");
  });
  test("then it is made, and one is inside", async () => {
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("radio", { name: /^12 months/ }).click();
    await page.getByRole("button", { name: "Create the workspace" }).click();
    await inside(page);
    await page.getByText("Fay", { exact: false }).first().waitFor();
    const admin = await s.as("fay@example.org");
    assert.equal((await admin.ok("GET", "/api/v2/tenants/0/settings/audit")).data.months_kept, 12);
  });
  test("the link does not work twice", async () => {
    const other = await b.page();
    const u = new URL(/https?:\/\/\S*setup\S*token=\S+/.exec(s.out)[0]);
    await other.goto(s.base + u.pathname + u.search + u.hash);
    await until(async () => (await other.getByRole("button", { name: "Sign in" }).count()) || (await other.getByText(/already|set up/i).count()), "an answer");
  });
  test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
});

describe("a workspace", () => {
  let s, b, admin, sink;
  before(async () => {
    sink = await smtpSink();
    s = await serve({ users: ["stan", "tess", "uma"].map((n) => ({ email: `${n}@example.org`, first: n[0].toUpperCase() + n.slice(1), last: "Stone", role: n === "uma" ? "ADMIN" : "STD_USER" })) });
    admin = await s.as();
    b = await browser(s);
  });
  after(async () => { await b?.close(); await s?.stop(); sink?.close(); });
  const endSessions = async (email) => {
    const u = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50&offset=0")).data.find((x) => x.email === email);
    await admin.ok("POST", `/api/v2/tenants/0/users/${u.user_id}/end-sessions`);
  };
  const again = async (page) => {
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await dialog.waitFor();
    await axe(page, "session ended", "[role=dialog]");
    await shot(page, "session-ended");
    await offer(dialog, null, PASSWORD);
    await dialog.waitFor({ state: "hidden" });
  };

  test("a wrong password says so, the same for a name nobody has, and keeps the name", async () => {
    const page = await b.page(), said = [];
    await page.goto(s.base + "/");
    for (const email of [ADMIN.email, "nobody@example.org"]) {
      await page.goto(s.base + "/");
      await offer(page, email, "Wrong-Password-1!");
      said.push(await page.getByRole("alert").innerText());
      assert.equal(await page.getByLabel("Email").inputValue(), email);
    }
    assert.equal(said[0], said[1]);
    assert.doesNotMatch(said[0], /unknown|no such|disabled|locked/i);
    await axe(page, "refused");
    await shot(page, "sign-in-refused");
    await page.getByLabel("Email").fill(ADMIN.email);
    await offer(page, null, PASSWORD);
    await inside(page);
  });
  test("an address inside leads there after the sign-in", async () => {
    const page = await b.page();
    await page.goto(s.base + "/admin/users");
    await offer(page, ADMIN.email, PASSWORD);
    await page.getByRole("heading", { name: "Users", level: 1 }).waitFor();
  });
  test("a session that ends asks for the password over the page, and what was typed is saved", async () => {
    const page = await b.page();
    await signIn(page, s, "stan@example.org", PASSWORD);
    await open(page, s, "/profile");
    await page.getByLabel("First name").fill("Stanislaus");
    await endSessions("stan@example.org");
    await page.getByRole("button", { name: "Save" }).first().click();
    await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    assert.equal(await page.getByLabel("First name").inputValue(), "Stanislaus");
    await again(page);
    await toast(page, "Saved");
    await admin.event("UserUpdated", (e) => JSON.stringify(e.changes).includes("Stanislaus"));
  });
  test("also in the middle of typing a search", async () => {
    const page = await b.page();
    await signIn(page, s, "uma@example.org", PASSWORD);
    await open(page, s, "/admin/audit-log");
    await page.keyboard.press("/");
    await page.keyboard.type("stanis");
    await endSessions("uma@example.org");
    await page.keyboard.type("laus");
    await again(page);
    const text = await page.getByRole("textbox", { name: "Search", exact: true }).inputValue();
    assert.ok("stanislaus".startsWith(text) && text.length >= 6, text);
    await page.locator(".log-row", { hasText: "Stan" }).first().waitFor();
  });
  test("forgotten, without mail: the administrator copies a link, which sets a password once", async () => {
    const page = await b.page(), other = await b.page();
    await signIn(page, s, ADMIN.email, PASSWORD);
    await open(page, s, "/admin/users");
    await page.getByRole("button", { name: "Actions for Tess Stone" }).click();
    await page.getByRole("menuitem", { name: "Copy set-password link" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Copy link" }).click();
    const link = await until(() => page.evaluate(() => navigator.clipboard.readText()), "the copied link");
    assert.ok(link.startsWith(s.base), link);
    await shot(page, "password-link-copied");
    await other.goto(link);
    await other.getByLabel("New password", { exact: true }).fill("Another-Meadow-52?");
    await other.getByLabel("New password again").fill("Another-Meadow-53?");
    await other.getByRole("button", { name: "Set password" }).click();
    await other.getByText("Differs from the first").waitFor();
    await other.getByLabel("New password again").fill("Another-Meadow-52?");
    await other.getByRole("button", { name: "Set password" }).click();
    await other.getByText("Your password is set").waitFor();
    await signIn(other, s, "tess@example.org", "Another-Meadow-52?");
    const third = await b.page();
    await third.goto(link);
    await third.getByLabel("New password", { exact: true }).fill("Third-Meadow-54?!");
    await third.getByLabel("New password again").fill("Third-Meadow-54?!");
    await third.getByRole("button", { name: "Set password" }).click();
    await third.getByRole("alert").waitFor();
  });
  test("forgotten, with mail: the link in it", async () => {
    const page = await b.page();
    await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
    await page.goto(s.base + "/");
    await page.getByRole("link", { name: "Forgotten your password?" }).click();
    await page.getByLabel("Email").fill("stan@example.org");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByText("a link is on its way").waitFor();
    const link = await until(() => sink.mails.map((m) => /https?:\/\/\S+\/password\S+/.exec(mailText(m))?.[0]).find(Boolean), "the mail");
    const u = new URL(link);
    await page.goto(s.base + u.pathname + u.search + u.hash);
    await page.getByLabel("New password", { exact: true }).fill("Another-Meadow-52?");
    await page.getByLabel("New password again").fill("Another-Meadow-52?");
    await page.getByRole("button", { name: "Set password" }).click();
    await page.getByText("Your password is set").waitFor();
    await signIn(page, s, "stan@example.org", "Another-Meadow-52?");
  });
  test("signing out ends the session at the server", async () => {
    const page = await b.page();
    await signIn(page, s, ADMIN.email, PASSWORD);
    const cookie = (await page.context().cookies()).map((c) => `${c.name}=${c.value}`).join("; ");
    assert.equal((await s.client({ cookie }).get("/api/v2/session")).status, 200);
    await page.getByRole("button", { name: "User menu" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal((await s.client({ cookie }).get("/api/v2/session")).status, 401);
    await admin.event("Logout");
  });
  test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
});
