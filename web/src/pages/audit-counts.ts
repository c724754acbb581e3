// What the bars above the list stand for: which times they begin and end at, and how many events each holds. Counted at
// the server once the list has arrived, never before it; new events of the list are added here.
import { useEffect, useRef, useState } from "react";
import { api, say, type Event } from "../api";
import type { Zone } from "../time";

export type Step = "minute" | "5 minutes" | "hour" | "6 hours" | "day" | "week" | "month";
export interface Bars { edges: number[]; counts: number[]; step: Step; wholeFrom: number; next: number | null; newest: number }
interface Answer { data: { count: number }[]; meta: { complete: boolean; whole_from: string | null; next: number | null; newest: number } }

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS: [Step, number][] = [["minute", MINUTE], ["5 minutes", 5 * MINUTE], ["hour", HOUR], ["6 hours", 6 * HOUR], ["day", DAY], ["week", 7 * DAY], ["month", 28 * DAY]];
const MOST = 200; // bars: the server counts between 201 times at most
const QUIET_MS = 250; // after the list, for whoever goes on typing

/** The start of the step that holds t, and of those after it: whole hours, days and months of the zone, also where clocks change. */
function start(t: number, step: Step, zone: Zone, plus = 0): number {
  const d = new Date(t), u = zone === "utc";
  const [y, m, day, h, min] = u ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes()] : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes()];
  const at = (...p: [number, number, number?, number?]) => (u ? Date.UTC(...p) : new Date(...(p as [number, number])).getTime());
  if (step === "month") return at(y, m + plus, 1);
  if (step === "week") return at(y, m, day - (((u ? d.getUTCDay() : d.getDay()) + 6) % 7) + 7 * plus);
  if (step === "day") return at(y, m, day + plus);
  if (step === "6 hours") return at(y, m, day, h - (h % 6) + 6 * plus);
  // An hour that comes twice is two: counted from where it began.
  const size = step === "hour" ? HOUR : step === "5 minutes" ? 5 * MINUTE : MINUTE, within = step === "hour" ? min : step === "5 minutes" ? min % 5 : 0;
  return Math.floor(t / MINUTE) * MINUTE - within * MINUTE + plus * size;
}
/** Some `most` bars at most over [from, to], the last of which may end in the future. */
export function divide(from: number, to: number, most: number, zone: Zone): { edges: number[]; step: Step } {
  const [step] = STEPS.find(([, size]) => (to - from) / size <= Math.min(most, size < HOUR ? 60 : size < DAY ? 74 : most)) ?? STEPS[STEPS.length - 1]!, edges = [start(from, step, zone)];
  do {
    const last = edges[edges.length - 1]!, next = start(last, step, zone, 1);
    edges.push(next > last ? next : last + HOUR);
  } while (edges[edges.length - 1]! < to && edges.length <= MOST);
  return { edges, step };
}

/** As the log's positions: epoch and index in one. */
const position = (e: Event) => (e.epoch ?? 0) * 2 ** 40 + e.index;
/** Which bar the time falls into, −1: none. */
function barOf(edges: number[], t: number) {
  let i = edges.length - 1;
  while (i >= 0 && edges[i]! > t) i--;
  return i < edges.length - 1 ? i : -1;
}

interface Asked { filter: string; from: number | null; to: number; most: number; zone: Zone; ready: boolean; round: unknown }
/**
 * Counts for the filter, once `ready` (the list is there) and once more for each `round` (the list was read anew). What was
 * counted for the filter before stays until then, so that nothing jumps while one types.
 */
export function useBars(q: Asked, events: Event[]) {
  const [bars, setBars] = useState<Bars | null>(null), [fault, setFault] = useState(""), [busy, setBusy] = useState(false), [again, setAgain] = useState(0), [old, setOld] = useState(true);
  const going = useRef<AbortController | null>(null), first = useRef(true);
  const ask = async (edges: number[], cursor: number | null, stop: AbortController) => {
    const p = new URLSearchParams(q.filter);
    if (cursor !== null) p.set("cursor", String(cursor));
    const times = edges.map((t) => new Date(t).toISOString().replace(".000Z", "Z")).join();
    return api<Answer>("GET", `/api/v2/auditlog/histogram?${p.size ? p + "&" : ""}edges=${times}`, undefined, { signal: stop.signal, background: true });
  };
  useEffect(() => {
    going.current?.abort();
    setOld(true);
    if (!q.ready || q.from === null) return;
    const stop = (going.current = new AbortController()), { edges, step } = divide(q.from, q.to, q.most, q.zone);
    setBusy(false);
    const timer = setTimeout(() => {
      first.current = false;
      ask(edges, null, stop).then((a) => {
        setBars({ edges, step, counts: a.data.map((b) => b.count), wholeFrom: a.meta.whole_from ? Date.parse(a.meta.whole_from) : -Infinity, next: a.meta.next, newest: a.meta.newest });
        setFault(""); setOld(false);
      }).catch((e: unknown) => { if ((e as Error).name !== "AbortError") { setFault(say(e)); setBars(null); setOld(false); } });
    }, first.current ? 0 : QUIET_MS);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [q.filter, q.most, q.zone, q.ready, q.round, again]); // eslint-disable-line
  /** Goes on with what the first answer's budget did not reach, piece by piece. */
  const rest = async () => {
    const stop = (going.current = new AbortController());
    setBusy(true);
    try {
      for (let b = bars; b && b.next !== null;) {
        const a = await ask(b.edges, b.next, stop);
        b = { ...b, counts: b.counts.map((n, i) => n + a.data[i]!.count), wholeFrom: a.meta.whole_from ? Date.parse(a.meta.whole_from) : -Infinity, next: a.meta.next };
        setBars(b);
      }
    } catch (e) { if ((e as Error).name !== "AbortError") setFault(say(e)); } finally { if (going.current === stop) setBusy(false); }
  };
  const counts = bars ? [...bars.counts] : [];
  let beyond = false;
  if (bars) for (const e of events) {
    if (position(e) <= bars.newest) break; // newest first
    const i = barOf(bars.edges, Date.parse(e.timestamp));
    if (i >= 0) counts[i]!++; else beyond ||= Date.parse(e.timestamp) >= bars.edges[bars.edges.length - 1]!;
  }
  useEffect(() => { if (beyond && !old) setAgain((n) => n + 1); }, [beyond]); // eslint-disable-line
  return { bars, counts, fault, old, busy, rest: () => void rest(), stop: () => { going.current?.abort(); setBusy(false); }, again: () => { setFault(""); setAgain((n) => n + 1); } };
}
