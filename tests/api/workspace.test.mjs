/** What a workspace sets for its findings before there are any: service-level agreements, sub-statuses, SAML providers. */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { serve, assert, certificate, createUser } from "./harness.mjs";

let s, admin, stan, stranger;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }] });
  createUser(s.store, { email: "eve@other.example", role: "ADMIN", newTenant: true, tenantName: "Other" });
  admin = await s.as();
  stan = await s.as("stan@example.org");
  stranger = await s.as("eve@other.example");
});
after(() => s.stop());
const pointers = (r) => r.body.fields.map((f) => f.pointer).sort();
const change = (e, field) => { const c = e.changes.find((x) => x.field === field); return c && [c.before, c.after]; };
const events = async (type, id) => (await admin.events({ event_type: type })).filter((e) => e.target?.id === id);

/* ---- service-level agreements ---- */

const SLA = "/api/v2/sla/benchmarks";
const WHOLE = {
  name: "Criticals", daysToClose: 7, findingSeverity: ["Critical", "High"], enabled: true, findingTags: ["web"], assetCriticality: ["High"], assetTags: ["dmz"],
  notificationSettings: {
    hoursBeforeExpirationNotify: 48, recipients: ["soc@example.org"], sendDailyNotificationToAssignedUser: true, sendNearingNotificationToAssignedUser: false,
    sendExceededNotificationToAssignedUser: true, sendDailyNotificationToRecipients: false, sendNearingNotificationToRecipients: true, sendExceededNotificationToRecipients: true,
  },
};

