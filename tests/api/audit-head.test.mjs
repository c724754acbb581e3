/** HEAD of what is recorded when it is read: it reads nothing, so it records nothing, and says nothing that only reading tells. */
import { test, after, before } from "node:test";
import { serve, assert, signed, ADMIN } from "./harness.mjs";
import { routes } from "./routes.mjs";

let s, admin, cuid;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }] });
  admin = await s.as();
  await admin.ok("POST", "/api/v1/client/create", { name: "Seen by nobody" });
  ({ cuid } = await admin.event("ClientCreated"));
});
after(() => s.stop());

/** The addresses of each route, the first finding something and the second nothing, and a question that is refused. */
const NOBODY = "c000000000000000000000000", EDGES = "edges=2026-01-01,2126-01-01";
const SAMPLES = {
  "/api/v2/auditlog": ["?q=seen", "?q=zebrafinch", "?q=x&limit=0"],
  "/api/v2/auditlog/stream": ["?q=seen", "?q=zebrafinch", "?after=x"],
  "/api/v2/auditlog/export": ["?q=seen", "?q=zebrafinch", "?format=nope"],
  "/api/v2/auditlog/export/manifest": ["?q=seen", "?q=zebrafinch", "?proofs=1"],
  "/api/v2/auditlog/histogram": [`?${EDGES}&q=seen`, `?${EDGES}&q=zebrafinch`, "?edges=2026-01-01"],
  "/api/v2/auditlog/access": ["", "?q=zebrafinch", "?on=never"],
  "/api/v2/auditlog/access/export": ["", "?q=zebrafinch", "?format=xlsx"],
  "/api/v2/dashboard": ["", "?follow=1"],
  "/api/v2/auditlog/{cuid}": [() => cuid, NOBODY, "no-id"],
  "/api/v2/auditlog/proof/{cuid}": [() => cuid, NOBODY, `${NOBODY}?format=xml`],
};
const address = (path, x) => (path.includes("{cuid}") ? path.replace("{cuid}", typeof x === "function" ? x() : x) : path + x);
const recorded = () => routes().filter((r) => r.method === "GET" && /AuditLogViewed|AuditLogExported|AccessViewed|AccessExported/.test(r.events ?? ""));

/** A session of its own, and what it did behind its sign-in. */
async function fresh() {
  const c = await s.as(ADMIN.email), { cuid: login } = await admin.event("LoginSuccess", (e) => e.actor.email === ADMIN.email);
  return Object.assign(c, { session: (await admin.ok("GET", `/api/v2/auditlog/${login}`)).data.actor.session });
}
const did = async (c) => (await admin.events({ user: ADMIN.email, limit: "1000" })).filter((e) => e.actor.session === c.session && e.event_type !== "LoginSuccess").map((e) => e.event_type);
/** All headers that could tell something: without those that differ with every answer. */
const told = (r) => Object.fromEntries(Object.entries(r.headers).filter(([k]) => !/^(date|x-request-id)$/.test(k)));

test("every route that records a view or an export is in the table", () => {
  assert.deepEqual(recorded().map((r) => r.path).sort(), Object.keys(SAMPLES).sort());
});
for (const [path, [some, none, refused]] of Object.entries(SAMPLES)) {
  test(`HEAD ${path}`, async () => {
    const c = await fresh(), std = await s.as("std@example.org");
    const one = await c.request("HEAD", address(path, some)), other = await c.request("HEAD", address(path, none));
    assert.deepEqual([one.status, one.text, one.headers["content-length"]], [200, "", undefined]);
    assert.deepEqual(Object.keys(one.headers).filter((k) => /x-recount-|etag/.test(k)), []);
    assert.deepEqual([other.status, told(other)], [one.status, told(one)], "what is found can not be told from what is not");
    if (refused) assert.ok([400, 404].includes((await c.request("HEAD", address(path, refused))).status));
    if (path !== "/api/v2/dashboard") assert.equal((await std.request("HEAD", address(path, some))).status, 403);
    assert.equal((await s.client().request("HEAD", address(path, some))).status, 401);
    assert.deepEqual(await did(c), [], "nothing is recorded");
    if (path.endsWith("/stream")) return void (await c.request("GET", address(path, some), undefined, {}, { stream: true })).destroy();
    const get = await signed(() => c.get(address(path, some)));
    assert.deepEqual([get.status, get.headers["content-type"]], [200, one.headers["content-type"]]);
    assert.equal((await did(c)).length, 1, "GET is");
  });
}
