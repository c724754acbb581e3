/**
 * What ends a session, and what all of it ends: each act beside each thing a signed-in person may hold. A row an act, a column a
 * thing, written by hand.
 */
import { test, before, after } from "node:test";
import { serve, assert, until, recount, PASSWORD } from "./harness.mjs";

const T = "/api/v2/tenants/0", R = `${T}/security/role`, FRESH = "Winter-Meadow-53?";
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
let s, admin, logo;
const id = {}, role = {}; // a role of each person's own: the right to view the log
const link = async (who) => decodeURIComponent(/token=([^&]+)/.exec((await admin.ok("POST", `${T}/users/${id[who]}/password-link`)).link)[1]);
/** What an access token of his still opens: the log and clients; he loses the former with the role that holds it. */
const KEEPS = { clients: 200, log: 200, stream: "open" }, LOSES_ROLE = { clients: 200, log: 403, stream: "ended" }, LOSES_ALL = { clients: 401, log: 401, stream: "ended" };
/** @type {Record<string, [typeof KEEPS, (who: string) => Promise<any>]>} */
const ACTS = {
  "a change of the password, in another session": [KEEPS, async (who) => (await s.as(who)).ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: FRESH })],
  "a password set by a one-time link": [KEEPS, async (who) => s.client({ from: "10.9.0.1" }).ok("POST", "/api/v2/user/password/link", { token: await link(who), newPassword: FRESH })],
  "a password set on the machine": [KEEPS, async (who) => assert.equal(recount(["user", "set-password", "--email", who, "--password-stdin", "--data", s.store.data, ...s.store.flags], { input: `${FRESH}\n` }).status, 0)],
  "an administrator who ends the sessions": [KEEPS, (who) => admin.ok("POST", `${T}/users/${id[who]}/end-sessions`)],
  "the loss of a role": [LOSES_ROLE, (who) => admin.ok("PUT", `${T}/users/${id[who]}`, { roles: ["STD_USER"] })],
  "the loss of a role, by an older call": [LOSES_ROLE, (who) => admin.ok("DELETE", `${R}/${role[who]}/users/${id[who]}`)],
  "the deletion of a role": [LOSES_ROLE, (who) => admin.ok("DELETE", `${R}/${role[who]}`)],
  "a role that is switched off": [LOSES_ROLE, (who) => admin.ok("PUT", `${R}/${role[who]}/info`, { enabled: false })],
  "a permission taken out of a role": [LOSES_ROLE, (who) => admin.ok("PUT", `${R}/${role[who]}/permissions`, { permissions: ["SECURITY.VIEW_ROLES"] })],
  "being disabled": [LOSES_ALL, (who) => admin.ok("POST", `${T}/users/${id[who]}/disable`)],
  "being deleted": [LOSES_ALL, (who) => admin.ok("DELETE", `${T}/users/${id[who]}`)],
};
const people = Object.keys(ACTS).map((_, i) => `user${i}@example.org`);
before(async () => {
  s = await serve({ proxy: true, users: people.map((email) => ({ email, role: "STD_USER" })) });
  admin = await s.as();
  for (const u of (await admin.ok("GET", `${T}/users?limit=100`)).data) id[u.email] = u.user_id;
  const c = await admin.ok("POST", "/api/v1/client/create", { name: "With a logo" });
  const form = Buffer.concat([Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="l.png"\r\nContent-Type: image/png\r\n\r\n'), PNG, Buffer.from("\r\n--b--\r\n")]);
  await admin.ok("POST", `/api/v1/client/${c.client_id}/logo`, form, { "content-type": "multipart/form-data; boundary=b" });
  for (const username of people) {
    await admin.ok("POST", `/api/v2/tenant/0/client/${c.client_id}/user/assign`, { users: [{ username, role: "STD_USER" }] });
    role[username] = (await admin.ok("POST", R, { title: `Reads ${username}`, permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "SECURITY.VIEW_ROLES"] })).data.id;
    await admin.ok("PUT", `${T}/users/${id[username]}`, { roles: ["STD_USER", role[username]] });
  }
  logo = `/api/v1/uploads/${c.cuid}.png`;
});
after(() => s.stop());

for (const [i, [what, [keeps, act]]] of Object.entries(ACTS).entries())
  test(`${what}: ends both refreshes, token, cookies, uploads and streams; of an access token what the right is gone for`, async () => {
    const who = people[i], u = await s.as(who), page = await s.client().post("/api/v2/session", { username: who, password: PASSWORD });
    const cookie = page.headers["set-cookie"].map((x) => x.split(";")[0]).join("; "), script = s.client({ token: (await u.ok("POST", "/api/v2/user/tokens", { name: "t", expires_days: 1, scopes: ["AUDIT_LOG.VIEW", "CLIENTS.VIEW"] })).token });
    const held = {
      "token/refresh": () => u.request("PUT", "/api/v1/token/refresh"), "PUT authenticate": () => u.put("/api/v1/authenticate", {}), token: () => u.get("/api/v2/whoami"),
      "browser's cookie": () => s.client({ cookie }).get("/api/v2/session"), "upload cookie": () => s.client({ cookie: `token=${u.answer.cookie}` }).get(logo), "browser's upload cookie": () => s.client({ cookie }).get(logo),
    };
    const all = async () => { const out = {}; for (const [k, f] of Object.entries(held)) out[k] = (await f()).status; return out; };
    const every = (status) => Object.fromEntries(Object.keys(held).map((k) => [k, status]));
    assert.deepEqual(await all(), every(200), "before");
    const own = await u.stream(), scripts = await script.stream("/api/v2/auditlog/hints");
    await until(() => own.events.length > 0 && scripts.events.length > 0, "both streams");
    await act(who);
    assert.deepEqual(await all(), every(401));
    assert.deepEqual([(await script.get("/api/v1/client/list")).status, (await script.get("/api/v2/auditlog?limit=1")).status], [keeps.clients, keeps.log]);
    await until(() => own.ended, "the end of the stream");
    if (keeps.stream === "ended") await until(() => scripts.ended, "the end of the access token's stream");
    else assert.equal(scripts.ended, false);
    own.close();
    scripts.close();
  });

/** What takes nothing from somebody: he goes on. Each act beside the right it leaves him, and what the log says of it. */
test("whoever loses no right stays signed in; whoever loses one is named with the number of his sessions; the one who acts keeps his own", async () => {
  const twice = people[0], one = (await admin.ok("POST", R, { title: "First way", permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "SECURITY.VIEW_ROLES"] })).data.id;
  const two = (await admin.ok("POST", R, { title: "Second way", permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "SECURITY.VIEW_ROLES", "SECURITY.VIEW_USERS"] })).data.id;
  await admin.ok("PUT", `${T}/users/${id[twice]}`, { roles: ["STD_USER", one, two] });
  const u = await s.as(twice, FRESH), ended = async () => (await admin.events({ event_type: "SessionEnded", user: twice })).length;
  const own = await u.stream(), before = await ended();
  await until(() => own.events.length > 0, "the stream");
  await admin.ok("PUT", `${R}/${one}/permissions`, { permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM"] });
  await admin.ok("PUT", `${R}/${one}/permissions`, { permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "SECURITY.VIEW_ROLES"] });
  await admin.ok("PUT", `${R}/${one}/info`, { enabled: false });
  await admin.ok("PUT", `${R}/${one}/permissions`, { permissions: [] });
  await admin.ok("PUT", `${R}/${one}/info`, { title: "Switched off", enabled: false });
  await admin.ok("DELETE", `${R}/${one}`);
  assert.equal((await u.get("/api/v2/auditlog?limit=1")).status, 200, "he held all of it by the other role");
  assert.deepEqual([own.ended, await ended()], [false, before]);
  await admin.ok("PUT", `${R}/${two}/permissions`, { permissions: ["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "SECURITY.VIEW_ROLES"] });
  assert.equal((await u.get("/api/v2/whoami")).status, 401);
  await until(() => own.ended, "the end of the stream");
  own.close();
  const e = await admin.event("SessionEnded", (x) => x.target.email === twice && /by changing the permissions of the role Second way/.test(x.message));
  assert.deepEqual(e.changes, [{ field: "sessions ended", before: null, after: "2" }], "this one, and the one he changed his password with");

  const boss = people[1], r = (await admin.ok("POST", R, { title: "Role keepers", permissions: ["SECURITY.MANAGE_ROLES", "SECURITY.VIEW_ROLES", "SECURITY.VIEW_USERS"] })).data.id;
  await admin.ok("PUT", `${T}/users/${id[boss]}`, { roles: ["STD_USER", r] });
  const here = await s.as(boss, FRESH), there = await s.as(boss, FRESH);
  await here.ok("PUT", `${R}/${r}/permissions`, { permissions: ["SECURITY.MANAGE_ROLES", "SECURITY.VIEW_ROLES"] });
  assert.deepEqual([(await here.get("/api/v2/whoami")).status, (await there.get("/api/v2/whoami")).status], [200, 401]);
});
