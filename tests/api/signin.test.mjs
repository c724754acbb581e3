/** Signing in as the published clients do it, quirks included; what each attempt leaves in the log. */
import { test, after, before, describe } from "node:test";
import { serve, assert, claims, ADMIN, PASSWORD } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ proxy: true, users: [
    { email: "dora@example.org", role: "STD_USER" }, { email: "lock@example.org", role: "STD_USER" }, { email: "off@example.org", role: "STD_USER" },
    { email: "device@example.org", role: "STD_USER" }] });
  admin = await s.as();
});
after(() => s.stop());

describe("without a token", () => {
  test("the root says where to authenticate, in exactly these words", async () => {
    const r = await s.client().get("/api/v1/");
    assert.equal(r.status, 200);
    assert.equal(r.body.text, "Authenticate at /authenticate");
    assert.match(r.headers["content-type"], /^application\/json/);
  });
  test("health has the maintenance flag where the operator's tool reads it", async () => {
    const r = await s.client().get("/api/v2/health/full");
    assert.equal(r.body.data.inMaintenanceMode, false);
  });
  test("an unknown address is a JSON 404 with every member a client reads", async () => {
    const r = await s.client().get("/api/v1/nothing/here");
    assert.equal(r.status, 404);
    assert.deepEqual([r.body.status, r.body.statusCode, typeof r.body.error, typeof r.body.message], ["error", 404, "string", "string"]);
  });
  test("what needs a token answers 401 in JSON", async () => {
    const r = await s.client().get("/api/v2/whoami");
    assert.equal(r.status, 401);
    assert.equal(r.body.statusCode, 401);
  });
  test("the list of providers is public", async () => {
    assert.equal((await s.client().get("/api/v2/authenticate/providers")).status, 200);
  });
});

describe("authenticate", () => {
  const shape = (b) => {
    assert.equal(b.status, "success");
    assert.equal(b.tenant_id, 0);
    assert.equal(b.token.split(".").length, 3);
    assert.equal(b.cookie.split(".").length, 3);
  };
  test("JSON with its type", async () => shape((await s.client().post("/api/v1/authenticate", { username: ADMIN.email, password: PASSWORD })).body));
  test("JSON without a type", async () => {
    const r = await s.client().request("POST", "/api/v1/authenticate", JSON.stringify({ username: ADMIN.email, password: PASSWORD }));
    shape(r.body);
  });
  test("a form", async () => {
    const r = await s.client().request("POST", "/api/v1/authenticate", new URLSearchParams({ username: ADMIN.email, password: PASSWORD }).toString(),
      { "content-type": "application/x-www-form-urlencoded" });
    assert.equal(r.status, 200, r.text);
    shape(r.body);
  });
  test("the name's case does not matter", async () => shape((await s.client().post("/api/v1/authenticate", { username: ADMIN.email.toUpperCase(), password: PASSWORD })).body));
  test("the token is a JWT with the claims clients read", async () => {
    const b = (await s.client().post("/api/v1/authenticate", { username: ADMIN.email, password: PASSWORD })).body;
    const c = claims(b.token);
    assert.equal(c.exp - c.iat, 900);
    assert.equal(c.tenantId, 0);
    assert.equal(c.username, ADMIN.email);
    assert.match(claims(b.cookie).tenantCuid, /^c[a-z0-9]{24}$/);
    assert.equal(JSON.stringify(c).includes("password"), false);
  });
  test("the token works bare and with Bearer, whatever its case", async () => {
    for (const authorization of [admin.token, `Bearer ${admin.token}`, `bearer ${admin.token}`]) {
      const r = await s.client().get("/api/v2/whoami", { authorization });
      assert.equal(r.status, 200, authorization.slice(0, 10));
      assert.equal(r.body.email, ADMIN.email);
    }
  });
  test("whoami has the members clients read", async () => {
    const w = await admin.ok("GET", "/api/v2/whoami");
    assert.equal(typeof w.user_id, "number");
    assert.equal(w.tenant_id, 0);
    assert.deepEqual(w.name, { first: "Alice", last: "Archer" });
    for (const k of ["cuid", "tenantCuid", "tenantName", "username", "role"]) assert.equal(typeof w[k], "string", k);
    assert.equal((await admin.get("/api/v1/user/whoami")).status, 200);
  });
  test("both calls refresh", async () => {
    for (const [path, body] of [["/api/v1/token/refresh", undefined], ["/api/v1/authenticate", {}]]) {
      const r = await admin.request("PUT", path, body);
      assert.equal(r.status, 200, r.text);
      shape(r.body);
      assert.equal((await s.client({ token: r.body.token }).get("/api/v2/whoami")).status, 200);
    }
  });
  test("the upload cookie is no token for the header, and the token none for uploads", async () => {
    assert.equal((await s.client({ token: admin.answer.cookie }).get("/api/v2/whoami")).status, 401);
    assert.equal((await s.client({ token: admin.token }).get("/api/v1/uploads/none.png")).status, 401);
  });
  test("a further ? in the query counts as &", async () => {
    const r = await admin.get("/api/v2/auditlog?limit=2?offset=0");
    assert.equal(r.status, 200, r.text);
    assert.ok(r.body.data.length <= 2);
  });
  test("a sign-in is recorded with name, address and time", async () => {
    const c = await s.as("dora@example.org", PASSWORD, { from: "203.0.113.77" });
    const e = await admin.event("LoginSuccess", (x) => x.address === "203.0.113.77");
    assert.match(e.user_info, /^Dora|dora/i);
    assert.match(e.user_info, /\(dora@example\.org\)/);
    assert.equal(e.outcome, "success");
    assert.ok(Math.abs(Date.parse(e.timestamp) - Date.now()) < 60_000);
    assert.match(e.cuid, /^c[a-z0-9]{24}$/);
    assert.ok(c.token);
  });
});