test("an agreement from its creation to its deletion, each step an event with before and after", async () => {
  const made = await admin.ok("POST", SLA, { ...WHOLE, "x-own": { kept: [1, null] } });
  assert.equal(made.status, "success");
  const id = made.data.id;
  assert.match(id, /^c[a-z0-9]{24}$/);
  const one = await admin.ok("GET", `${SLA}/${id}`);
  for (const [k, v] of Object.entries(WHOLE)) assert.deepEqual(one[k], v, k);
  assert.deepEqual([one.doc_type, one.tenant_id, one["x-own"]], ["sla_benchmark", 0, { kept: [1, null] }], "what it does not know comes back as it was sent");
  assert.deepEqual((await admin.ok("GET", SLA)).data, [one]);
  const created = (await events("SlaBenchmarkCreated", id))[0];
  assert.deepEqual(change(created, "daysToClose"), [null, "7"]);
  assert.match(created.message, /Alice Archer .* created the service-level agreement Criticals/);

  // a client sends the whole object back, what it may not set included
  const put = await admin.ok("PUT", `${SLA}/${id}`, { ...one, doc_type: "nonsense", tenant_id: 99, id: "x", daysToClose: 14, findingTags: null });
  assert.deepEqual(put, { status: "success", data: id });
  const after = await admin.ok("GET", `${SLA}/${id}`);
  assert.deepEqual([after.daysToClose, after.findingTags, after.tenant_id, after.id, after["x-own"]], [14, [], 0, id, { kept: [1, null] }]);
  const updated = (await events("SlaBenchmarkUpdated", id))[0];
  assert.deepEqual(updated.changes.map((c) => c.field).sort(), ["daysToClose", "findingTags"]);
  assert.deepEqual(change(updated, "daysToClose"), ["7", "14"]);
  assert.deepEqual(change(updated, "findingTags"), ['["web"]', "[]"]);
  await admin.ok("PUT", `${SLA}/${id}`, after);
  assert.equal((await events("SlaBenchmarkUpdated", id)).length, 1, "no change, no event");

  assert.deepEqual(await admin.ok("DELETE", `${SLA}/${id}`, null), { status: "success", data: id });
  const gone = (await events("SlaBenchmarkDeleted", id))[0];
  for (const f of ["name", "daysToClose", "enabled", "findingSeverity", "assetCriticality", "assetTags", "notificationSettings", "other members"]) {
    const c = change(gone, f);
    assert.ok(c && c[0] !== null && c[1] === null, `${f}: ${JSON.stringify(c)}`);
  }
  for (const [m, b] of [["GET"], ["PUT", WHOLE], ["DELETE", null]]) assert.equal((await admin.request(m, `${SLA}/${id}`, b)).status, 404, String(m));
  assert.deepEqual((await admin.ok("GET", SLA)).data, []);
});
test("the smallest agreement; words in any case", async () => {
  const made = (await admin.ok("POST", SLA, { name: " Small ", daysToClose: "30", findingSeverity: ["informational"], enabled: "False" })).data;
  assert.deepEqual([made.name, made.daysToClose, made.findingSeverity, made.enabled, made.assetTags], ["Small", 30, ["Informational"], false, []]);
  assert.deepEqual(made.notificationSettings.recipients, []);
  await admin.ok("DELETE", `${SLA}/${made.id}`);
});
test("a wrong agreement: every bad field by its name, nothing kept", async () => {
  const none = await admin.post(SLA, {});
  assert.equal(none.status, 400);
  assert.deepEqual(pointers(none), ["/daysToClose", "/enabled", "/findingSeverity", "/name"]);
  const bad = { name: ["", "x".repeat(256), 5], daysToClose: [0, -1, 1.5, "soon", 36501], enabled: ["maybe", 1], findingSeverity: [[], "High", ["Urgent"], ["High", "high"], [5]],
    findingTags: ["web", [""], ["x".repeat(256)], [{}], Array(101).fill("t").map((t, i) => t + i)], assetCriticality: [["Secret"], [""]], assetTags: [true],
    notificationSettings: [[], "x", { recipients: ["no address"] }, { recipients: "soc@example.org" }, { hoursBeforeExpirationNotify: -1 }, { sendDailyNotificationToRecipients: "perhaps" }] };
  for (const [k, values] of Object.entries(bad)) for (const v of values) {
    const r = await admin.post(SLA, { ...WHOLE, [k]: v });
    assert.equal(r.status, 400, `${k}: ${JSON.stringify(v)?.slice(0, 60)}`);
    assert.ok(r.body.fields.length && r.body.fields[0].reason, r.text);
  }
  for (const body of ["[]", "7", '"x"', "{", ""]) assert.equal((await admin.post(SLA, body)).status, 400, body);
  assert.equal((await admin.post(SLA, { ...WHOLE, junk: "x".repeat(20_000) })).status, 413);
  assert.deepEqual((await admin.ok("GET", SLA)).data, []);
});
test("agreements are the administrator's, and the workspace's own", async () => {
  const id = (await admin.ok("POST", SLA, WHOLE)).data.id;
  for (const [m, p, b] of [["GET", SLA], ["POST", SLA, WHOLE], ["GET", `${SLA}/${id}`], ["PUT", `${SLA}/${id}`, WHOLE], ["DELETE", `${SLA}/${id}`]]) assert.equal((await stan.request(m, p, b)).status, 403, `${m} ${p}`);
  assert.deepEqual((await stranger.ok("GET", SLA)).data, []);
  for (const [m, b] of [["GET"], ["PUT", WHOLE], ["DELETE"]]) assert.equal((await stranger.request(m, `${SLA}/${id}`, b)).status, 404, String(m));
  assert.equal((await admin.ok("GET", `${SLA}/${id}`)).name, "Criticals");
  await admin.ok("DELETE", `${SLA}/${id}`);
});

/* ---- sub-statuses ---- */

const SUB = "/api/v3/substatus";

