// Whether the log is the one this browser knows: an event proved against the signed checkpoint, the checkpoint against what
// was seen before, a new key against the statement of the old one, a new epoch against the record that begins it.
import { ApiError, look as get, type Event } from "./api"; // look: the seal asks by itself, too
import { broken, epochOf, logOf, lookedAt, memories, pin, pinned, remember, remembered, setBroken, setLooked, type Memory } from "./memory";
import { differences, fromHex, isBeginning, isPlaced, leafOf, openNote, readKey, readRecord, renamed, same, signedText, toHex, writeKey, type Change, type Checkpoint, type Key, type Personal, type Proof, type Said } from "./proof";

export { hasWebCrypto } from "./proof";
/** ok null: nothing is wrong, and there is something to know. */
export interface Step { title: string; ok: boolean | null; text: string }
export interface Head { origin: string; epoch: number; size: number; root: string; signed_at: string; vkey: string; checkpoint: string }

const LOG = "/api/v2/auditlog", LOOK_MS = 60_000, KEY = "Key", MEMORY = "This browser's memory";
const count = (n: number) => n.toLocaleString("en"), day = (iso: string) => iso.slice(0, 10), minute = (iso: string) => `${iso.slice(0, 16).replace("T", " ")} UTC`;

/** The events of a type, oldest first. */
const eventsOf = async (type: string) => (await get<{ data: (Event & { epoch: number })[] }>(`${LOG}?event_type=${type}&limit=1000`)).data.reverse();
interface Proved { proof: Proof; said: Said; personal: Personal | null; key: Key }
/** An event's record, found to be in the log under a checkpoint that proof.vkey has signed: whose key that is, is for the caller. */
async function provedEvent(cuid: string): Promise<Proved> {
  const proof = (await get<{ data: Proof }>(`${LOG}/proof/${cuid}`)).data, { said, personal } = readRecord(proof), leaf = await leafOf(proof), c = await openNote(proof.checkpoint, proof.vkey);
  if (!leaf || said.cuid !== cuid || !(await isPlaced(proof, said, leaf, c))) throw new Error("An event that explains the change is not in the log.");
  return { proof, said, personal, key: await readKey(proof.vkey) };
}
const changeOf = (p: Personal, field: string): Change | undefined => p.changes.find((c) => c[0] === field);

// ---- keys ----

/** Follows the statements that each key made for the next, from a key that is known. True: they lead to `to`. doc/verify/README.md, 4. */
async function leadsTo(known: Key, to: Key): Promise<boolean> {
  const chain = [known.raw], signers: Key[] = [];
  for (const e of await eventsOf("SigningKeyRotated")) {
    if (same(chain[chain.length - 1]!, to.raw)) break;
    const { proof, said, personal, key } = await provedEvent(e.cuid), statement = personal && changeOf(personal, "statement")?.[2];
    if (said.type !== "SigningKeyRotated" || !statement) continue;
    const signed = await signedText(statement, await renamed({ ...known, raw: chain[chain.length - 1]! }, proof.origin));
    if (!signed) continue; // by a key of before
    const next = /^recount-key-rotation v1\norigin (\S+)\nnew (\S+)\n$/.exec(signed.text), k = next && (await readKey(next[2]!));
    if (!k || next[1] !== proof.origin || k.name !== proof.origin) throw new Error("The old key signed something else than the rotation of this log's key.");
    chain.push(k.raw); signers.push(key);
  }
  // What the events were proved under must itself be signed by keys that were led to.
  return same(chain[chain.length - 1]!, to.raw) && signers.every((s) => chain.some((raw) => same(raw, s.raw)));
}
/** Whether a key that is trusted stands behind this one: it is the same, or its statements lead there. */
async function standsBehind(known: Key, now: Key): Promise<"same" | "followed" | null> {
  if (same(known.raw, now.raw)) return "same";
  return (await leadsTo(known, now)) ? "followed" : null;
}
/** The key against the one that somebody pinned here; null: nobody did. */
async function againstPin(now: Key): Promise<Step | null> {
  const log = logOf(now.name), p = pinned(log);
  if (!p) return null;
  const how = await standsBehind(await readKey(p.vkey), now);
  if (!how) return { title: KEY, ok: false, text: `The log is signed by another key than the one pinned in this browser on ${day(p.at)}, and no statement of that one leads to it. Do not trust this log.` };
  if (how === "followed") pin(log, { vkey: writeKey(now), at: p.at });
  return { title: KEY, ok: true, text: how === "same" ? `It is the key pinned in this browser on ${day(p.at)}.` : `The key pinned on ${day(p.at)} was replaced, and signed for the new one: that is pinned from now on.` };
}
/** Keeps a key that the reader got another way. Throws with a sentence when it is not a key of this log. */
export async function pinKey(vkey: string, h: Head): Promise<void> {
  const k = await readKey(vkey.trim().split("\n")[0] ?? ""), log = logOf(h.origin);
  if (logOf(k.name) !== log) throw new Error("This is the key of another log.");
  pin(log, { vkey: writeKey(k), at: new Date().toISOString() });
}

// ---- memory ----

