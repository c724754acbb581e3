// The bars above the list: how many events an hour, a day … hold. A bar clicked, several dragged over or marked by
// keys narrow the dates to them. One stop of the Tab key, as a list box: arrows, Home, End, Shift, Enter.
import { Button } from "@mantine/core";
import { IconZoomOut } from "@tabler/icons-react";
import { useId, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { Event } from "../api";
import { clock, day, plural, stamp, type Zone } from "../time";
import { useBars, type Step } from "./audit-counts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"], MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const EACH: Record<Step, string> = { minute: "minute", "5 minutes": "five minutes", hour: "hour", "6 hours": "six hours", day: "day", week: "week", month: "month" };
const part = (t: number, zone: Zone) => { const d = new Date(t); return zone === "utc" ? { m: d.getUTCMonth(), d: d.getUTCDate(), y: d.getUTCFullYear(), w: d.getUTCDay() } : { m: d.getMonth(), d: d.getDate(), y: d.getFullYear(), w: d.getDay() }; };
/** "Tue 2026-11-03", "2026-11-03 14:00 to 15:00", "Week of 2026-11-02", "November 2026". */
function span(from: number, to: number, step: Step, zone: Zone, one: boolean) {
  const p = part(from, zone), last = day(to - 1, zone);
  if (step === "month" && one) return `${MONTHS[p.m]} ${p.y}`;
  if (step === "week" && one) return `Week of ${day(from, zone)}`;
  if (step === "day" || step === "week" || step === "month") return day(from, zone) === last ? `${DAYS[p.w]} ${last}` : `${day(from, zone)} to ${last}`;
  const same = day(from, zone) === last;
  return `${day(from, zone)} ${clock(from, zone).slice(0, 5)} to ${same ? "" : day(to, zone) + " "}${same && clock(to, zone) === "00:00:00" ? "24:00" : clock(to, zone).slice(0, 5)}`;
}
const tick = (t: number, zone: Zone, hours: boolean) => (hours ? clock(t, zone).slice(0, 5) : `${part(t, zone).d} ${MONTHS[part(t, zone).m]!.slice(0, 3)}`);

