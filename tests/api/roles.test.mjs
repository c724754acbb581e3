/** Roles over the catalogue of permissions, assigned tenant-wide. */
import { test, after, before } from "node:test";
import { serve, assert, createUser, newStore, sqlOn, ADMIN } from "./harness.mjs";
import { routes } from "./routes.mjs";

let s, admin, uid;
const R = "/api/v2/tenants/0/security/role";
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }, { email: "aud@example.org", role: "AUDITOR" }] });
  admin = await s.as();
  uid = Object.fromEntries((await admin.ok("GET", "/api/v1/tenant/0/user/list")).map((r) => [r.data.email, r.data.user_id]));
});
after(() => s.stop());
const role = (r) => r.data ?? r;
const roles = async () => role(await admin.ok("GET", R));

test("the built-in roles are there and static", async () => {
  const all = await roles();
  const keys = all.map((r) => r.key);
  for (const k of ["ADMIN", "STD_USER", "ANALYST", "AUDITOR"]) assert.ok(keys.includes(k), k);
  for (const r of all) {
    for (const m of ["id", "key", "title", "description"]) assert.equal(typeof r[m], "string", m);
    assert.ok(Array.isArray(r.permissions) && Array.isArray(r.permissionConfiguration));
    assert.equal(r.editable, false);
    assert.equal(typeof r.userCount, "number");
  }
  const std = all.find((r) => r.key === "STD_USER");
  assert.ok([400, 403, 409].includes((await admin.put(`${R}/${std.id}/info`, { title: "x", description: "", enabled: true })).status));
  assert.ok([400, 403, 409].includes((await admin.put(`${R}/${std.id}/permissions`, { permissions: [] })).status));
  assert.ok([400, 403, 409].includes((await admin.del(`${R}/${std.id}`)).status));
});
test("available roles, and availability of a key", async () => {
  const a = role(await admin.ok("GET", `${R}/available`));
  assert.ok(Array.isArray(a) && a.length >= 4);
  assert.equal(role(await admin.ok("POST", `${R}/availability`, { key: "TENANT_0_ROLE_FRESH" })).available, true);
  assert.equal(role(await admin.ok("POST", `${R}/availability`, { key: "ADMIN" })).available, false);
});
test("a custom role from its creation to its deletion, each step an event", async () => {
  let r = role(await admin.ok("POST", R));
  await admin.event("TenantRoleCreated", (e) => JSON.stringify(e).includes(r.id));
  r = role(await admin.ok("PUT", `${R}/${r.id}/info`, { title: "Log Watcher", description: "watches", enabled: true }));
  assert.match(r.key, /^TENANT_0_ROLE_/);
  r = role(await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["SECURITY.VIEW_USERS", "AUDIT_LOG.VIEW"] }));
  assert.deepEqual([...r.permissions].sort(), ["AUDIT_LOG.VIEW", "SECURITY.VIEW_USERS"]);
  const up = await admin.event("TenantRoleUpdated", (e) => JSON.stringify(e.changes ?? []).includes("AUDIT_LOG.VIEW"));
  assert.ok(up);

  const stan = await s.as("stan@example.org");
  assert.equal((await stan.get("/api/v2/auditlog")).status, 403);
  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  await admin.event("TenantRoleAssigned", (e) => JSON.stringify(e).includes("stan@example.org"));
  assert.equal((await stan.get("/api/v2/auditlog")).status, 200, "the union of the roles, from the next request on");
  assert.equal((await stan.get("/api/v2/auditlog/export")).status, 403, "viewing is not exporting");

  const members = role(await admin.ok("GET", `${R}/${r.key}/users`));
  assert.deepEqual(members.map((u) => u.email), ["stan@example.org"]);
  await admin.ok("DELETE", `${R}/${r.id}/users/${uid["stan@example.org"]}`);
  await admin.event("TenantRoleRemoved", (e) => JSON.stringify(e).includes("stan@example.org"));
  const after = await stan.get("/api/v2/auditlog");
  assert.ok([401, 403].includes(after.status));

  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  await admin.ok("DELETE", `${R}/${r.id}`);
  const gone = await admin.event("TenantRoleDeleted", (e) => e.message.includes("Log Watcher"));
  const removed = (await admin.events({ event_type: "TenantRoleRemoved" })).find((e) => e.request_id === gone.request_id);
  assert.ok(removed, "one event for the person who lost it, with the same request id");
  assert.ok(!(await roles()).some((x) => x.id === r.id));
});
test("an unknown permission is refused by name", async () => {
  const r = role(await admin.ok("POST", R));
  const bad = await admin.put(`${R}/${r.id}/permissions`, { permissions: ["NO.SUCH"] });
  assert.equal(bad.status, 400);
  assert.match(bad.text, /NO\.SUCH/);
});
test("the auditor sees, exports, and nothing else", async () => {
  const aud = await s.as("aud@example.org");
  assert.equal((await aud.get("/api/v2/auditlog")).status, 200);
  assert.equal((await aud.get("/api/v2/auditlog/export?format=csv")).status, 200);
  for (const [m, p, b] of [["GET", "/api/v1/tenant/0/user/list"], ["POST", "/api/v1/client/create", { name: "x" }], ["GET", R], ["POST", R], ["PUT", "/api/v1/tenant/0?name=x"]])
    assert.equal((await aud.request(m, p, b)).status, 403, `${m} ${p}`);
});
test("who manages roles can not make one that holds more than he does", async () => {
  const r = role(await admin.ok("POST", R));
  await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["SECURITY.MANAGE_ROLES", "SECURITY.VIEW_ROLES"] });
  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  const stan = await s.as("stan@example.org");
  const mine = role(await stan.ok("POST", R));
  assert.equal((await stan.put(`${R}/${mine.id}/permissions`, { permissions: ["AUDIT_LOG.ERASE"] })).status, 403);
  const adminRole = (await roles()).find((x) => x.key === "ADMIN");
  assert.equal((await stan.put(`${R}/${adminRole.id}/users`, { userId: uid["stan@example.org"] })).status, 403);
});
test("whom a change would sign out is told before, and is who it then signs out", async () => {
  const made = role(await admin.ok("POST", R, { title: "Told before", permissions: ["CLIENTS.VIEW", "SECURITY.VIEW_USERS", "SECURITY.VIEW_ROLES"] })), second = role(await admin.ok("POST", R, { title: "Beside it", permissions: ["SECURITY.VIEW_USERS"] }));
  const names = ["lena", "lars", "lotte"], people = {};
  for (const n of names) createUser(s.store, { email: `${n}@example.org`, first: n, last: "Loss", role: "STD_USER" });
  const list = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data, id = (n) => list.find((u) => u.email === `${n}@example.org`).user_id;
  for (const n of names) await admin.ok("PUT", `${R}/${made.id}/users`, { userId: id(n) });
  await admin.ok("PUT", `${R}/${second.id}/users`, { userId: id("lars") });
  for (const n of ["lena", "lars"]) people[n] = await s.as(`${n}@example.org`); // lotte is not signed in
  const told = async (body, r = made) => { const l = await admin.ok("POST", `${R}/${r.id}/loss`, body); assert.equal(l.signsOut, l.users.length); return l.users.map((u) => u.email.split("@")[0]).sort(); };
  assert.deepEqual(await told({ permissions: ["CLIENTS.VIEW", "SECURITY.VIEW_USERS", "SECURITY.VIEW_ROLES"] }), [], "nothing is lost");
  assert.deepEqual(await told({ permissions: ["CLIENTS.VIEW", "SECURITY.VIEW_ROLES"] }), ["lena"], "lars holds it by another role");
  assert.deepEqual(await told({ permissions: [] }), ["lars", "lena"]);
  assert.deepEqual(await told(undefined), ["lars", "lena"], "the whole role");
  assert.deepEqual(await told({ userId: id("lars") }), ["lars"]);
  assert.deepEqual(await told({ userId: id("lotte") }), []);
  assert.deepEqual(await told({ userId: id("lars") }, second), [], "all of it by the other");
  assert.deepEqual(await told({}, (await roles()).find((r) => r.key === "ADMIN")), [], "who asks keeps the only session there is");
  const other = await s.as();
  assert.deepEqual(await told({}, (await roles()).find((r) => r.key === "ADMIN")), ["admin"], "but not another of his own");
  for (const [body, status] of [[{ permissions: ["NO.SUCH"] }, 400], [{ permissions: "x" }, 400], [{ userId: {} }, 400], [{ userId: 987654 }, 404]]) assert.equal((await admin.post(`${R}/${made.id}/loss`, body)).status, status, JSON.stringify(body));
  assert.equal((await admin.post(`${R}/no-such-role/loss`, {})).status, 404);
  const open = async () => { const out = []; for (const [n, c] of Object.entries(people)) if ((await c.get("/api/v2/whoami")).status !== 200) out.push(n); return out.sort(); };
  assert.deepEqual(await open(), [], "asking changes nothing");
  await admin.ok("PUT", `${R}/${made.id}/permissions`, { permissions: ["CLIENTS.VIEW", "SECURITY.VIEW_ROLES"] });
  assert.deepEqual(await open(), ["lena"]);
  await admin.ok("DELETE", `${R}/${made.id}`);
  assert.deepEqual(await open(), ["lars", "lena"]);
  assert.equal((await other.get("/api/v2/whoami")).status, 200);
});
test("titles in any script: each role has a key of its own, and a title stands once in any case", async () => {
  const make = (title) => admin.post(R, { title });
  const made = [];
  for (const title of ["Тест", "Роль", "角色", "测试", "Тест Два"]) { const r = await make(title); assert.equal(r.status, 200, r.text); made.push(r.body); }
  assert.equal(new Set(made.map((r) => r.key)).size, made.length);
  for (const r of made) {
    assert.match(r.key, /^TENANT_0_ROLE_[A-Z0-9_]+$/);
    assert.equal(role(await admin.ok("POST", `${R}/availability`, { key: r.key })).available, false);
    assert.deepEqual(role(await admin.ok("GET", `${R}/${r.key}/users`)), []);
  }
  for (const title of ["тест", "ТЕСТ", " Роль "]) assert.equal((await make(title)).status, 409, title);
  assert.equal((await admin.put(`${R}/${made[0].id}/info`, { title: "РОЛЬ" })).status, 409);
  for (const r of made) await admin.ok("DELETE", `${R}/${r.id}`);
});
test("deleting a role: an event for each who had it on a client, of all that he had there", async () => {
  const r = role(await admin.ok("POST", R, { title: "On clients", permissions: ["CLIENTS.VIEW"] }));
  await admin.ok("PUT", "/api/v2/tenants/0/settings/tiers", { enabled: true });
  const tier = (await admin.ok("GET", "/api/v2/tenants/0/tiers")).data[0], clients = [];
  for (const name of ["First of two", "Second of two"]) clients.push((await admin.ok("POST", "/api/v1/client/create", { name })).client_id);
  for (const [i, c] of clients.entries()) await admin.ok("POST", `/api/v2/tenant/0/client/${c}/user/assign`, { users: [{ username: "stan@example.org", role: r.key, ...(i ? {} : { classificationId: tier.id }) }] });
  await admin.ok("DELETE", `${R}/${r.id}`);
  const gone = await admin.event("TenantRoleDeleted", (e) => e.target.id === r.id);
  const lost = (await admin.events({ event_type: "UserClientRoleRemoved" })).filter((e) => e.request_id === gone.request_id).sort((a, b) => a.client.id - b.client.id);
  assert.deepEqual(lost.map((e) => [e.client.id, e.target.email, Object.fromEntries(e.changes.map((c) => [c.field, [c.before, c.after ?? null]]))]), clients.map((c, i) => [c, "stan@example.org",
    { role: ["On clients", null], role_id: [r.id, null], ...(i ? {} : { classification: [tier.name, null], classification_id: [String(tier.id), null] }) }]));
  assert.match(lost[0].message, /removed .*stan@example\.org.* from client First of two by deleting the role On clients/);
});
test("of whoever holds many roles each one counts", { timeout: 120_000 }, async () => {
  const many = 70, manager = role(await admin.ok("POST", R, { title: "User manager", permissions: ["SECURITY.VIEW_USERS", "SECURITY.MANAGE_USERS"] }));
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: "many@example.org", name: { first: "Many", last: "Roles" }, role: "ANALYST" }]);
  const whom = (await admin.ok("GET", "/api/v2/tenants/0/users?filter=many@")).data[0].user_id, ids = [];
  for (let i = 0; i < many; i++) ids.push(role(await admin.ok("POST", R, { title: `Role ${i}`, permissions: i === many - 1 ? ["AUDIT_LOG.ERASE"] : [] })).id);
  for (const id of ids) await admin.ok("PUT", `${R}/${id}/users`, { userId: whom });
  const holder = (await admin.ok("GET", `/api/v2/tenants/0/users/${whom}`)).data;
  assert.equal(holder.roles.length, many + 1);
  await admin.ok("PUT", `/api/v2/tenants/0/users/${uid["stan@example.org"]}`, { roles: [manager.key, "ANALYST"] });
  const stan = await s.as("stan@example.org");
  for (const act of ["disable", "password-link", "end-sessions"]) assert.equal((await stan.post(`/api/v2/tenants/0/users/${whom}/${act}`)).status, 403, `${act}: he holds what stan does not`);
  await admin.ok("PUT", `/api/v2/tenants/0/users/${whom}`, { roles: ["ANALYST"] });
  assert.deepEqual((await admin.ok("GET", `/api/v2/tenants/0/users/${whom}`)).data.roles, ["ANALYST"], "all of the others are gone");
  assert.equal((await stan.post(`/api/v2/tenants/0/users/${whom}/disable`)).status, 200);
});
test("the administrator's role can not be taken from the last one", async () => {
  const adminRole = (await roles()).find((x) => x.key === "ADMIN");
  assert.equal((await admin.del(`${R}/${adminRole.id}/users/${uid[ADMIN.email]}`)).status, 409);
});

