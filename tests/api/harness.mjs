/**
 * Starts the real binary on a store of its own, speaks to it as its clients do, and stops it.
 *
 * RECOUNT_BIN         the binary (default build/recount)
 * RECOUNT_TEST_STORE  sqlite (default) or postgres; the latter makes a database in RECOUNT_TEST_PG's cluster
 * RECOUNT_TEST_TLS    set: every server speaks TLS with a certificate made for it, which its clients check
 * RECOUNT_SLOW        set for sanitizer builds: waits are longer, counts smaller
 *
 * A test file usually has one server: `const s = await serve(); after(() => s.stop());`. Only processes
 * started here are ended, by their own id. No helper sleeps for luck: `until` polls a condition.
 */
import assert from "node:assert/strict";
import { after } from "node:test";
import { spawn, spawnSync } from "node:child_process";
import { createHmac, randomBytes, randomInt } from "node:crypto";
import { mkdtempSync, rmSync, existsSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
export const BIN = path.resolve(ROOT, process.env.RECOUNT_BIN ?? "build/recount");
export const STORE = process.env.RECOUNT_TEST_STORE ?? "sqlite";
export const TLS = !!process.env.RECOUNT_TEST_TLS;
export const SLOW = !!process.env.RECOUNT_SLOW;
export const LONG = !!process.env.RECOUNT_LONG;
export const PASSWORD = "Quiet-Harbour-71!";
const WAIT_MS = SLOW ? 90_000 : 45_000;

/**
 * Polls until `what` gives something true; the last value or error is in the complaint.
 * @template T
 * @param {() => T | Promise<T>} what
 * @returns {Promise<T>}
 */
export async function until(what, text = "the condition", ms = WAIT_MS) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const got = await what();
      if (got) return got;
      last = got;
    } catch (e) { if (e.fatal) throw e; last = e; }
    if (Date.now() > end) throw new Error(`${text} did not come true within ${ms} ms; last: ${last?.stack ?? JSON.stringify(last)}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

/* ---- stores ---- */

let dbCount = 0;
function psql(sql, url = process.env.RECOUNT_TEST_PG) {
  const r = spawnSync("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, url], { encoding: "utf8" });
  if (r.status !== 0) throw new Error(`psql: ${r.stderr}`);
  return r.stdout.trim();
}
export { psql };

/** Begins a transaction with the statements given and leaves it open; returns what ends it. */
export async function openTransaction(sql, url = process.env.RECOUNT_TEST_PG) {
  const p = spawn("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url], { stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  p.stdout.on("data", (x) => { out += x; });
  p.stdin.write(`${sql}; SELECT 'it is open';\n`);
  await until(() => out.includes("it is open"), "the open transaction");
  return () => new Promise((ended) => { p.once("exit", ended); p.stdin.end("ROLLBACK;\n"); });
}

/**
 * A fresh store: its command-line flags, and how to remove it.
 * @typedef {{kind: string, dir: string, data: string, url?: string, flags: string[], drop: () => void}} Store
 * @returns {Store}
 */
export function newStore(kind = STORE) {
  const dir = mkdtempSync(path.join(os.tmpdir(), "recount-test-"));
  if (kind === "sqlite")
    return { kind, dir, data: path.join(dir, "data"), flags: [], drop: () => rmSync(dir, { recursive: true, force: true }) };
  assert.ok(process.env.RECOUNT_TEST_PG, "RECOUNT_TEST_PG names no cluster");
  const name = `t_${process.pid}_${++dbCount}_${randomBytes(3).toString("hex")}`;
  psql(`CREATE DATABASE ${name}`);
  const url = new URL(process.env.RECOUNT_TEST_PG);
  url.pathname = "/" + name;
  return {
    kind, dir, data: path.join(dir, "data"), url: url.href, flags: ["--database", url.href],
    drop: () => {
      psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A statement on the main store while no server runs. */
export function sqlOn(store, text) {
  if (store.kind === "postgres") return psql(text, store.url);
  const r = spawnSync("python3", ["-c", "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nprint(d.execute(sys.argv[2]).fetchall())\nd.commit()", path.join(store.data, "recount.db"), text], { encoding: "utf8" });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout;
}

/** Runs `recount …` to its end. */
export function recount(args, { input = "", env = {} } = {}) {
  const r = spawnSync(BIN, args, { input, encoding: "utf8", env: { ...process.env, ...env }, timeout: 120_000, maxBuffer: 1 << 28 });
  return { status: r.status, signal: r.signal, out: r.stdout, err: r.stderr };
}

export function createUser(store, u) {
  const args = ["user", "create", "--email", u.email, "--first", u.first ?? u.email.split("@")[0], "--last", u.last ?? "Tester",
    "--role", u.role ?? "ADMIN", "--password-stdin", "--data", store.data, ...store.flags];
  if (u.newTenant) args.push("--new-tenant");
  if (u.tenantName) args.push("--tenant-name", u.tenantName);
  if (u.tenant !== undefined) args.push("--tenant", String(u.tenant));
  const r = recount(args, { input: (u.password ?? PASSWORD) + "\n" });
  assert.equal(r.status, 0, `recount ${args.join(" ")}: ${r.err}`);
}

/**
 * A port for whoever must come back to the same one: outside of those the system gives to others while nobody listens on it
 * (any socket's `listen 0`, any connection's own end).
 */
export async function ownPort() {
  const given = Number(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/)[0]);
  const first = given > 11_000 ? given : 65_000; // where nearly all are given away there is nothing outside
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(10_000, first), free = await new Promise((ok) => {
      const probe = net.createServer().once("error", () => ok(false)).listen(port, "127.0.0.1", () => probe.close(() => ok(true)));
    });
    if (free) return port;
  }
  throw new Error("no port is free");
}

/* ---- the server ---- */

/** Servers that run. What a test that failed left behind would keep its file's process alive for ever; the file's own hooks come first. */
const running = new Set();
if (process.env.NODE_TEST_CONTEXT) after(() => { setTimeout(() => { for (const child of running) child.kill("SIGKILL"); }, 120_000).unref(); });

export const ADMIN = { email: "admin@example.org", first: "Alice", last: "Archer", role: "ADMIN" };

/**
 * Starts a server on a store (a new one unless given), with a first administrator and the users asked for.
 * @typedef {{store?: Store, kind?: string, users?: object[], args?: string[], env?: object, noAdmin?: boolean, tampers?: boolean,
 *            tls?: {cert: string, key: string, pem: string}, proxy?: boolean, keep?: boolean, wrap?: string[], bin?: string}} ServeOptions
 *   tampers: the scenario changes tables behind the log's back, so the last look at them is left out
 *   proxy: trust 127.0.0.1 as a proxy, so that clients can come `from` any address
 * @param {ServeOptions} o
 */
export async function serve(o = {}) {
  const store = o.store ?? newStore(o.kind);
  const fresh = !o.store;
  if (fresh && !o.noAdmin) {
    createUser(store, ADMIN);
    for (const u of o.users ?? []) createUser(store, u);
  }
  const s = new Server(store, o);
  await s.start();
  return s;
}

export class Server {
  /** @type {any[]} lines of its log */
  log = [];
  out = "";
  err = "";
  /** @type {{code: number | null, signal: NodeJS.Signals | null} | null} */
  exit = null;
  port = 0;
  base = "";
  /** @type {http.Agent} over TLS it trusts the server's certificate and no other */
  agent;
  /** @type {import("node:child_process").ChildProcess} */
  child;
  /** @type {Promise<Server["exit"]>} */
  ended;

  /** @param {Store} store @param {ServeOptions} o */
  constructor(store, o) {
    this.store = store;
    this.o = o;
    this.tls = o.tls ?? (TLS ? certificate(store.dir) : undefined);
  }

  async start() {
    const args = ["serve", "--data", this.store.data, "--listen", "127.0.0.1:0", ...this.store.flags, ...(this.o.args ?? [])];
    if (this.o.proxy) args.push("--trusted-proxy", "127.0.0.1/32");
    if (this.tls) args.push("--tls-cert", this.tls.cert, "--tls-key", this.tls.key);
    const [cmd, ...pre] = [...(this.o.wrap ?? []), this.o.bin ?? BIN];
    this.log = []; this.out = ""; this.err = ""; this.exit = null;
    this.child = spawn(cmd, [...pre, ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...(this.o.env ?? {}) } });
    const child = this.child;
    running.add(child);
    this.ended = new Promise((r) => child.on("close", (code, signal) => { running.delete(child); this.exit = { code, signal }; r(this.exit); }));
    let rest = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (d) => {
      this.err = (this.err + d).slice(-1 << 20);
      const lines = (rest + d).split("\n");
      rest = lines.pop();
      for (const l of lines) { try { this.log.push(JSON.parse(l)); } catch { /* a sanitizer's report, kept in err */ } }
    });
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (d) => { this.out += d; });
    const up = await until(() => {
      if (this.exit) throw Object.assign(new Error(`the server ended: ${JSON.stringify(this.exit)} ${this.err}`), { fatal: true });
      return this.log.find((l) => l.event === "http.listening");
    }, "the server's start", 120_000).catch((e) => { this.child.kill("SIGKILL"); throw e; });
    this.port = up.port;
    this.base = `${this.tls ? "https" : "http"}://127.0.0.1:${this.port}`;
    const pool = { keepAlive: true, maxSockets: 256 };
    this.agent = this.tls ? new https.Agent({ ...pool, ca: this.tls.pem }) : new http.Agent(pool);
  }

  /** A client that nobody has signed in with. */
  client(o = {}) { return new Client(this, o); }

  /** A client signed in as the user (the first administrator when none is named). */
  async as(email = ADMIN.email, password = PASSWORD, o = {}) {
    const c = this.client(o);
    await c.signIn(email, password);
    return c;
  }

  /** Ends in order; a sanitizer's complaint or another status than 0 fails. */
  async stop({ drop = true, signal = /** @type {NodeJS.Signals} */ ("SIGTERM") } = {}) {
    if (!this.exit) {
      this.child.kill(signal);
      const timer = setTimeout(() => this.child.kill("SIGKILL"), 60_000);
      await this.ended;
      clearTimeout(timer);
    }
    this.agent?.destroy();
    const check = drop && !this.o.keep && !this.o.tampers ? this.check() : null;
    if (drop && !this.o.keep) this.store.drop();
    const bad = /(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|recount: defect at)[^]*/.exec(this.err);
    assert.equal(bad?.[0]?.slice(0, 6000) ?? null, null, "the server complained");
    assert.deepEqual(this.exit, { code: 0, signal: null }, this.err.slice(-2000));
    if (check) assert.equal(check.status, 0, `the log is damaged, or the tables are not as it says: ${check.out}${check.err}`);
  }

  /** Whatever a scenario did: the log verifies to the last record, and what it implies is what the tables hold. */
  check() {
    return recount(["audit", "verify", "--deep", "--data", this.store.data, "--remember", path.join(this.store.dir, "remembered"), ...this.store.flags]);
  }

  /** Ends at once, in the middle of whatever it does. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
    this.agent?.destroy();
  }

  /** The same store again. */
  async restart() {
    await this.stop({ drop: false });
    await this.start();
  }
}

