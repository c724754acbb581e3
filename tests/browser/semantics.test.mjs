/**
 * What a screen reader is given: Chromium's own accessibility tree of every page, walked. Each control has a name and a role, no
 * two buttons in sight share a name, headings descend step by step below one h1, tables and dialogs are named, tables have
 * headers; and what is said aloud while things happen is said once.
 */
import { test, after, before, describe } from "node:test";
import { serve, assert, until, PASSWORD, ADMIN } from "../api/harness.mjs";
import { browser, signIn, open, settled } from "./harness.mjs";
import { addresses } from "./addresses.mjs";

let s, b, admin, page, ids;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }, { email: "ann@example.org", first: "Ann", last: "Other", role: "ANALYST" }] });
  admin = await s.as();
  let client;
  for (const name of ["Acme Corporation", "Borealis"]) client = (await admin.ok("POST", "/api/v1/client/create", { name, description: "A client", tags: ["web"], poc: "Carla" })).client_id;
  await admin.ok("POST", `/api/v2/tenant/0/client/${client}/user/assign`, { users: [{ username: "stan@example.org", role: "STD_USER" }, { username: "ann@example.org", role: "ANALYST" }] });
  const made = await admin.ok("POST", "/api/v2/tenants/0/security/role", { title: "Report reader", description: "Reads", permissions: ["CLIENTS.VIEW"] });
  for (const name of ["one", "two"]) await admin.ok("POST", "/api/v2/user/tokens", { name, scopes: ["CLIENTS.VIEW"], expires_days: 30 });
  ids = { client, role: (made.data ?? made).id };
  b = await browser(s);
  page = await b.page();
  await signIn(page, s, ADMIN.email, PASSWORD);
});
after(async () => { await b?.close(); await s?.stop(); });

const CONTROLS = new Set(["button", "link", "textbox", "searchbox", "combobox", "checkbox", "switch", "radio", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "option", "slider", "spinbutton", "listbox", "DisclosureTriangle", "PopUpButton"]);
/** The tree as a list in reading order, without what is hidden: {role, name, level, props, path, node}. */
async function tree(p) {
  const cdp = await p.context().newCDPSession(p);
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  const html = async (id) => (await cdp.send("DOM.getOuterHTML", { backendNodeId: id }).catch(() => ({ outerHTML: "" }))).outerHTML.slice(0, 200);
  const bare = new Map();
  for (const n of nodes) if (!n.ignored && !n.name?.value && ["image", "table"].includes(n.role?.value)) bare.set(n.nodeId, await html(n.backendDOMNodeId));
  await cdp.detach();
  const byId = new Map(nodes.map((n) => [n.nodeId, n])), list = [];
  const walk = (n, path) => {
    const role = n.role?.value ?? "", props = Object.fromEntries((n.properties ?? []).map((x) => [x.name, x.value.value]));
    if (!n.ignored) list.push({ role, name: (n.name?.value ?? "").trim(), html: bare.get(n.nodeId) ?? "", props, path });
    for (const id of n.childIds ?? []) if (byId.has(id)) walk(byId.get(id), n.ignored ? path : [...path, role]);
  };
  walk(nodes[0], []);
  return list;
}
const text = (n) => `${n.role} "${n.name}"`;
/** All that can be said of a tree by itself. */
function judge(list, where) {
  const bad = [];
  for (const n of list) {
    if (CONTROLS.has(n.role) && !/[\p{L}\p{N}]{2}|^\p{N}$|^[/?]/u.test(n.name)) bad.push(`${text(n)} has no name that says what it does`);
    if (/undefined|\[object|NaN/.test(n.name)) bad.push(`${text(n)} is no text`);
    if (["dialog", "alertdialog", "table", "grid", "region", "navigation", "listbox", "menu", "tablist", "radiogroup", "search"].includes(n.role) && !n.name && !/DatePicker/.test(n.html)) bad.push(`a ${n.role} without a name ${n.html}`);
    if (n.role === "image" && !n.name) bad.push(`an image without a name: ${n.html}`);
    if (n.props.focusable && ["generic", "none", "StaticText", "paragraph", ""].includes(n.role)) bad.push(`something with the focus and no role: "${n.name}" in ${n.path.slice(-3).join(" ")}`);
  }
  const heads = list.filter((n) => n.role === "heading"), levels = heads.map((n) => n.props.level), dialog = list.some((n) => n.role === "dialog");
  if (!dialog && levels.filter((l) => l === 1).length !== 1) bad.push(`${levels.filter((l) => l === 1).length} first headings`);
  levels.forEach((l, i) => { if (l > (levels[i - 1] ?? (dialog ? 1 : 0)) + 1) bad.push(`heading "${heads[i].name}" of level ${l} below one of ${levels[i - 1] ?? 0}`); });
  if (heads.some((n) => !n.name)) bad.push("an empty heading");
  if (!dialog && list.filter((n) => n.role === "main").length !== 1) bad.push("not one main part");
  if (list.filter((n) => n.role === "table").length && !list.some((n) => n.role === "columnheader")) bad.push("a table without headers");
  const named = new Map();
  for (const n of list) if (["button", "switch", "checkbox", "textbox", "combobox"].includes(n.role)) named.set(text(n), (named.get(text(n)) ?? 0) + 1);
  // Two rows may tell of the same thing, two crosses close the same dialog, and one tag stands at many clients.
  for (const [k, n] of named) if (n > 1 && !/^button "(Details: |Close"|Only clients tagged )/.test(k)) bad.push(`${n} times ${k}`);
  for (const n of list) if (n.role === "alert" && n.name) bad.push(`an alert on a page where all is well: ${n.name}`);
  assert.deepEqual(bad, [], where);
}