/* ---- the catalogue ---- */

/** The groups and sections of the interface's documentation, by hand. */
const GROUPS = {
  Administration: ["Administration Access", "Account Information", "Custom Templates", "Email Settings", "General Settings", "Integration Settings", "Parser Actions", "License Management", "Security", "Style Guides", "Tags Management"],
  Analytics: ["Analytics Access"],
  Assessments: ["Assessment Questionnaires Management", "Assessments Access", "Assessment Reviewers"],
  Client: ["Client Access", "Client Asset Management", "Client Management"],
  Reports: ["Report Access", "Report Artifacts", "Report Findings", "Report Procedures"],
  Runbooks: ["Runbooks Access", "Methodologies", "Procedures", "Tactics", "Techniques", "Engagements", "Test Plans"],
  "Content Library": ["WriteupsDB", "NarrativesDB", "RunbooksDB"],
  Priorities: ["Priorities Access", "Priorities Management"],
  Schedule: ["Schedule Access", "Schedule Management"],
  "Audit Log": ["Audit Log"],
};
/** Asked for by something else than a route: by the page, or inside a handler. */
const NOT_BY_ROUTE = [];

const catalogue = async () => (await admin.ok("GET", "/api/v2/tenants/0/security/permissions")).data;

test("the catalogue: every group and section that is documented, each once, each with permissions", async () => {
  const all = await catalogue(), found = {};
  for (const p of all) (found[p.category] ??= new Set()).add(p.section);
  assert.deepEqual(Object.fromEntries(Object.entries(found).sort().map(([k, v]) => [k, [...v].sort()])), Object.fromEntries(Object.entries(GROUPS).sort().map(([k, v]) => [k, [...v].sort()])));
  assert.equal(new Set(all.map((p) => p.key)).size, all.length, "keys are unique");
  for (const k of ["ADMINISTRATION.ADMINISTRATION_ACCESS", "ACCESS_WRITEUPS_REPOSITORIES", "MANAGE_WRITEUPS_REPOSITORIES", "REPORTS.VIEW_REPORTS", "REPORTS.VIEW_REPORT_FINDINGS", "REPORTS.PUBLISH_FINDINGS", "REPORTS.IMPORT_REPORTS", "AUDIT_LOG.STREAM"])
    assert.ok(all.some((p) => p.key === k), k);
  const walk = [...new Set(all.map((p) => `${p.category}/${p.section}`))];
  assert.deepEqual(all.map((p) => `${p.category}/${p.section}`).filter((x, i, l) => x !== l[i - 1]), walk, "sections stand together");
  const tree = (await roles()).find((r) => r.key === "STD_USER").permissionConfiguration;
  assert.deepEqual(tree.flatMap((g) => g.sections.flatMap((x) => x.permissions.map((p) => p.key))), all.map((p) => p.key), "the tree of a role holds them all, in the same order");
  assert.deepEqual(tree.map((g) => g.title), [...new Set(all.map((p) => p.category))]);
});
test("defaults: an administrator all, an auditor the log alone, an analyst nothing that changes more than a status", async () => {
  const all = await catalogue(), of = (k) => all.filter((p) => p.roles[k]).map((p) => p.key);
  assert.equal(of("ADMIN").length, all.length);
  assert.deepEqual(of("AUDITOR"), ["AUDIT_LOG.VIEW", "AUDIT_LOG.EXPORT", "AUDIT_LOG.STREAM"]);
  assert.deepEqual(of("ANALYST").filter((k) => /MANAGE|CREATE|EDIT|DELETE|IMPORT|PUBLISH|EXPORT/.test(k)), []);
  assert.ok(of("ANALYST").includes("REPORTS.UPDATE_FINDING_STATUS"));
  for (const k of ["REPORTS.CREATE_REPORTS", "REPORTS.CREATE_FINDINGS", "REPORTS.UPDATE_FINDING_STATUS", "REPORTS.PUBLISH_FINDINGS"]) assert.ok(of("STD_USER").includes(k), k);
  assert.deepEqual(of("STD_USER").filter((k) => /^(SECURITY|AUDIT_LOG)\./.test(k) || k.endsWith("_SETTINGS")), []);
  assert.deepEqual(of("ANALYST").filter((k) => !of("STD_USER").includes(k)), [], "a Standard User can what an Analyst can");
});
test("a permission says of itself whether anything asks for it yet", async () => {
  const all = await catalogue(), asked = new Set(all.filter((p) => p.asked).map((p) => p.key)), named = new Set(routes().map((r) => r.permission).filter(Boolean));
  assert.deepEqual([...named].filter((k) => !asked.has(k)), [], "a route asks for it");
  assert.deepEqual([...asked].filter((k) => !named.has(k)).sort(), NOT_BY_ROUTE);
  assert.ok(all.some((p) => !p.asked));
});
test("a permission whose module is not there can be held and given, and opens nothing", async () => {
  const r = role(await admin.ok("POST", R, { title: "Later", permissions: ["RUNBOOKS.TACTICS", "REPORTS.CREATE_REPORTS"] }));
  assert.deepEqual([...r.permissions].sort(), ["REPORTS.CREATE_REPORTS", "RUNBOOKS.TACTICS"]);
  await admin.ok("DELETE", `${R}/${r.id}`);
});
test("a workspace of an older version: its built-in roles get what the catalogue gained, once and with an event", async () => {
  const store = newStore();
  createUser(store, ADMIN);
  const older = ["AUDIT_LOG.VIEW", "AUDIT_LOG.EXPORT", "CLIENTS.VIEW", "SECURITY.VIEW_ROLES"].map((k) => `'${k}'`).join(",");
  sqlOn(store, `DELETE FROM role_permission WHERE permission NOT IN (${older})`);
  sqlOn(store, "DELETE FROM setting WHERE name = 'permissions.known'");
  const old = await serve({ store, tampers: true, keep: true });
  try {
    let a = await old.as();
    const all = (await a.ok("GET", "/api/v2/tenants/0/security/permissions")).data, has = (k, key) => all.find((p) => p.key === key).roles[k];
    assert.deepEqual([has("ADMIN", "REPORTS.VIEW_REPORTS"), has("STD_USER", "REPORTS.VIEW_REPORTS"), has("AUDITOR", "AUDIT_LOG.STREAM"), has("AUDITOR", "REPORTS.VIEW_REPORTS")], [true, true, true, false]);
    assert.equal(has("STD_USER", "ADMINISTRATION.TAGS_VIEW"), false, "what the older version knew and is missing is not made up for");
    const told = await a.events({ event_type: "TenantRoleUpdated" });
    assert.deepEqual(told.map((e) => e.target.name).sort(), ["Administrator", "Analyst", "Auditor", "Standard User"]);
    const auditor = told.find((e) => e.target.name === "Auditor");
    assert.deepEqual(auditor.changes.find((c) => c.field === "permissions added"), { field: "permissions added", before: null, after: "AUDIT_LOG.STREAM" });
    assert.equal(auditor.actor.kind, "system");

    await old.stop({ drop: false });
    sqlOn(store, "DELETE FROM role_permission WHERE permission = 'REPORTS.VIEW_REPORTS'");
    await old.start();
    a = await old.as();
    assert.equal((await a.ok("GET", "/api/v2/tenants/0/security/permissions")).data.find((p) => p.key === "REPORTS.VIEW_REPORTS").roles.STD_USER, false, "what is taken out behind the log's back does not come back unnoticed");
    assert.equal((await a.events({ event_type: "TenantRoleUpdated" })).length, 4);
    const seen = old.check();
    assert.equal(seen.status, 1);
    assert.match(seen.out + seen.err, /REPORTS\.VIEW_REPORTS/);
  } finally { await old.stop(); store.drop(); }
});