/* ---- clients ---- */

export class Client {
  /** @type {string} */
  email;
  /** @type {any} what signing in answered */
  answer;
  tenant = 0;

  /**
   * @param {Pick<Server, "base" | "agent">} server
   * @param {{from?: string, token?: string, cookie?: string, headers?: Record<string, any>}} o
   */
  constructor(server, { from, token, cookie, headers } = {}) {
    this.server = server;
    this.from = from;
    this.token = token;
    this.cookie = cookie;
    this.extra = headers ?? {};
  }

  /**
   * One request. `body` may be an object (JSON), a string or Buffer (sent as it is) or undefined.
   * @param {string} method @param {string} target @param {any} [body] @param {Record<string, any>} headers
   * @returns {Promise<any>}
   */
  request(method, target, body, headers = {}, { timeout = WAIT_MS * 3, stream = false } = {}) {
    const h = { ...this.extra, ...headers };
    if (this.token && h.authorization === undefined) h.authorization = `Bearer ${this.token}`;
    if (this.cookie && h.cookie === undefined) h.cookie = this.cookie;
    if (this.from) h["x-forwarded-for"] = this.from;
    let data;
    if (body !== undefined) {
      data = Buffer.isBuffer(body) || typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
      if (typeof body === "object" && !Buffer.isBuffer(body) && h["content-type"] === undefined) h["content-type"] = "application/json";
      h["content-length"] = data.length;
    }
    for (const k of Object.keys(h)) if (h[k] === null) delete h[k];
    const mod = this.server.base.startsWith("https:") ? https : http;
    return new Promise((resolve, reject) => {
      const url = new URL(this.server.base);
      const rq = mod.request({ host: url.hostname, port: url.port, method, path: target, headers: h, agent: this.server.agent }, (rs) => {
        if (stream) { resolve(rs); return; }
        const parts = [];
        rs.on("data", (d) => parts.push(d));
        rs.on("aborted", () => reject(Object.assign(new Error("cut off"), { code: "ECONNRESET" })));
        rs.on("error", reject);
        rs.on("end", () => {
          const raw = Buffer.concat(parts);
          const text = raw.toString("utf8");
          let json;
          try { json = JSON.parse(text); } catch { json = undefined; }
          resolve({ status: rs.statusCode, headers: rs.headers, text, raw, body: json, rawHeaders: rs.rawHeaders });
        });
      });
      rq.setTimeout(timeout, () => rq.destroy(new Error(`no answer to ${method} ${target} within ${timeout} ms`)));
      rq.on("error", reject);
      if (data) rq.write(data);
      rq.end();
      if (stream) rq.on("close", () => {});
    });
  }

