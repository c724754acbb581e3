// The log as a list that follows: one request per change of the filter (older ones are aborted), further pages by cursor,
// new events by server-sent events. New ones enter at once while the reader watches the top, else they wait.
import { useCallback, useEffect, useRef, useState } from "react";
import { api, say, type Event, type EventMeta } from "../api";

export const PAGE = 100;
export interface Log { events: Event[]; fresh: Set<string>; waiting: Event[]; meta: EventMeta | null; loading: boolean; fault: string; live: "on" | "off" | "past"; more: () => void; release: () => void; again: () => void }

/** `filter` is the query string without paging; `watching` says whether the reader looks at the top. */
export function useLog(filter: string, stream: boolean, watching: () => boolean): Log {
  const [events, setEvents] = useState<Event[]>([]), [waiting, setWaiting] = useState<Event[]>([]), [fresh, setFresh] = useState<Set<string>>(new Set());
  const [meta, setMeta] = useState<EventMeta | null>(null), [loading, setLoading] = useState(true), [fault, setFault] = useState(""), [live, setLive] = useState<Log["live"]>("off"), [round, setRound] = useState(0);
  const look = useRef(watching), further = useRef<AbortController | null>(null), state = useRef({ events, waiting, meta });
  look.current = watching;
  state.current = { events, waiting, meta };

  useEffect(() => {
    const stop = new AbortController();
    let source: EventSource | null = null, timer = 0, closed = false, last = -1;
    further.current?.abort(); further.current = null;
    setLoading(true); setLive(stream ? "off" : "past");
    const open = () => {
      if (closed) return;
      source = new EventSource(`/api/v2/auditlog/stream?${filter ? filter + "&" : ""}after=${last}`);
      source.onopen = () => setLive("on");
      source.addEventListener("hello", () => setLive("on"));
      source.addEventListener("audit", (m) => {
        let e: Event;
        try { e = JSON.parse((m as MessageEvent<string>).data) as Event; } catch { return; }
        last = Math.max(last, e.index ?? -1);
        const s = state.current;
        if (s.events.some((x) => x.cuid === e.cuid) || s.waiting.some((x) => x.cuid === e.cuid)) return;
        if (look.current() && !s.waiting.length) { state.current = { ...s, events: [e, ...s.events] }; setEvents((o) => [e, ...o]); setFresh((f) => new Set([...f].slice(-50)).add(e.cuid)); } else { state.current = { ...s, waiting: [e, ...s.waiting] }; setWaiting((o) => [e, ...o]); }
      });
      source.onerror = () => {
        setLive("off");
        if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
        source.close();
        timer = window.setTimeout(() => void api("GET", "/api/v2/session").then(open, () => { timer = window.setTimeout(open, 5000); }), 2500);
      };
    };
    void (async () => {
      try {
        const a = await api<{ data: Event[]; meta: EventMeta }>("GET", `/api/v2/auditlog?limit=${PAGE}${filter ? "&" + filter : ""}`, undefined, { signal: stop.signal });
        setEvents(a.data); setWaiting([]); setFresh(new Set()); setMeta(a.meta); setFault(""); setLoading(false);
        last = Math.max(a.meta.newest ?? -1, a.data[0]?.index ?? -1);
        if (stream) timer = window.setTimeout(open, 250); // a fast typist opens one stream, not ten; `after` misses nothing
      } catch (e) {
        if ((e as Error).name === "AbortError") return;
        setFault(say(e)); setLoading(false); setEvents([]); setMeta(null);
      }
    })();
    return () => { closed = true; stop.abort(); clearTimeout(timer); source?.close(); };
  }, [filter, stream, round]);

  const more = useCallback(() => {
    const m = state.current.meta;
    if (!m || m.next === null || m.next === undefined || (!m.more && m.complete !== false) || further.current) return;
    const stop = (further.current = new AbortController());
    void api<{ data: Event[]; meta: EventMeta }>("GET", `/api/v2/auditlog?limit=${PAGE}&cursor=${encodeURIComponent(String(m.next))}${filter ? "&" + filter : ""}`, undefined, { signal: stop.signal })
      .then((a) => { setEvents((o) => { const known = new Set(o.map((x) => x.cuid)); return [...o, ...a.data.filter((x) => !known.has(x.cuid))]; }); setMeta((o) => ({ ...(o ?? a.meta), next: a.meta.next, more: a.meta.more, complete: a.meta.complete, scanned_to: a.meta.scanned_to })); })
      .catch((e: unknown) => { if ((e as Error).name !== "AbortError") setFault(say(e)); })
      .finally(() => { if (further.current === stop) further.current = null; });
  }, [filter]);
  const release = useCallback(() => {
    const w = state.current.waiting;
    if (!w.length) return;
    setEvents((o) => [...w, ...o]); setFresh(new Set(w.map((e) => e.cuid))); setWaiting([]);
  }, []);
  return { events, fresh, waiting, meta, loading, fault, live, more, release, again: () => setRound((r) => r + 1) };
}
