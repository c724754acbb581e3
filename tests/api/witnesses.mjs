/** `recount witness` as a process, and what those who rely on witnesses check: shares no code with the server. */
import { spawn } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { BIN, assert, ownPort, until } from "./harness.mjs";

export const sha = (...parts) => { const h = createHash("sha256"); for (const p of parts) h.update(p); return h.digest(); };
const hex = (b) => Buffer.from(b).toString("hex");

/** A witness in a folder of its own, on a port of its own: it is there again after a stop. */
export class Witness {
  port = 0;
  name = "";
  vkey = "";
  base = "";
  policy = "";

  constructor(vkeys, /** @type {{name?: string}} */ { name } = {}) {
    this.dir = mkdtempSync(path.join(os.tmpdir(), "recount-witness-"));
    this.args = name ? ["--name", name] : [];
    this.watch(vkeys);
  }

  /** The logs it knows when it starts next. */
  watch(vkeys) { writeFileSync(path.join(this.dir, "logs"), vkeys.map((k) => k.trim() + "\n").join("")); }

  async start() {
    this.out = this.err = "";
    this.exit = null;
    this.port ||= await ownPort();
    this.child = spawn(BIN, ["witness", "--data", path.join(this.dir, "data"), "--listen", `127.0.0.1:${this.port}`, "--logs", path.join(this.dir, "logs"), ...this.args], { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((r) => this.child.on("close", (code, signal) => r((this.exit = { code, signal }))));
    this.child.stdout.on("data", (d) => { this.out += d; });
    this.child.stderr.on("data", (d) => { this.err += d; });
    const line = await until(() => {
      if (this.exit) throw Object.assign(new Error(`the witness ended: ${this.err}`), { fatal: true });
      return /^ {2}witness (\S+) (\S+) (http:\S+)$/m.exec(this.out);
    }, "the witness's start", 120_000);
    [this.policy, this.name, this.vkey, this.base] = [line[0].trim(), ...line.slice(1)];
    return this;
  }

  /** Reads its list of logs again. */
  reread() { this.child.kill("SIGHUP"); }

  async stop(signal = /** @type {NodeJS.Signals} */ ("SIGTERM")) {
    this.child.kill(signal);
    await this.ended;
    if (signal === "SIGTERM") assert.deepEqual(this.exit, { code: 0, signal: null }, this.err);
  }

  drop() { rmSync(this.dir, { recursive: true, force: true }); }

  /** @returns {Promise<{status: number, type: string | null, text: string}>} */
  async call(method, target, body) {
    const r = await fetch(this.base + target, { method, body });
    return { status: r.status, type: r.headers.get("content-type"), text: await r.text() };
  }

  add(body) { return this.call("POST", "/add-checkpoint", body); }

  last(origin) { return this.call("GET", `/${hex(sha(origin))}/checkpoint`); }
}

/** The parts of a note. */
export function parse(note) {
  const cut = note.lastIndexOf("\n\n— ");
  assert.ok(cut > 0, "a signed note");
  const text = note.slice(0, cut + 1), [origin, size, root] = text.split("\n");
  return { text, origin, size: Number(size), root: Buffer.from(root, "base64"), lines: note.slice(cut + 2).trimEnd().split("\n") };
}

/** When the witness with this key cosigned the note (seconds); undefined: it did not. A wrong cosignature fails. */
export function cosignedAt(note, vkey) {
  const [name, id, key] = /^(.+?)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim()).slice(1), raw = Buffer.from(key, "base64"), n = parse(note);
  assert.equal(raw[0], 4, "a cosigner's key");
  assert.equal(hex(sha(name, "\n", raw)).slice(0, 8), id, "the key's id is its own");
  const pub = createPublicKey({ key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw.subarray(1)]), format: "der", type: "spki" });
  let at;
  for (const l of n.lines) {
    const bytes = Buffer.from(l.split(" ")[2], "base64");
    if (!l.startsWith(`— ${name} `) || hex(bytes.subarray(0, 4)) !== id) continue;
    const seconds = Number(bytes.readBigUInt64BE(4));
    assert.ok(verify(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${n.text}`), pub, bytes.subarray(12)), "the cosignature is good");
    at = Math.max(at ?? 0, seconds);
  }
  return at;
}

/** A witness of a test's own making: a key, and what it does with a request. */
export class Crook {
  constructor(name, answer) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519"), raw = Buffer.concat([Buffer.from([4]), publicKey.export({ type: "spki", format: "der" }).subarray(-32)]);
    this.name = name;
    this.id = sha(name, "\n", raw).subarray(0, 4);
    this.vkey = `${name}+${this.id.toString("hex")}+${raw.toString("base64")}`;
    this.key = privateKey;
    this.asked = 0;
    this.answer = answer;
    this.server = http.createServer((rq, rs) => {
      const parts = [];
      rq.on("data", (d) => parts.push(d)).on("end", () => { this.asked++; this.answer(this, parse(Buffer.concat(parts).toString().replace(/^[^]*?\n\n/, "")), rs); });
    });
  }
  async start() { await new Promise((r) => this.server.listen(0, "127.0.0.1", () => r(null))); return this; }
  get policy() { return `witness ${this.name} ${this.vkey} http://127.0.0.1:${/** @type {any} */ (this.server.address()).port}`; }
  /** What an honest one answers, who remembers nothing. */
  static honest(c, n, rs) { rs.end(c.line(n.text, Math.floor(Date.now() / 1000))); }
  line(text, at, key = this.key) {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(at));
    return `— ${this.name} ${Buffer.concat([this.id, time, sign(null, Buffer.from(`cosignature/v1\ntime ${at}\n${text}`), key)]).toString("base64")}\n`;
  }
  stop() { this.server.closeAllConnections(); this.server.close(); }
}
