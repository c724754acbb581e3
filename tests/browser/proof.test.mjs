/** The Verify button: every step is checked in the browser, and each kind of lie is named by the step that finds it. */
import { test, after, before } from "node:test";
import { serve, assert, createUser, until, ADMIN, PASSWORD } from "../api/harness.mjs";
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
/** Changes what is shown of the event on its way to the page, and says what the page finds. */
async function shown(change) {
  const at = `**/auditlog/${e.cuid}`;
  await page.route(at, async (route) => { const r = await route.fetch(), a = await r.json(); change(a.data); await route.fulfill({ response: r, json: a }); });
  const verdict = await verify(), all = await steps(), text = await page.locator(".verify .steps").innerText();
  await page.unroute(at);
  assert.equal(verdict, "This event does not verify", change.toString());
  assert.deepEqual(all, ["bad: Record"], change.toString());
  return text;
}
/** All changes at once: each is named. */
async function allFound(changes) {
  const text = await shown((d) => { for (const [change] of changes) change(d); }), names = /differs from the record in: (.*)\./.exec(text)[1].split(", ");
  assert.deepEqual(names.sort(), changes.map(([, name]) => name).sort());
}
const COMMON = /** @type {[(d: any) => void, string][]} */ ([
  [(d) => { d.outcome = "denied"; }, "outcome"], [(d) => { d.logged = "2020-01-01T00:00:00.000Z"; }, "time it was logged"], [(d) => { d.count = 3; }, "count"], [(d) => { d.epoch = 1; }, "epoch"], [(d) => { d.request_id = "x"; }, "request"],
  [(d) => { d.actor.id = "c00000000000000000000000"; }, "id of the person"], [(d) => { d.actor.kind = "system"; }, "kind of person"], [(d) => { d.actor.session = "x"; }, "session"], [(d) => { d.actor.email = "m@example.org"; }, "e-mail"], [(d) => { d.actor.name = "Mallory"; }, "person"], [(d) => { d.user_info = "Mallory"; }, "user"],
  [(d) => { d.target.id = "99"; }, "id of the target"], [(d) => { d.target.kind = "user"; }, "kind of target"], [(d) => { d.target.name = "Other"; }, "target"], [(d) => { d.target.email = "m@example.org"; }, "e-mail of the target"],
  [(d) => { d.client.id = 99; }, "client"], [(d) => { d.client.name = "Other"; }, "name of the client"], [(d) => { d.address = "192.0.2.9"; }, "address"], [(d) => { d.via = "192.0.2.9"; }, "proxy"], [(d) => { d.user_agent = "curl"; }, "browser"], [(d) => { d.private_detail = "x"; }, "detail"], [(d) => { d.message = "x"; }, "text"],
]);
test("every member that is shown is held against the record", { timeout: 180_000 }, async () => {
  await allFound(COMMON);
  assert.match(await shown((d) => { d.erased = true; }), /erasure/);
});
test("of an erased event nothing is shown but pseudonyms, and that it is only said to be erased", { timeout: 240_000 }, async () => {
  const was = e, vera = { email: "vera@example.org", first: "Vera", last: "Vogelquist", role: "ADMIN" };
  for (const u of [vera, { email: "bert@example.org", role: "ADMIN" }]) createUser(s.store, { ...u, tenant: 0 });
  const c = await s.as(vera.email), user = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === vera.email), id = (await c.ok("POST", "/api/v1/client/create", { name: "Hers" })).client_id;
  await c.ok("PUT", `/api/v1/client/${id}`, { name: "Hers no more" });
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${user.user_id}`);
  const { data: r } = await admin.ok("POST", "/api/v2/auditlog/erasures", { subject: vera.email, reason: "She asked for it", legal_ground: "GDPR Art. 17(1)(b)" });
  await (await s.as("bert@example.org")).ok("POST", `/api/v2/auditlog/erasures/${r.id}/approve`);
  await until(async () => (await admin.ok("GET", `/api/v2/auditlog/erasures/${r.id}`)).data.state === "done", "the erasure", 90_000);
  e = (await admin.events({ event_type: "ClientUpdated" })).find((x) => x.erased);
  assert.equal(await verify(), "Verified in this browser");
  assert.match(await page.locator(".verify .steps").innerText(), /said to be erased/);
  await axe(page, "an erased event");
  await allFound([...COMMON, [(d) => { d.changes = [{ field: "a", before: null, after: "b" }]; }, "changes"]]);
  for (const [change, name] of [[(d) => { d.erased = false; d.erased_at = null; }, "erasure"], [(d) => { d.message += " by Bert"; }, "text"], [(d) => { d.actor.name = d.user_info = "Erased person 0123456789"; }, "person"]]) assert.match(await shown(change), new RegExp(`differs from the record in: .*${name}`));
  for (const change of [(d) => { d.erased = false; }, (d) => { d.personal = ""; }, (d) => { d.salt = "AAAAAAAAAAAAAAAAAAAAAA=="; }]) {
    await lie(change);
    assert.equal(await verify(), "This event does not verify");
    assert.deepEqual(await steps(), ["bad: Record"]);
    await page.unroute("**/auditlog/proof/*");
  }
  e = was;
  // The other way about: the personal part is withheld, and the page still shows it.
  await lie((d) => { d.erased = true; d.personal = d.salt = null; });
  assert.equal(await verify(), "This event does not verify");
  assert.deepEqual(await steps(), ["bad: Record"]);
  await page.unroute("**/auditlog/proof/*");
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
