/** The same scenarios' heart over TLS, and whose address is recorded behind a proxy. */
import { test } from "node:test";
import https from "node:https";
import path from "node:path";
import { mkdtempSync } from "node:fs";
import { serve, assert, newStore, certificate, createUser, Client, ADMIN, PASSWORD, raw } from "./harness.mjs";

test("TLS: sign in, change, read, stream", async () => {
  const store = newStore();
  const tls = certificate(store.dir);
  createUser(store, ADMIN);
  const s = await serve({ store, tls });
  const admin = await s.as();
  const st = await admin.stream();
  await st.wait((e) => e.event === "hello");
  await admin.ok("POST", "/api/v1/client/create", { name: "Over TLS" });
  await st.wait((e) => e.json?.message?.includes("Over TLS"));
  st.close();
  assert.equal((await admin.get("/api/v2/auditlog/export?format=csv")).status, 200);
  const old = await new Promise((r) => https.get({ host: "127.0.0.1", port: s.port, path: "/api/v1/", rejectUnauthorized: false, maxVersion: "TLSv1.1", minVersion: "TLSv1" }, () => r("answered")).on("error", () => r("refused")));
  assert.equal(old, "refused", "TLS 1.1");
  const plain = await raw(s, "GET /api/v1/ HTTP/1.1\r\nHost: x\r\n\r\n", { plain: true });
  assert.equal(plain.status === 200, false);
  const stranger = new https.Agent({ ca: certificate(mkdtempSync(path.join(store.dir, "other-"))).pem });
  await assert.rejects(new Client({ base: s.base, agent: stranger }).get("/api/v1/"), /self-signed|unable to verify/, "another certificate");
  await s.stop();
});
test("without a trusted proxy, the header of the request is not believed", async () => {
  const s = await serve({});
  await s.as(ADMIN.email, PASSWORD, { from: "203.0.113.5" });
  const admin = await s.as();
  const list = await admin.events({ event_type: "LoginSuccess" });
  assert.ok(list.length >= 2 && list.every((e) => e.address === "127.0.0.1"));
  await s.stop();
});
test("with one, the last untrusted hop counts, and both are kept", async () => {
  const s = await serve({ proxy: true });
  await s.as(ADMIN.email, PASSWORD, { from: "203.0.113.9, 198.51.100.7" });
  const admin = await s.as();
  const e = await admin.event("LoginSuccess", (x) => x.address === "198.51.100.7");
  assert.equal(e.via, "127.0.0.1");
  for (const from of ["garbage", "999.1.1.1", "[::1", "1.2.3.4,,", "\t"]) {
    const r = await s.client({ from }).get("/api/v1/");
    assert.ok([200, 400].includes(r.status), from);
  }
  await s.stop();
});
