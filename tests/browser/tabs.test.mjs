/** Many tabs of the audit page in one browser: one stream, no event lost or doubled when the tab that has it closes. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, ADMIN, until } from "../api/harness.mjs";
import { browser, signIn, open } from "./harness.mjs";

let s, b, admin;
before(async () => {
  s = await serve();
  admin = await s.as();
  b = await browser(s);
});
after(async () => { await b?.close(); await s?.stop(); });

const create = (name) => admin.ok("POST", "/api/v1/client/create", { name });
/** A creation is two events: the client's, and its creator's assignment. */
const rows = (p, name) => p.locator(".log-row", { hasText: `created client ${name}` });
const names = async (p, word) => (await p.locator(".log-row .what").allInnerTexts()).map((t) => new RegExp(`created client (${word} \\d+)`).exec(t)?.[1]).filter(Boolean);

/** A context of n tabs on the page; `has(p)` says how many streams the tab has open. */
async function tabs(n, at = (/** @type {number} */ _i) => "/admin/audit-log", init) {
  const first = await b.page(), context = first.context(), all = [], streams = new Map();
  if (init) await context.addInitScript(init);
  const count = (p) => {
    streams.set(p, 0);
    const stream = (r) => new URL(r.url()).pathname.endsWith("/auditlog/hints");
    p.on("request", (r) => { if (stream(r)) streams.set(p, streams.get(p) + 1); });
    for (const end of ["requestfinished", "requestfailed"]) p.on(end, (r) => { if (stream(r)) streams.set(p, streams.get(p) - 1); });
  };
  count(first); // the bell follows from the first page on
  await signIn(first, s, ADMIN.email, PASSWORD);
  for (let i = 0; i < n; i++) {
    const p = i ? await context.newPage() : first;
    if (i) count(p);
    await open(p, s, at(i));
    await p.locator(".live.on").waitFor();
    all.push(p);
  }
  return { all, context, has: (p) => streams.get(p), leader: () => until(() => { const l = all.filter((p) => !p.isClosed() && streams.get(p) > 0); return l.length === 1 && l[0]; }, "one tab to have the stream") };
}
/** What the page believes when its tab is put behind another, or brought to the front. */
const hide = (p, hidden) => p.evaluate((h) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => h });
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (h ? "hidden" : "visible") });
  document.dispatchEvent(new Event("visibilitychange"));
}, hidden);

for (const n of [2, 8])
  test(`${n} tabs: one stream, every tab follows, ordinary requests answer`, async () => {
    const t = await tabs(n);
    await t.leader();
    await create(`Shared by ${n}`);
    for (const p of t.all) await rows(p, `Shared by ${n}`).waitFor();
    const asked = await Promise.all(t.all.map((p) => p.evaluate(() => fetch("/api/v2/session").then((r) => r.status))));
    assert.deepEqual(asked, t.all.map(() => 200));
    await t.context.close();
  });
for (const n of [2, 8])
  test(`${n} tabs: events made while the tab with the stream closes are in every other tab once, in order`, async () => {
    const word = `Closing ${n} no`, t = await tabs(n);
    let made = 0, stop = false;
    const making = (async () => { while (!stop) await create(`${word} ${made++}`); })();
    for (let closed = 0; closed < Math.min(3, n - 1); closed++) {
      const leader = await t.leader(), sofar = made;
      await until(() => made > sofar + 3, "events before it closes");
      await leader.close();
    }
    const sofar = made;
    await until(() => made > sofar + 3, "events after it closed");
    stop = true;
    await making;
    const want = Array.from({ length: made }, (_, i) => `${word} ${made - 1 - i}`).slice(0, 12);
    for (const p of t.all.filter((x) => !x.isClosed())) {
      await until(async () => (await names(p, word))[0] === want[0], "the last event to arrive");
      assert.deepEqual((await names(p, word)).slice(0, 12), want);
    }
    await t.leader();
    await t.context.close();
  });