test("a sub-status from its creation to its deletion", async () => {
  assert.deepEqual((await admin.ok("GET", SUB)).data, [], "none exist until an administrator adds them");
  const made = (await admin.ok("POST", SUB, { status: "In Process", value: "Waiting for vendor" })).data;
  assert.match(made.cuid, /^c[a-z0-9]{24}$/);
  assert.deepEqual(made, { cuid: made.cuid, tenantCuid: (await admin.ok("GET", "/api/v2/whoami")).tenantCuid, status: "In Process", value: "Waiting for vendor" });
  assert.deepEqual(change((await events("SubstatusCreated", made.cuid))[0], "value"), [null, "Waiting for vendor"]);
  const open = (await admin.ok("POST", SUB, { status: "open", value: "Waiting for vendor" })).data;
  assert.equal(open.status, "Open");
  assert.deepEqual((await stan.ok("GET", SUB)).data, [open, made], "who works on findings reads them, in the order of the statuses");
  assert.equal((await admin.post(SUB, { status: "Open", value: "Waiting for vendor" })).status, 409);

  const moved = (await admin.ok("PATCH", `${SUB}/${made.cuid}`, { status: "Closed" })).data;
  assert.deepEqual(moved, { ...made, status: "Closed" });
  assert.deepEqual(change((await events("SubstatusUpdated", made.cuid))[0], "status"), ["In Process", "Closed"]);
  await admin.ok("PATCH", `${SUB}/${made.cuid}`, { status: "Closed", value: "Waiting for vendor" });
  assert.equal((await events("SubstatusUpdated", made.cuid)).length, 1, "no change, no event");
  assert.equal((await admin.patch(`${SUB}/${made.cuid}`, { status: "Open" })).status, 409);

  assert.equal((await admin.ok("DELETE", `${SUB}/${made.cuid}`, null)).status, "success");
  assert.deepEqual(change((await events("SubstatusDeleted", made.cuid))[0], "status"), ["Closed", null]);
  for (const [m, b] of [["PATCH", { value: "x" }], ["DELETE", null]]) assert.equal((await admin.request(m, `${SUB}/${made.cuid}`, b)).status, 404, String(m));
});
test("wrong sub-statuses, and those of others", async () => {
  assert.deepEqual(pointers(await admin.post(SUB, {})), ["/status", "/value"]);
  for (const b of [{ status: "In Progress", value: "x" }, { status: "Open", value: " " }, { status: "Open", value: "x".repeat(101) }, { status: "Open", value: 5 }, { status: null, value: "x" }])
    assert.equal((await admin.post(SUB, b)).status, 400, JSON.stringify(b));
  const mine = (await admin.ok("GET", SUB)).data[0];
  for (const b of [{ status: "Ajar" }, { value: "" }]) assert.equal((await admin.patch(`${SUB}/${mine.cuid}`, b)).status, 400, JSON.stringify(b));
  for (const [m, b] of [["PATCH", { value: "theirs" }], ["DELETE"]]) {
    assert.equal((await stranger.request(m, `${SUB}/${mine.cuid}`, b)).status, 404, String(m));
    assert.equal((await stan.request(m, `${SUB}/${mine.cuid}`, b)).status, 403, String(m));
  }
  assert.equal((await stan.post(SUB, { status: "Open", value: "x" })).status, 403);
  assert.deepEqual((await stranger.ok("GET", SUB)).data, []);
  assert.deepEqual((await admin.ok("GET", SUB)).data, [mine]);
});

/* ---- SAML ---- */

const SAML = "/api/v2/tenants/0/saml";

