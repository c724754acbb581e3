/** Malformed requests: refused with a status, never a 500, and the server goes on. */
import { test, after } from "node:test";
import { readFileSync } from "node:fs";
import { serve, assert, raw, until, ADMIN, PASSWORD, SLOW } from "./harness.mjs";
import { routes } from "./routes.mjs";

const s = await serve({});
const admin = await s.as();
after(() => s.stop());
const head = (extra = "") => `Host: x\r\nAuthorization: ${admin.token}\r\n${extra}`;
const alive = async () => assert.equal((await s.client().get("/api/v1/")).status, 200);

/**
 * name, bytes, statuses allowed (0: the connection is just closed).
 * @type {[string, string, number[]][]}
 */
const table = [
  ["no host", "GET /api/v1/ HTTP/1.1\r\n\r\n", [400]],
  ["two hosts", "GET /api/v1/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]],
  ["two different lengths", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Content-Length: 2\r\nContent-Length: 3\r\n")}\r\n{}x`, [400]],
  ["length and chunks", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n")}\r\n0\r\n\r\n`, [400]],
  ["a length that is no number", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Content-Length: two\r\n")}\r\n{}`, [400]],
  ["a negative length", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Content-Length: -1\r\n")}\r\n`, [400]],
  ["an unknown transfer encoding", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Transfer-Encoding: gzip, chunked\r\n")}\r\n0\r\n\r\n`, [400, 501]],
  ["two credentials", `GET /api/v2/whoami HTTP/1.1\r\n${head("authorization: Bearer other\r\n")}\r\n`, [400]],
  ["two types", `POST /api/v1/authenticate HTTP/1.1\r\n${head("Content-Type: application/json\r\nContent-type: application/x-www-form-urlencoded\r\nContent-Length: 31\r\n")}\r\n{"username":"x","password":"y"}`, [400]],
  ["a control byte in a value", `GET /api/v1/ HTTP/1.1\r\nHost: x\r\nX-A: a\x01b\r\n\r\n`, [400]],
  ["a blank before the colon", "GET /api/v1/ HTTP/1.1\r\nHost : x\r\n\r\n", [400]],
  ["no HTTP at all", "hello\r\n\r\n", [400, 0]],
  ["a method nobody knows", `BREW /api/v1/ HTTP/1.1\r\n${head()}\r\n`, [400, 404, 405, 501]],
  ["a path that climbs", `GET /api/../../etc/passwd HTTP/1.1\r\n${head()}\r\n`, [400, 404]],
  ["an encoded NUL", `GET /api/v1/%00 HTTP/1.1\r\n${head()}\r\n`, [400, 404]],
  ["bytes that are no UTF-8", `GET /api/v2/auditlog?q=%ff%fe HTTP/1.1\r\n${head()}\r\n`, [400]],
  ["half an escape", `GET /api/v2/auditlog?q=%4 HTTP/1.1\r\n${head()}\r\n`, [400]],
  ["an absurd header", `GET /api/v1/ HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(200_000)}\r\n\r\n`, [400, 413, 414, 431, 0]],
  ["an absurd address", `GET /api/v1/${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [400, 404, 414, 431, 0]],
];
for (const [name, bytes, allowed] of table)
  test(`malformed: ${name}`, async () => {
    const r = await raw(s, bytes);
    assert.ok(allowed.includes(r.status), `${r.status}: ${r.text.slice(0, 200)}`);
    if (r.status >= 400 && /^\{/m.test(r.text)) assert.match(r.text, /"status":"error"/);
    await alive();
  });

test("bodies: not JSON, half JSON, doubled keys, too deep, NaN, another type", async () => {
  for (const body of ["{", "[1,", "{'a':1}", '{"name":NaN}', '{"name":"a","name":"b"}', "[".repeat(5000), '"just text"', "", '{"name":"\\ud800"}', '{"name":"a\\u0000b"}', "\xff\xfe", "nul"]) {
    const r = await admin.request("POST", "/api/v1/client/create", body, { "content-type": "application/json" });
    assert.equal(r.status, 400, `${body.slice(0, 30)}: ${r.status} ${r.text.slice(0, 200)}`);
    assert.equal(r.body.statusCode, 400);
    assert.ok(r.body.fields.length > 0 && r.body.fields.every((f) => typeof f.pointer === "string" && f.reason), r.text);
  }
  const none = await admin.request("POST", "/api/v1/client/create");
  assert.deepEqual([none.status, none.body.fields, none.body.message], [400, [{ pointer: "", reason: "is required" }], "The body is required"]);
  await alive();
});
test("a malformed head names the part that is wrong, and what is wrong with it", async () => { // what the library answers before we see it names none
  for (const [bytes, pointer, reason] of /** @type {[string, string, RegExp][]} */ ([
    [`GET /api/v1/a%2Fb HTTP/1.1\r\n${head()}\r\n`, "path", /%2F/],
    [`GET /api/v1//x HTTP/1.1\r\n${head()}\r\n`, "path", /empty segment/],
    [`GET /api/v1/%2e%2e/x HTTP/1.1\r\n${head()}\r\n`, "path", /dot segment/],
    [`GET /api/v1/%ff HTTP/1.1\r\n${head()}\r\n`, "path", /UTF-8/],
    [`GET /api/v1/%4 HTTP/1.1\r\n${head()}\r\n`, "path", /percent-encoded/],
    [`GET /api/v1/a%5cb HTTP/1.1\r\n${head()}\r\n`, "path", /backslash/],
    [`GET /api/v2/auditlog?q=%ff HTTP/1.1\r\n${head()}\r\n`, "q", /UTF-8/],
    [`GET /api/v2/auditlog?%ff=q HTTP/1.1\r\n${head()}\r\n`, "query", /UTF-8/],
    [`GET /api/v2/auditlog?${"a&".repeat(300)} HTTP/1.1\r\n${head()}\r\n`, "query", /too many/],
    [`GET /api/v1/ HTTP/1.1\r\nHost: y\r\n${head()}\r\n`, "host", /exactly one/],
    ["GET /api/v1/ HTTP/1.1\r\nHost: x\r\nX-A: a\x01b\r\n\r\n", "X-A", /malformed/],
    [`GET /api/v2/whoami HTTP/1.1\r\n${head("authorization: Bearer other\r\n")}\r\n`, "authorization", /twice/],
  ])) {
    const r = await raw(s, bytes), line = bytes.slice(0, 60);
    assert.equal(r.status, 400, `${line}: ${r.text.slice(0, 300)}`);
    const { fields } = JSON.parse(/\{"status".*\}/s.exec(r.text)?.[0] ?? assert.fail(r.text));
    assert.deepEqual(fields.map((f) => f.pointer), [pointer], line);
    assert.match(fields[0].reason, reason, line);
  }
});
test("of a great many bad fields the first thousand are told; lists of permissions have an end", async () => {
  const bad = { email: true, role: true, name: { first: true, last: true } }, r = await admin.post("/api/v1/tenant/0/user/create/bulk", Array.from({ length: 1000 }, () => bad));
  assert.deepEqual([r.status, r.body.fields.length, r.body.fields[0].pointer, r.body.message], [400, 1000, "/0/email", "0/email must be text"]);
  const many = Array.from({ length: 20_000 }, (_, i) => `k${i}`), role = (await admin.ok("POST", "/api/v2/tenants/0/security/role")).id;
  const scopes = await admin.post("/api/v2/user/tokens", { name: "many", scopes: many }), rights = await admin.put(`/api/v2/tenants/0/security/role/${role}/permissions`, { permissions: many });
  assert.deepEqual([scopes.status, scopes.body.fields.length, scopes.body.fields[0].reason], [400, 1, "has more than 1000 entries"]);
  assert.deepEqual([rights.status, rights.body.fields.length, rights.body.fields[0].reason], [400, 1, "has more than 1000 entries"]);
});
test("every bad field is named, with its reason", async () => {
  const r = await admin.post("/api/v1/client/create", { name: "", description: 7, poc_email: ["x"], tags: "no list" });
  assert.equal(r.status, 400);
  assert.ok(r.body.fields.length >= 2, JSON.stringify(r.body));
  for (const f of r.body.fields) assert.ok(f.pointer && f.reason);
});
test("a refusal is called by its own name, whoever refuses", async () => {
  for (const [bytes, status, name] of /** @type {[string, number, string][]} */ ([
    [`GET /api/v1/${"a".repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, "URI Too Long"],
    ["POST /api/v1/authenticate HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\nContent-Length: 2\r\n\r\n{}", 417, "Expectation Failed"],
    [`GET /api/v1/ HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 120 }, (_, i) => `X-${i}: a\r\n`).join("")}\r\n`, 431, "Request Header Fields Too Large"],
    ["GET /api/v1/ HTTP/1.2\r\nHost: x\r\n\r\n", 505, "HTTP Version Not Supported"]])) {
    const body = JSON.parse((await raw(s, bytes)).text.split("\r\n\r\n")[1]);
    assert.deepEqual([body.statusCode, body.error], [status, name]);
  }
});
test("a filter longer than what it looks for is refused by name; the store is not asked", async () => {
  const list = (by, value) => admin.post("/api/v2/clients", { pagination: { offset: 0, limit: 10 }, filters: [{ by, value }] });
  for (const [by, value] of /** @type {[string, any][]} */ ([["name", "a".repeat(60_000)], ["searchTerm", "a".repeat(256)], ["asset", "a".repeat(256)], ["tags", ["\u0001".repeat(150_000)]],
    ["tags", "t".repeat(256)], ["tags", Array.from({ length: 80_000 }, (_, i) => `x${i}`)], ["tags", Array.from({ length: 501 }, (_, i) => `x${i}`)]])) {
    const r = await list(by, value);
    assert.equal(r.status, 400, `${by}: ${r.text.slice(0, 200)}`);
    assert.equal(r.body.fields[0].pointer, "/filters");
  }
  for (const [by, value] of /** @type {[string, any][]} */ ([["name", "ﷺ".repeat(85)], ["tags", Array.from({ length: 500 }, (_, i) => "\u0001".repeat(252) + i)]])) assert.deepEqual((await list(by, value)).body?.data, [], by);
});
test("a body of more than a megabyte is 413", async () => {
  const r = await admin.request("POST", "/api/v1/client/create", JSON.stringify({ name: "x".repeat(1_200_000) }), { "content-type": "application/json" }).catch((e) => ({ status: e.code }));
  assert.ok([413, "ECONNRESET", "EPIPE"].includes(r.status), String(r.status));
  await alive();
});
test("the memory of large bodies is given back", { skip: SLOW && "a sanitizer keeps what is freed" }, async () => {
  const zeros = `{"name":"big","zeros":[${"0,".repeat(500_000)}0]}`, resident = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${s.child.pid}/status`, "utf8"))[1]) >> 10;
  for (let i = 0; i < 3; i++) for (const r of await Promise.all(Array.from({ length: 20 }, () => admin.request("POST", "/api/v1/client/create", zeros, { "content-type": "application/json" })))) assert.equal(r.status, 413);
  await until(() => resident() < 150, `${resident()} MB to shrink`);
});
test("a stranger's body is small: thousands of them may wait at once", async () => {
  const stranger = s.client(), u = String.raw`\u0061`.repeat(1024), send = (path, body) => stranger.request("POST", path, body, { "content-type": "application/json" }).catch((e) => ({ status: e.code }));
  for (const path of ["/api/v1/authenticate", "/api/v1/authenticate/mfa", "/api/v2/session", "/api/v2/session/mfa", "/api/v1/user/forgotpass", "/api/v2/user/password/link"]) {
    const r = await send(path, JSON.stringify({ username: "x".repeat(70_000) }));
    assert.ok([413, "ECONNRESET", "EPIPE"].includes(r.status), `${path}: ${r.status}`);
  }
  assert.equal((await send("/api/v1/authenticate", `{"username":"${u}","password":"${u}"}`)).status, 401, "the longest there are, written as long as can be");
  await alive();
});
test("the literal null as body of DELETE is no body", async () => {
  const c = (await admin.ok("POST", "/api/v1/client/create", { name: "Short-lived" })).client_id;
  const r = await admin.request("DELETE", `/api/v1/client/${c}`, "null");
  assert.equal(r.status, 200, r.text);
});
test("ids that are none", async () => {
  for (const id of ["0", "-1", "99999999999999999999", "abc", "1e3", "%20", "1;drop", "1%2f2", "NaN", "🦊"]) {
    const r = await admin.get(`/api/v1/client/${encodeURIComponent(id)}`);
    assert.ok([400, 404].includes(r.status), `${id}: ${r.status}`);
    assert.equal(typeof r.body.message, "string");
  }
});
test("the wrong method on each address there is: 405, with the methods it takes", async () => {
  const all = routes(), order = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
  /** Whether an address is one of the pattern's. */
  const fits = (pattern, path) => { const p = pattern.split("/"), x = path.split("/"); return p.length === x.length && p.every((seg, i) => seg.startsWith("{") || seg === x[i]); };
  for (const path of new Set(all.map((r) => r.path.replace(/\{[^}]*\}/g, "0")))) {
    const takes = new Set(all.filter((r) => fits(r.path, path)).map((r) => r.method));
    if (takes.has("GET")) takes.add("HEAD");
    for (const method of ["PROPFIND", ...order.filter((m) => !takes.has(m))]) {
      const r = await admin.request(method, path, ["POST", "PUT", "PATCH"].includes(method) ? {} : undefined);
      assert.equal(r.status, 405, `${method} ${path}: ${r.status}`);
      assert.equal(r.headers.allow, order.filter((m) => takes.has(m)).join(", "), `${method} ${path}`);
    }
  }
  const r = await admin.request("POST", "/", {});
  assert.deepEqual([r.status, r.headers.allow], [405, "GET, HEAD"], "pages");
  const one = await admin.request("HEAD", "/api/v2/whoami"), none = await admin.request("HEAD", "/api/v2/nothing");
  assert.deepEqual([one.status, one.text, none.status, none.headers.allow], [200, "", 404, undefined]);
});
test("control and bidirectional characters in names are shown as codes in the log", async () => {
  await admin.ok("POST", "/api/v1/client/create", { name: "evil\u202etxt\u0007\nforged line" });
  const e = (await admin.events({ event_type: "ClientCreated", limit: "1" }))[0];
  assert.equal(/[\u202e\u0007\n]/.test(e.message), false, JSON.stringify(e.message));
});
test("credentials in absurd forms", async () => {
  for (const authorization of ["Bearer", "Bearer ", "Bearer a.b.c", "a.b", "Basic YTpi", "x".repeat(5000), `${admin.token}x`, `Bearer ${admin.token} extra`, "rct_nope", "."]) {
    const r = await s.client().get("/api/v2/whoami", { authorization });
    assert.ok([400, 401, 431].includes(r.status), `${authorization.slice(0, 20)}: ${r.status}`);
  }
  const alg = (o) => Buffer.from(JSON.stringify(o)).toString("base64url");
  const none = `${alg({ alg: "none", typ: "JWT" })}.${admin.token.split(".")[1]}.`;
  assert.equal((await s.client({ token: none }).get("/api/v2/whoami")).status, 401);
});
test("a form: bytes of a file are no text, and a name stands once", async () => {
  const send = (part, bytes) => {
    const head = `--b\r\nContent-Disposition: form-data; ${part}\r\n\r\n`;
    return admin.request("POST", "/api/v1/client/create", Buffer.concat([Buffer.from(head), bytes, Buffer.from("\r\n--b--\r\n")]), { "content-type": "multipart/form-data; boundary=b" });
  };
  const file = await send('name="name"; filename="name"', Buffer.from([0x41, 0xff, 0x00]));
  assert.equal(file.status, 400, file.text);
  assert.match(file.text, /is required/);
  assert.equal((await send('name="name"', Buffer.from([0x41, 0xff]))).status, 400);
  const twice = await admin.request("POST", "/api/v1/client/create", "name=Twice&x=1&x=2", { "content-type": "application/x-www-form-urlencoded" });
  assert.equal(twice.status, 400);
  assert.match(twice.text, /given twice/);
});
test("the target's own host is checked as the header's is", async () => {
  for (const target of ['http://ex"ample/api/v1/', "http:///api/v1/", "http://user@example.org/api/v1/"])
    assert.equal((await raw(s, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)).status, 400, target);
});
test("very long and odd passwords do no harm", async () => {
  for (const password of ["x".repeat(100_000), "\u0000", "🦊".repeat(200), " "]) {
    const r = await s.client().post("/api/v1/authenticate", { username: ADMIN.email, password });
    assert.ok([400, 401, 413, 429].includes(r.status), String(r.status));
  }
  void PASSWORD;
});
test("seeded garbage to every route: no 500", async () => {
  let seed = 20261123;
  const rnd = (n) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % n; };
  const values = [null, true, -1, 0, 1e308, "", "x", "\u202e", "a".repeat(3000), [], [[]], {}, { a: { b: {} } }, [1, "2", null], "2026-13-45", "<script>", "%s%n"];
  const keys = ["name", "email", "username", "users", "role", "title", "permissions", "userId", "disabled", "tags", "custom_field", "pagination", "filters", "sort", "key", "scope", "ownerId", "text", "code", "token", "visibility", "password", "currentPassword", "newPassword", "enabled", "description", "default_group"];
  const { routes } = await import("./routes.mjs");
  for (const r of routes()) {
    if (/stream|hints|export|mfa|password|session$|logout/.test(r.path)) continue;
    for (let i = 0; i < 6; i++) {
      const body = rnd(4) === 0 ? values[rnd(values.length)] : Object.fromEntries(Array.from({ length: 4 }, () => [keys[rnd(keys.length)], values[rnd(values.length)]]));
      const p = r.path.replace(/\{(\w+)\}/g, (_, k) => (k === "t" ? "0" : ["1", "x", "0", "tag_tenant_0_x", "ADMIN", "c".padEnd(25, "0")][rnd(6)]));
      const a = await admin.request(r.method, p + (rnd(3) ? "" : "?limit=x&offset=-5"), r.method === "GET" ? undefined : JSON.stringify(body), { "content-type": "application/json" });
      assert.ok(a.status < 500, `${r.method} ${p} ${JSON.stringify(body)?.slice(0, 300)}: ${a.status} ${a.text.slice(0, 300)}`);
      if (a.status === 401) await admin.signIn(ADMIN.email);
    }
  }
});
