// The arithmetic of a proof, done in this browser from the bytes the server hands out: record → leaf → tree → signed
// checkpoint. Formats: doc/verify/ (RFC 6962, C2SP signed-note and tlog-checkpoint). Asks and remembers nothing: that is
// trust.ts. Shares no code with the server. WebCrypto does hashes and signatures where it is there; plain HTTP on
// another host has none, and some browsers no Ed25519: two small libraries take over then.
import type { Event } from "./api";
import { visible } from "./text";

export interface Proof {
  cuid: string; origin: string; epoch: number; index: number; size: number; root: string; leaf: string; public: string; salt: string | null; personal: string | null; personal_hash: string; erased: boolean;
  inclusion: string[]; checkpoint: string; vkey: string; proof: string;
}
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
export const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((x, i) => x === b[i]);

/** Which implementation hashes and checks signatures here. */
export const hasWebCrypto = () => typeof crypto !== "undefined" && !!crypto.subtle;
export async function sha256(...parts: (Uint8Array | string)[]): Promise<Bytes> {
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

// ---- keys, notes, checkpoints ----

export interface Key { name: string; id: string; raw: Bytes }
const idOf = async (name: string, raw: Bytes) => toHex((await sha256(name, "\n", raw)).slice(0, 4));
/** A log's key as `vkey` gives it. Throws with a sentence when it is none. */
export async function readKey(vkey: string): Promise<Key> {
  const k = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey.trim());
  if (!k) throw new Error("The key is malformed.");
  const [, name, id, base64] = k as unknown as [string, string, string, string];
  let raw: Bytes;
  try { raw = fromBase64(base64); } catch { throw new Error("The key is malformed."); }
  if (raw[0] !== 1 || raw.length !== 33 || (await idOf(name, raw)) !== id) throw new Error("The key is not the one its name says.");
  return { name, id, raw };
}
/** The same key under another name: that of another epoch of the log. */
export const renamed = async (k: Key, name: string): Promise<Key> => ({ name, id: await idOf(name, k.raw), raw: k.raw });
export const writeKey = (k: Key) => `${k.name}+${k.id}+${btoa(String.fromCharCode(...k.raw))}`;

/** The text of a note, once the key's signature over it is found good; null: the key has not signed it. Throws on a wrong one. */
export async function signedText(note: string, key: Key): Promise<{ text: string; by: string } | null> {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) throw new Error("The note carries no signature.");
  const text = note.slice(0, cut + 1);
  for (const line of note.slice(cut + 2).split("\n")) {
    const m = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line), sig = m ? fromBase64(m[2]!) : null;
    if (!sig || m![1] !== key.name || toHex(sig.slice(0, 4)) !== key.id) continue;
    const { good, by } = await ed25519(sig.slice(4), utf8.encode(text), key.raw.slice(1));
    if (!good) throw new Error("The signature of the checkpoint is wrong.");
    return { text, by };
  }
  return null;
}
export function readCheckpoint(text: string, name: string): Checkpoint {
  const [origin, size, root, ...more] = text.trimEnd().split("\n");
  if (origin !== name || !/^(0|[1-9]\d*)$/.test(size ?? "") || !root || more.length) throw new Error("What is signed is not a checkpoint of this log.");
  return { origin: origin!, size: Number(size), root: fromBase64(root) };
}
/** The checkpoint in a note that the key has signed. Throws with a sentence otherwise. */
export async function openNote(note: string, vkey: string): Promise<Checkpoint & { by: string }> {
  const key = await readKey(vkey), signed = await signedText(note, key);
  if (!signed) throw new Error("The checkpoint is not signed by this log's key.");
  return { ...readCheckpoint(signed.text, key.name), by: signed.by };
}

// ---- the record ----