test("settings of a SAML provider are kept; switching it on is refused, as nobody could sign in by it", async () => {
  const cert = readFileSync(certificate(s.store.dir).cert, "utf8").trim();
  const fingerprint = spawnSync("openssl", ["x509", "-noout", "-fingerprint", "-sha256"], { input: cert, encoding: "utf8" }).stdout.split("=")[1].trim().replaceAll(":", "").toLowerCase();
  const config = { enabled: false, providerName: "Example IdP", issuer: "https://idp.example/metadata", cert, idpSSOUrl: "https://idp.example/sso" };
  assert.equal((await admin.get(`${SAML}/example`)).status, 404);
  const on = await admin.post(`${SAML}/example`, { ...config, enabled: true });
  assert.equal(on.status, 409);
  assert.match(on.body.message, /not available in this version/);
  assert.equal((await admin.get(`${SAML}/example`)).status, 404, "nothing was kept");

  const kept = await admin.ok("POST", `${SAML}/example`, config);
  assert.deepEqual(kept, { status: "success", ...config, available: false });
  assert.deepEqual(await admin.ok("GET", `${SAML}/example`), kept);
  const made = (await events("SamlProviderChanged", "example"))[0];
  assert.deepEqual(change(made, "issuer"), [null, config.issuer]);
  assert.deepEqual(change(made, "cert"), [null, `sha256:${fingerprint}`]);

  const bare = cert.replace(/-----[A-Z ]+-----/g, "").replace(/\s/g, "");
  await admin.ok("POST", `${SAML}/example`, { ...config, cert: bare, idpSSOUrl: "https://idp.example/sso2" });
  const moved = (await events("SamlProviderChanged", "example"))[0];
  assert.deepEqual(moved.changes.map((c) => c.field), ["idpSSOUrl"], "the same certificate in another form is the same");
  assert.deepEqual(change(moved, "idpSSOUrl"), [config.idpSSOUrl, "https://idp.example/sso2"]);

  assert.deepEqual(pointers(await admin.post(`${SAML}/example`, {})), ["/cert", "/enabled", "/idpSSOUrl", "/issuer", "/providerName"]);
  for (const b of [{ cert: "x" }, { cert: bare.slice(0, -8) }, { cert: "-----BEGIN CERTIFICATE-----\n" + bare }, { cert: Buffer.from("hello, this is no certificate").toString("base64") },
    { cert: "A".repeat(20_001) }, { idpSSOUrl: "javascript:alert(1)" }, { idpSSOUrl: "idp.example" }, { issuer: "" }, { providerName: "x".repeat(256) }]) {
    const r = await admin.post(`${SAML}/example`, { ...config, ...b });
    assert.equal(r.status, 400, JSON.stringify(b).slice(0, 80));
    assert.deepEqual(pointers(r), [`/${Object.keys(b)[0]}`]);
  }
  assert.equal((await admin.post(`${SAML}/${"x".repeat(65)}`, config)).status, 400);
  assert.equal((await admin.post(`${SAML}/a%20b`, config)).status, 400);
  assert.equal((await stan.get(`${SAML}/example`)).status, 403);
  assert.equal((await stranger.get(`/api/v2/tenants/${stranger.tenant}/saml/example`)).status, 404);
  assert.equal((await stranger.get(`${SAML}/example`)).status, 404);
});

/* ---- ways of signing in that are not there ---- */

test("nobody is switched to a way of signing in that does not exist yet", async () => {
  const T = "/api/v2/tenants/0", id = (await admin.ok("GET", `${T}/users?filter=stan`)).data[0].user_id;
  for (const [m, p, b] of [["POST", `${T}/providers/okta`, { enabled: true }], ["PUT", `/api/v2/authenticate/tenants/0/users/${id}/configuration`, { authentication_provider: "okta" }],
    ["PUT", `${T}/users/${id}`, { authentication_provider: "google" }], ["PUT", "/api/v1/user/update", { authenticationProvider: "azure" }],
    ["POST", "/api/v1/tenant/0/user/create/bulk", [{ email: "new@example.org", name: { first: "New", last: "One" }, authentication_provider: "openid_connect" }]]]) {
    const r = await admin.request(m, p, b);
    assert.equal(r.status, 409, `${m} ${p}: ${r.text}`);
    assert.match(r.body.message, /not available in this version/);
  }
  assert.equal((await admin.put(`${T}/users/${id}`, { authentication_provider: "ldap" })).status, 400);
  await admin.ok("PUT", `${T}/users/${id}`, { authentication_provider: "plextrac", first: "Stanley" });
  const again = await s.as("stan@example.org");
  assert.equal((await again.get("/api/v2/whoami")).status, 200);
  assert.equal((await admin.events({ event_type: "UserUpdated" })).filter((e) => e.changes?.some((c) => c.field === "authentication_provider")).length, 0);
});