  get(p, h) { return this.request("GET", p, undefined, h); }
  post(p, b = {}, h) { return this.request("POST", p, b, h); }
  put(p, b = {}, h) { return this.request("PUT", p, b, h); }
  patch(p, b = {}, h) { return this.request("PATCH", p, b, h); }
  del(p, b, h) { return this.request("DELETE", p, b, h); }

  /** The same, and a status of 200 with a JSON body, or the test fails with the answer. */
  async ok(method, p, body, headers) {
    const r = await this.request(method, p, body, headers);
    assert.equal(r.status, 200, `${method} ${p} answered ${r.status}: ${r.text.slice(0, 800)}`);
    assert.notEqual(r.body, undefined, `${method} ${p} answered no JSON: ${r.text.slice(0, 200)}`);
    return r.body;
  }

  async signIn(email, password = PASSWORD) {
    const r = await this.post("/api/v1/authenticate", { username: email, password });
    assert.equal(r.status, 200, `sign-in as ${email}: ${r.status} ${r.text}`);
    this.email = email;
    this.answer = r.body;
    this.tenant = r.body.tenant_id;
    this.token = r.body.token;
    return r.body;
  }

  /** Events of the log, newest first, as `GET /api/v2/auditlog` gives them. */
  async events(q = {}) {
    const limit = Number(q.limit ?? 200), { data, meta } = await settledList(this, { limit: "200", ...q });
    // A look ends after a quarter of a second, wherever it is: then it goes on there.
    for (let m = meta; !m.complete && data.length < limit;) { const r = await this.ok("GET", `/api/v2/auditlog?${new URLSearchParams({ limit: "200", ...q, cursor: m.next })}`); data.push(...r.data); m = r.meta; }
    return data.slice(0, limit);
  }