const titled = (ok: boolean | null, text: string): Step => ({ title: MEMORY, ok, text });

/** Whether what was seen is the beginning of `to`; a sentence: the server gives no proof, and says why. */
async function begins(epoch: number, from: { size: number; root: string }, to: { size: number; root: string }): Promise<boolean | string> {
  let proof: string[] = [];
  if (from.size !== to.size)
    try { proof = (await get<{ data: { proof: string[] } }>(`${LOG}/consistency?epoch=${epoch}&from=${from.size}&to=${to.size}`)).data.proof; } catch (x) {
      if (x instanceof ApiError && (x.status === 400 || x.status === 404)) return x.message;
      throw x;
    }
  return isBeginning(from.size, to.size, fromHex(from.root), fromHex(to.root), proof.map(fromHex));
}
/** A checkpoint of an origin that is remembered. */
async function continues(c: Checkpoint, m: Memory, now: Memory): Promise<Step> {
  const good = await (m.size <= c.size ? begins(epochOf(c.origin), m, now) : begins(epochOf(c.origin), now, m));
  if (typeof good === "string") return titled(null, `It was not compared with the checkpoint of ${count(m.size)} events seen here on ${day(m.at)}: the server gives no proof (${good}). That is so when the months around it have expired. It is still remembered; let the browser forget to begin anew.`);
  if (!good) return titled(false, `The checkpoint of ${count(c.size)} events does not continue the one of ${count(m.size)} seen here on ${day(m.at)}: the log was rewritten.`);
  return titled(true, `It continues the checkpoint of ${count(m.size)} events seen here on ${minute(m.at)}: nothing in between was changed or removed.`);
}
/** A new epoch of a log that is remembered: its first record says what was kept, and what this browser saw must begin like it. */
async function afterRestore(c: Checkpoint, key: Key, old: { origin: string; epoch: number; memory: Memory }): Promise<Step> {
  const m = old.memory, epoch = epochOf(c.origin), seen = `This browser remembers epoch ${old.epoch} of the log with ${count(m.size)} events, seen on ${day(m.at)}`;
  if (old.epoch === epoch) return titled(false, `${seen}. The log shown is another epoch ${epoch}, begun from a copy that was put back at another time: it does not continue what was seen, and no record says what became of it.`);
  if (!(await standsBehind(await readKey(m.vkey), key))) return titled(false, `${seen}. The new epoch is signed by another key, and no statement of the old one leads to it.`);
  for (const e of (await eventsOf("AuditLogEpochBegun")).filter((x) => x.epoch > old.epoch && x.epoch <= epoch)) {
    const { said, personal, key: signer } = await provedEvent(e.cuid), of = (field: string) => (personal && changeOf(personal, field)) ?? null;
    if (said.type !== "AuditLogEpochBegun" || Number(of("epoch")?.[1]) !== old.epoch) continue;
    const kept = { size: Number(of("events kept")?.[2]), root: of("root kept")?.[2] ?? "" };
    if (said.index !== 0 || !Number.isSafeInteger(kept.size) || !/^[0-9a-f]{64}$/.test(kept.root) || !(await standsBehind(signer, key))) throw new Error("The record that begins the epoch is not what it should be.");
    const good = m.size <= kept.size ? await begins(old.epoch, m, kept) : true, now = `The log was restored and goes on as epoch ${epoch}`, why = `${personal?.text ?? ""} Reason: ${of("reason")?.[2] ?? "none given"}.`;
    if (good === false) return titled(false, `${seen}. What was kept does not begin with them: the log was rewritten before it was restored.`);
    if (good !== true) return titled(null, `${seen}. ${now}; whether it begins with them is not proved (${good}). ${why}`);
    if (m.size <= kept.size) return titled(null, `${seen}. ${now}: all of these events were kept. ${why}`);
    return titled(null, `${seen}. ${now}: ${count(kept.size)} of these events were kept, ${count(m.size - kept.size)} are lost (index ${count(kept.size)} to ${count(m.size - 1)}). ${why}`);
  }
  return titled(false, `${seen}. The log has a new epoch, and no record in it says what became of the one before.`);
}
/** Compares a checkpoint with what this browser saw last, and remembers the newer one. */
export async function againstMemory(c: Checkpoint, note: string, vkey: string): Promise<Step[]> {
  const log = logOf(c.origin), key = await readKey(vkey), m = remembered(c.origin), now: Memory = { size: c.size, root: toHex(c.root), vkey: vkey.trim(), at: new Date().toISOString() };
  const steps: Step[] = [], p = await againstPin(key);
  if (p) steps.push(p);
  if (p?.ok === false) return steps;
  if (!m) {
    const old = memories(log).find((x) => x.epoch <= epochOf(c.origin));
    steps.push(old ? await afterRestore(c, key, old) : titled(true, "First checkpoint of this log seen here. It is remembered: from now on every later one must continue it."));
    if (steps.every((s) => s.ok !== false)) remember(c.origin, now);
    return steps;
  }
  const was = await readKey(m.vkey), how = await standsBehind(was, key), along = !how && !!(await signedText(note, was));
  if (!how && !along) return [...steps, titled(false, `The log's key is not the one seen here on ${day(m.at)}, and no statement of that one leads to it. Do not trust this log, unless you are told the new key another way.`)];
  const step = await continues(c, m, now);
  if (step.ok && how === "followed") step.text += ` Its key was replaced since; the old key signed for the new one.`;
  if (step.ok && along) step.text += ` It names a new key, for which the one seen here has not signed, but that one signed this checkpoint, too, and is still the one remembered.`;
  if (step.ok && c.size >= m.size) remember(c.origin, along ? { ...now, vkey: m.vkey } : c.size > m.size ? now : { ...m, vkey: now.vkey });
  return [...steps, step];
}

