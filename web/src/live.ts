// One event stream per browser, shared by its tabs: a browser allows six connections to an origin, and six pages with a
// stream each would leave none for anything else. The tab that holds a lock has the stream and passes on what it says,
// which is only how far the log reaches; each tab asks for what its own filter shows. So a tab that takes over
// needs to know nothing: the first thing its stream says is where the log stands, and who is behind asks.
// It says also which notice is the newest of the workspace (the bell asks for one's own when that has changed).
// Browsers lend locks on secure origins only: elsewhere each tab has a stream of its own, while it is seen.
import { api, ApiError, type Session } from "./api";

interface Listener { newest?: (cursor: number) => void; notice?: (mark: string) => void; state?: (on: boolean) => void }
interface Hub { newest: (cursor: number, mark: string) => void; state: (on: boolean) => void }
type Said = { kind: "who" } | { kind: "newest"; cursor: number; mark: string } | { kind: "state"; on: boolean; seen: boolean };

/** Whether the stream is open to this person at all. */
export const mayFollow = (s: { permissions: string[] }) => s.permissions.includes("AUDIT_LOG.VIEW");

const ASK_MS = 20_000, ANSWER_MS = 4_000;

/** The stream itself, kept open: tries again, later and later, and stops where the right is gone. */
function source(newest: (cursor: number, mark: string) => void, state: (on: boolean) => void): () => void {
  let s: EventSource | null = null, timer = 0, wait = 2_500, ended = false;
  const said = (m: Event) => { try { const d = JSON.parse((m as MessageEvent<string>).data) as { newest?: number; notice?: string }; if (typeof d.newest === "number") newest(d.newest, d.notice ?? ""); } catch { /* not for us */ } };
  const open = () => {
    if (ended) return;
    s = new EventSource("/api/v2/auditlog/hints");
    s.addEventListener("hello", (m) => { wait = 2_500; state(true); said(m); });
    s.addEventListener("newest", said);
    s.onerror = () => {
      state(false);
      if (s?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      s.close();
      timer = window.setTimeout(() => void again(), wait);
      wait = Math.min(wait * 2, 30_000);
    };
  };
  // Only a tab that is seen asks for the password; the others wait until someone has signed in.
  const again = async () => {
    if (ended) return;
    try {
      const mine = await api<Session>("GET", "/api/v2/session", undefined, { quiet: document.hidden });
      if (mayFollow(mine)) open();
    } catch (e) {
      if (!ended) timer = window.setTimeout(() => void again(), e instanceof ApiError && e.status === 401 ? 5_000 : wait);
    }
  };
  open();
  return () => { ended = true; clearTimeout(timer); s?.close(); state(false); };
}

/** Without locks: a stream of one's own, while the tab is seen. */
function alone(l: Hub): () => void {
  let close: (() => void) | null = null;
  const look = () => {
    if (document.hidden) { close?.(); close = null; } else close ??= source(l.newest, l.state);
  };
  look();
  document.addEventListener("visibilitychange", look);
  return () => { document.removeEventListener("visibilitychange", look); close?.(); };
}

function shared(name: string, l: Hub): () => void {
  const channel = new BroadcastChannel(name);
  let leading = false, ended = false, on = false, last = -1, mark = "", probe = 0;
  let turn: AbortController | null = null, resign = () => {}, other: (() => void) | null = null;
  const say = (m: Said) => channel.postMessage(m);
  const tell = () => say({ kind: "state", on, seen: !document.hidden });
  const lead = () => new Promise<void>((done) => {
    if (ended) { done(); return; }
    leading = true;
    const close = source((cursor, m) => { last = cursor; mark = m; say({ kind: "newest", cursor, mark }); l.newest(cursor, mark); }, (now) => { on = now; tell(); if (!ended) l.state(now); });
    resign = () => { if (leading) { leading = false; close(); done(); } };
  });
  // `steal` breaks the lock of a tab that the system has put to sleep; when it wakes it queues up like the others.
  const queue = (steal: boolean) => {
    const mine = new AbortController();
    turn?.abort();
    turn = mine;
    navigator.locks.request(name, steal ? { steal } : { signal: mine.signal }, lead).catch((e: unknown) => {
      if (turn !== mine || ended) return;
      resign();
      if ((e as Error).name === "AbortError") queue(false); else other = alone(l); // locks refused
    });
  };
  channel.onmessage = (m: MessageEvent<Said>) => {
    const d = m.data;
    if (d.kind === "who") { if (leading) { tell(); if (last >= 0) say({ kind: "newest", cursor: last, mark }); } return; }
    if (leading) return;
    if (d.kind === "newest") l.newest(d.cursor, d.mark);
    else { l.state(d.on); if (d.on || d.seen) { clearTimeout(probe); probe = 0; } else ask(); }
  };
  // A tab that is seen asks now and then whether the leading one still lives. From one that does not answer, or that
  // has no stream and is not seen by anyone who could sign in, it takes over.
  const ask = () => {
    if (leading || document.hidden || other || probe) return;
    say({ kind: "who" });
    probe = window.setTimeout(() => { probe = 0; if (!leading && !document.hidden) queue(true); }, ANSWER_MS);
  };
  const timer = window.setInterval(ask, ASK_MS);
  document.addEventListener("visibilitychange", ask);
  queue(false);
  ask();
  return () => {
    ended = true;
    clearInterval(timer); clearTimeout(probe);
    document.removeEventListener("visibilitychange", ask);
    resign(); turn?.abort(); other?.();
    channel.close();
  };
}

const listeners = new Set<Listener>();
let close: (() => void) | null = null, at = -1, mark = "", up = false; // of this tab
const hub: Hub = {
  newest: (cursor, m) => { at = cursor; mark = m; for (const l of [...listeners]) { l.newest?.(at); l.notice?.(mark); } },
  state: (on) => { up = on; for (const l of [...listeners]) l.state?.(on); },
};
/** Calls `newest` with the cursor of the newest event whenever it may have moved, until the function given back is called. */
export function follow(user: string, l: Listener): () => void {
  listeners.add(l);
  if (close) { if (at >= 0) { l.newest?.(at); l.notice?.(mark); } l.state?.(up); } else close = "locks" in navigator && "BroadcastChannel" in window ? shared(`recount-log-${user}`, hub) : alone(hub);
  return () => {
    listeners.delete(l);
    if (!listeners.size) { close?.(); close = null; at = -1; mark = ""; up = false; }
  };
}