  /** Waits until an event of the type that satisfies `match` is in the log, and returns it. */
  event(type, match = (/** @type {any} */ _e) => true, q = {}) {
    return until(async () => (await this.events({ event_type: type, ...q })).find(match), `event ${type}`);
  }

  /** Opens server-sent events; see Stream. */
  async stream(p = "/api/v2/auditlog/stream") {
    const rs = await this.request("GET", p, undefined, { accept: "text/event-stream" }, { stream: true, timeout: 600_000 });
    return new Stream(rs);
  }
}

export class Stream {
  /** @type {any[]} */
  events = [];
  ended = false;
  text = "";

  /** @param {http.IncomingMessage} rs */
  constructor(rs) {
    this.rs = rs;
    this.status = rs.statusCode;
    let rest = "";
    rs.setEncoding("utf8");
    rs.on("data", (d) => {
      this.text += d;
      const blocks = (rest + d).split("\n\n");
      rest = blocks.pop();
      for (const b of blocks) {
        const e = /** @type {any} */ ({ event: "message", data: "" });
        for (const line of b.split("\n")) {
          const m = /^(\w*):? ?(.*)$/.exec(line);
          if (m && m[1] === "data") e.data += m[2];
          else if (m && m[1]) e[m[1]] = m[2];
        }
        try { e.json = JSON.parse(e.data); } catch { /* not JSON */ }
        e.at = performance.now();
        this.events.push(e);
      }
    });
    const end = () => { this.ended = true; };
    rs.on("end", end); rs.on("aborted", end); rs.on("error", end); rs.on("close", end);
  }
  wait(match, text = "an event of the stream") { return until(() => this.events.find(match), text); }
  close() { this.rs.destroy(); }
}

/** The claims of a token, unverified. */
export const claims = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString());

/* ---- second factor ---- */

export function base32(text) {
  let bits = 0, value = 0;
  const out = [];
  for (const c of text.toUpperCase().replace(/[^A-Z2-7]/g, "")) {
    value = (value << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c);
    bits += 5;
    if (bits >= 8) { out.push((value >>> (bits - 8)) & 255); bits -= 8; }
  }
  return Buffer.from(out);
}

