/** The Verify button: every step is checked in the browser, and each kind of lie is named by the step that finds it. */
import { test, after, before } from "node:test";
import { serve, assert, until, ADMIN, PASSWORD } from "../api/harness.mjs";
import { axe, browser, open, shot, signIn } from "./harness.mjs";

let s, b, admin, page, e;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }] });
  admin = await s.as();
  await admin.ok("POST", "/api/v1/client/create", { name: "Acme \u202Egnp.exe" });
  const id = (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 1 } })).data[0].client_id;
  await admin.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Holding", description: "Renamed" });
  e = await admin.event("ClientUpdated");
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

const verify = async (p = page) => {
  await open(p, s, `/admin/audit-log/${e.cuid}`);
  await p.getByRole("button", { name: "Verify" }).click();
  await p.locator(".verdict").waitFor();
  return p.locator(".verdict").innerText();
};
const steps = (p = page) => p.locator(".verify .steps li").evaluateAll((all) => all.map((n) => `${n.className}: ${n.querySelector("strong")?.textContent}`));
const GOOD = ["ok: Record", "ok: Leaf", "ok: Signature", "ok: Place in the log", "ok: This browser's memory"];
/** Changes the proof on its way to the page. */
const lie = async (change, p = page) => p.route("**/auditlog/proof/*", async (route) => {
  const r = await route.fetch(), a = await r.json();
  change(a.data);
  await route.fulfill({ response: r, json: a });
});
const flip = (text, at, coding) => { const bytes = Buffer.from(text, coding); bytes[at] ^= 1; return bytes.toString(coding); };

test("an honest event verifies, step by step", async () => {
  assert.equal(await verify(), "Verified in this browser");
  assert.deepEqual(await steps(), GOOD);
  await page.getByText("checked by WebCrypto").waitFor();
  await axe(page, "a verified event");
  await shot(page, "proof-verified");
  assert.equal(await verify(), "Verified in this browser");
  await page.getByText("nothing in between was changed or removed").waitFor();
});
test("an event with hidden characters verifies, too", async () => {
  const kept = e;
  e = await admin.event("ClientCreated");
  assert.equal(await verify(), "Verified in this browser");
  const text = await page.locator(".detail").innerText();
  assert.match(text, /Acme \\u\{202E\}gnp\.exe/);
  assert.doesNotMatch(text, /\u202E/);
  e = kept;
});
for (const [name, change, at] of /** @type {[string, (d: any) => void, string][]} */ ([
  ["the personal part", (d) => { d.personal = flip(d.personal, 40, "base64"); }, "Record"],
  ["the salt", (d) => { d.salt = flip(d.salt, 3, "base64"); }, "Leaf"],
  ["the signature", (d) => { const cut = d.checkpoint.lastIndexOf(" ") + 1, line = d.checkpoint.slice(cut).trimEnd(); d.checkpoint = d.checkpoint.slice(0, cut) + flip(line, 20, "base64") + "\n"; }, "Check"],
  ["the path", (d) => { d.inclusion[0] = flip(d.inclusion[0], 0, "hex"); }, "Place in the log"],
  ["the index", (d) => { d.index -= 1; }, "Place in the log"],
])) {
  test(`${name} changed on the way is found`, async () => {
    await lie(change);
    assert.equal(await verify(), "This event does not verify");
    assert.equal((await steps()).at(-1), `bad: ${at}`);
    if (name === "the path") await shot(page, "proof-refused");
    await page.unroute("**/auditlog/proof/*");
  });
}
test("a shown text that is not the recorded one is found", async () => {
  await page.route(`**/auditlog/${e.cuid}`, async (route) => { const r = await route.fetch(), a = await r.json(); a.data.changes[0].after = "Acme Hidden"; await route.fulfill({ response: r, json: a }); });
  assert.equal(await verify(), "This event does not verify");
  assert.deepEqual(await steps(), ["bad: Record"]);
  await page.getByText("differs from the record in: changes").waitFor();
  await page.unroute(`**/auditlog/${e.cuid}`);
});
test("a log that does not continue what this browser saw is found", async () => {
  await page.evaluate(() => { const k = Object.keys(localStorage).find((x) => x.startsWith("recount.checkpoint.")), m = JSON.parse(localStorage.getItem(k)); m.root = m.root.replace(/^./, (c) => (c === "0" ? "1" : "0")); localStorage.setItem(k, JSON.stringify(m)); });
  await admin.ok("POST", "/api/v1/tenant/0/tag", { name: "one more" });
  await until(async () => (await verify()) === "This event does not verify", "the lie to be found");
  assert.equal((await steps()).at(-1), "bad: This browser's memory");
  await page.evaluate(() => localStorage.clear());
});
test("without WebCrypto a script does it, with the same result", async () => {
  const other = await b.page();
  await other.addInitScript(() => Object.defineProperty(Crypto.prototype, "subtle", { get: () => undefined }));
  await signIn(other, s, ADMIN.email, PASSWORD);
  assert.equal(await verify(other), "Verified in this browser");
  await other.getByText("checked by script").waitFor();
  await other.getByText("plain HTTP").waitFor();
  await lie((d) => { d.inclusion[0] = flip(d.inclusion[0], 0, "hex"); }, other);
  assert.equal(await verify(other), "This event does not verify");
  await other.context().close();
});
test("the proof file is the one of C2SP", async () => {
  await open(page, s, `/admin/audit-log/${e.cuid}`);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Proof file" }).click()]);
  assert.equal(file.suggestedFilename(), `${e.cuid}.tlog-proof`);
});
test("dark and narrow", async () => {
  const dark = await b.page({ scheme: "dark", width: 400, height: 900 });
  await signIn(dark, s, ADMIN.email, PASSWORD);
  assert.equal(await verify(dark), "Verified in this browser");
  await axe(dark, "a verified event, dark and narrow");
  await shot(dark, "proof-dark-narrow");
  await dark.context().close();
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