test("each tab follows with its own filter", async () => {
  const t = await tabs(3, (i) => `/admin/audit-log${["", "?q=alpha", "?event_type=LoginFail"][i]}`);
  await create("Alpha one");
  await create("Beta one");
  await rows(t.all[0], "Beta one").waitFor();
  await rows(t.all[1], "Alpha one").waitFor();
  assert.equal(await rows(t.all[1], "Beta one").count(), 0);
  assert.equal(await rows(t.all[2], "").count(), 0);
  await t.context.close();
});
test("a tab that is not seen asks for nothing, and shows what it missed when it is seen again", async () => {
  const t = await tabs(2), [one, two] = t.all;
  let asked = 0;
  two.on("request", (r) => { if (/follow=/.test(r.url())) asked++; });
  await hide(two, true);
  for (let i = 0; i < 3; i++) await create(`Unseen ${i}`);
  await rows(one, "Unseen 2").waitFor();
  assert.equal(asked, 0);
  await hide(two, false);
  await two.getByRole("button", { name: /new events$/ }).click();
  for (let i = 0; i < 3; i++) assert.equal(await rows(two, `Unseen ${i}`).count(), 1);
  await create("Seen again");
  await rows(two, "Seen again").waitFor();
  await t.context.close();
});
test("more than a thousand missed: the list is read anew", async () => {
  const t = await tabs(1), [p] = t.all;
  await hide(p, true);
  let n = 0;
  await Promise.all(Array.from({ length: 8 }, async () => { while (n < 1010) await create(`Flood ${n++}`); }));
  await create("After the flood");
  await hide(p, false);
  await p.getByRole("button", { name: "1,000 or more new events" }).click();
  await rows(p, "After the flood").waitFor();
  await create("And on");
  await rows(p, "And on").waitFor();
  await t.context.close();
});
test("a tab that sleeps with the stream loses it to one that is seen", async () => {
  const t = await tabs(2), leader = await t.leader(), other = t.all.find((p) => p !== leader);
  const cdp = await t.context.newCDPSession(leader);
  await cdp.send("Debugger.enable");
  await cdp.send("Debugger.pause"); // nothing of it runs any more, and the lock is still its own
  await hide(other, true);
  await hide(other, false); // it asks when it comes to the front; nobody answers
  await until(() => t.has(other) === 1, "the other tab to take the stream");
  await create("While it slept");
  await rows(other, "While it slept").waitFor();
  await cdp.send("Debugger.resume");
  await cdp.send("Debugger.disable");
  await rows(leader, "While it slept").waitFor();
  await t.context.close();
});
test("without locks: a stream of its own for a tab that is seen, none for the others", async () => {
  const t = await tabs(3, undefined, () => { Object.defineProperty(Navigator.prototype, "locks", { configurable: true, get: () => undefined }); Reflect.deleteProperty(Navigator.prototype, "locks"); });
  for (const p of t.all) assert.equal(t.has(p), 1);
  for (const p of t.all.slice(1)) await hide(p, true);
  await until(() => t.all.slice(1).every((p) => t.has(p) === 0), "the hidden ones to close theirs");
  await create("Without locks");
  await rows(t.all[0], "Without locks").waitFor();
  await hide(t.all[1], false);
  await rows(t.all[1], "Without locks").waitFor();
  await t.context.close();
});
test("the session ends: every tab asks, and follows again after one signed in", async () => {
  const t = await tabs(2), leader = await t.leader(), other = t.all.find((p) => p !== leader);
  await hide(leader, true);
  await other.evaluate(() => fetch("/api/v2/session", { method: "DELETE", headers: { "X-Recount": "1" } }));
  const d = other.getByRole("dialog", { name: "Your session has ended" });
  await create("After the end"); // a hint can not come; the tab that is seen takes over and asks
  await d.waitFor({ timeout: 60_000 });
  await d.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await d.getByRole("button", { name: "Sign in" }).click();
  await d.waitFor({ state: "hidden" });
  await create("Signed in again");
  await rows(other, "Signed in again").waitFor();
  await t.context.close();
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