/** RFC 6238, SHA-1, 30 s, six digits; `steps` shifts the time. */
export function totp(secret, steps = 0, now = Date.now()) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30000) + steps));
  const h = createHmac("sha1", base32(secret)).update(counter).digest();
  const at = h[19] & 15;
  return String((h.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/* ---- raw bytes, mail, certificates ---- */

/** Asks again while the newest events are not under a signed checkpoint yet, which is what the answer says to do. */
export const signed = (/** @type {() => Promise<any>} */ ask) => until(async () => { const r = await ask(); return r.body?.code !== "not_signed_yet" && r; }, "a signed checkpoint");

/**
 * Sends bytes as they are (inside TLS where the server speaks it, unless `plain`) and gives back what came until the server
 * closed or fell silent behind an answer; for its first byte it has as long as it needs.
 * @returns {Promise<{text: string, status: number}>}
 */
export function raw(server, bytes, { quiet = 1500, host = "127.0.0.1", plain = false } = {}) {
  return new Promise((resolve) => {
    const secure = server.tls && !plain;
    const socket = secure ? tls.connect({ port: server.port, host, ca: server.tls.pem }) : net.connect(server.port, host);
    let text = "";
    socket.setTimeout(WAIT_MS);
    socket.on("data", (d) => { text += d.toString("latin1"); socket.setTimeout(quiet); });
    const done = () => { socket.destroy(); resolve({ text, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0) }); };
    socket.on("timeout", done); socket.on("close", done); socket.on("error", done);
    socket.on(secure ? "secureConnect" : "connect", () => socket.write(bytes));
  });
}

/**
 * A mail server that keeps what it gets: {port, mails:[{from,to,data,secure,user}], commands, close()}.
 * tls: {key, cert} offers STARTTLS. auth: {user, password} wants them. reply(verb, line) may answer
 * instead: a line, or false to say nothing at all from then on (also for "HELLO", the greeting).
 */
export async function smtpSink(/** @type {{tls?: {key: any, cert: any}, auth?: {user: string, password: string}, reply?: (verb: string, line?: string) => any}} */ { tls: pair, auth, reply } = {}) {
  const mails = [], commands = [], sockets = new Set();
  const talk = (socket, secure, greet) => {
    let rest = "", inData = false, mail = { to: [] }, user = null, wanted = null;
    const say = (t) => { if (t !== false && !socket.destroyed) socket.write(t + "\r\n"); };
    const own = (verb, line, otherwise) => { const t = reply?.(verb, line); if (t === undefined) otherwise(); else say(t); };
    const login = (given) => { if (given === `\0${auth?.user}\0${auth?.password}`) { user = auth.user; say("235 welcome"); } else say("535 wrong name or password"); };
    const command = (line) => {
      const verb = line.slice(0, 4).toUpperCase();
      commands.push(line);
      own(verb, line, () => {
        if (verb === "EHLO") say(["250-sink", ...(pair && !secure ? ["250-STARTTLS"] : []), ...(auth ? ["250-AUTH PLAIN"] : []), "250 8BITMIME"].join("\r\n"));
        else if (verb === "STAR" && pair && !secure) {
          say("220 go on");
          socket.removeAllListeners("data");
          const inner = new tls.TLSSocket(socket, { isServer: true, ...pair });
          inner.on("error", () => {});
          talk(inner, true, false);
        } else if (verb === "AUTH") { const given = line.split(" ")[2]; if (given) login(Buffer.from(given, "base64").toString()); else { wanted = login; say("334 "); } }
        else if (verb === "MAIL") { if (auth && !user) say("530 sign in first"); else { mail.from = line; say("250 ok"); } }
        else if (verb === "RCPT") { mail.to.push(/<(.*?)>/.exec(line)?.[1]); say("250 ok"); }
        else if (verb === "DATA") { inData = true; say("354 go on"); }
        else if (verb === "QUIT") { say("221 bye"); socket.end(); }
        else if (verb === "RSET" || verb === "NOOP") say("250 ok");
        else say("502 not known");
      });
    };
    if (greet) own("HELLO", "", () => say("220 sink ESMTP"));
    socket.setEncoding?.("utf8");
    socket.on("data", (d) => {
      rest += d;
      for (;;) {
        const end = rest.indexOf(inData ? "\r\n.\r\n" : "\r\n");
        if (end < 0) return;
        const text = rest.slice(0, end);
        rest = rest.slice(end + (inData ? 5 : 2));
        if (inData) {
          inData = false;
          own("DONE", text, () => { mails.push({ ...mail, data: text.replace(/\r\n\.\./g, "\r\n."), secure, user }); say("250 kept"); });
          mail = { to: [] };
        } else if (wanted) { const w = wanted; wanted = null; w(Buffer.from(text, "base64").toString()); } else command(text);
      }
    });
  };
  const sink = { mails, commands, connections: 0, open: () => sockets.size, cut: () => { for (const s of sockets) s.destroy(); }, close: () => { sink.cut(); server.close(); } };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    sink.connections++;
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    talk(socket, false, true);
  });
  await new Promise((r) => server.listen({ port: 0, host: "127.0.0.1" }, () => r(null)));
  return Object.assign(sink, { port: /** @type {net.AddressInfo} */ (server.address()).port });
}