test("the settings of a way of signing in are kept and answered, the secret is not; what is refused keeps nothing", async () => {
  const T = "/api/v2/tenants/0", P = `${T}/providers/okta`, secret = "Sealed-Letter-90", sent = { enabled: false, provider: "okta", uri: "https://example.okta.com", providerClientId: "client-1", providerClientSecret: secret, authServerId: "default" };
  const { providerClientSecret: _, ...shown } = sent, read = async () => admin.ok("GET", P);
  assert.equal((await admin.post(P, { ...sent, enabled: true })).status, 409);
  assert.deepEqual(await read(), { enabled: false, available: false, provider: "okta", uri: "", providerClientId: "", authServerId: "" });
  await admin.ok("POST", P, sent);
  assert.deepEqual(await read(), { ...shown, available: false });
  await admin.ok("POST", P, { enabled: false, uri: "https://other.okta.com" });
  assert.deepEqual(await read(), { ...shown, available: false, uri: "https://other.okta.com" }, "what is not sent is kept");
  const r = await admin.post(P, { enabled: false, uri: 5, providerClientId: "x".repeat(256), authServerId: "new" });
  assert.deepEqual([r.status, r.body.fields.map((f) => f.pointer)], [400, ["/uri", "/providerClientId"]]);
  assert.equal((await read()).authServerId, "default");
  assert.equal((await admin.ok("GET", `${T}/providers/azure`)).uri, "", "each provider has its own");
  const changes = (await admin.events({ event_type: "SettingChanged" })).filter((e) => /way of signing in/.test(e.message)).map((e) => e.changes);
  assert.deepEqual(changes.map((c) => c.map((x) => x.field)), [["provider.okta.uri"], ["provider.okta.uri", "provider.okta.client_id", "provider.okta.client_secret", "provider.okta.client_secret_mark", "provider.okta.auth_server"]]);
  assert.deepEqual(change({ changes: changes[1] }, "provider.okta.client_secret"), ["", "(changed)"]);
  assert.doesNotMatch(JSON.stringify(await admin.events()) + s.err, new RegExp(secret));
});

/* ---- findings: none yet ---- */

test("findings assigned to oneself: an empty list in its shape", async () => {
  const sort = [{ by: "severity", order: "DESC" }], filters = [{ by: "status", value: ["Open"] }];
  const r = await stan.ok("POST", "/api/v2/user/findings", { pagination: { offset: 0, limit: 25 }, sort, filters });
  assert.deepEqual(r, { status: "success", data: [], total: 0, meta: { pagination: { offset: 0, limit: 25, total: 0 }, sort, filters } });
  for (const b of [{}, { pagination: { offset: -1, limit: 5 } }, { pagination: { offset: 0, limit: 5 }, sort: [{ by: "nonsense" }] }, { pagination: { offset: 0, limit: 5 }, filters: {} }])
    assert.equal((await stan.post("/api/v2/user/findings", b)).status, 400, JSON.stringify(b));
  const c = (await stan.ok("POST", "/api/v1/client/create", { name: "Mine" })).client_id;
  assert.equal((await stan.ok("POST", `/api/v2/client/${c}/findings`, { pagination: { offset: 0, limit: 99999 }, sort: [{ by: "dateFrom", order: "ASC" }] })).meta.pagination.total, 0);
  assert.equal((await stan.post(`/api/v2/client/${c}/findings`, { pagination: { offset: 0, limit: 5 }, sort: [{ by: "flawId" }] })).status, 400);
});

/* ---- one user, the deprecated way ---- */

