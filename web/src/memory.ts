// What this browser remembers of the audit log, in its own storage: the newest checkpoint of each epoch it saw, a key
// somebody pinned, and a check that failed. Decides nothing: that is trust.ts. A log is INSTALLATION/WORKSPACE.
import { useSyncExternalStore } from "react";

export interface Memory { size: number; root: string; vkey: string; at: string }
export interface Pin { vkey: string; at: string }
/** A check that failed; warn: nothing is wrong, and somebody should know (a restore). */
export interface Broken { text: string; at: string; kind?: "warn" }

const CHECKPOINT = "recount.checkpoint.", PIN = "recount.pin.", BROKEN = "recount.broken.", LOOKED = "recount.looked.";
const parsed = (key: string): unknown => { try { return JSON.parse(localStorage.getItem(key) ?? "null"); } catch { return null; } };
/** What somebody else wrote there, and lacks what pages count on, is nothing. */
function read<T extends object>(key: string, texts: (keyof T)[], numbers: (keyof T)[] = []): T | null {
  const v = parsed(key) as T | null;
  return v && texts.every((k) => typeof v[k] === "string") && numbers.every((k) => typeof v[k] === "number") ? v : null;
}
const watchers = new Set<() => void>();
let version = 0;
const changed = () => { version++; watchers.forEach((w) => w()); };
function write(key: string, value: unknown) {
  try { if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, JSON.stringify(value)); } catch { /* a browser that keeps nothing: then it remembers nothing */ }
  changed();
}

export const logOf = (origin: string) => origin.split("/").slice(0, 2).join("/");
/** The number of the epoch; behind it stands when a restore began it. */
export const epochOf = (origin: string) => Number(origin.split("/")[2]?.split("-")[0]);
export const remembered = (origin: string) => read<Memory>(CHECKPOINT + origin, ["root", "vkey", "at"], ["size"]);
export const remember = (origin: string, m: Memory) => write(CHECKPOINT + origin, m);
export const pinned = (log: string) => read<Pin>(PIN + log, ["vkey", "at"]);
export const pin = (log: string, p: Pin | null) => write(PIN + log, p);
const brokenAt = (key: string) => read<Broken>(key, ["text", "at"]);
export const broken = (log: string) => brokenAt(BROKEN + log);
export const setBroken = (log: string, b: Broken | null) => { if (b || broken(log)) write(BROKEN + log, b); };
/** The failed check of a workspace's log, whatever the installation's id. */
export function brokenOf(workspace: string): (Broken & { log: string }) | null {
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i) ?? "", b = key.startsWith(BROKEN) && key.endsWith(`/${workspace}`) ? brokenAt(key) : null;
    if (b) return { ...b, log: key.slice(BROKEN.length) };
  }
  return null;
}
/** When a checkpoint of the log was last compared without being asked to (ms). */
export const lookedAt = (log: string) => Number(parsed(LOOKED + log)) || 0;
export const setLooked = (log: string, at: number) => write(LOOKED + log, at);

/** Every checkpoint of the log that is remembered, newest epoch first. */
export function memories(log: string): { origin: string; epoch: number; memory: Memory }[] {
  const out = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i) ?? "", origin = key.slice(CHECKPOINT.length);
    if (!key.startsWith(CHECKPOINT) || logOf(origin) !== log) continue;
    const memory = remembered(origin);
    if (memory) out.push({ origin, epoch: epochOf(origin), memory });
  }
  return out.sort((a, b) => b.epoch - a.epoch);
}
/** Begins anew with one log, but for its pin. */
export function forget(log: string) {
  for (const m of memories(log)) localStorage.removeItem(CHECKPOINT + m.origin);
  for (const key of [BROKEN, LOOKED]) localStorage.removeItem(key + log);
  changed();
}

addEventListener("storage", (e) => { if (!e.key || e.key.startsWith("recount.")) changed(); });
/** Drawn again when anything of it changes, in another tab too. */
export const useMemory = () => useSyncExternalStore((f) => { watchers.add(f); return () => watchers.delete(f); }, () => version);