/** What failed stays to be seen until a later look finds it good, what is only to be known until somebody has noted it. */
function told(origin: string, steps: Step[]): Step[] {
  const log = logOf(origin), bad = steps.find((s) => s.ok === false), news = steps.find((s) => s.ok === null), was = broken(log), now = new Date().toISOString();
  if (bad) setBroken(log, { text: bad.text, at: was && !was.kind ? was.at : now });
  else if (news) setBroken(log, { text: news.text, at: now, kind: "warn" });
  else if (was && !was.kind) setBroken(log, null);
  return steps;
}

// ---- what the pages ask for ----

/** All checks of one event, one after the other; the first that fails ends them. `tell` is called after each. */
export async function verifyEvent(e: Event, tell: (steps: Step[]) => void): Promise<Step[]> {
  const steps: Step[] = [], add = (s: Step) => { steps.push(s); tell([...steps]); return s.ok !== false; };
  const a = (await get<{ data: Proof }>(`${LOG}/proof/${e.cuid}`)).data;
  let record: ReturnType<typeof readRecord> | null = null, odd: string[] = [], why = "";
  try { record = readRecord(a); odd = differences(e, record.said, record.personal); } catch (x) { why = (x as Error).message; }
  if (!record || odd.length) { add({ title: "Record", ok: false, text: why || `What is shown differs from the record in: ${odd.join(", ")}.` }); return steps; }
  try {
    add({ title: "Record", ok: true, text: record.personal ? "What is shown is what the record says." : "The personal part is said to be erased; what is left is what the record says. That it was erased lawfully, and not withheld from you, only the store itself can tell." });
    const leaf = await leafOf(a), good = !!leaf && (!e.leaf || e.leaf === a.leaf);
    if (!add({ title: "Leaf", ok: good, text: good ? `Record and salt hash to ${a.leaf.slice(0, 16)}…` : "Record and salt do not hash to the leaf." })) return steps;
    const c = await openNote(a.checkpoint, a.vkey);
    if (!add({ title: "Signature", ok: c.origin === a.origin, text: `The checkpoint of ${count(c.size)} events is signed by the log's key (checked by ${c.by}).` })) return steps;
    const placed = await isPlaced(a, record.said, leaf!, c);
    if (!add({ title: "Place in the log", ok: placed, text: placed ? `The event is number ${count(a.index)} in the tree that was signed: ${a.inclusion.length} hashes lead to its root.` : "The hashes do not lead to the root that was signed." })) return steps;
    for (const s of told(c.origin, await againstMemory(c, a.checkpoint, a.vkey))) add(s);
  } catch (x) {
    add({ title: "Check", ok: false, text: (x as Error).message });
  }
  return steps;
}

export const newestHead = async () => (await get<{ data: Head[] }>(`${LOG}/heads`)).data[0] ?? null;
/** The newest checkpoint against key and memory, without an event. */
export async function verifyHead(h: Head): Promise<Step[]> {
  try {
    const c = await openNote(h.checkpoint, h.vkey);
    if (c.origin !== h.origin) throw new Error("The checkpoint is that of another log.");
    return [{ title: "Signature", ok: true, text: `The checkpoint of ${count(c.size)} events is signed by the log's key (checked by ${c.by}).` }, ...told(c.origin, await againstMemory(c, h.checkpoint, h.vkey))];
  } catch (x) {
    const step = { title: "Check", ok: false, text: (x as Error).message };
    return x instanceof ApiError ? [step] : told(h.origin, [step]); // a server that does not answer is no other log
  }
}
/** Remembers the checkpoint that is shown, and compares it: only when it is another one, at most once a minute. */
export async function glance(shown: { origin: string; size: number; root: string }): Promise<void> {
  const log = logOf(shown.origin), m = remembered(shown.origin), was = broken(log), bad = !!was && !was.kind, odd = m?.size === shown.size && m.root !== shown.root;
  if (m?.size === shown.size && !odd && !bad) return;
  if (Date.now() - lookedAt(log) < LOOK_MS && (!odd || bad)) return;
  setLooked(log, Date.now());
  const h = await newestHead();
  if (!h) return;
  const steps = await verifyHead(h);
  if (h.origin === shown.origin && h.size === shown.size && h.root !== shown.root && steps.every((s) => s.ok !== false)) told(h.origin, [{ title: MEMORY, ok: false, text: "The seal shows another root than the one that is signed." }]);
}