interface Dates { from: string; to: string }
interface Props { filter: string; dates: Dates; from: number | null; to: number; ready: boolean; round: unknown; events: Event[]; zone: Zone; narrow: boolean; pick: (d: Dates) => void }
export function AuditBars({ filter, dates, from, to, ready, round, events, zone, narrow, pick }: Props) {
  const h = useBars({ filter, from, to, most: narrow ? 62 : 190, zone, ready, round }, events), { bars, counts } = h, edges = bars?.edges ?? [];
  const [at, setAt] = useState<number | null>(null), [mark, setMark] = useState<[number, number] | null>(null), [over, setOver] = useState<number | null>(null), dragged = useRef(false), plot = useRef<HTMLDivElement>(null), id = useId();
  const [trail, setTrail] = useState<{ before: Dates; made: Dates }[]>([]), zoomed = trail[trail.length - 1], deep = zoomed && zoomed.made.from === dates.from && zoomed.made.to === dates.to ? zoomed : undefined;
  const [known, setKnown] = useState(edges);
  if (known !== edges && bars) { setKnown(edges); setAt(null); setMark(null); setOver(null); } // other bars
  const max = Math.max(1, ...counts), total = counts.reduce((a, n) => a + n, 0), whole = !bars || bars.next === null;
  const many = (i: number, k = i) => { const n = counts.slice(i, k + 1).reduce((a, x) => a + x, 0); return `${!whole && edges[i]! < bars!.wholeFrom ? "at least " : ""}${plural(n, "event")}`; };
  const said = (i: number, k = i) => `${span(edges[i]!, edges[k + 1]!, bars!.step, zone, i === k)}: ${many(i, k)}`;
  const take = (a: number, b: number) => {
    const i = Math.min(a, b), k = Math.max(a, b);
    setMark(null);
    if (!bars || (i === 0 && k === counts.length - 1)) return; // all of them: nothing to narrow
    const made = { from: i === 0 ? dates.from : new Date(Math.max(edges[i]!, from ?? 0)).toISOString(), to: edges[k + 1]! >= to ? dates.to : new Date(edges[k + 1]!).toISOString() };
    setTrail([...(deep ? trail : []), { before: dates, made }]);
    pick(made);
  };
  const out = () => { if (!deep) return; setTrail(trail.slice(0, -1)); plot.current?.focus(); pick(deep.before); };
  const under = (e: PointerEvent) => { const r = e.currentTarget.getBoundingClientRect(); return Math.max(0, Math.min(counts.length - 1, Math.floor(((e.clientX - r.left) / r.width) * counts.length))); };
  const down = (e: PointerEvent) => { if (e.button !== 0 || !counts.length) return; e.currentTarget.setPointerCapture(e.pointerId); dragged.current = true; const i = under(e); setAt(i); setMark([i, i]); };
  const move = (e: PointerEvent) => { if (!counts.length) return; const i = under(e); setOver(i); if (dragged.current) setMark((m) => m && [m[0], i]); };
  const up = (e: PointerEvent) => { if (!dragged.current) return; dragged.current = false; if (mark) take(mark[0], under(e)); };
  const keys = (e: KeyboardEvent) => {
    const n = counts.length, now = at ?? n - 1, to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: n - 1, PageUp: now - 10, PageDown: now + 10 }[e.key];
    if (!n || e.ctrlKey || e.metaKey || e.altKey) return;
    if (to !== undefined) {
      const i = at === null ? now : Math.max(0, Math.min(n - 1, to));
      setAt(i); setMark(e.shiftKey ? [mark?.[0] ?? now, i] : null);
    } else if (e.key === "Enter" || e.key === " ") take(mark?.[0] ?? now, mark?.[1] ?? now);
    else if (e.key === "Escape" && (mark || dragged.current)) { dragged.current = false; setMark(null); } else return;
    e.preventDefault(); e.stopPropagation();
  };
  const [lo, hi] = mark ? [Math.min(...mark), Math.max(...mark)] : [-1, -1];
  const shown = mark ? said(lo, hi) : over !== null && over < counts.length ? said(over) : null;
  const ticks = useMemo(() => { const n = edges.length - 1, every = Math.max(1, Math.ceil(n / (narrow ? 4 : 8))), hours = n > 0 && edges[n]! - edges[0]! <= 2 * 86_400_000; return Array.from({ length: Math.max(0, Math.ceil(n / every)) }, (_, k) => ({ at: ((k * every) / n) * 100, text: tick(edges[k * every]!, zone, hours) })); }, [edges, narrow, zone]);
  return (
    <section className={`bars ${h.old ? "old" : ""}`} aria-label="Events over time" aria-busy={ready && !bars && !h.fault}>
      <div className="bars-info row small dim">
        <span className="cut num">{h.fault ? `The events could not be counted. ${h.fault}` : shown ?? (bars ? `${whole ? "" : "At least "}${plural(total, "event")}, each bar is ${bars.step === "hour" ? "an" : bars.step.endsWith("s") ? "" : "a"} ${EACH[bars.step]}`.replace("  ", " ") : "\u00a0")}</span>
        {!whole && !mark && <span className="cut grow">Counted back to {stamp(bars!.wholeFrom, zone)}: older bars may be higher.</span>}
        <span className="grow" />
        {h.fault && <Button size="compact-xs" variant="default" onClick={h.again}>Try again</Button>}
        {!whole && <Button size="compact-xs" variant="default" onClick={h.busy ? h.stop : h.rest}>{h.busy ? "Stop counting" : "Count the rest"}</Button>}
        {deep && <Button size="compact-xs" variant="default" leftSection={<IconZoomOut size={13} aria-hidden />} onClick={out}>Zoom out</Button>}
      </div>
      <span className="sr" id={`${id}-how`}>Arrow keys go from bar to bar, with Shift they mark several. Enter narrows the dates to what is marked.</span>
      <div className="bars-plot" ref={plot} {...(bars ? { role: "listbox", tabIndex: 0, "aria-label": `Events each ${EACH[bars.step]}` } : {})} aria-orientation={bars ? "horizontal" : undefined} aria-multiselectable={bars ? true : undefined} aria-describedby={bars ? `${id}-how` : undefined} aria-activedescendant={at !== null && at < counts.length ? `${id}-${at}` : undefined}
        onKeyDown={keys} onFocus={() => { if (at === null && counts.length && !dragged.current) setAt(counts.length - 1); }} onBlur={() => { if (!dragged.current) setMark(null); }} onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={() => { dragged.current = false; setMark(null); }} onPointerLeave={() => setOver(null)}>
        {counts.map((n, i) => <div key={edges[i]} id={`${id}-${i}`} role="option" aria-selected={i >= lo && i <= hi} aria-label={said(i)} className={`${i === at ? "at" : ""} ${i === over ? "over" : ""} ${!whole && edges[i]! < bars!.wholeFrom ? "part" : ""}`}><i style={{ height: n ? `max(2px, ${(n / max) * 100}%)` : 0 }} /></div>)}
      </div>
      <div className="bars-axis num" aria-hidden>{ticks.map((t) => <span key={t.at} style={{ left: `${t.at}%` }}>{t.text}</span>)}</div>
    </section>
  );
}
