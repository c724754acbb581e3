// Checks an event's proof here, in this browser, from the bytes the server hands out: record → leaf → tree → signed
// checkpoint → the checkpoint this browser saw before. Formats: doc/verify/ (RFC 6962, C2SP signed-note and
// tlog-checkpoint). Shares no code with the server. WebCrypto does hashes and signatures where it is there; plain
// HTTP on another host has none, and some browsers no Ed25519: two small libraries take over then.
import { get, type Event } from "./api";
import { visible } from "./text";

export interface Proof {
  cuid: string; origin: string; epoch: number; index: number; size: number; root: string; leaf: string; public: string; salt: string | null; personal: string | null; personal_hash: string; erased: boolean;
  inclusion: string[]; checkpoint: string; vkey: string; proof: string;
}
export interface Step { title: string; ok: boolean | null; text: string }
export interface Checkpoint { origin: string; size: number; root: Uint8Array }

type Bytes = Uint8Array<ArrayBuffer>;
const utf8 = new TextEncoder();
export const fromBase64 = (s: string): Bytes => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
export const fromHex = (s: string): Bytes => Uint8Array.from(s.match(/../g) ?? [], (h) => parseInt(h, 16));
export const toHex = (b: Uint8Array) => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
const join = (...parts: (Uint8Array | string)[]): Bytes => {
  const all = parts.map((p) => (typeof p === "string" ? utf8.encode(p) : p)), out = new Uint8Array(all.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of all) { out.set(p, at); at += p.length; }
  return out;
};
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((x, i) => x === b[i]);

/** Which implementation hashes and checks signatures here. */
export const hasWebCrypto = () => typeof crypto !== "undefined" && !!crypto.subtle;
async function sha256(...parts: (Uint8Array | string)[]): Promise<Bytes> {
  const all = join(...parts);
  if (hasWebCrypto()) return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return new Uint8Array((await import("@noble/hashes/sha2.js")).sha256(all));
}
async function ed25519(signature: Bytes, text: Bytes, key: Bytes): Promise<{ good: boolean; by: string }> {
  if (hasWebCrypto()) {
    try {
      const k = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
      return { good: await crypto.subtle.verify({ name: "Ed25519" }, k, signature, text), by: "WebCrypto" };
    } catch { /* a browser without Ed25519 */ }
  }
  const [ed, { sha512 }] = await Promise.all([import("@noble/ed25519"), import("@noble/hashes/sha2.js")]);
  ed.hashes.sha512 = sha512;
  return { good: ed.verify(signature, text, key), by: "script" };
}

const node = (l: Uint8Array, r: Uint8Array) => sha256(new Uint8Array([1]), l, r);
const half = (n: number) => Math.floor(n / 2); // sizes may pass 2^31
const odd = (n: number) => n % 2 === 1;

/** The root an inclusion proof leads to; null when it has the wrong length. RFC 9162, 2.1.3.2. */
export async function rootOf(index: number, size: number, leafHash: Uint8Array, path: Uint8Array[]): Promise<Uint8Array | null> {
  let fn = index, sn = size - 1, r = leafHash;
  for (const p of path) {
    if (sn === 0) return null;
    if (odd(fn) || fn === sn) {
      r = await node(p, r);
      while (!odd(fn) && fn !== 0) { fn = half(fn); sn = half(sn); }
    } else r = await node(r, p);
    fn = half(fn); sn = half(sn);
  }
  return sn === 0 ? r : null;
}
/** Whether the tree of `from` leaves is the beginning of that of `to`. RFC 9162, 2.1.4.2. */
export async function isBeginning(from: number, to: number, fromRoot: Uint8Array, toRoot: Uint8Array, path: Uint8Array[]): Promise<boolean> {
  if (from === to) return path.length === 0 && same(fromRoot, toRoot);
  if (from === 0 || from > to) return false;
  let power = from;
  while (power % 2 === 0) power /= 2;
  const all = power === 1 ? [fromRoot, ...path] : path;
  if (!all.length) return false;
  let fn = from - 1, sn = to - 1;
  while (odd(fn)) { fn = half(fn); sn = half(sn); }
  let fr = all[0]!, sr = all[0]!;
  for (const c of all.slice(1)) {
    if (sn === 0) return false;
    if (odd(fn) || fn === sn) {
      fr = await node(c, fr); sr = await node(c, sr);
      while (!odd(fn) && fn !== 0) { fn = half(fn); sn = half(sn); }
    } else sr = await node(sr, c);
    fn = half(fn); sn = half(sn);
  }
  return sn === 0 && same(fr, fromRoot) && same(sr, toRoot);
}