/** Text of a mail with its transfer encoding undone. */
export function mailText(mail) {
  let body = mail.data;
  if (/quoted-printable/i.test(body))
    body = body.replace(/=\r?\n/g, "").replace(/((?:=[0-9A-F]{2})+)/gi, (m) => Buffer.from(m.replace(/=/g, ""), "hex").toString("utf8"));
  else if (/base64/i.test(body)) {
    const at = body.indexOf("\r\n\r\n");
    body = body.slice(0, at) + "\r\n\r\n" + Buffer.from(body.slice(at), "base64").toString("utf8");
  }
  return body;
}

/** A certificate for 127.0.0.1, made by openssl in the folder. */
export function certificate(dir) {
  const key = path.join(dir, "tls.key"), cert = path.join(dir, "tls.crt");
  if (!existsSync(cert)) {
    const r = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], { encoding: "utf8" });
    assert.equal(r.status, 0, r.stderr);
  }
  return { key, cert, pem: readFileSync(cert, "utf8") };
}

export { assert };
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

/** A page of the log that holds all that was committed before it was asked for. */
function settledList(c, q) {
  const p = `/api/v2/auditlog?${new URLSearchParams(q)}`;
  return until(async () => { const r = await c.ok("GET", p); return r.meta.settled && r; }, "the log to settle");
}

/** Every event a query finds, oldest first, by cursor. */
export async function everything(c, q = {}) {
  const out = [];
  let cursor;
  do {
    const r = await settledList(c, { limit: "1000", order: "asc", ...q, ...(cursor === undefined ? {} : { cursor }) });
    out.push(...r.data);
    cursor = r.meta.more ? r.meta.next : undefined;
  } while (cursor !== undefined);
  return out;
}

/* ---- a flood of sign-ins, and those who work meanwhile ---- */

/** Sends failed sign-ins from a process of its own (flood-sender.mjs). {half, done}: half are sent; what came back. */
export function startFlood(server, o) {
  const args = { port: server.port, sockets: SLOW ? 64 : 256, unknown: 61, ...o };
  const child = spawn(process.execPath, [path.join(ROOT, "tests/api/flood-sender.mjs"), JSON.stringify(args)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "", half;
  const halfSent = new Promise((r) => { half = r; });
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (d) => { text += d; if (text.startsWith("half\n")) half(); });
  const done = new Promise((resolve, reject) => child.on("close", (code) => {
    half();
    if (code === 0) resolve(JSON.parse(text.slice(text.indexOf("{"))));
    else reject(new Error(`the sender of the flood ended with ${code}`));
  }));
  return { half: halfSent, done };
}

/** Someone who reads a list and changes a client, again and again; each must succeed. end() gives the times in ms. */
export async function atWork(c, pause = 20) {
  const times = { read: [], write: [] };
  const { client_id: id } = await c.ok("POST", "/api/v1/client/create", { name: `at work ${process.hrtime.bigint()}` });
  let stop = false;
  const timed = async (list, method, target, body) => {
    const at = performance.now();
    await c.ok(method, target, body);
    list.push(performance.now() - at);
  };
  const done = (async () => {
    for (let n = 0; !stop; n++) {
      await timed(times.read, "GET", "/api/v1/client/list");
      await timed(times.write, "PUT", `/api/v1/client/${id}`, { name: `at work, ${n}`, description: `${id}` });
      await sleep(pause);
    }
  })();
  return { times, end: async () => { stop = true; await done; return times; } };
}

export const percentile = (v, p) => [...v].sort((a, b) => a - b)[Math.min(v.length - 1, Math.floor(v.length * p))] ?? 0;
