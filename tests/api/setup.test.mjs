/** The first minutes: a one-time link makes the workspace and its first administrator, once. */
import { test, after } from "node:test";
import { serve, assert, until, recount } from "./harness.mjs";

const s = await serve({ noAdmin: true });
after(() => s.stop());
const token = decodeURIComponent(/token=([^\s&]+)/.exec(await until(() => (/token=\S+/.test(s.out) ? s.out : null), "the link"))[1]);
const body = (o = {}) => ({ token, tenant_name: "Northwind Security", email: "first@example.org", first: "Fay", last: "First", password: "Quiet-Harbour-71!", retention_months: 12, ...o });

test("a wrong link, a weak password and missing members are refused; nothing is made", async () => {
  assert.equal((await s.client().ok("GET", "/api/v2/setup")).needed, true);
  assert.equal((await s.client().post("/api/v2/setup", body({ token: "nope" }))).status, 403);
  const weak = await s.client().post("/api/v2/setup", body({ password: "short" }));
  assert.equal(weak.status, 400);
  assert.match(JSON.stringify(weak.body.fields), /password/);
  const missing = await s.client().post("/api/v2/setup", { token });
  assert.ok(missing.body.fields.length >= 4, "every missing member is named");
  assert.equal((await s.client().post("/api/v2/setup", body({ retention_months: 3 }))).status, 400, "never under 120 days");
});
test("two at once: one workspace", async () => {
  const r = await Promise.all([s.client().post("/api/v2/setup", body()), s.client().post("/api/v2/setup", body({ email: "other@example.org" }))]);
  assert.deepEqual(r.map((x) => x.status).sort(), [200, 409], r.map((x) => x.text).join(" "));
  assert.equal((await s.client().ok("GET", "/api/v2/setup")).needed, false);
});
test("it is done once, and the log begins with it", async () => {
  assert.equal((await s.client().post("/api/v2/setup", body())).status, 409);
  const users = recount(["user", "list", "--data", s.store.data, ...s.store.flags]).out;
  const email = users.includes("first@example.org") ? "first@example.org" : "other@example.org";
  const admin = await s.as(email);
  const types = (await admin.events({ order: "asc" })).map((e) => e.event_type);
  assert.ok(types.includes("TenantCreated") && types.includes("UserCreated"));
  assert.equal(types[0], "TenantCreated");
  assert.equal((await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta.window.months_kept, 12);
});