test("user/create: one user by form or JSON, an event as in bulk", async () => {
  const P = "/api/v1/tenant/0/user/create", form = { "content-type": "application/x-www-form-urlencoded" };
  const a = await admin.ok("POST", P, "email=form%40example.org&first=Form&last=One&role=ANALYST&default_group=true", form);
  assert.deepEqual([a.status, a.created.length, a.created[0].email], ["success", 1, "form@example.org"]);
  const b = await admin.ok("POST", P, { email: "json@example.org", name: { first: "Json", last: "Two" }, tenantClassificationLevel: "Tier 1" });
  const c = await admin.ok("POST", P, "email=brackets%40example.org&name%5Bfirst%5D=Brac&name%5Blast%5D=Kets", form);
  const m = "----b", part = (k, v) => `--${m}\r\nContent-Disposition: form-data; name="${k}"\r\n\r\n${v}\r\n`;
  await admin.ok("POST", P, part("email", "multi@example.org") + part("first", "Multi") + part("last", "Part") + `--${m}--\r\n`, { "content-type": `multipart/form-data; boundary=${m}` });
  const list = Object.fromEntries((await admin.ok("GET", "/api/v1/tenant/0/user/list")).map((r) => [r.data.email, r.data]));
  assert.deepEqual([list["form@example.org"].roles, list["form@example.org"].default_group], [["ANALYST"], true]);
  assert.deepEqual([list["json@example.org"].fullName, list["json@example.org"].roles], ["Json Two", ["STD_USER"]]);
  assert.deepEqual([list["brackets@example.org"].first, list["multi@example.org"].last], ["Brac", "Part"]);
  for (const made of [a, b, c]) await admin.event("UserCreated", (e) => e.target?.id === made.created[0].cuid);
  assert.equal((await admin.post(P, { email: "json@example.org", name: { first: "x", last: "y" } })).status, 409);
  const bad = await admin.post(P, { email: "nope", first: "", last: "L" });
  assert.equal(bad.status, 400);
  assert.ok(pointers(bad).includes("/email"), bad.text);
  assert.equal((await admin.post(P, [])).status, 400);
  assert.equal((await stan.post(P, { email: "x@example.org", first: "x", last: "y" })).status, 403);
});

/* ---- orders ---- */

test("an order that does not exist is refused by every list", async () => {
  for (const p of ["/api/v2/tenants/0/users?sortBy=nonsense", "/api/v2/tenants/0/authorization?sortBy=nonsense"]) {
    const r = await admin.get(p);
    assert.equal(r.status, 400, p);
    assert.deepEqual(pointers(r), ["sortBy"]);
  }
  const r = await admin.post("/api/v2/clients", { pagination: { offset: 0, limit: 5 }, sort: [{ by: "nonsense" }] });
  assert.equal(r.status, 400);
  assert.deepEqual(pointers(r), ["/sort/0/by"]);
  assert.equal((await admin.get("/api/v1/user/notifications?read=perhaps")).status, 400);
});
test("users by flag and by state: enabled, locked, disabled", async () => {
  const bad = { username: "multi@example.org", password: "wrong" };
  await admin.ok("POST", "/api/v1/tenant/0/user/toggledisabled", { email: "form@example.org", disabled: true });
  const lock = await admin.ok("GET", "/api/v2/tenants/0/settings/authentication");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/authentication", { lockout_failures: 3, auth_per_minute: 50 });
  for (let i = 0; i < 3; i++) await s.client().post("/api/v1/authenticate", bad);
  await admin.event("LoginLockout", (e) => e.target?.name?.includes("Multi") || e.message.includes("multi@example.org"));
  const list = async (q) => (await admin.ok("GET", `/api/v2/tenants/0/users?${q}`)).data;
  const flag = (u) => (u.disabled ? 2 : u.locked ? 1 : 0);
  const up = await list("sortBy=flag&order=ASCEND"), down = await list("sortBy=flag&order=DESEND");
  assert.deepEqual(up.map(flag), [...up.map(flag)].sort((a, b) => a - b));
  assert.deepEqual(down.map(flag), [...up.map(flag)].sort((a, b) => b - a));
  assert.deepEqual([flag(down[0]), flag(down[1]), flag(down[2])], [2, 1, 0]);
  assert.deepEqual((await list("status=locked")).map((u) => u.email), ["multi@example.org"]);
  assert.deepEqual((await list("status=disabled")).map((u) => u.email), ["form@example.org"]);
  assert.ok((await list("status=enabled")).every((u) => flag(u) === 0));
  assert.equal((await list("status=enabled")).length, up.length - 2);
  assert.deepEqual((await list("role=ANALYST")).map((u) => u.email), ["form@example.org"]);
  assert.equal((await admin.get("/api/v2/tenants/0/users?status=sleepy")).status, 400);
  await admin.ok("PUT", "/api/v2/tenants/0/settings/authentication", { lockout_failures: lock.data.lockout_failures });
});
