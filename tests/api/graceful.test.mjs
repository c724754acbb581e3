/** Stopping in order, starting again, and what the instance's log says about it. */
import { test } from "node:test";
import { serve, assert, until, recount, newStore } from "./harness.mjs";

test("SIGTERM: running requests are answered, streams end, the status is 0", async () => {
  const s = await serve({});
  const admin = await s.as();
  const st = await admin.stream();
  await st.wait((e) => e.event === "hello");
  const running = Array.from({ length: 20 }, (_, i) => admin.post("/api/v1/client/create", { name: `at the end ${i}` }).then((r) => r.status, (e) => e.code ?? e.message));
  s.child.kill("SIGTERM");
  const answers = await Promise.all(running);
  await s.stop({ drop: false });
  await until(() => st.ended, "the end of the stream");
  assert.deepEqual(s.exit, { code: 0, signal: null });
  assert.ok(s.log.some((l) => l.event === "server.stopped"));
  // What was acknowledged is there; what was not is not half there.
  await s.start();
  const again = await s.as();
  const names = (await again.ok("GET", "/api/v1/client/list")).map((r) => r.data[1]);
  answers.forEach((a, i) => { if (a === 200) assert.ok(names.includes(`at the end ${i}`)); });
  const created = (await again.events({ event_type: "ClientCreated", limit: "1000" })).length;
  assert.equal(created, names.length);
  await s.stop();
});
test("a restart keeps everything; tokens stay good", async () => {
  const s = await serve({});
  const admin = await s.as();
  await admin.ok("POST", "/api/v1/client/create", { name: "Kept" });
  const before = await admin.events({ limit: "1000" });
  await s.restart();
  const now = s.client({ token: admin.token });
  assert.equal((await now.ok("GET", "/api/v1/client/list"))[0].data[1], "Kept");
  const after = await now.events({ limit: "1000" });
  const mine = (list) => list.filter((e) => e.event_type !== "AuditLogViewed").map((e) => [e.index, e.cuid, e.leaf]);
  assert.deepEqual(mine(after).slice(-mine(before).length), mine(before));
  await s.stop();
});
test("the log of the server is JSON lines, without secrets", async () => {
  const s = await serve({});
  const admin = await s.as();
  await admin.get("/api/v2/whoami");
  await s.stop({ drop: false });
  for (const line of s.err.trim().split("\n")) JSON.parse(line);
  assert.equal(s.err.includes(admin.token), false);
  s.store.drop();
});
test("a server without anybody prints a one-time set-up link", async () => {
  const s = await serve({ noAdmin: true });
  await until(() => /https?:\/\/[^\s]+token=/.test(s.out), "the link");
  assert.equal((await s.client().ok("GET", "/api/v2/setup")).needed, true);
  await s.stop();
});
test("a folder with other keys is refused", async (t) => {
  const store = newStore();
  const s = await serve({ store: (await makeAdmin(store), store) });
  await s.stop({ drop: false });
  const r = recount(["serve", "--data", store.data, "--keys", `${store.dir}/other-keys`, "--listen", "127.0.0.1:0", ...store.flags]);
  assert.equal(r.status, 1);
  assert.match(r.err, /keys/);
  store.drop();
  void t;
});
async function makeAdmin(store) {
  const { createUser, ADMIN } = await import("./harness.mjs");
  createUser(store, ADMIN);
}
test("a store that was stopped in order starts again", async () => {
  const s = await serve({});
  await s.stop({ drop: false });
  await s.start();
  await s.stop();
});
test("wrong usage is 2, refusal 1, each with a sentence", () => {
  assert.equal(recount(["serve", "extra", "words"]).status, 2);
  assert.equal(recount(["nonsense"]).status, 2);
  const openapi = recount(["openapi", "--data", "/nonexistent/x", "--database", "sqlite"]);
  assert.equal(JSON.parse(openapi.out).openapi, "3.1.0", "every command takes --data and --database");
  assert.equal(recount(["openapi", "extra"]).status, 2);
  const r = recount(["serve", "--demo", "--listen", "0.0.0.0:0", "--data", "/nonexistent/x"]);
  assert.equal(r.status, 1);
  assert.match(r.err, /loopback|this machine/);
});
