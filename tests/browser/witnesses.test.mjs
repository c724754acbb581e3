/** The page of the witnesses, checkpoints by mail, and the banner that stands on every page while the log is known to be wrong. */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, PASSWORD, ADMIN, until, smtpSink } from "../api/harness.mjs";
import { Crook, Witness } from "../api/witnesses.mjs";
import { browser, signIn, open, toast, axe, shot, tooWide, settled } from "./harness.mjs";

let s, b, admin, page, sink, vkey, origin, w, trouble, liar;
const policy = (text) => { writeFileSync(path.join(s.store.data, "witnesses.policy"), text); s.child.kill("SIGHUP"); };
const status = async () => (await admin.ok("GET", "/api/v2/auditlog/witnesses/status")).data;
const entry = (name, p = page) => p.locator("li.entry").filter({ hasText: name });
const panel = (name, p = page) => p.locator("section.panel").filter({ has: p.getByRole("heading", { name, exact: true }) });
const alarm = (p = page) => p.locator(".alarm");
const both = async (name, act = async (p) => {}) => {
  for (const [look, o] of /** @type {[string, object][]} */ ([["light", {}], ["dark", { scheme: "dark" }], ["narrow", { width: 400, height: 860 }]])) {
    const p = await b.page(o);
    await signIn(p, s, ADMIN.email, PASSWORD);
    await open(p, s, "/admin/witnesses");
    await act(p);
    assert.equal(await tooWide(p), 0, `${name}, ${look}`);
    await axe(p, `${name}, ${look}`);
    await shot(p, `${name}-${look}`);
    await p.locator(".main").evaluate((m) => { m.scrollTop = m.scrollHeight; });
    await shot(p, `${name}-${look}-end`);
    await p.context().close();
  }
};
before(async () => {
  sink = await smtpSink();
  s = await serve({ users: [{ email: "aud@example.org", first: "Aud", last: "Itor", role: "AUDITOR" }, { email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }], args: ["--self-check", "1"], tampers: true });
  admin = await s.as();
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  vkey = (await until(async () => { const r = await admin.get("/api/v2/auditlog/checkpoint"); return r.status === 200 && (await admin.get("/api/v2/auditlog/vkey")); }, "a checkpoint")).text.trim();
  origin = vkey.split("+")[0];
  w = await new Witness([vkey], { name: "auditor.example" }).start();
  trouble = await new Crook("board.example", (c, n, rs) => { rs.writeHead(503); rs.end(); }).start();
  liar = await new Crook("insurer.example", (c, n, rs) => { rs.writeHead(409, { "content-type": "text/x.tlog.size" }); rs.end("99999999\n"); }).start();
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => {
  await b?.close();
  trouble?.stop(); liar?.stop();
  await w?.stop(); w?.drop();
  await s?.stop();
  sink?.close();
});

test("without a witness the page says what to do, with this log's values", async () => {
  await open(page, s, "/admin");
  await page.getByRole("link", { name: "Witnesses" }).click();
  await page.getByRole("heading", { name: "No witness is configured" }).waitFor();
  const lines = await page.getByRole("region", { name: "Commands for the witness" }).innerText();
  assert.match(lines, /^recount witness --name auditor --data \/var\/lib\/witness --listen 0\.0\.0\.0:8090 --logs \/etc\/witness\/logs$/m);
  assert.ok(lines.split("\n").includes(vkey), lines);
  assert.match(await page.getByRole("region", { name: "Lines for the policy" }).innerText(), /^log .+\nwitness auditor KEY http:\/\/ADDRESS:8090\nquorum auditor$/);
  await panel("This log").getByRole("button", { name: "Copy key" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), vkey);
  await panel("This log").getByRole("button", { name: "Copy origin" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), origin);
  await both("witnesses-empty");
});
test("the lines of the page, typed as they stand, make a witness that cosigns", { timeout: 120_000 }, async () => {
  const text = (await page.getByRole("region", { name: "Lines for the policy" }).innerText()).replace("witness auditor KEY http://ADDRESS:8090", w.policy.replace("witness auditor.example", "witness auditor"));
  policy(text + "\n");
  await until(async () => (await status()).witnesses[0]?.state === "cosigns", "the cosignature");
  await entry("auditor").getByText("Cosigns", { exact: true }).waitFor();
  await page.getByText("Cosigned within the last 24 hours.").waitFor();
  assert.equal(await alarm().count(), 0);
  await both("witnesses-one");
});
test("three: one fails, one contradicts, each with its reason; the banner stands on every page", { timeout: 180_000 }, async () => {
  policy(`log ${vkey}\n${w.policy}\n${trouble.policy}\n${liar.policy}\ngroup two 2 auditor.example board.example insurer.example\nquorum two\n`);
  await until(async () => { const d = (await status()).witnesses.map((x) => x.state); return d.length === 3 && d.every((x, i) => x === ["cosigns", "fails", "contradicts"][i]); }, "the three states", 60_000);
  await open(page, s, "/admin/witnesses");
  await entry("board.example").getByText("It answered 503.").waitFor();
  await entry("insurer.example").getByText("Contradicts the log").waitFor();
  await page.getByText(/Not reached within 24 hours: board\.example has not cosigned; insurer\.example has not cosigned\./).waitFor();
  assert.match(await panel("Policy as loaded").innerText(), /quorum two/);
  await both("witnesses-three", (p) => alarm(p).waitFor());
  for (const at of ["/", "/clients", "/admin/users", "/profile"]) {
    await open(page, s, at);
    await alarm().getByText(/The witness insurer\.example contradicts the log/).waitFor();
  }
  await axe(page, "a page with the banner");
  await alarm().getByRole("link", { name: "See the witnesses" }).click();
  await page.getByRole("heading", { name: "Witnesses", level: 1 }).waitFor();
  const auditor = await b.page(), std = await b.page();
  await signIn(auditor, s, "aud@example.org", PASSWORD);
  await alarm(auditor).waitFor();
  await open(auditor, s, "/admin/witnesses");
  await entry("insurer.example", auditor).waitFor();
  await signIn(std, s, "stan@example.org", PASSWORD);
  await settled(std);
  assert.equal(await alarm(std).count(), 0, "who may not view the log is told nothing of it");
  await open(std, s, "/admin/witnesses");
  await std.getByRole("heading", { name: "You do not have access to this" }).waitFor();
  await auditor.context().close();
  await std.context().close();
});
test("a file that is refused is said, with the line", async () => {
  policy("witness broken\n");
  await page.getByText(/The changed file witnesses\.policy is refused.*line 1: a witness is/).waitFor();
  await axe(page, "a refused policy");
  await shot(page, "witnesses-refused");
  policy(`${w.policy}\nquorum auditor.example\n`);
  await until(async () => !(await alarm().count()), "the banner to go", 60_000);
});
test("checkpoints by mail and public proofs: what is wrong is said at the field", async () => {
  await open(page, s, "/admin");
  await page.getByRole("link", { name: "Checkpoints and proofs" }).click();
  const field = page.getByLabel("Addresses"), save = page.getByRole("button", { name: "Save", exact: true });
  await field.fill("auditor@example.org, nobody at all");
  await save.click();
  const wrapper = page.locator(".mantine-InputWrapper-root").filter({ has: field });
  await wrapper.locator(".mantine-InputWrapper-error").waitFor();
  assert.match(await wrapper.locator(".mantine-InputWrapper-error").innerText(), /address/i);
  assert.equal(await field.inputValue(), "auditor@example.org, nobody at all");
  await axe(page, "a wrong address");
  await shot(page, "proofs-wrong");
  await field.fill("auditor@example.org");
  await page.getByLabel("Checkpoints and tiles are public").click({ force: true });
  await save.click();
  await toast(page, "Settings saved");
  await until(() => sink.mails.some((m) => m.to.includes("auditor@example.org")), "the checkpoint by mail");
  await admin.event("AuditCheckpointMailed");
  await page.getByRole("heading", { name: "Public address" }).waitFor();
  const at = (await panel("Public address").locator(".mono").first().innerText()).trim();
  const r = await fetch(at + "checkpoint");
  assert.equal(r.status, 200);
  assert.ok((await r.text()).startsWith(origin));
  await axe(page, "proofs");
  await shot(page, "proofs");
});
test("a right changed behind the log's back: the banner says which, and leads to the finding", { timeout: 180_000 }, async () => {
  const sql = "UPDATE user_account SET email = 'eve@example.net' WHERE email = 'stan@example.org'";
  const r = spawnSync("sqlite3", ["-batch", "-cmd", ".timeout 10000", path.join(s.store.data, "recount.db"), sql], { encoding: "utf8" });
  assert.equal(r.status, 0, r.stderr);
  await until(async () => (await admin.ok("GET", "/api/v2/auditlog/seal")).data.alarms.some((a) => a.kind === "damage"), "the finding", 60_000);
  await open(page, s, "/");
  await alarm().getByText(/Unrecorded change of access/).waitFor();
  assert.match(await alarm().innerText(), /eve@example\.net/);
  await axe(page, "the banner");
  await shot(page, "alarm-dashboard");
  await alarm().getByRole("link", { name: "See the finding" }).click();
  const box = page.getByRole("group", { name: "Seal of the log" });
  await box.getByText(/Unrecorded change of access/).first().waitFor();
  await axe(page, "the finding");
  await shot(page, "alarm-finding");
  const narrow = await b.page({ scheme: "dark", width: 400, height: 860 });
  await signIn(narrow, s, ADMIN.email, PASSWORD);
  await alarm(narrow).waitFor();
  assert.equal(await tooWide(narrow), 0);
  await axe(narrow, "the banner, narrow");
  await shot(narrow, "alarm-narrow");
  await narrow.context().close();
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