type Fields = Map<number, Bytes[]>;
const PUBLIC = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 240, 241, 242], NUMBERS = [1, 4, 5, 7, 11, 14, 240, 241, 242], PERSONAL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
/** The fields of one part of a record: tag → values. Throws when the bytes are not written the one way. */
function fields(b: Bytes, known: number[], again: number): Fields {
  const out: Fields = new Map(), v = new DataView(b.buffer, b.byteOffset, b.byteLength);
  let at = 0, last = 0;
  while (at < b.length) {
    if (at + 6 > b.length) throw new Error("The record ends in the middle.");
    const tag = v.getUint16(at), n = v.getUint32(at + 2);
    if (tag < last || (tag === last && tag !== again) || at + 6 + n > b.length) throw new Error("The record is out of order.");
    if (!known.includes(tag) || n === 0) throw new Error("The record has a field that is unknown or empty.");
    out.set(tag, [...(out.get(tag) ?? []), b.slice(at + 6, at + 6 + n)]);
    last = tag; at += 6 + n;
  }
  return out;
}
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const text = (f: Fields, tag: number) => { const v = f.get(tag)?.[0]; return v ? strict.decode(v) : null; };
const number = (f: Fields, tag: number) => { const v = f.get(tag)?.[0]; return v?.length === 8 ? Number(new DataView(v.buffer, v.byteOffset).getBigInt64(0)) : null; };

export type Change = [field: string | null, before: string | null, after: string | null];
/** One change: field, before, after, each behind its length; the longest length means absent. */
function change(b: Bytes): Change {
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength), out: (string | null)[] = [];
  let at = 0;
  for (let i = 0; i < 3; i++) {
    if (at + 4 > b.length) throw new Error("A change ends in the middle.");
    const n = v.getUint32(at), to = at + 4 + (n === 0xffffffff ? 0 : n);
    if (to > b.length) throw new Error("A change ends in the middle.");
    out.push(n === 0xffffffff ? null : strict.decode(b.slice(at + 4, to)));
    at = to;
  }
  if (at !== b.length) throw new Error("A change has the wrong length.");
  return out as Change;
}

export interface Said { cuid: string; type: string; outcome: number; at: number; tenant: string | null; actorKind: number; actor: string | null; targetKind: string | null; target: string | null; client: number | null; request: string | null; session: string | null; count: number; epoch: number; index: number; logged: number }
export interface Personal { name: string | null; email: string | null; address: string | null; via: string | null; agent: string | null; targetName: string | null; targetEmail: string | null; clientName: string | null; text: string | null; detail: string | null; changes: Change[] }
/** What a proof's record says; personal null: it is said to be erased. Throws when it is not a record. */
export function readRecord(a: Pick<Proof, "public" | "personal" | "salt" | "erased">): { said: Said; personal: Personal | null } {
  const p = fields(fromBase64(a.public), PUBLIC, 0), n = (tag: number) => { const v = number(p, tag); if (v === null) throw new Error("The record lacks a field."); return v; };
  for (const tag of NUMBERS) if (p.has(tag)) n(tag);
  if (n(1) !== 1 || !p.has(2) || !p.has(3)) throw new Error("The record lacks a field.");
  const said: Said = { cuid: text(p, 2)!, type: text(p, 3)!, outcome: n(4), at: n(5), tenant: text(p, 6), actorKind: n(7), actor: text(p, 8), targetKind: text(p, 9), target: text(p, 10), client: number(p, 11), request: text(p, 12), session: text(p, 13), count: number(p, 14) ?? 1, epoch: n(240), index: n(241), logged: n(242) };
  if ((a.erased === true) !== (a.personal === null) || (a.erased === true) !== (a.salt === null)) throw new Error("The personal part is missing without an erasure, or there in spite of one.");
  if (a.personal === null) return { said, personal: null };
  const q = fields(fromBase64(a.personal), PERSONAL, 11);
  return { said, personal: { name: text(q, 1), email: text(q, 2), address: text(q, 3), via: text(q, 4), agent: text(q, 5), targetName: text(q, 6), targetEmail: text(q, 7), clientName: text(q, 8), text: text(q, 9), detail: text(q, 10), changes: (q.get(11) ?? []).map(change) } };
}
/** The leaf entry the parts hash to; null: they do not hash to what is said of them. */
export async function leafOf(a: Pick<Proof, "public" | "personal" | "salt" | "personal_hash" | "leaf">): Promise<Bytes | null> {
  let inner = fromHex(a.personal_hash);
  if (a.personal !== null && a.salt !== null) {
    const salt = fromBase64(a.salt);
    inner = await sha256(salt, fromBase64(a.personal));
    if (salt.length !== 16 || toHex(inner) !== a.personal_hash) return null;
  }
  const leaf = await sha256("recount.audit.entry.v1\n", await sha256(fromBase64(a.public)), inner);
  return toHex(leaf) === a.leaf ? leaf : null;
}
/** Whether the leaf stands where the proof says, under this checkpoint, in the log and epoch the record names. */
export async function isPlaced(a: Proof, said: Said, leaf: Bytes, c: Checkpoint): Promise<boolean> {
  const [, workspace, epoch] = c.origin.split("/"), root = await rootOf(said.index, c.size, await sha256(new Uint8Array([0]), leaf), a.inclusion.map(fromHex));
  return a.index === said.index && said.index < c.size && epoch?.split("-")[0] === String(said.epoch) && workspace === (said.tenant ?? "instance") && !!root && same(root, c.root);
}