describe("refused", () => {
  const mask = (r) => {
    const h = { ...r.headers };
    delete h.date;
    return { status: r.status, headers: h, text: r.text.replace(/"requestId":"[^"]*"/, "") };
  };
  test("existing, unknown, locked and disabled names get the same answer", async () => {
    await admin.ok("POST", "/api/v1/tenant/0/user/toggledisabled", { email: "off@example.org", disabled: true });
    for (let i = 0; i < 6; i++)
      await s.client({ from: `198.51.100.${10 + i}` }).post("/api/v1/authenticate", { username: "lock@example.org", password: "wrong" });
    const answers = [];
    let n = 0;
    for (const [username, password] of [["dora@example.org", "wrong"], ["nobody@example.org", "wrong"], ["lock@example.org", PASSWORD], ["lock@example.org", "wrong"], ["off@example.org", PASSWORD]])
      answers.push(mask(await s.client({ from: `198.51.100.${100 + n++}` }).post("/api/v1/authenticate", { username, password })));
    for (const a of answers) assert.deepEqual(a, answers[0]);
    assert.equal(answers[0].status, 401);
    assert.equal(JSON.parse(answers[0].text.replace(/,}$/, "}")).status, "error");
  });
  test("failures lock the account, an administrator's unlock releases it", async () => {
    const lock = await admin.event("LoginLockout", (e) => JSON.stringify(e).includes("lock@example.org"));
    assert.match(lock.message, /was locked after 5 failed sign-ins/);
    const { user_id } = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data.find((u) => u.email === "lock@example.org");
    const enter = (n) => s.client({ from: `198.51.100.${n}` }).post("/api/v1/authenticate", { username: "lock@example.org", password: PASSWORD });
    assert.equal((await enter(150)).status, 401);
    await admin.ok("POST", `/api/v2/tenants/0/users/${user_id}/unlock`);
    const e = await admin.event("UserUnlocked", (x) => x.target.email === "lock@example.org");
    assert.deepEqual([e.actor.email, e.changes], [ADMIN.email, [{ field: "locked", before: "true", after: "false" }]]);
    assert.equal((await enter(151)).status, 200);
    const fail = await admin.event("LoginFail", (e) => JSON.stringify(e).includes("dora@example.org"));
    assert.match(fail.message, /invalid credentials/i);
    assert.equal(/password/i.test(fail.message + fail.title), false, "a failed sign-in is not found by the word password");
    assert.equal(fail.outcome, "failure");
  });
  test("a password typed as the name is not kept", async () => {
    await s.client({ from: "198.51.100.200" }).post("/api/v1/authenticate", { username: "Hunter2-Secret!", password: "x" });
    await s.client({ from: "198.51.100.201" }).post("/api/v1/authenticate", { username: "someone.else@example.net", password: "x" });
    await admin.event("LoginFail", (e) => JSON.stringify(e).includes("someone.else@example.net"));
    const all = JSON.stringify(await admin.events({ limit: "1000" }));
    assert.equal(all.includes("Hunter2-Secret!"), false);
  });
  test("the eleventh failure of an address within a minute answers 429, an address beside it does not", async () => {
    const seen = [];
    for (let i = 0; i < 12; i++)
      seen.push((await s.client({ from: "192.0.2.50" }).post("/api/v1/authenticate", { username: `guess${i}@example.org`, password: "x" })).status);
    assert.deepEqual(seen.slice(0, 10), Array(10).fill(401));
    assert.equal(seen[11], 429);
    const limited = await s.client({ from: "192.0.2.50" }).post("/api/v1/authenticate", { username: "guess@example.org", password: "x" });
    assert.ok(Number(limited.headers["retry-after"]) >= 1);
    assert.equal((await s.client({ from: "192.0.2.51" }).post("/api/v1/authenticate", { username: ADMIN.email, password: PASSWORD })).status, 200);
  });
  test("successes do not use up the allowance", async () => {
    for (let i = 0; i < 14; i++)
      assert.equal((await s.client({ from: "192.0.2.60" }).post("/api/v1/authenticate", { username: ADMIN.email, password: PASSWORD })).status, 200);
  });
  test("missing members are named", async () => {
    const r = await s.client({ from: "192.0.2.61" }).post("/api/v1/authenticate", { username: "x@example.org" });
    assert.equal(r.status, 400);
    assert.match(r.text, /password/);
  });
});
