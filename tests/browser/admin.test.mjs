/** Account Admin by hand and mouse: users, roles, authorization, tiers, settings. What the page did is asked of the log. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, open, toast, choose, axe, shot } from "./harness.mjs";

let s, b, admin, page;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }] });
  admin = await s.as();
  for (const name of ["Acme Corporation", "Borealis"]) await admin.ok("POST", "/api/v1/client/create", { name });
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });
const about = (text) => (e) => JSON.stringify(e).includes(text);
const dialog = (name) => page.getByRole("dialog", name ? { name } : undefined);
const row = (text) => page.getByRole("row").filter({ hasText: text });
const userMenu = async (name, item) => {
  await page.getByRole("button", { name: `Actions for ${name}` }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
};

test("users: two at once", async () => {
  await open(page, s, "/admin/users");
  await page.getByRole("button", { name: "Add users" }).click();
  const d = dialog("Add users");
  await d.getByLabel("Email").fill("nora@example.org");
  await d.getByLabel("First name").fill("Nora");
  await d.getByLabel("Last name").fill("North");
  await d.getByRole("button", { name: "New user" }).click();
  const second = d.getByRole("group", { name: "User 2" });
  await second.getByLabel("Email").fill("otto@example.org");
  await second.getByLabel("First name").fill("Otto");
  await second.getByLabel("Last name").fill("Oster");
  await choose(second, "Role", "Analyst");
  await axe(page, "add users");
  await shot(page, "users-add");
  await d.getByRole("button", { name: "Add 2 users" }).click();
  await toast(page, "2 users added");
  await row("nora@example.org").waitFor();
  assert.match(await row("otto@example.org").innerText(), /Analyst/);
  await admin.event("UserCreated", about("nora@example.org"));
  await admin.event("UserCreated", about("otto@example.org"));
});
test("users: a name twice is refused, and the form keeps what was typed", async () => {
  await page.getByRole("button", { name: "Add users" }).click();
  const d = dialog("Add users");
  await d.getByLabel("Email").fill("nora@example.org");
  await d.getByLabel("First name").fill("Nora");
  await d.getByLabel("Last name").fill("Again");
  await d.getByRole("button", { name: "Add user", exact: true }).click();
  await d.getByText(/exist|already|taken/i).first().waitFor();
  assert.equal(await d.getByLabel("Last name").inputValue(), "Again");
  await page.keyboard.press("Escape");
});
test("users: disable and enable one; the state is shown and recorded", async () => {
  await userMenu("Nora North", "Disable");
  await dialog("Disable Nora North?").getByRole("button", { name: "Disable" }).click();
  await row("nora@example.org").getByText("User disabled").waitFor();
  await admin.event("UserDisabled", about("nora@example.org"));
  await choose(page, "Status", "Disabled");
  await until(async () => !(await row("stan@example.org").count()), "the others to go");
  assert.match(page.url(), /status=disabled/);
  await userMenu("Nora North", "Enable");
  await admin.event("UserEnabled", about("nora@example.org"));
  await page.getByRole("heading", { name: "No user matches" }).waitFor();
  await choose(page, "Status", "All states");
});
test("users: several at once", async () => {
  await page.getByRole("checkbox", { name: "Select Nora North" }).click();
  await page.getByRole("checkbox", { name: "Select Otto Oster" }).click();
  const bulk = page.getByRole("region", { name: "Bulk actions" });
  await bulk.getByText("2 selected").waitFor();
  await axe(page, "bulk");
  await shot(page, "users-bulk");
  await bulk.getByRole("button", { name: "Disable" }).click();
  await dialog().getByRole("button", { name: "Disable" }).click();
  await row("nora@example.org").getByText("User disabled").waitFor();
  await row("otto@example.org").getByText("User disabled").waitFor();
  await until(async () => (await admin.events({ event_type: "UserDisabled" })).length === 3, "one event each");
  await bulk.getByRole("button", { name: "Delete" }).click();
  await dialog().getByRole("button", { name: "Delete" }).click();
  await until(async () => !(await row("otto@example.org").count()), "both to go");
  assert.equal((await admin.events({ event_type: "UserDeleted" })).length, 2);
});
test("users: from CSV, with the refused line named", async () => {
  await page.getByRole("button", { name: "Import from CSV" }).click();
  const d = dialog("Import users from CSV");
  const csv = "first name,last name,email,role,classification tier,authentication provider,default group\r\nUma,Ulm,uma@example.org,standard user,,plextrac,no\r\nVera,Vogt,not an address,,,,\r\n\"Wim, Jr.\",West,wim@example.org,,,plextrac,yes\r\n";
  await d.locator("input[type=file]").or(page.locator("input[type=file]")).first().setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  await d.getByRole("button", { name: "Import" }).click();
  await d.getByText(/2 users created, 1 line refused/).waitFor();
  await d.getByText("Line 3").waitFor();
  await axe(page, "CSV");
  await shot(page, "users-csv");
  await d.getByRole("button", { name: "Done" }).click();
  await row("uma@example.org").waitFor();
  await admin.event("UserCreated", about("wim@example.org"));
});
test("users: change one; the event says before and after", async () => {
  await page.getByRole("link", { name: "Uma Ulm" }).click();
  const d = dialog("Uma Ulm");
  await d.getByLabel("Last name").fill("Ulmer");
  await axe(page, "a user");
  await shot(page, "user-edit");
  await d.getByRole("button", { name: "Save" }).click();
  await toast(page, "User saved");
  const e = await admin.event("UserUpdated", about("Ulmer"));
  assert.ok(e.changes.some((c) => /Ulm\b/.test(c.before) && /Ulmer/.test(c.after)), JSON.stringify(e.changes));
});
test("roles: one with its permissions, and the matrix shows it", async () => {
  await open(page, s, "/admin/roles");
  await page.getByRole("button", { name: "Create role" }).click();
  const d = dialog("Create role");
  await d.getByLabel("Name").fill("Report reader");
  await d.getByLabel("Description").fill("Reads what testers write");
  await d.getByRole("button", { name: "Create role" }).click();
  await page.getByRole("heading", { name: "Report reader", level: 1 }).waitFor();
  await page.getByRole("checkbox", { name: "View users" }).check();
  await axe(page, "a role");
  await shot(page, "role");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await toast(page, "Permissions saved");
  await admin.event("TenantRoleUpdated", about("SECURITY.VIEW_USERS"));
  await page.getByRole("tab", { name: "Users" }).click();
  await choose(page, "Give this role to", /Stan Stone/);
  await toast(page, "Role given");
  await admin.event("TenantRoleAssigned", about("stan@example.org"));
  await open(page, s, "/admin/roles?view=matrix");
  const matrix = page.getByRole("region", { name: "Permission matrix" });
  const column = (await matrix.getByRole("columnheader").allInnerTexts()).filter((t) => !/^(Administration|Audit Log|Client)$/.test(t)).findIndex((t) => t.trim() === "Report reader");
  assert.ok(column > 0, "the role has a column");
  const cell = (permission) => matrix.getByRole("row").filter({ has: page.getByRole("cell", { name: permission, exact: true }) }).locator("td").nth(column).getByRole("img").getAttribute("aria-label");
  assert.equal(await cell("View users"), "Yes");
  assert.equal(await cell("View the audit log"), "No");
  await shot(page, "matrix");
});
test("authorization: a user on a client, and the Default Group", async () => {
  await open(page, s, "/admin/authorization");
  await page.getByRole("button", { name: "Authorize users" }).click();
  await choose(dialog("Authorize users"), "Client", "Borealis");
  const d = dialog(/^Authorize users for Borealis/);
  await choose(d, "User 1", /Stan Stone/);
  await d.getByRole("button", { name: "Save" }).click();
  await row("stan@example.org").getByText("Borealis").waitFor();
  await admin.event("UserClientRoleAssigned", about("stan@example.org"));
  await page.getByRole("switch", { name: "Default Group: Stan Stone" }).click();
  await toast(page, "joined the Default Group");
  await admin.event("AddedToDefaultGroup", about("stan@example.org"));
  await row("stan@example.org").getByRole("button", { name: /Clients of Stan Stone/ }).click();
  await dialog(/Clients of Stan Stone/).getByText("Borealis").waitFor();
  await axe(page, "authorization of one");
  await shot(page, "authorization");
  await page.keyboard.press("Escape");
});
test("tiers: on, one made, moved up and down", async () => {
  await open(page, s, "/admin/classification-tiers");
  await page.getByRole("switch", { name: /^Use classification tiers/ }).click();
  await toast(page, "Classification tiers are on");
  for (const name of ["Quiet", "Secret"]) {
    await page.getByRole("button", { name: "Create classification" }).click();
    await dialog("Create classification").getByLabel("Name").fill(name);
    await dialog("Create classification").getByRole("button", { name: "Save" }).click();
    await row(name).waitFor();
  }
  const first = () => page.getByRole("region", { name: "Tiers" }).locator("tbody tr").first().innerText();
  assert.match(await first(), /Secret/, "a new tier is the most restrictive");
  await page.getByRole("button", { name: "Quiet: up" }).click();
  await until(async () => /Quiet/.test(await first()), "the order to change");
  await page.reload();
  await until(async () => /Quiet/.test(await first()), "the order to last");
  await admin.event("ClassificationTierCreated", about("Secret"));
  await axe(page, "tiers");
  await shot(page, "tiers");
});
for (const [name, at, label, value, message] of [
  ["general", "/admin/general", "Name of the workspace", "Northwind Security", "Northwind Security"],
  ["email", "/admin/email", "Host", "mail.example.org", "mail.example.org"],
  ["authentication", "/admin/authentication", "End when idle for", "45", "45"]])
  test(`settings: ${name}`, async () => {
    await open(page, s, at);
    const save = page.getByRole("button", { name: "Save", exact: true });
    assert.ok(await save.isDisabled(), "nothing to save yet");
    await page.getByLabel(label).fill(value);
    if (name === "email") await page.getByLabel("Sender address").fill("recount@example.org");
    await page.getByText("Changes not saved").waitFor();
    await save.click();
    await toast(page, "Settings saved");
    await page.reload();
    await until(async () => (await page.getByLabel(label).inputValue()).startsWith(value), "the value to last");
    await admin.event("SettingChanged", about(message));
    await axe(page, name);
    await shot(page, `settings-${name}`);
  });
test("settings: what is typed while the rest is saved stays", async () => {
  await open(page, s, "/admin/general");
  let go;
  const held = new Promise((r) => { go = r; });
  await page.route("**/settings/general", async (route) => { if (route.request().method() === "PUT") await held; await route.continue(); });
  await page.getByLabel("Name of the workspace").fill("Southwind Security");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByLabel("Address").fill("1 Harbour Street");
  go();
  await toast(page, "Settings saved");
  await admin.event("SettingChanged", about("Southwind"));
  await page.getByText("Changes not saved").waitFor();
  assert.equal(await page.getByLabel("Address").inputValue(), "1 Harbour Street");
  assert.equal(await page.getByLabel("Name of the workspace").inputValue(), "Southwind Security");
  await page.unroute("**/settings/general");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("All saved").waitFor();
  await until(async () => (await admin.ok("GET", "/api/v2/tenants/0/settings/general")).data.address === "1 Harbour Street", "the address to be kept");
});
test("settings: what is refused says where and why", async () => {
  const before = (await admin.ok("GET", "/api/v2/tenants/0/settings/email")).data;
  await open(page, s, "/admin/email");
  await page.getByLabel("Sender address").fill("not an address");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").first().waitFor();
  assert.deepEqual((await admin.ok("GET", "/api/v2/tenants/0/settings/email")).data, before);
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
