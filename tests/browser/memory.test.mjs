/**
 * What the browser remembers of the log: the last checkpoint it saw, without a click; through a new key that the old one signed
 * for, through a restore that begins a new epoch, and loudly when what it is shown does not continue it.
 */
import { test, after, before } from "node:test";
import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { serve, assert, recount, until, ADMIN, PASSWORD, STORE } from "../api/harness.mjs";
import { Liar } from "../api/liar.mjs";
import { axe, browser, open, shot, signIn, toast, tooWide } from "./harness.mjs";

const LOG = "/api/v2/auditlog";
let s, b, admin, page, flags;
before(async () => {
  s = await serve({ users: [{ email: "aud@example.org", role: "AUDITOR" }] });
  s.o.args = ["--listen", `127.0.0.1:${s.port}`]; // the browser's memory belongs to an address
  flags = ["--data", s.store.data, ...s.store.flags];
  admin = await s.as();
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

/** All that the browser keeps: name → value. */
const kept = (p = page) => p.evaluate(() => Object.fromEntries(Object.keys(localStorage).filter((k) => /^recount\.(checkpoint|pin|broken|looked)\./.test(k)).map((k) => [k.slice(8), JSON.parse(localStorage.getItem(k))])));
const memories = async (p = page) => Object.entries(await kept(p)).filter(([k]) => k.startsWith("checkpoint.")).map(([k, v]) => ({ origin: k.slice(11), ...v })).sort((x, y) => (x.origin < y.origin ? -1 : 1));
/** Lets the next look at the seal be one that compares, a minute's wait spared. */
const lookAgain = (p = page) => p.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith("recount.looked.")).forEach((k) => localStorage.removeItem(k)));
const put = (change, p = page) => p.evaluate(([code]) => { const k = Object.keys(localStorage).find((x) => x.startsWith("recount.checkpoint.")), m = JSON.parse(localStorage.getItem(k)); new Function("m", code)(m); localStorage.setItem(k, JSON.stringify(m)); }, [change]);
let n = 0;
const event = () => admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${n++}` });
/** The checkpoint that covers everything recorded so far. */
const signed = () => until(async () => { const [e] = (await admin.ok("GET", `${LOG}?limit=1`)).data, t = (await admin.get(`${LOG}/checkpoint`)).text.split("\n"); return t[0].split("/")[2].split("-")[0] === String(e.epoch) && Number(t[1]) > e.index ? t : null; }, "a checkpoint over the newest event");
const verifyPage = async (p = page) => { await open(p, s, "/admin/verify"); await p.locator(".verdict").waitFor(); return p.locator(".verdict").innerText(); };
const steps = (p = page) => p.locator(".verify .steps li").evaluateAll((all) => all.map((x) => `${x.className}: ${x.querySelector("strong")?.textContent}`));
const said = (p = page) => p.locator(".verify .steps").innerText();
const forget = async () => {
  await page.getByRole("button", { name: "Forget", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Forget" }).click();
  await toast(page, "begins anew");
  await page.locator(".verdict").waitFor();
};
const restarted = async (change) => { await s.stop({ drop: false }); await change(); await s.start(); admin = await s.as(); };

/** The pin goes, after the question whether it is meant. */
const unpin = async () => {
  await page.getByRole("button", { name: "Remove pin" }).click();
  await page.getByRole("dialog", { name: "Remove the pin?" }).getByRole("button", { name: "Remove pin" }).click();
};
test("the checkpoint that is seen is remembered without a click, and looking at it grows no log", async () => {
  await signed();
  await open(page, s, "/admin/audit-log");
  const [first] = await until(async () => { const m = await memories(); return m.length === 1 ? m : null; }, "a memory");
  assert.ok(first.size > 0 && /^[0-9a-f]{64}$/.test(first.root));
  const before = (await signed())[1];
  await event();
  await signed();
  await lookAgain();
  await page.reload();
  const [next] = await until(async () => { const m = await memories(); return m[0].size > first.size ? m : null; }, "a later memory");
  assert.equal(next.origin, first.origin);
  await lookAgain();
  await page.reload();
  await page.getByRole("button", { name: /Seal of the log/ }).waitFor();
  assert.ok(Number((await signed())[1]) - Number(before) <= 3, "an event, a view at most, and nothing of the looks themselves");
  assert.deepEqual(Object.keys(await kept()).filter((k) => k.startsWith("broken.")), []);
});
test("the log is asked at most once a minute, and only when there is something new", async () => {
  let asked = 0;
  await page.route("**/auditlog/heads", (route) => { asked++; return route.continue(); });
  await lookAgain();
  await event();
  await signed();
  for (let i = 0; i < 3; i++) { await page.reload(); await page.getByRole("button", { name: /Seal of the log/ }).click(); await page.getByText("Root", { exact: true }).waitFor(); }
  await until(() => asked === 1, "one look");
  await event();
  await signed();
  await page.reload();
  await page.getByRole("button", { name: /Seal of the log/ }).click();
  await page.getByText("Root", { exact: true }).waitFor();
  assert.equal(asked, 1);
  await page.unroute("**/auditlog/heads");
});
test("a log that does not continue what was seen is told on every page, until the browser is told to forget", async () => {
  await put('m.root = m.root.replace(/^./, (c) => (c === "0" ? "1" : "0"))');
  await event();
  await signed();
  await lookAgain();
  await open(page, s, "/admin/audit-log");
  await page.getByText("The audit log is not the one this browser knows").waitFor();
  await page.getByRole("button", { name: "Seal of the log: Not trustworthy" }).waitFor();
  await shot(page, "memory-alarm");
  await axe(page, "the alarm");
  await open(page, s, "/clients");
  await page.getByText("The audit log is not the one this browser knows").waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Look at it" }).click();
  await page.locator(".verdict").waitFor();
  assert.equal(await page.locator(".verdict").innerText(), "The log does not verify");
  await page.getByText("the log was rewritten").first().waitFor();
  await shot(page, "verify-refused");
  await forget();
  await until(async () => (await page.locator(".verdict").innerText()) === "Verified in this browser", "the new beginning");
  assert.equal(await page.getByText("is not the one this browser knows").count(), 0);
});
test("the page says what it remembers, in light and dark, wide and narrow", async () => {
  assert.equal(await verifyPage(), "Verified in this browser");
  assert.deepEqual(await steps(), ["ok: Signature", "ok: This browser's memory"]);
  assert.equal(await page.locator("table.memory tbody tr").count(), 1);
  await axe(page, "the log verified");
  await shot(page, "verify-light");
  for (const [name, o] of /** @type {[string, object][]} */ ([["dark", { scheme: "dark" }], ["narrow", { width: 400 }], ["dark-narrow", { scheme: "dark", width: 400 }]])) {
    const other = await b.page(o);
    await signIn(other, s, "aud@example.org", PASSWORD);
    assert.equal(await verifyPage(other), "Verified in this browser");
    assert.ok((await said(other)).includes("First checkpoint of this log seen here"));
    assert.equal(await tooWide(other), 0, name);
    await axe(other, name);
    await shot(other, `verify-${name}`);
    await other.context().close();
  }
});
test("a key that was given another way is pinned, and then demanded", async () => {
  const vkey = (await admin.get(`${LOG}/vkey`)).text.trim(), name = vkey.split("+")[0], box = () => page.getByRole("textbox", { name: "Key" });
  const offer = async (text) => { await box().fill(text); await page.getByRole("button", { name: "Pin this key" }).click(); };
  writeFileSync(path.join(s.store.dir, "strange.key"), randomBytes(32));
  const stranger = new Liar(s.store, path.join(s.store.dir, "strange.key"));
  await verifyPage();
  for (const [text, why] of [["nonsense", "malformed"], [vkey.replace(/.$/, ""), "malformed|not the one"], [stranger.vkey(`${name.split("/")[0]}/c00000000000000000000000/0`), "another log"], [stranger.vkey(name).replace(/\+[0-9a-f]{8}\+/, "+00000000+"), "not the one its name says"]]) {
    await offer(text);
    await page.locator(".mantine-InputWrapper-error").filter({ hasText: new RegExp(why) }).waitFor();
  }
  assert.ok(!Object.keys(await kept()).some((k) => k.startsWith("pin.")));
  await offer(vkey);
  await toast(page, "pinned");
  await page.getByText("It is the key pinned in this browser").waitFor();
  assert.deepEqual(await steps(), ["ok: Signature", "ok: Key", "ok: This browser's memory"]);
  await shot(page, "verify-pinned");
  await unpin();
  await offer(stranger.vkey(name));
  await page.getByText("no statement of that one leads to it").first().waitFor();
  assert.equal(await page.locator(".verdict").innerText(), "The log does not verify");
  await unpin();
  await until(async () => (await page.locator(".verdict").innerText()) === "Verified in this browser", "the pin removed");
  await offer(vkey); // for the rotation
  await page.getByText("It is the key pinned in this browser").waitFor();
});
test("a lawful rotation of the key is followed by memory and pin", async () => {
  const rotate = () => { const r = recount(["keys", "rotate", "--reason", "once a year", ...flags]); assert.deepEqual([r.status, r.err], [0, ""]); };
  const [was] = await memories();
  await restarted(rotate);
  await signed();
  assert.equal(await verifyPage(), "Verified in this browser", await said());
  assert.match(await said(), /signed for the new one: that is pinned from now on[^]*the old key signed for the new one/);
  const [now] = await memories();
  assert.ok(now.vkey !== was.vkey && now.vkey === (await admin.get(`${LOG}/vkey`)).text.split("\n")[0]);
  await verifyPage();
  assert.doesNotMatch(await said(), /replaced/);
  // Twice while it was away: the key it knows signs no more.
  await restarted(() => { rotate(); rotate(); });
  await signed();
  await open(page, s, "/admin/audit-log");
  await lookAgain();
  await page.reload();
  await until(async () => (await memories())[0].vkey === (await admin.get(`${LOG}/vkey`)).text.split("\n")[0], "the new key, learned without a click");
  assert.equal(await page.getByText("is not the one this browser knows").count(), 0);
});
test("what is no memory is none: the page stands, and remembers anew", async () => {
  const [m] = await memories();
  for (const text of [JSON.stringify({ vkey: m.vkey }), "{}", "3"]) {
    await page.evaluate(([origin, v]) => localStorage.setItem(`recount.checkpoint.${origin}`, v), [m.origin, text]);
    assert.equal(await verifyPage(), "Verified in this browser", text);
    await until(async () => (await memories()).some((x) => x.origin === m.origin && x.size >= m.size), "it, remembered anew");
  }
  const pins = await page.evaluate(([log]) => { const key = `recount.pin.${log}`, was = localStorage.getItem(key); localStorage.setItem(key, "{}"); return [key, was]; }, [m.origin.split("/").slice(0, 2).join("/")]);
  assert.equal(await verifyPage(), "Verified in this browser", "nor is that a pin");
  await page.evaluate(([key, was]) => (was === null ? localStorage.removeItem(key) : localStorage.setItem(key, was)), pins);
});
test("a key that no statement leads to is refused", async () => {
  const [m] = await memories(), strange = new Liar(s.store, path.join(s.store.dir, "strange.key"));
  await verifyPage();
  await unpin();
  await page.evaluate(([origin, vkey]) => { const k = `recount.checkpoint.${origin}`; localStorage.setItem(k, JSON.stringify({ ...JSON.parse(localStorage.getItem(k)), vkey })); }, [m.origin, strange.vkey(m.origin)]);
  assert.equal(await verifyPage(), "The log does not verify");
  assert.match(await said(), /not the one seen here[^]*no statement of that one leads to it/);
  await forget();
  await until(async () => (await memories()).length, "what is seen now, remembered");
  // The events of the rotation kept from it: what the key before has signed, too, is believed, and that one stays the one it knows.
  const list = (await admin.get(`${LOG}/vkey`)).text.trim().split("\n");
  assert.equal(list.length, 2);
  await page.evaluate(([origin, vkey]) => { const k = `recount.checkpoint.${origin}`; localStorage.setItem(k, JSON.stringify({ ...JSON.parse(localStorage.getItem(k)), vkey })); }, [m.origin, list[1]]);
  await page.route("**/auditlog?event_type=SigningKeyRotated**", async (route) => { const r = await route.fetch(), a = await r.json(); await route.fulfill({ response: r, json: { ...a, data: [] } }); });
  assert.equal(await verifyPage(), "Verified in this browser");
  assert.match(await said(), /for which the one seen here has not signed/);
  assert.equal((await memories())[0].vkey, list[1]);
  await page.unroute("**/auditlog?event_type=SigningKeyRotated**");
  await verifyPage();
  assert.equal((await memories())[0].vkey, list[0]);
});
test("a new epoch is told from the first sight of a log: what was kept, what is lost, and why, until it is noted", async () => {
  const lite = STORE === "sqlite", copy = path.join(s.store.dir, "yesterday"), main = ["recount.db", "recount.db-wal", "recount.db-shm", "audit"];
  await restarted(() => { if (lite) cpSync(s.store.data, copy, { recursive: true }); });
  for (let i = 0; i < 5; i++) await event();
  await signed();
  await verifyPage();
  const [was] = await memories();
  await restarted(() => {
    for (const f of lite ? main : []) { rmSync(path.join(s.store.data, f), { recursive: true, force: true }); if (existsSync(path.join(copy, f))) cpSync(path.join(copy, f), path.join(s.store.data, f), { recursive: true }); }
    const r = recount(["audit", "new-epoch", "--reason", "The disk broke", ...flags]);
    assert.equal(r.status, 0, r.err);
  });
  await signed();
  await page.context().clearCookies();
  await signIn(page, s, ADMIN.email, PASSWORD);
  await lookAgain();
  await open(page, s, "/admin/audit-log");
  const notice = page.locator(".memory-alarm");
  await notice.waitFor();
  const text = await notice.innerText();
  assert.ok(text.includes(`This browser remembers epoch 0 of the log with ${was.size} events`), text);
  assert.match(text, lite ? /goes on as epoch 1: \d+ of these events were kept, \d+ are lost \(index \d+ to \d+\)/ : /goes on as epoch 1: all of these events were kept/);
  assert.match(text, /Reason: The disk broke/);
  await page.getByRole("button", { name: /Seal of the log: Sealed/ }).waitFor();
  await axe(page, "a new epoch");
  await shot(page, "memory-epoch");
  const all = await memories();
  assert.deepEqual(all.map((m) => m.origin.split("/")[2].split("-")[0]), ["0", "1"], "the epoch before stays remembered");
  assert.equal(await verifyPage(), "Verified in this browser");
  assert.equal(await page.locator("table.memory tbody tr").count(), 2);
  await notice.getByRole("button", { name: "Noted" }).click();
  await page.reload();
  await page.locator(".verdict").waitFor();
  assert.equal(await notice.count(), 0);
});
test("a new epoch whose beginning is another than what was seen is refused", async () => {
  const [was] = await memories();
  await page.evaluate(([origin]) => {
    const k = `recount.checkpoint.${origin}`, m = JSON.parse(localStorage.getItem(k));
    localStorage.setItem(k, JSON.stringify({ ...m, size: m.size - 20, root: "0".repeat(64) }));
    for (const later of Object.keys(localStorage).filter((x) => x.startsWith(k.replace(/0$/, "1-")))) localStorage.removeItem(later);
  }, [was.origin]);
  assert.equal(await verifyPage(), "The log does not verify");
  assert.match(await said(), /does not begin with them: the log was rewritten before it was restored/);
  await forget();
});
test("an epoch of the same number that another restore began is not the one that was seen", async () => {
  assert.equal(await verifyPage(), "Verified in this browser");
  const now = (await memories()).at(-1).origin;
  await page.evaluate(([origin]) => {
    const k = `recount.checkpoint.${origin}`;
    localStorage.setItem(k.replace(/-[0-9a-f]+$/, "-65f2a0b1c2d3e"), localStorage.getItem(k));
    localStorage.removeItem(k);
  }, [now]);
  assert.equal(await verifyPage(), "The log does not verify");
  assert.match(await said(), /another epoch 1, begun from a copy that was put back at another time/);
  await forget();
});
// The server is stopped and started here; a page that asks meanwhile is refused, and Chromium writes a line.
test("nothing was complained about", () => assert.deepEqual(b.complaints.filter((c) => !/net::ERR_(CONNECTION_(REFUSED|RESET)|EMPTY_RESPONSE)/.test(c)), []));