const OUTCOMES = ["success", "failure", "denied"], KINDS = ["anonymous", "user", "token", "command", "system"], LABEL = /Erased person [0-9A-F]{10}/g;
const iso = (us: number) => new Date(Math.floor(us / 1000)).toISOString();
/** What the interface shows of an event beside what api.ts names. */
type Shown = Event & { epoch?: number; logged?: string; erased?: boolean; erased_at?: string | null };
/** Where what is shown differs from the record that was hashed; empty: nowhere. Of an erased event nothing personal is left but pseudonyms. */
export function differences(e: Shown, said: Said, per: Personal | null): string[] {
  const out: string[] = [], want = (name: string, shown: unknown, logged: unknown) => { if (String(shown ?? "") !== String(logged ?? "")) out.push(name); };
  want("id", e.cuid, said.cuid);
  want("event", e.event_type, said.type);
  want("outcome", e.outcome, OUTCOMES[said.outcome]);
  want("time", e.timestamp, iso(said.at));
  want("time it was logged", e.logged, iso(said.logged));
  want("epoch", e.epoch, said.epoch);
  want("index", e.index, said.index);
  want("count", e.count ?? 1, said.count);
  want("request", e.request_id, said.request);
  want("kind of person", e.actor?.kind, KINDS[said.actorKind]);
  want("id of the person", e.actor?.id, said.actor);
  want("session", e.actor?.session, said.session);
  want("kind of target", e.target?.kind, said.targetKind);
  want("id of the target", e.target?.id, said.target);
  want("client", e.client?.id, said.client);
  want("erasure", !!e.erased || !!e.erased_at, per === null);
  const people: string[] = per === null ? e.message.match(LABEL) ?? [] : [], pseudonym = (name: string | null | undefined) => (name && people.includes(name) ? name : null);
  const p: Personal = per ?? { name: pseudonym(e.actor?.name), email: null, address: null, via: null, agent: null, targetName: pseudonym(e.target?.name), targetEmail: null, clientName: null, text: `${e.title}: the personal part was erased (${people.join(", ")})`, detail: null, changes: [] };
  const name = p.name ?? (per === null ? "(erased)" : null);
  want("text", e.message, visible(p.text));
  want("person", e.actor?.name, p.name);
  want("e-mail", e.actor?.email, p.email);
  want("user", e.user_info, name && p.email ? `${name} (${p.email})` : name ?? p.email ?? "Nobody signed in");
  want("address", e.address, p.address);
  want("proxy", e.via, p.via);
  want("browser", e.user_agent, p.agent);
  if (e.target || per === null) { want("target", e.target?.name, p.targetName); want("e-mail of the target", e.target?.email, p.targetEmail); }
  if (e.client || per === null) want("name of the client", e.client?.name, p.clientName);
  want("detail", e.private_detail, p.detail);
  want("changes", JSON.stringify((e.changes ?? []).map((c) => [c.field, c.before, c.after])), JSON.stringify(p.changes));
  return out;
}
