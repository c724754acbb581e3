/**
 * Who may do what, by walking every route of the binary against a table written by hand. Each route is
 * called as a stranger and as each role, with ids that exist, and again with ids of another client and of a
 * workspace that is not the caller's. A route missing from the table fails the test: a new endpoint needs a line here.
 */
import { test, after, before } from "node:test";
import { serve, assert, until, everything, ADMIN } from "./harness.mjs";
import { routes } from "./routes.mjs";
import { ALLOWED } from "./allowed.mjs";

let s, ids = {};
const people = {};
before(async () => {
  s = await serve({ users: [
    { email: "std@example.org", role: "STD_USER" }, { email: "ana@example.org", role: "ANALYST" }, { email: "aud@example.org", role: "AUDITOR" },
    { email: "victim@example.org", role: "ANALYST" }] });
  people.admin = await s.as(ADMIN.email);
  people.std = await s.as("std@example.org");
  people.analyst = await s.as("ana@example.org");
  people.auditor = await s.as("aud@example.org");
  people.stranger = s.client();
  const a = people.admin;
  ids.client = (await a.ok("POST", "/api/v1/client/create", { name: "Hidden" })).client_id;
  ids.victim = (await a.ok("GET", "/api/v1/tenant/0/user/list")).find((r) => r.data.email === "victim@example.org").data.user_id;
});
after(() => s.stop());

/** The smallest body a route may want, so that the answer is about the right and not about the form. */
const body = (r) => {
  if (r.method === "GET") return [undefined];
  if (!/(logo|icon|dark|csv)$/.test(r.path) || r.method === "DELETE") return [{}];
  const b = "----walk";
  return [`--${b}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\nx\r\n--${b}--\r\n`, { "content-type": `multipart/form-data; boundary=${b}` }];
};
const fill = (path, o = {}) => path.replace(/\{(\w+)\}/g, (_, k) => ({ t: o.t ?? "0", c: o.c ?? String(ids.client), userId: String(ids.victim) })[k] ?? "c000000000000000000000000");

test("every route stands in the table, and every line names a route", () => {
  const known = routes().map((r) => `${r.method} ${r.path}`).sort();
  const listed = Object.keys(ALLOWED).sort();
  assert.deepEqual(known.filter((k) => !listed.includes(k)), [], "routes without a line in allowed.mjs");
  assert.deepEqual(listed.filter((k) => !known.includes(k)), [], "lines of allowed.mjs without a route");
});
test("the table: nobody but those named gets past the right", async () => {
  const wrong = [];
  for (const r of routes()) {
    const key = `${r.method} ${r.path}`;
    const allowed = ALLOWED[key];
    if (!allowed || allowed === "public") continue;
    for (const who of ["stranger", "std", "analyst", "auditor"]) {
      if (allowed === "self" && who !== "stranger") continue;
      if (Array.isArray(allowed) && allowed.includes(who)) continue;
      const a = await people[who].request(r.method, fill(r.path), ...body(r));
      const fine = who === "stranger" ? a.status === 401 : [403, 404].includes(a.status);
      if (!fine) wrong.push(`${key} as ${who}: ${a.status} ${a.text.slice(0, 120)}`);
    }
  }
  assert.deepEqual(wrong, []);
});
/** Each of these "METHOD /path" is in the log as denied, by an event that `is`. */
const denied = (keys, is) => until(async () => {
  const seen = new Set((await everything(people.admin, { event_type: "AccessDenied" })).filter(is).map((e) => e.target.id));
  const missing = [...keys].filter((k) => !seen.has(k));
  assert.deepEqual(missing, [], "not recorded as denied");
  return true;
}, "the denials in the log");
test("a workspace that is not the caller's does not exist, and the log says that he asked", async () => {
  const wrong = [], asked = new Set();
  for (const r of routes().filter((x) => x.path.includes("{t}"))) {
    const key = `${r.method} ${r.path}`;
    if (ALLOWED[key] === "public") continue;
    for (const t of ["1", "999", "c000000000000000000000000", "-1", "0x0"]) {
      const a = await people.admin.request(r.method, fill(r.path, { t }), ...body(r));
      if (a.status !== 404) wrong.push(`${r.method} ${r.path} t=${t}: ${a.status} ${a.text.slice(0, 100)}`);
    }
    asked.add(key);
  }
  assert.deepEqual(wrong, []);
  await denied(asked, (e) => e.actor.email === ADMIN.email && /: it is not the own workspace$/.test(e.message));
});
test("another client does not exist for who is not assigned, and the log says that he asked", async () => {
  const wrong = [], asked = { std: new Set(), analyst: new Set(), auditor: new Set() };
  for (const r of routes().filter((x) => x.path.includes("{c}"))) {
    for (const who of ["std", "analyst", "auditor"]) {
      const a = await people[who].request(r.method, fill(r.path), ...body(r)), none = await people[who].request(r.method, fill(r.path, { c: "99999999" }), ...body(r));
      if (a.status !== 404) wrong.push(`${r.method} ${r.path} as ${who}: ${a.status}`);
      if (a.text.replace(a.body?.requestId, "") !== none.text.replace(none.body?.requestId, "")) wrong.push(`${r.method} ${r.path} as ${who}: ${a.text} / ${none.text}`);
      asked[who].add(`${r.method} ${r.path}`);
    }
  }
  assert.deepEqual(wrong, []);
  for (const who of Object.keys(asked)) await denied(asked[who], (e) => e.actor.email === people[who].email && e.client?.id === ids.client && e.client.name === "Hidden");
});
test("ids of others inside bodies are refused too", async () => {
  const a = await people.std.post(`/api/v2/tenant/0/client/${ids.client}/user/assign`, { users: [{ username: "std@example.org", role: "ADMIN" }] });
  assert.ok([403, 404].includes(a.status), String(a.status));
  const own = (await people.std.ok("POST", "/api/v1/client/create", { name: "Of Std" })).client_id;
  const up = await people.std.post(`/api/v2/tenant/0/client/${own}/user/assign`, { users: [{ username: "ana@example.org", role: "ADMIN" }] });
  assert.ok(up.status === 403 || up.body.users_rejected?.includes("ana@example.org"), `${up.status} ${up.text}`);
});
test("denials are in the log", async () => {
  const d = await people.admin.events({ event_type: "AccessDenied", limit: "1000" });
  assert.ok(d.length >= 5);
  for (const e of d) assert.equal(e.outcome, "denied");
  assert.ok(d.some((e) => e.user_info.includes("aud@example.org")));
});
