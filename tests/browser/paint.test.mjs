/**
 * Nothing moves under the reader's eyes: every page over the demonstration's store, opened by its address, light and as on
 * a telephone. What Chromium calls a layout shift is summed up and must stay under 0.1, the bound of the web's own metric. When the first
 * paint was is told, and not judged. RECOUNT_PAINT=1 tells of every shift.
 */
import { test, after, before, describe } from "node:test";
import { serve, assert, until } from "../api/harness.mjs";
import { browser, signIn, open } from "./harness.mjs";
import { addresses } from "./addresses.mjs";

let s, b, ids, email, password;
before(async () => {
  s = await serve({ noAdmin: true, args: ["--demo"] });
  const text = await until(() => /Three steps:[^]*Verify\./.test(s.out) && s.out, "the tour", 60_000);
  [, email, password] = /^ +administrator +(\S+@\S+) +(\S+)$/m.exec(text);
  const admin = await s.as(email, password), clients = await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 1 } }), roles = await admin.ok("GET", "/api/v2/tenants/0/security/role");
  ids = { client: clients.data[0].client_id, role: roles.data.find((r) => r.editable).id };
  b = await browser(s);
});
after(async () => { await b?.close(); await s?.stop(); });

/** Collects what moved without somebody having just acted, in the page itself. */
const watch = () => {
  const moved = [], of = (n) => n?.nodeType === 1 ? `${n.tagName.toLowerCase()}${n.id ? "#" + n.id : ""}.${String(n.getAttribute("class") ?? "").slice(0, 50)}` : n?.nodeName;
  const seen = new PerformanceObserver((list) => { for (const e of list.getEntries()) take(e); });
  const take = (e) => { if (!e.hadRecentInput) moved.push({ value: e.value, what: e.sources.map((x) => `${of(x.node)} ${x.previousRect.y | 0}+${x.previousRect.height | 0} → ${x.currentRect.y | 0}+${x.currentRect.height | 0}, ${x.previousRect.x | 0} → ${x.currentRect.x | 0}`) }); };
  seen.observe({ type: "layout-shift", buffered: true });
  Object.assign(window, { moved: () => { seen.takeRecords().forEach(take); return moved; } });
};
/** Two frames after the fonts are there: what was drawn last has been judged. */
const drawn = (page) => page.evaluate(() => document.fonts.ready.then(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))));

for (const { name: size, width, height } of [{ name: "light, 1440 px", width: 1440, height: 900 }, { name: "light, 390 px", width: 390, height: 844 }])
  describe(size, () => {
    let page;
    before(async () => {
      page = await b.page({ width, height });
      await page.addInitScript(watch);
    });
    after(() => page.context().close());
    const still = async (name, t) => {
      await drawn(page);
      const moved = await page.evaluate(() => Reflect.get(window, "moved")()), sum = moved.reduce((a, m) => a + m.value, 0);
      const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null);
      t.diagnostic(`${name}: shift ${sum.toFixed(4)}, first paint ${paint?.toFixed(0)} ms`);
      if (process.env.RECOUNT_PAINT) for (const m of moved) t.diagnostic(`  ${m.value.toFixed(4)} ${m.what.join(" | ")}`);
      assert.ok(paint > 0, "something was painted");
      assert.ok(sum <= 0.1, `${name} moved by ${sum.toFixed(4)}: ${JSON.stringify(moved)}`);
    };
    test("sign-in", async (t) => {
      await page.goto(s.base + "/");
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await still("sign-in", t);
      await signIn(page, s, email, password);
    });
    test("every page", async (t) => {
      for (const [name, at] of addresses(ids))
        await t.test(name, async (u) => { await open(page, s, at); await still(name, u); });
    });
    test("the log, found and not found, with a filter in the address", async (t) => {
      for (const at of ["?q=password&from=30d", "?q=nothing+of+the+kind", "?event_type=LoginFail&outcome=failure"]) {
        await open(page, s, "/admin/audit-log" + at);
        await still(at, t);
      }
    });
  });
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
