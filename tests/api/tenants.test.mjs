/**
 * Two workspaces in one installation: the administrator of the second holds every right there, and each id of the
 * first, in path and body, is nothing to him. Every route of the binary is walked with the first workspace's ids.
 */
import { test, before, after } from "node:test";
import { serve, createUser, assert, signed, PASSWORD } from "./harness.mjs";
import { routes } from "./routes.mjs";

const SECRET = "Zanzibar"; // stands in every name of the first workspace
let s, a, b, ids, first;

before(async () => {
  s = await serve();
  createUser(s.store, { email: "boss@second.example", first: "Bea", last: "Second", newTenant: true, tenantName: "Second" });
  a = await s.as("admin@example.org", PASSWORD);
  b = await s.as("boss@second.example", PASSWORD);
  first = await a.ok("GET", "/api/v2/whoami");
  const client = (await a.ok("POST", "/api/v1/client/create", { name: `${SECRET} client` })).client_id;
  await a.ok("POST", "/api/v1/tenant/0/user/create/bulk", [{ email: "victim@first.example", role: "STD_USER", name: { first: SECRET, last: "Victim" } }]);
  await a.ok("POST", "/api/v1/tenant/0/tag", { name: SECRET.toLowerCase(), scope: "tenant", ownerId: 0 });
  const role = await a.ok("POST", "/api/v2/tenants/0/security/role");
  const users = (await a.ok("GET", "/api/v2/tenants/0/users?limit=50")).data;
  const victim = users.find((u) => u.email === "victim@first.example");
  const tiers = (await a.ok("GET", "/api/v2/tenants/0/tiers")).data;
  const events = await a.events({ limit: "5" });
  const sessions = (await a.ok("GET", "/api/v2/user/sessions")).data;
  ids = {
    client, role: (role.data ?? role).id, user: victim.user_id, userCuid: victim.cuid, email: victim.email,
    tier: String(tiers[0].id ?? tiers[0].tier_id ?? tiers[0].cuid), tag: `tag_tenant_0_${SECRET.toLowerCase()}`,
    event: events[0].cuid, session: sessions[0].cuid,
  };
});
after(() => s.stop());

const own = async () => (await b.ok("GET", "/api/v2/whoami")).tenant_id;
/** What stands for each path parameter: the second workspace's {t}, and the first one's everything else. */
function fill(path, t) {
  return path.replace(/\{(\w+)\}/g, (_, p) => {
    if (p === "t") return String(t);
    if (p === "c") return String(ids.client);
    if (/^user/i.test(p) || p === "u" || p === "id" && path.includes("/users/")) return String(ids.user);
    if (/role/i.test(p)) return ids.role;
    if (/tag/i.test(p)) return ids.tag;
    if (/tier/i.test(p) || path.includes("/tiers/")) return ids.tier;
    if (path.includes("/auditlog/")) return ids.event;
    if (path.includes("/sessions/")) return ids.session;
    return ids.userCuid;
  });
}
const photograph = async () => JSON.stringify([
  await a.ok("GET", `/api/v1/client/${ids.client}`), (await a.ok("GET", "/api/v2/tenants/0/users?limit=50")).data.map(({ lastLogin, ...u }) => u),
  await a.ok("GET", "/api/v2/tenants/0/security/role"), await a.ok("GET", "/api/v2/tenants/0/tiers"), await a.ok("GET", "/api/v1/tenant/0/tag?limit=100"),
]);
const BODY = () => ({
  email: ids.email, username: ids.email, users: [{ username: ids.email, role: "ADMIN", email: ids.email }], userId: ids.user, clients: [ids.client],
  role: ids.role, roles: [ids.role], ids: [ids.tier], name: "taken over", first: "Taken", last: "Over", title: "taken", disabled: true, member: true,
  pagination: { offset: 0, limit: 100 }, permissions: [], description: "x", enabled: false, classificationId: ids.tier, tenantClassificationLevel: ids.tier,
});

test("the two administrators are in workspaces of their own", async () => {
  assert.equal(first.tenant_id, 0);
  assert.equal(await own(), 1);
});

test("every route, with the first workspace's ids: nothing told, nothing changed", async () => {
  const t = await own(), before = await photograph(), wrong = [];
  for (const r of routes()) {
    if (r.who === "public" || /\/(stream|hints)$/.test(r.path) || r.path.endsWith("/export") || r.path === "/api/v2/session" ||
        /\/(logo|icon)(\/dark)?$/.test(r.path) && !r.path.includes("{c}") || r.path.includes("/settings") || r.path.includes("/user/sessions") && r.method === "DELETE" && !r.path.includes("{"))
      continue; // of one's own workspace by construction, or ends the walker's session
    for (const where of [t, 0]) {
      const body = ["GET", "HEAD"].includes(r.method) ? undefined : BODY();
      const answer = await signed(() => b.request(r.method, fill(r.path, where), body));
      if (answer.status >= 500) wrong.push(`${r.method} ${r.path} t=${where}: ${answer.status}`);
      const log = /^\/api\/v2\/(auditlog|dashboard)/.test(r.path); // her own events hold what she typed: the address
      if (answer.text.includes(SECRET) || answer.text.includes("victim@first.example") && answer.status < 400 && !log)
        wrong.push(`${r.method} ${r.path} t=${where}: tells ${answer.text.slice(0, 200)}`);
      if (r.path.includes("{t}") && where === 0 && answer.status < 400) wrong.push(`${r.method} ${r.path}: ${answer.status} for another workspace`);
      if (r.path.includes("{c}") && answer.status < 400) wrong.push(`${r.method} ${r.path}: ${answer.status} for another workspace's client`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.equal(await photograph(), before);
});

test("an event, a search and a filter of the other log find nothing", async () => {
  assert.equal((await b.get(`/api/v2/auditlog/${ids.event}`)).status, 404);
  for (const q of [`q=${SECRET}`, `user=${ids.email}`, `user=${ids.userCuid}`, `client=${ids.client}&q=zanzibar`])
    assert.deepEqual((await b.ok("GET", `/api/v2/auditlog?${q}`)).data.filter((e) => JSON.stringify(e).includes(SECRET)), [], q);
});

test("a token of one workspace opens nothing of the other by another {t}", async () => {
  assert.equal((await a.get("/api/v2/tenants/1/users")).status, 404);
  assert.equal((await b.get("/api/v2/tenants/0/users")).status, 404);
});