describe("every page", () => {
  test("sign-in, forgotten password", async () => {
    const p = await b.page();
    for (const at of ["/", "/forgot", "/password/nothing"]) {
      await p.goto(s.base + at);
      await p.getByRole("heading", { level: 1 }).waitFor();
      judge(await tree(p), at);
    }
    await p.context().close();
  });
  test("signed in", async (t) => {
    for (const [name, at] of addresses(ids))
      await t.test(name, async () => { await open(page, s, at); judge(await tree(page), name); });
  });
});
/** Every live region's words, as they change: "status: 3 events". Words inside two regions are said twice, and stand here twice. */
const listen = () => {
  const said = [], last = new Map();
  const hear = (changes) => {
    const regions = new Set();
    for (const c of changes) for (let n = c.target.nodeType === 1 ? c.target : c.target.parentElement; n; n = n.parentElement) if (n.matches("[role=status],[role=alert],[role=log],[aria-live]")) regions.add(n);
    for (const c of changes) for (const n of c.addedNodes) if (n.nodeType === 1) for (const r of [n, ...n.querySelectorAll("[role=alert]")]) if (r.matches("[role=alert]")) regions.add(r); // these are said when they appear
    for (const r of regions) {
      const text = r.textContent.trim();
      if (text && last.get(r) !== text) said.push(`${r.getAttribute("role")}: ${text}`);
      last.set(r, text);
    }
  };
  const observer = new MutationObserver(hear);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
  Object.assign(window, { said: () => { hear(observer.takeRecords()); return said.splice(0); } });
};
const heard = async (p, ...more) => { const all = [...more]; return { all, async now() { all.push(...(await p.evaluate(() => Reflect.get(window, "said")()))); return all; } }; };

