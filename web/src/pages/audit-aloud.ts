// What the audit page says aloud: how many are found, once; new events, the first at once and further ones together; that
// the page no longer follows, and that it does again. Each once, however fast things happen.
import { useEffect, useState } from "react";
import { plural } from "../time";
import { visible } from "../text";
import type { Log } from "./audit-live";

const CALM_MS = 5_000, CLEAR_MS = 1_000, AGAIN = "Live again.";

/** Text that changes often, as it is said: at once after a pause, else together with what follows within five seconds. */
function useCalm(text: string): string {
  const [said, setSaid] = useState({ text, at: 0 });
  useEffect(() => {
    if (text === said.text) return;
    const timer = setTimeout(() => setSaid({ text, at: text ? Date.now() : said.at }), text ? Math.max(0, said.at + CALM_MS - Date.now()) : CLEAR_MS);
    return () => clearTimeout(timer);
  }, [text, said]);
  return said.text;
}

/** [how many are found, what is new]: two live regions. `found` is how many there are as a sentence. */
export function useAloud(log: Log, filter: string, found: string, pill: string): [string, string] {
  const { events, loading, fault, round, live } = log, still = loading || fault ? "" : found;
  const [hits, setHits] = useState(""), [heard, setHeard] = useState<string | null>(), // the newest event that was said or there at first; null: there was none
    [was, setWas] = useState<"" | "on" | "lost">("");
  useEffect(() => { setHits(still); setHeard(loading ? undefined : events[0]?.cuid ?? null); }, [filter, round, loading, !fault]); // eslint-disable-line
  useEffect(() => { setWas((o) => (live === "on" ? (o === "" ? "on" : o) : live === "past" ? "" : o === "" ? "" : "lost")); }, [live]);
  const fresh = heard === undefined ? 0 : heard === null ? events.length : Math.max(0, events.findIndex((e) => e.cuid === heard)), latest = visible(events[0]?.message) ?? "";
  const news = loading ? "" : was === "lost" && live === "off" ? "The connection is lost. New events will follow." : log.waiting.length > 0 ? pill : fresh > 0 ? (fresh === 1 ? `New event: ${latest}` : `${plural(fresh, "new event")}, the latest: ${latest}`) : was === "lost" && live === "on" ? AGAIN : "";
  const said = useCalm(news);
  useEffect(() => { if (said && said === news && fresh > 0) setHeard(events[0]?.cuid ?? null); }, [said]); // eslint-disable-line
  useEffect(() => { if (said === AGAIN) setWas("on"); }, [said]);
  return [hits, said];
}
