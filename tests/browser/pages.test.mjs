/** Every page: it opens filled, axe finds nothing in light and in dark, and it fits a telephone. */
import { test, after, before, describe } from "node:test";
import { serve, assert, PASSWORD, ADMIN } from "../api/harness.mjs";
import { browser, signIn, open, axe, shot, tooWide } from "./harness.mjs";
import { addresses } from "./addresses.mjs";

let s, b, client, role;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }, { email: "aud@example.org", first: "Aud", last: "Itor", role: "AUDITOR" }] });
  const admin = await s.as();
  for (const name of ["Acme Corporation", "Borealis", "Cobalt Group with a name that is a good deal longer than others"])
    client = (await admin.ok("POST", "/api/v1/client/create", { name, description: "A client", poc: "Carla Contact", tags: ["web", "mobile", "internal"] })).client_id;
  const made = await admin.ok("POST", "/api/v2/tenants/0/security/role", { title: "Report reader", description: "Reads", permissions: ["CLIENTS.VIEW"] });
  role = (made.data ?? made).id;
  b = await browser(s);
});
after(async () => { await b?.close(); await s?.stop(); });

for (const { scheme, width } of [{ scheme: "light", width: 1440 }, { scheme: "dark", width: 1440 }, { scheme: "dark", width: 400 }])
  describe(`${scheme}, ${width} px`, () => {
    let page;
    before(async () => { page = await b.page({ scheme, width, height: width < 500 ? 800 : 900 }); });
    after(() => page.context().close());
    const look = async (name) => {
      assert.ok((await tooWide(page)) <= 1, `${name} is ${await tooWide(page)} px too wide`);
      assert.equal(await page.getByText(/something went wrong|server answered 5|could not be loaded|undefined|\[object/i).count(), 0, name);
      await axe(page, name);
      await shot(page, `${name}-${scheme}-${width}`);
    };
    test("sign-in, forgotten password, password by link", async () => {
      await page.goto(s.base + "/");
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((a, x) => a + Number(x), 0) / 3);
      assert.ok(scheme === "dark" ? ground < 80 : ground > 200, `ground ${ground}`);
      await look("sign-in");
      await page.goto(s.base + "/forgot");
      await page.getByRole("button", { name: "Send the link" }).waitFor();
      await look("forgot");
      await page.goto(s.base + "/password/nothing");
      await page.getByRole("button", { name: "Set password" }).waitFor();
      await look("password-link");
    });
    test("signed in", () => signIn(page, s, ADMIN.email, PASSWORD));
    test("every page", async (t) => {
      for (const [name, at] of addresses({ client, role }))
        await t.test(name, async () => { await open(page, s, at); await look(name); });
    });
    test("menu and jump", async () => {
      await page.getByRole("button", { name: "User menu" }).click();
      await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
      await look("menu");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+k");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.type("acme");
      await page.getByRole("dialog").getByText("Acme Corporation").waitFor();
      await look("jump");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Acme Corporation", level: 1 }).waitFor();
    });
  });

test("an auditor sees the log and no more of the administration", async () => {
  const page = await b.page();
  await signIn(page, s, "aud@example.org", PASSWORD);
  await open(page, s, "/admin/audit-log");
  await page.locator(".log-row").first().waitFor();
  await open(page, s, "/");
  await page.getByRole("link", { name: "Access on a date" }).waitFor();
  assert.equal(await page.getByText(/clients/i).count(), 0, "who works on none is told of none");
  await open(page, s, "/admin");
  await page.getByRole("link", { name: "Audit log", exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: /^(Users|Role Based|Authorization|Authentication|General)/ }).count(), 0);
});
test("a standard user has no administration, and its addresses say so", async () => {
  const page = await b.page();
  await signIn(page, s, "stan@example.org", PASSWORD);
  assert.equal(await page.getByRole("link", { name: "Account Admin" }).count(), 0);
  await page.goto(s.base + "/admin/users");
  await page.getByRole("heading", { name: "You do not have access to this" }).waitFor();
});
test("the colours chosen in the page last", async () => {
  const page = await b.page();
  await signIn(page, s, "stan@example.org", PASSWORD);
  await page.getByRole("button", { name: "Switch to dark colours" }).click();
  await page.reload();
  await page.getByRole("button", { name: "Switch to light colours" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.mantineColorScheme), "dark");
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