describe("said aloud, once", () => {
  let p, ear;
  const fresh = async () => { ear = await heard(p); await ear.now(); ear.all.length = 0; };
  const hear = (text) => until(async () => (await ear.now()).includes(text), `hearing "${text}" (heard: ${ear.all.join(" / ")})`);
  before(async () => {
    p = await b.page();
    await p.addInitScript(listen);
    await signIn(p, s, ADMIN.email, PASSWORD);
  });
  after(() => p.context().close());
  test("a page by its name, hits by their number, and no other word", async () => {
    ear = await heard(p);
    await open(p, s, "/admin/audit-log?event_type=ClientCreated");
    await p.locator(".live.on").waitFor();
    await hear("status: 2 events");
    assert.deepEqual(ear.all.sort(), ["status: 2 events", "status: Audit log"], "not that it connects, nor the bars");
    await fresh();
    await p.getByRole("textbox", { name: "Search", exact: true }).fill("borealis");
    await hear("status: 1 event");
    await settled(p);
    await p.locator(".bars:not(.old)").waitFor();
    assert.deepEqual(await ear.now(), ["status: 1 event"]);
    await p.getByRole("textbox", { name: "Search", exact: true }).fill("nobody is called so");
    await hear("status: No events");
  });
  test("new events: the first at once, those that follow together, and not their number as well", async () => {
    await open(p, s, "/admin/audit-log?event_type=ClientCreated");
    await p.locator(".live.on").waitFor();
    await hear("status: 2 events");
    await fresh();
    const create = async (name) => { await admin.ok("POST", "/api/v1/client/create", { name }); await p.locator(".log-row", { hasText: name }).waitFor(); return (await admin.events({ event_type: "ClientCreated", limit: "1" }))[0].message; };
    await hear(`status: New event: ${await create("Said first")}`);
    await create("Said second");
    const third = await create("Said third"), told = async () => (await ear.now()).reduce((n, x) => n + (/^status: New event: /.test(x) ? 1 : Number(/^status: (\d+) new events, the latest: /.exec(x)?.[1] ?? NaN)), 0);
    await until(async () => (await told()) >= 3, "all three to be said"); // in two sentences, or in three on a slow machine
    assert.equal(await told(), 3, `each once, and no other word: ${ear.all.join(" / ")}`);
    assert.ok(ear.all[ear.all.length - 1].endsWith(third));
    await p.locator(".log-row .tog").first().click(); // who reads is told how many wait
    await fresh();
    await admin.ok("POST", "/api/v1/client/create", { name: "Said while reading" });
    await hear("status: 1 new event");
    assert.equal(ear.all.length, 1, ear.all.join(" / "));
  });
  test("what was done, and what was refused", async () => {
    await open(p, s, "/profile");
    await p.getByLabel("First name").fill("Ada");
    await fresh();
    await p.getByRole("button", { name: "Save" }).click();
    await until(async () => (await ear.now()).some((x) => /saved/i.test(x)), "what was done");
    assert.equal(ear.all.filter((x) => /saved/i.test(x)).length, 1, ear.all.join(" / "));
    await open(p, s, `/clients/${ids.client}`);
    await p.route(`**/api/v1/client/${ids.client}/logo`, (r) => r.fulfill({ status: 400, json: { status: "error", message: "This is no picture." } }));
    await fresh();
    await p.locator('input[type="file"]').setInputFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await hear("alert: This is no picture.");
    assert.equal(ear.all.filter((x) => /no picture/.test(x)).length, 1, ear.all.join(" / "));
  });
});

describe("dialogs and menus", () => {
  const look = async (name) => { const list = await tree(page); judge(list.some((n) => n.role === "dialog") ? list.filter((n, i) => n.path.includes("dialog") || n.role === "dialog") : list, name); };
  /** @type {[string, string, (p: any) => Promise<void>][]} */
  const OPENED = [
    ["a new client", "/clients?new=1", async () => {}],
    ["a user", "/admin/users/2", async () => {}],
    ["adding users", "/admin/users", (p) => p.getByRole("button", { name: "Add users" }).click()],
    ["users from CSV", "/admin/users", (p) => p.getByRole("button", { name: "Import from CSV" }).click()],
    ["a new role", "/admin/roles", (p) => p.getByRole("button", { name: "Create role" }).click()],
    ["a date", "/admin/audit-log", (p) => p.getByRole("button", { name: "Start date", exact: true }).click()],
    ["an export", "/admin/audit-log", async (p) => { await p.getByRole("button", { name: "Export" }).click(); await p.getByRole("menuitem", { name: /^CSV/ }).click(); }],
    ["the seal", "/admin/audit-log", (p) => p.locator("button.seal").click()],
    ["the jump", "/", (p) => p.keyboard.press("Control+k")],
    ["the bell", "/", (p) => p.getByRole("button", { name: /^Notifications/ }).click()],
    ["a question", `/clients/`, async (p) => { await p.getByRole("button", { name: "Actions for Borealis" }).click(); await p.getByRole("menuitem", { name: "Delete client" }).click(); }],
  ];
  for (const [name, at, act] of OPENED)
    test(name, async () => {
      await open(page, s, at);
      await act(page);
      await page.getByRole("dialog").waitFor();
      await settled(page);
      await look(name);
      await page.keyboard.press("Escape");
    });
  test("an opened event, with its changes and its proof", async () => {
    await open(page, s, "/admin/audit-log?event_type=ClientCreated");
    await page.locator(".log-row .tog").first().click();
    await page.locator(".detail").waitFor();
    judge(await tree(page), "an event");
  });
});
test("nothing was complained about", () => assert.deepEqual(b.complaints, []));
