/** The demonstration: what a newcomer is promised is there, marked for what it is, and made once. */
import { test, after } from "node:test";
import { serve, assert, until, newStore, recount, createUser, totp, ADMIN } from "./harness.mjs";

const s = await serve({ noAdmin: true, proxy: true, args: ["--demo"] });
after(() => s.stop());
const begun = Date.parse(s.log.find((l) => l.event === "http.listening").at); // what is older was told, not done

/** The whole log, oldest first, as the command exports it. */
function whole() {
  const r = recount(["audit", "export", "--format", "ndjson", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  return r.out.trim().split("\n").map((l) => JSON.parse(l)).sort((a, b) => a.index - b.index);
}

async function told() {
  const text = await until(() => /Three steps:[^]*Verify\./.test(s.out) && s.out, "the tour");
  const account = (name) => { const [, email, password] = new RegExp(`^ +${name} +(\\S+@\\S+) +(\\S+)$`, "m").exec(text); return { email, password }; };
  return { text, admin: account("administrator"), tester: account("tester"), auditor: account("auditor") };
}

test("it prints how to sign in, for an administrator, a tester and an auditor", async () => {
  const t = await told();
  assert.match(t.text, new RegExp(`http://127\\.0\\.0\\.1:${s.port}`));
  assert.match(t.text.trim(), /1\. [^]*2\. [^]*3\. Open an event: [^\n]*$/, "the tour in three steps is the last word");
  const may = {};
  for (const who of ["admin", "tester", "auditor"]) {
    const c = await s.as(t[who].email, t[who].password);
    may[who] = (await c.get("/api/v2/auditlog?limit=1")).status;
  }
  assert.deepEqual(may, { admin: 200, tester: 403, auditor: 200 }, "who reads the log");
});
test("people of every state and role, six clients, roles of its own", async () => {
  const t = await told(), c = await s.as(t.admin.email, t.admin.password);
  const users = (await c.ok("GET", "/api/v2/tenants/0/users?limit=50")).data;
  assert.equal(users.length, 8);
  const text = JSON.stringify(users);
  for (const role of ["ADMIN", "STD_USER", "ANALYST", "AUDITOR", "LEAD_TESTER"]) assert.match(text, new RegExp(role), role);
  const list = recount(["user", "list", "--data", s.store.data, ...s.store.flags]).out;
  assert.match(list, /hugo@\S+\t[^\n]*disabled/);
  assert.match(list, /grace@\S+\t[^\n]*locked, second factor/);
  assert.equal((await c.ok("GET", "/api/v1/client/list")).length, 6);
});
test("160 days over month ends, in order, told by the ordinary code", async () => {
  await told();
  const events = whole();
  const kinds = new Set(events.map((e) => e.event_type)), now = Date.now();
  for (const k of ["LoginSuccess", "LoginFail", "LoginLockout", "UserUnlocked", "UserCreated", "UserDisabled", "PasswordChanged", "PasswordChangedByOther",
    "ClientCreated", "ClientUpdated", "UserClientRoleAssigned", "UserClientRoleUpdated", "TenantRoleUpdated", "MfaEnabled", "AccessDenied",
    "AuditLogViewed", "AuditLogMonthExpired", "AccessBaseline"]) assert.ok(kinds.has(k), k);
  assert.ok(!kinds.has("AccessDiffers"), "nothing was changed beside the log");
  const at = events.map((e) => Date.parse(e.timestamp));
  assert.ok(at.every((x) => !Number.isNaN(x)), JSON.stringify(events[0]));
  assert.ok(at.every((x, i) => i === 0 || at[i - 1] <= x), "as it happened");
  assert.ok(at.at(-1) <= now && now - at[0] > 119 * 86_400_000, "the whole window");
  assert.ok(new Set(at.map((x) => new Date(x).toISOString().slice(0, 7))).size >= 5, "five months");
});
test("it is marked as a demonstration, and no administrator takes the mark off", async () => {
  const t = await told(), c = await s.as(t.admin.email, t.admin.password);
  assert.equal((await c.ok("GET", "/api/v1/tenant/0")).demonstration, true);
  await c.put("/api/v1/tenant/0", { name: "Ridgeline Security", demonstration: false });
  const after = await c.ok("GET", "/api/v1/tenant/0");
  assert.deepEqual([after.name, after.demonstration], ["Ridgeline Security", true]);
});
test("a password each: none of the three opens another's account, and the store holds as many hashes as people", async () => {
  const t = await told(), all = [t.admin, t.tester, t.auditor];
  assert.equal(new Set(all.map((a) => a.password)).size, 3);
  for (const a of all) for (const b of all) assert.equal((await s.client({ from: "192.0.2.90" }).post("/api/v1/authenticate", { username: a.email, password: b.password })).status, a === b ? 200 : 401);
  assert.equal((await s.client({ from: "192.0.2.90" }).post("/api/v1/authenticate", { username: "grace@recount.example", password: t.admin.password })).status, 401, "who is locked is told nothing");
});
/** What an event says of itself, without what differs between any two: which members are there, who acts on what, what changed. */
const shape = (e, names) => ({
  type: e.event_type, title: e.title, category: e.category, outcome: e.outcome,
  actor: e.actor && { kind: e.actor.kind, id: !!e.actor.id, email: !!e.actor.email, session: !!e.actor.session, name: names.has(e.actor.name) ? "somebody" : e.actor.name },
  target: e.target && { kind: e.target.kind, id: e.target.kind === "route" ? e.target.id : !!e.target.id, email: !!e.target.email, name: !!e.target.name },
  client: !!e.client, address: !!e.address, agent: !!e.user_agent, request: !!e.request_id, changes: (e.changes ?? []).map((c) => [c.field, c.before !== null, c.after !== null]),
  message: [...names].sort((a, b) => b.length - a.length).reduce((m, n) => m.replaceAll(n, "…"), e.message).replace(/\d+/g, "N"), detail: (e.private_detail ?? "").replace(/query: [^;]*/, "query: …").replace(/\d+/g, "N"),
});
test("what it tells has the shape of what happens: the same acts, done now, give the same events", async () => {
  const t = await told(), old = whole(), from = old.length, agent = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64)" };
  const admin = await s.as(t.admin.email, t.admin.password, { headers: agent });
  const email = "live@recount.example", password = "Quiet-Harbour-71!";
  const users = async () => (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data;
  createUser(s.store, { email, password, first: "Liv", last: "Larsen", role: "ANALYST" });
  const id = (await users()).find((u) => u.email === email).user_id;
  const offer = (p, cookie) => s.client({ headers: agent, cookie, from: cookie ? "192.0.2.91" : "203.0.113.91" }).post("/api/v2/session", { username: email, password: p });
  const signedIn = await offer(password), cookie = signedIn.headers["set-cookie"].map((c) => c.split(";")[0]).join("; ");
  const page = s.client({ headers: { ...agent, "x-recount": "1" }, cookie });
  assert.equal((await offer("not this one", cookie)).status, 401);
  const client = (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 1 } })).data[0].client_id;
  assert.equal((await page.get("/api/v2/auditlog")).status, 403);
  assert.equal((await page.get(`/api/v1/client/${client}`)).status, 404);
  const { secret } = await page.ok("GET", "/api/v2/user/mfa/qr");
  await page.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
  await page.ok("DELETE", "/api/v2/session");
  const half = await offer(password, cookie), whole2 = await s.client({ headers: agent, cookie }).post("/api/v2/session/mfa", { code: half.body.code, token: totp(secret, 1) });
  assert.equal(whole2.status, 200, whole2.text);
  for (let i = 0; i < 5; i++) assert.equal((await offer("not this one")).status, 401);
  assert.equal((await s.client({ headers: agent, from: "203.0.113.92" }).post("/api/v2/session", { username: "nobody@recount.example", password })).status, 401);
  await admin.ok("POST", `/api/v2/tenants/0/users/${id}/unlock`);
  const auditor = s.client({ headers: { ...agent, "x-recount": "1" }, cookie: (await s.client({ headers: agent }).post("/api/v2/session", { username: t.auditor.email, password: t.auditor.password })).headers["set-cookie"][0].split(";")[0] });
  await auditor.ok("GET", "/api/v2/auditlog");
  const KINDS = { LoginSuccess: 2, LoginFail: 2, LoginLockout: 1, UserUnlocked: 1, Logout: 1, AccessDenied: 2, MfaEnabled: 1, AuditLogViewed: 1 };
  const live = await until(async () => {
    const all = whole().slice(from);
    return Object.entries(KINDS).every(([k, n]) => all.filter((e) => e.event_type === k).length >= n) && all;
  }, "all of it in the log");
  const names = new Set([...(await users()).flatMap((u) => [`${u.first} ${u.last} (${u.email})`, `${u.first} ${u.last}`]), "nobody@recount.example", "root@recount.example", "info@ridgeline.example", "sales@recount.example",
    ...(await admin.ok("GET", "/api/v1/client/list")).map((c) => c.data[1])]);
  const shapes = (list) => new Set(list.map((e) => JSON.stringify(shape(e, names))));
  for (const k of Object.keys(KINDS)) {
    const told = shapes(old.filter((e) => Date.parse(e.timestamp) < begun && e.event_type === k && e.actor?.kind !== "command")), now = shapes(live.filter((e) => e.event_type === k && e.actor?.kind !== "command"));
    assert.deepEqual([...told].filter((x) => !now.has(x)), [], `${k}: as it is told, and as it is: ${[...now].join("\n")}`);
  }
});
test("started again it is the same one, with the same password; nothing is told twice", async () => {
  const before = await told();
  await s.stop({ drop: false });
  const n = whole().length; // all that was committed has been moved
  await s.start();
  const again = await told();
  for (const who of ["admin", "tester", "auditor"]) assert.deepEqual(again[who], before[who]);
  const c = await s.as(again.admin.email, again.admin.password);
  await c.event("LoginSuccess"); // a list waits for what was committed before it
  await s.stop({ drop: false });
  const added = whole().slice(n).map((e) => e.event_type);
  await s.start();
  assert.deepEqual(added.filter((x) => !/^(AuditLog(Viewed|Exported)|ServerRunGap)$/.test(x)), ["LoginSuccess"], "nothing but this sign-in");
});
test("a folder with a workspace is refused, whole", () => {
  const store = newStore();
  try {
    createUser(store, ADMIN);
    const r = recount(["serve", "--demo", "--data", store.data, "--listen", "127.0.0.1:0", ...store.flags]);
    assert.equal(r.status, 1);
    assert.match(r.err, /fills an empty folder only/);
    assert.equal(recount(["user", "list", "--data", store.data, ...store.flags]).out.trim().split("\n").length, 1);
  } finally { store.drop(); }
});