/** The checkpoint in a note that the key has signed. Throws with a sentence otherwise. */
export async function openNote(note: string, vkey: string): Promise<Checkpoint & { by: string }> {
  const k = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey.trim());
  if (!k) throw new Error("The key is malformed.");
  const [, name, id, raw] = k as unknown as [string, string, string, string], key = fromBase64(raw);
  if (key[0] !== 1 || key.length !== 33 || toHex((await sha256(name, "\n", key)).slice(0, 4)) !== id) throw new Error("The key is not the one its name says.");
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) throw new Error("The checkpoint carries no signature.");
  const text = note.slice(0, cut + 1);
  for (const line of note.slice(cut + 2).split("\n")) {
    const m = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line), sig = m ? fromBase64(m[2]!) : null;
    if (!sig || m![1] !== name || toHex(sig.slice(0, 4)) !== id) continue;
    const { good, by } = await ed25519(sig.slice(4), utf8.encode(text), key.slice(1));
    if (!good) throw new Error("The signature of the checkpoint is wrong.");
    const [origin, size, root, ...more] = text.trimEnd().split("\n");
    if (origin !== name || !/^(0|[1-9]\d*)$/.test(size ?? "") || !root || more.length) throw new Error("What is signed is not a checkpoint of this log.");
    return { origin: origin!, size: Number(size), root: fromBase64(root), by };
  }
  throw new Error("The checkpoint is not signed by this log's key.");
}

// ---- what the record says ----

/** The fields of one part of a record: tag → values. Throws when the bytes are not in canonical order. */
function fields(b: Bytes): Map<number, Bytes[]> {
  const out = new Map<number, Bytes[]>(), v = new DataView(b.buffer, b.byteOffset, b.byteLength);
  let at = 0, last = 0;
  while (at < b.length) {
    if (at + 6 > b.length) throw new Error("The record ends in the middle.");
    const tag = v.getUint16(at), n = v.getUint32(at + 2);
    if (tag < last || at + 6 + n > b.length) throw new Error("The record is out of order.");
    out.set(tag, [...(out.get(tag) ?? []), b.slice(at + 6, at + 6 + n)]);
    last = tag; at += 6 + n;
  }
  return out;
}
const text = (f: Map<number, Bytes[]>, tag: number) => { const v = f.get(tag)?.[0]; return v ? new TextDecoder("utf-8", { fatal: true }).decode(v) : null; };
const number = (f: Map<number, Bytes[]>, tag: number) => { const v = f.get(tag)?.[0]; return v?.length === 8 ? Number(new DataView(v.buffer).getBigInt64(0)) : 0; };

/** One change: field, before, after, each behind its length; the longest length means absent. */
function change(b: Bytes): (string | null)[] {
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength), out: (string | null)[] = [];
  for (let at = 0; at + 4 <= b.length;) {
    const n = v.getUint32(at);
    out.push(n === 0xffffffff ? null : new TextDecoder("utf-8", { fatal: true }).decode(b.slice(at + 4, at + 4 + n)));
    at += 4 + (n === 0xffffffff ? 0 : n);
  }
  return out;
}

/** Where what is shown differs from the record that was hashed; empty: nowhere. */
function differences(e: Event, pub: Bytes, personal: Bytes | null): string[] {
  const p = fields(pub), out: string[] = [], want = (name: string, shown: unknown, logged: unknown) => { if ((shown ?? null) !== (logged ?? null) && String(shown ?? "") !== String(logged ?? "")) out.push(name); };
  want("id", e.cuid, text(p, 2));
  want("event", e.event_type, text(p, 3));
  want("outcome", { s: 0, f: 1, d: 2 }[e.outcome[0]!.toLowerCase()], number(p, 4));
  want("time", Math.floor(new Date(e.timestamp).getTime()), Math.floor(number(p, 5) / 1000));
  want("index", e.index, number(p, 241));
  want("request", e.request_id, text(p, 12));
  if (personal) {
    const q = fields(personal);
    want("text", e.message, visible(text(q, 9)));
    want("person", e.actor?.name, text(q, 1));
    want("e-mail", e.actor?.email, text(q, 2));
    want("address", e.address, text(q, 3));
    want("target", e.target?.name, text(q, 6));
    want("changes", JSON.stringify((e.changes ?? []).map((c) => [c.field, c.before, c.after])), JSON.stringify((q.get(11) ?? []).map(change)));
  }
  return out;
}

// ---- what this browser remembers ----

interface Memory { size: number; root: string; vkey: string; at: string }
const slot = (origin: string) => `recount.checkpoint.${origin}`;
export function remembered(origin: string): Memory | null {
  try { return JSON.parse(localStorage.getItem(slot(origin)) ?? "null") as Memory | null; } catch { return null; }
}
export const forget = (origin: string) => localStorage.removeItem(slot(origin));

