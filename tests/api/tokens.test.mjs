/**
 * Tokens that are refused, each kind an event of its own in the log it belongs to: forged, revoked, foreign, of an ended session,
 * of a disabled user. What has merely expired is none. (doc/decisions/0002)
 */
import { test, after } from "node:test";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, until, recount, claims, everything } from "./harness.mjs";

const s = await serve({ proxy: true, users: ["ended", "gone", "off", "script"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
const admin = await s.as();
after(() => s.stop());

/** The server's own signature over other claims: what an expired or a foreign token is. */
function sign(payload) {
  const b64 = (o) => Buffer.from(JSON.stringify(o)).toString("base64url"), text = `${b64({ alg: "HS256", typ: "JWT" })}.${b64(payload)}`;
  return `${text}.${createHmac("sha256", readFileSync(path.join(s.store.data, "keys/token.key"))).update(text).digest("base64url")}`;
}
const offer = async (token, from, status = 401) => {
  const r = await s.client({ token, from }).get("/api/v2/whoami");
  assert.equal(r.status, status, r.text);
  return r.body;
};
/** The installation's log, as its operator reads it. */
const instance = () => {
  const r = recount(["audit", "export", "--instance", "--event-type", "TokenRefused", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  return r.out.trim().split("\n").filter(Boolean).map((l) => JSON.parse(l));
};
const inInstance = (from) => until(() => instance().find((e) => e.address === from), `the event of ${from} in the installation's log`);
const inWorkspace = (from) => admin.event("TokenRefused", (e) => e.address === from);
const nowhere = async (...from) => {
  await offer("marker.marker.marker", "192.0.2.250");
  await inInstance("192.0.2.250"); // what came before it has been recorded by now
  const all = [...instance(), ...(await everything(admin, { event_type: "TokenRefused" }))];
  assert.deepEqual(all.filter((e) => from.includes(e.address)), []);
};
const user = async (email) => (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data.find((u) => u.email === email).user_id;

test("forged: a signature that is not ours, a body changed, no token at all in form; in the installation's log, since it proves nothing", async () => {
  const [h, p, sig] = admin.token.split("."), other = Buffer.from(JSON.stringify({ ...claims(admin.token), uid: 999 })).toString("base64url");
  for (const [token, from] of [[`${h}.${p}.AAAA`, "192.0.2.10"], [`${h}.${other}.${sig}`, "192.0.2.11"], ["garbage", "192.0.2.12"], [`rct_0_${"c".repeat(60)}`, "192.0.2.13"]]) {
    await offer(token, from);
    const e = await inInstance(from);
    assert.deepEqual([e.outcome, e.actor.kind, /it is forged or broken|it was revoked/.test(e.message), /\/api\/v2\/whoami/.test(e.message)], ["failure", "anonymous", true, true], e.message);
  }
  assert.deepEqual((await everything(admin, { event_type: "TokenRefused" })).map((e) => e.message), [], "and in no workspace's");
});
test("a signed token that says it belongs to somebody else than its session does is forged, too", async () => {
  await offer(sign({ ...claims(admin.token), uid: await user("script@example.org") }), "192.0.2.14");
  assert.match((await inInstance("192.0.2.14")).message, /it is forged or broken/);
});
test("foreign: signed with our key, and names nothing here", async () => {
  const mine = claims(admin.token);
  await offer(sign({ ...mine, sid: "c" + "0".repeat(24) }), "192.0.2.20");
  assert.match((await inInstance("192.0.2.20")).message, /it names no session here/);
  await offer(sign({ ...mine, tenantId: 77 }), "192.0.2.21");
  assert.match((await inInstance("192.0.2.21")).message, /it names no session here/);
  const gone = await s.as("gone@example.org");
  await admin.ok("DELETE", "/api/v2/user/delete", { email: "gone@example.org" });
  await offer(gone.token, "192.0.2.22");
  assert.match((await inInstance("192.0.2.22")).message, /it names no session here/);
});
test("revoked: an access token that was taken back", async () => {
  const script = await s.as("script@example.org"), made = await script.ok("POST", "/api/v2/user/tokens", { name: "nightly", expires_days: 30, scopes: ["CLIENTS.VIEW"] });
  const token = made.token ?? made.data.token, cuid = made.cuid ?? made.data.cuid;
  await offer(token, "192.0.2.30", 200);
  await script.ok("DELETE", `/api/v2/user/tokens/${cuid}`, null);
  await offer(token, "192.0.2.31");
  assert.match((await inInstance("192.0.2.31")).message, /it was revoked/);
});
test("of an ended session and of a disabled user: in the workspace's log, with his name", async () => {
  for (const [email, from, end, why] of /** @type {[string, string, (id: number) => string, RegExp][]} */ ([
    ["ended@example.org", "192.0.2.40", (id) => `/api/v2/tenants/0/users/${id}/end-sessions`, /it was revoked/],
    ["off@example.org", "192.0.2.41", (id) => `/api/v2/tenants/0/users/${id}/disable`, /its user is disabled/]])) {
    const c = await s.as(email);
    await admin.ok("POST", end(await user(email)));
    await offer(c.token, from);
    const e = await inWorkspace(from);
    assert.deepEqual([e.actor.email, e.outcome], [email, "failure"]);
    assert.match(e.message, why);
    assert.equal(instance().some((x) => x.address === from), false, "and not in the installation's");
  }
});
test("ordinary expiry is no event, nor is the absence of a token", async () => {
  const mine = claims(admin.token), past = Math.floor(Date.now() / 1000) - 3600;
  assert.equal((await offer(sign({ ...mine, iat: past - 900, exp: past }), "192.0.2.50")).code, "token_expired");
  await offer(undefined, "192.0.2.51");
  await nowhere("192.0.2.50", "192.0.2.51");
});
