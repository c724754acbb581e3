/** The demonstration: what a newcomer is promised is there, marked for what it is, and made once. */
import { test, after } from "node:test";
import { serve, assert, until, newStore, recount, createUser, ADMIN } from "./harness.mjs";

const s = await serve({ noAdmin: true, args: ["--demo"] });
after(() => s.stop());

/** The whole log, oldest first, as the command exports it. */
function whole() {
  const r = recount(["audit", "export", "--format", "ndjson", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  return r.out.trim().split("\n").map((l) => JSON.parse(l)).sort((a, b) => a.index - b.index);
}

async function told() {
  const text = await until(() => /Three steps:[^]*Verify\./.test(s.out) && s.out, "the tour");
  const word = (name) => new RegExp(`${name}\\s+(\\S+)`).exec(text)[1];
  return { text, admin: word("administrator"), tester: word("tester"), auditor: word("auditor"), password: word("password") };
}

test("it prints how to sign in, for an administrator, a tester and an auditor", async () => {
  const t = await told();
  assert.match(t.text, new RegExp(`http://127\\.0\\.0\\.1:${s.port}`));
  assert.match(t.text.trim(), /1\. [^]*2\. [^]*3\. Open an event: [^\n]*$/, "the tour in three steps is the last word");
  const may = {};
  for (const who of ["admin", "tester", "auditor"]) {
    const c = await s.as(t[who], t.password);
    may[who] = (await c.get("/api/v2/auditlog?limit=1")).status;
  }
  assert.deepEqual(may, { admin: 200, tester: 403, auditor: 200 }, "who reads the log");
});
test("people of every state and role, six clients, roles of its own", async () => {
  const t = await told(), c = await s.as(t.admin, t.password);
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
  const t = await told(), c = await s.as(t.admin, t.password);
  assert.equal((await c.ok("GET", "/api/v1/tenant/0")).demonstration, true);
  await c.put("/api/v1/tenant/0", { name: "Ridgeline Security", demonstration: false });
  const after = await c.ok("GET", "/api/v1/tenant/0");
  assert.deepEqual([after.name, after.demonstration], ["Ridgeline Security", true]);
});
test("started again it is the same one, with the same password; nothing is told twice", async () => {
  const before = await told();
  await s.stop({ drop: false });
  const n = whole().length; // all that was committed has been moved
  await s.start();
  const again = await told();
  assert.equal(again.password, before.password);
  const c = await s.as(again.admin, again.password);
  await c.event("LoginSuccess"); // a list waits for what was committed before it
  await s.stop({ drop: false });
  const added = whole().slice(n).map((e) => e.event_type);
  await s.start();
  assert.deepEqual(added.filter((x) => x !== "AuditLogViewed"), ["LoginSuccess"], "nothing but this sign-in");
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
