// The log as a list that follows: one request per change of the filter (older ones are aborted), further pages by cursor.
// The browser's one stream says how far the log reaches; what is new behind our cursor is asked for with our filter.
// New events enter at once while the reader watches the top, else they wait. A page nobody sees asks for nothing.
import { useCallback, useEffect, useRef, useState } from "react";
import { api, ApiError, say, type Event, type EventMeta } from "../api";
import { follow } from "../live";

export const PAGE = 100;
const EVERY_MS = 250; // between two questions while events pour in
const WAITING_MAX = 1000; // events held back; beyond, the list is read anew
const HELD_MAX = 3000; // events of a page that watches; beyond, it starts over from the top
export interface Log { events: Event[]; fresh: Set<string>; waiting: Event[]; missed: boolean; meta: EventMeta | null; loading: boolean; fault: string; live: "on" | "off" | "past"; round: number; more: () => void; release: () => void; again: () => void }
/** Events above others, each once: a further page and new events may arrive in any order. */
const join = (a: Event[], b: Event[]) => { const known = new Set(a.map((e) => e.cuid)); return [...a, ...b.filter((e) => !known.has(e.cuid))]; };
interface Answer { data: Event[]; meta: EventMeta }

/** `filter` is the query string without paging; `watching` says whether the reader looks at the top; `user` whose log it is. */
export function useLog(filter: string, stream: boolean, watching: () => boolean, user: string): Log {
  const [events, setEvents] = useState<Event[]>([]), [waiting, setWaiting] = useState<Event[]>([]), [fresh, setFresh] = useState<Set<string>>(new Set()), [missed, setMissed] = useState(false);
  const [meta, setMeta] = useState<EventMeta | null>(null), [loading, setLoading] = useState(true), [fault, setFault] = useState(""), [on, setOn] = useState(false), [round, setRound] = useState(0);
  const look = useRef(watching), further = useRef<AbortController | null>(null), state = useRef({ events, waiting, meta, missed });
  const newest = useRef(-1), wake = useRef(() => {}); // how far the log reaches, as far as we were told
  look.current = watching;
  state.current = { events, waiting, meta, missed };
  const again = useCallback(() => setRound((r) => r + 1), []);

  useEffect(() => {
    if (!stream) return;
    return follow(user, { newest: (cursor) => { newest.current = Math.max(newest.current, cursor); wake.current(); }, state: setOn });
  }, [stream, user]);

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0, closed = false, busy = false, away = false, faults = 0, last: number | null = null;
    further.current?.abort(); further.current = null;
    setLoading(true);
    const take = (got: Event[]) => {
      const s = state.current, known = new Set([...s.events, ...s.waiting].map((e) => e.cuid)), add = got.filter((e) => !known.has(e.cuid)).reverse();
      if (!add.length) return;
      if (look.current() && !away && !s.waiting.length) {
        if (s.events.length > HELD_MAX) { again(); return; }
        state.current = { ...s, events: [...add, ...s.events] };
        setEvents((o) => join(add, o)); setFresh((f) => new Set([...f].slice(-50).concat(add.map((e) => e.cuid))));
      } else {
        state.current = { ...s, waiting: [...add, ...s.waiting].slice(0, WAITING_MAX), missed: s.missed || s.waiting.length + add.length > WAITING_MAX };
        setWaiting(state.current.waiting); setMissed(state.current.missed);
      }
    };
    const ask = async () => {
      if (closed || busy || timer || last === null || newest.current <= last || document.hidden || state.current.missed) return;
      busy = true;
      const aim = newest.current;
      try {
        const a = await api<Answer>("GET", `/api/v2/auditlog?follow=${last}&limit=${PAGE}${filter ? "&" + filter : ""}`, undefined, { signal: stop.signal, background: true });
        if (closed) return;
        last = Number(a.meta.next); faults = 0;
        take(a.data);
        if (!a.meta.more && newest.current === aim) newest.current = last; // the answer knows better than the hint
        if (newest.current <= last) away = false;
      } catch (e) {
        if (closed || (e as Error).name === "AbortError") return;
        if (e instanceof ApiError && e.status === 403) { last = null; setFault(say(e)); return; }
        faults++;
      } finally { busy = false; }
      timer = window.setTimeout(() => { timer = 0; void ask(); }, Math.min(EVERY_MS * 2 ** faults, 30_000));
    };
    const shown = () => { if (document.hidden) away = true; else if (last !== null && newest.current <= last) away = false; void ask(); };
    if (stream) { wake.current = () => void ask(); document.addEventListener("visibilitychange", shown); }
    void (async () => {
      try {
        const a = await api<Answer>("GET", `/api/v2/auditlog?limit=${PAGE}${filter ? "&" + filter : ""}`, undefined, { signal: stop.signal });
        if (closed) return;
        setEvents(a.data); setWaiting([]); setFresh(new Set()); setMissed(false); setMeta(a.meta); setFault(""); setLoading(false);
        state.current = { events: a.data, waiting: [], meta: a.meta, missed: false };
        last = a.meta.newest ?? -1;
        if (stream) void ask();
      } catch (e) {
        if (closed || (e as Error).name === "AbortError") return;
        setFault(say(e)); setLoading(false); setEvents([]); setMeta(null);
      }
    })();
    return () => { closed = true; stop.abort(); clearTimeout(timer); wake.current = () => {}; document.removeEventListener("visibilitychange", shown); };
  }, [filter, stream, round, again]);

  const more = useCallback(() => {
    const m = state.current.meta;
    if (!m || m.next === null || m.next === undefined || (!m.more && m.complete !== false) || further.current) return;
    const stop = (further.current = new AbortController());
    void api<{ data: Event[]; meta: EventMeta }>("GET", `/api/v2/auditlog?limit=${PAGE}&cursor=${encodeURIComponent(String(m.next))}${filter ? "&" + filter : ""}`, undefined, { signal: stop.signal })
      .then((a) => { if (stop.signal.aborted) return; setEvents((o) => join(o, a.data)); setMeta((o) => ({ ...(o ?? a.meta), next: a.meta.next, more: a.meta.more, complete: a.meta.complete, scanned_to: a.meta.scanned_to })); })
      .catch((e: unknown) => { if ((e as Error).name !== "AbortError") setFault(say(e)); })
      .finally(() => { if (further.current === stop) further.current = null; });
  }, [filter]);
  const release = useCallback(() => {
    const s = state.current, w = s.waiting;
    if (s.missed) { again(); return; }
    if (!w.length) return;
    state.current = { ...s, events: [...w, ...s.events], waiting: [] };
    setEvents((o) => join(w, o)); setFresh(new Set(w.map((e) => e.cuid))); setWaiting([]);
  }, [again]);
  return { events, fresh, waiting, missed, meta, loading, fault, live: !stream ? "past" : on ? "on" : "off", round, more, release, again };
}
