/**
 * `recount witness` against a real log: what it cosigns, what it refuses, and that it never forgets what it answered.
 */
import { test, after, before } from "node:test";
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, until } from "./harness.mjs";
import { Witness, cosignedAt, parse } from "./witnesses.mjs";

const LOG = "/api/v2/auditlog";
let s, admin, w, vkey, origin;
before(async () => {
  s = await serve();
  admin = await s.as();
  vkey = (await until(async () => { const r = await admin.get(`${LOG}/checkpoint`); return r.status === 200 && (await admin.get(`${LOG}/vkey`)); }, "a checkpoint")).text.trim();
  origin = vkey.split("+")[0];
  w = await new Witness([vkey]).start();
});
after(async () => { await w?.stop(); w?.drop(); await s.stop(); });

const newest = async () => (await admin.get(`${LOG}/checkpoint`)).text;
let names = 0;
/** A checkpoint larger than `size`. */
const grown = async (size) => {
  await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${names++}` });
  return until(async () => { const n = await newest(); return parse(n).size > size ? n : null; }, "a larger checkpoint");
};
const request = async (from, note) => {
  const to = parse(note).size, p = (await admin.ok("GET", `${LOG}/consistency?from=${from}&to=${to}`)).data.proof;
  return `old ${from}\n${p.map((h) => Buffer.from(h, "hex").toString("base64") + "\n").join("")}\n${note}`;
};

test("it says who it is, and keeps its key to itself", async () => {
  const r = await w.call("GET", "/vkey");
  assert.deepEqual([r.status, r.text], [200, w.vkey + "\n"]);
  assert.match(w.vkey, /^witness-[0-9a-f]{12}\+[0-9a-f]{8}\+/);
  assert.equal(statSync(path.join(w.dir, "data", "witness.key")).mode & 0o777, 0o600);
  assert.equal(statSync(path.join(w.dir, "data")).mode & 0o777, 0o700);
});
test("it cosigns a checkpoint, and each one that continues it", async () => {
  assert.equal((await w.last(origin)).status, 404);
  const first = await newest(), r = await w.add(await request(0, first));
  assert.deepEqual([r.status, r.type], [200, "text/plain; charset=utf-8"], r.text);
  const at = cosignedAt(first + r.text, w.vkey);
  assert.ok(Math.abs(at - Date.now() / 1000) < 120);
  assert.deepEqual(await w.last(origin), { status: 200, type: "text/plain; charset=utf-8", text: first + r.text });
  for (let i = 0, size = parse(first).size; i < 5; i++) {
    const note = await grown(size), x = await w.add(await request(size, note));
    assert.equal(x.status, 200, x.text);
    assert.ok(cosignedAt(note + x.text, w.vkey) >= at);
    size = parse(note).size;
    assert.equal(parse((await w.last(origin)).text).size, size);
  }
});
test("what it refuses", async () => {
  const size = parse((await w.last(origin)).text).size, note = await grown(size), good = await request(size, note);
  let r = await w.add(await request(0, note));
  assert.deepEqual(r, { status: 409, type: "text/x.tlog.size", text: `${size}\n` });
  r = await w.add(good.replace(/^old \d+\n/, `old ${parse(note).size + 1}\n`));
  assert.equal(r.status, 400);
  const lines = good.split("\n");
  lines[1] = Buffer.alloc(32, 7).toString("base64");
  assert.equal((await w.add(lines.join("\n"))).status, 422);
  assert.equal((await w.add(good.replace(origin, origin.replace(/0$/, "1")))).status, 404);
  assert.equal((await w.add(good.replace(`\n${parse(note).size}\n`, `\n${parse(note).size + 1}\n`))).status, 403);
  for (const bad of ["", "old\n", "old 1", `old 01\n\n${note}`, good.slice(0, -1), good + "\n", "\0".repeat(100), good.replace("old", "OLD")])
    assert.equal((await w.add(bad)).status, 400, JSON.stringify(bad.slice(0, 40)));
  assert.equal((await w.add("x".repeat(65537))).status, 413);
  for (const [method, target, status] of [["GET", "/add-checkpoint", 405], ["POST", "/vkey", 405], ["DELETE", "/vkey", 405], ["GET", "/", 404], ["GET", `/${"0".repeat(64)}/checkpoint`, 404], ["GET", "/x/checkpoint", 404], ["GET", "/vkey/", 404]])
    assert.equal((await w.call(method, target)).status, status, `${method} ${target}`);
  assert.equal(parse((await w.last(origin)).text).size, size, "none of it was remembered");
  assert.equal((await w.add(good)).status, 200);
});
test("killed at any moment it is never older than what it answered", { timeout: 180_000 }, async () => {
  let size = parse((await w.last(origin)).text).size, answered = size;
  for (let round = 0; round < 6; round++) {
    const notes = [];
    let answers = 0;
    for (let i = 0, from = size; i < 6; i++) {
      const note = await grown(from);
      notes.push(await request(from, note));
      from = parse(note).size;
    }
    const busy = (async () => {
      for (const body of notes) {
        const r = await w.add(body).catch(() => null);
        if (r?.status !== 200) return;
        answered = parse(body.slice(body.indexOf("\n\n") + 2)).size;
        answers++;
      }
    })();
    await until(() => answers >= round, "some answers");
    await w.stop("SIGKILL");
    await busy;
    await w.start();
    size = parse((await w.last(origin)).text).size;
    assert.ok(size >= answered, `${size} is older than ${answered}`);
    assert.ok(cosignedAt((await w.last(origin)).text, w.vkey));
  }
});
test("its list of logs is read again when it is told to; one that is not understood changes nothing", async () => {
  const size = parse((await w.last(origin)).text).size, body = await request(size, await grown(size));
  const line = (event) => { const n = w.err.split(event).length; return () => until(() => w.err.split(event).length > n, event); };
  let said = line("witness.logs_read");
  w.watch([]);
  w.reread();
  await said();
  assert.equal((await w.add(body)).status, 404);
  assert.equal((await w.last(origin)).status, 404, "nor is it shown");
  said = line("witness.logs_read");
  w.watch([vkey]);
  w.reread();
  await said();
  assert.equal(parse((await w.last(origin)).text).size, size, "what was remembered was kept");
  said = line("witness.logs_refused");
  w.watch(["no key at all"]);
  w.reread();
  await said();
  assert.match(w.err, /line 1 of the logs/);
  said = line("witness.logs_refused");
  w.watch(Array.from({ length: 20 }, (_, i) => vkey.replace(/\+[^+]+$/, `+${i}`)));
  w.reread();
  await said();
  assert.equal((await w.add(body)).status, 200, "the list before holds");
  w.watch([vkey]);
});
test("a name, a key and a list are checked at the start", () => {
  const data = path.join(w.dir, "data"), logs = path.join(w.dir, "logs"), wrong = path.join(w.dir, "wrong");
  writeFileSync(wrong, "no key of a log\n");
  for (const [args, status, text] of /** @type {[string[], number, RegExp][]} */ ([
    [["--data", data, "--logs", logs], 2, /usage/], [["--data", data, "--listen", "x", "--logs", logs], 1, /ADDRESS:PORT/],
    [["--data", data, "--listen", "127.0.0.1:0", "--logs", logs, "--name", "another"], 1, /another witness/],
    [["--data", data, "--listen", "127.0.0.1:0", "--logs", "/nowhere"], 1, /can not be read/],
    [["--data", data, "--listen", "127.0.0.1:0", "--logs", wrong], 1, /line 1 of the logs/],
  ])) {
    const r = recount(["witness", ...args]);
    assert.equal(r.status, status, r.err);
    assert.match(r.err, text);
  }
});