/** Compares a checkpoint with the one this browser saw last, and remembers the newer one. */
export async function againstMemory(c: Checkpoint, vkey: string, epoch: number): Promise<Step> {
  const title = "This browser's memory", m = remembered(c.origin), now: Memory = { size: c.size, root: toHex(c.root), vkey: vkey.trim(), at: new Date().toISOString() };
  if (!m) {
    localStorage.setItem(slot(c.origin), JSON.stringify(now));
    return { title, ok: true, text: "First checkpoint of this log seen here. It is remembered: from now on every later one must continue it." };
  }
  if (m.vkey !== now.vkey) return { title, ok: false, text: `The log's key is not the one seen here on ${m.at.slice(0, 10)}. Unless the key was rotated, do not trust this log.` };
  const [from, to] = m.size <= c.size ? [m, now] : [now, m];
  const a = (await get<{ data: { proof: string[] } }>(`/api/v2/auditlog/consistency?epoch=${epoch}&from=${from.size}&to=${to.size}`)).data;
  const good = await isBeginning(from.size, to.size, fromHex(from.root), fromHex(to.root), a.proof.map(fromHex));
  if (!good) return { title, ok: false, text: `The checkpoint of ${c.size.toLocaleString("en")} events does not continue the one of ${m.size.toLocaleString("en")} seen here on ${m.at.slice(0, 10)}: the log was rewritten.` };
  if (c.size > m.size) localStorage.setItem(slot(c.origin), JSON.stringify(now));
  return { title, ok: true, text: `It continues the checkpoint of ${m.size.toLocaleString("en")} events seen here on ${m.at.slice(0, 16).replace("T", " ")} UTC: nothing in between was changed or removed.` };
}

/** All checks of one event, one after the other; the first that fails ends them. `tell` is called after each. */
export async function verifyEvent(e: Event, tell: (steps: Step[]) => void): Promise<Step[]> {
  const steps: Step[] = [], add = (s: Step) => { steps.push(s); tell([...steps]); return s.ok !== false; };
  const a = (await get<{ data: Proof }>(`/api/v2/auditlog/proof/${e.cuid}`)).data, pub = fromBase64(a.public);
  const personal = a.personal === null ? null : fromBase64(a.personal), salt = a.salt === null ? null : fromBase64(a.salt);
  try {
    const odd = differences(e, pub, personal);
    if (!add({ title: "Record", ok: !odd.length, text: odd.length ? `What is shown differs from the record in: ${odd.join(", ")}.` : a.erased ? "The personal part was erased. What is left of the event is what the record says." : "What is shown is what the record says." })) return steps;
    const inner = personal && salt ? await sha256(salt, personal) : fromHex(a.personal_hash);
    const leaf = await sha256("recount.audit.entry.v1\n", await sha256(pub), inner);
    if (!add({ title: "Leaf", ok: toHex(leaf) === a.leaf && (!e.leaf || e.leaf === a.leaf), text: toHex(leaf) === a.leaf ? `Record and salt hash to ${a.leaf.slice(0, 16)}…` : "Record and salt do not hash to the leaf." })) return steps;
    const c = await openNote(a.checkpoint, a.vkey);
    if (!add({ title: "Signature", ok: c.origin === a.origin, text: `The checkpoint of ${c.size.toLocaleString("en")} events is signed by the log's key (checked by ${c.by}).` })) return steps;
    const root = await rootOf(a.index, c.size, await sha256(new Uint8Array([0]), leaf), a.inclusion.map(fromHex));
    if (!add({ title: "Place in the log", ok: !!root && same(root, c.root), text: root && same(root, c.root) ? `The event is number ${a.index.toLocaleString("en")} in the tree that was signed: ${a.inclusion.length} hashes lead to its root.` : "The hashes do not lead to the root that was signed." })) return steps;
    add(await againstMemory(c, a.vkey, a.epoch));
  } catch (x) {
    add({ title: "Check", ok: false, text: (x as Error).message });
  }
  return steps;
}

/** The newest checkpoint against key and memory, without an event. */
export async function verifyHead(h: { checkpoint: string; vkey: string; epoch: number }): Promise<Step[]> {
  try {
    const c = await openNote(h.checkpoint, h.vkey);
    return [{ title: "Signature", ok: true, text: `The checkpoint of ${c.size.toLocaleString("en")} events is signed by the log's key (checked by ${c.by}).` }, await againstMemory(c, h.vkey, h.epoch)];
  } catch (x) {
    return [{ title: "Signature", ok: false, text: (x as Error).message }];
  }
}
