// The audit log: filters above, newest first, following every keystroke and every new event; everything in the address.
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useHotkeys, useMediaQuery } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { IconArrowUp, IconCalendarUser, IconChevronRight, IconListSearch, IconSearch, IconX } from "@tabler/icons-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useParams } from "react-router";
import { get, post, query, type Client, type Event, type EventType, type User } from "../api";
import { useSession } from "../session";
import { ago, asDate, longDay, plural, stamp, zoneName, type Zone } from "../time";
import { ADMIN, Avatar, Badge, Copy, Empty, Failed, Notice, Page, Panel, Skeleton } from "../ui/basics";
import { useDelayed, useTyped, useUrl } from "../ui/table";
import { AuditBars } from "./audit-bars";
import { ExportMenu } from "./audit-export";
import { useAloud } from "./audit-aloud";
import { confirmClock } from "./clock";
import { useLog } from "./audit-live";
import { DateBox, Detail, END, FilterChip, Marked, Outcome, outcomeWord, pieces, START, who, type Option } from "./audit-parts";
import { SealBadge } from "./verify";

const OWN_ENTER = { preventDefault: false }; // a button and a link have an Enter of their own
const FILTERS = ["q", "from", "to", "user", "event_type", "outcome", "client", "request"] as const;
const OUTCOMES: Option[] = [{ value: "success", label: "Success" }, { value: "failure", label: "Failure" }, { value: "denied", label: "Denied" }];

export function AuditPage() {
  const s = useSession();
  return s.can("AUDIT_LOG.VIEW") ? <LogPage /> : <NoLog />;
}
/** For who may not see it: no filters over nothing. The server is asked all the same: it refuses, and records that. */
function NoLog() {
  const q = useQuery({ queryKey: ["log-denied"], queryFn: ({ signal }) => get("/api/v2/auditlog?limit=1", signal) });
  return <Page title="Audit log" crumbs={ADMIN}>{q.error ? <div className="panel"><Failed error={q.error} /></div> : <Skeleton />}</Page>;
}
function LogPage() {
  const s = useSession(), url = useUrl(), narrow = useMediaQuery("(max-width: 700px)");
  const [text, setText, putText] = useTyped("q", 250), search = useRef<HTMLInputElement>(null), scroll = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<string | null>(null), [mark, setMark] = useState<string | null>(null);
  const zone: Zone = url.get("tz") === "utc" ? "utc" : "local";
  const setUrl = url.set;
  const values = { q: text.trim(), from: url.get("from"), to: url.get("to"), user: url.get("user"), event_type: url.get("event_type"), outcome: url.get("outcome"), client: url.get("client"), request: url.get("request") };
  const filter = query(values).slice(1);
  const past = !!values.to && (/^\d+[dh]$/.test(values.to) || (asDate(values.to)?.getTime() ?? Infinity) < Date.now());

  const watching = useCallback(() => (scroll.current?.scrollTop ?? 0) < 4 && open === null && !document.hidden && !getSelection()?.toString(), [open]);
  const log = useLog(filter, !past, watching, s.user.cuid), { events, meta } = log;
  const at = mark === null ? -1 : events.findIndex((e) => e.cuid === mark), setAt = (i: number) => setMark(events[i]?.cuid ?? null);
  const parts = useMemo(() => pieces(values.q), [values.q]);
  const set = (v: Record<string, string>) => { if ("q" in v) putText(v.q!); setOpen(null); setAt(-1); setUrl(v); scroll.current?.scrollTo(0, 0); };
  useEffect(() => { setOpen(null); setAt(-1); scroll.current?.scrollTo(0, 0); }, [filter]);

  const virtual = useVirtualizer({ count: events.length, getScrollElement: () => scroll.current, estimateSize: () => (narrow ? 58 : 37), overscan: 12, getItemKey: (i) => events[i]!.cuid });
  const items = virtual.getVirtualItems(), lastSeen = items[items.length - 1]?.index ?? 0;
  useEffect(() => { if (events.length && lastSeen >= events.length - 25) log.more(); }, [lastSeen, events.length, meta?.next]); // eslint-disable-line
  useEffect(() => { virtual.measure(); }, [narrow]); // eslint-disable-line
  const top = () => { setOpen(null); log.release(); scroll.current?.scrollTo(0, 0); scroll.current?.focus({ preventScroll: true }); };
  const step = useRef(-1); // to where the mark was moved by a key: the focus goes with it
  const move = (by: number) => { if (!events.length) return; const n = Math.max(0, Math.min(events.length - 1, at + by)); step.current = n; setAt(n); virtual.scrollToIndex(n, { align: "auto" }); if (open) setOpen(events[n]?.cuid ?? null); };
  // Once its row is drawn, which may be later; never out of a box in which somebody has begun to type.
  useEffect(() => {
    if (at < 0 || step.current !== at) return;
    if (document.activeElement?.matches("input, textarea")) { step.current = -1; return; }
    const to = scroll.current?.querySelector<HTMLElement>(`[data-index="${at}"] .tog`);
    if (to) { step.current = -1; to.focus({ preventScroll: true }); }
  });
  const toSearch = () => search.current?.focus();
  const clear = () => { toSearch(); set(Object.fromEntries(FILTERS.map((f) => [f, ""]))); };
  /** What closes is left first: the focus would be nowhere. */
  const close = () => { if (document.activeElement?.closest(".detail")) document.activeElement.closest(".log-item")?.querySelector<HTMLElement>(".tog")?.focus({ preventScroll: true }); setOpen(null); };
  const toggle = (e: Event, i: number) => { setAt(i); setOpen(open === e.cuid ? null : e.cuid); };
  useHotkeys([["/", () => { search.current?.focus(); search.current?.select(); }], ["j", () => move(1)], ["k", () => move(-1)], ["o", () => { const e = events[at]; if (e) toggle(e, at); }], ["Enter", (k) => { const e = events[at]; if (e && !(k.target as Element).closest("button,a")) toggle(e, at); }, OWN_ENTER], ["n", top], ["Escape", close]]);

  // What the filters offer.
  const [seek, setSeek] = useState({ user: "", client: "" }), slow = useDelayed(seek, 150);
  const people = useQuery({ queryKey: ["log-people", slow.user], enabled: s.can("SECURITY.VIEW_USERS"), placeholderData: keepPreviousData, queryFn: ({ signal }) => get<{ data: User[] }>(`${s.base}/users${query({ offset: 0, limit: 50, filter: slow.user })}`, signal) });
  const clients = useQuery({ queryKey: ["log-clients", slow.client], enabled: s.can("CLIENTS.VIEW", "SECURITY.MANAGE_AUTHORIZATION"), placeholderData: keepPreviousData, queryFn: () => post<{ data: Client[] }>("/api/v2/clients", { pagination: { offset: 0, limit: 50 }, ...(slow.client ? { filters: [{ by: "name", value: slow.client }] } : {}) }) });
  const types = useQuery({ queryKey: ["log-types"], staleTime: Infinity, queryFn: ({ signal }) => get<{ data: EventType[] }>("/api/v2/auditlog/catalogue", signal) });
  const unique = (o: Option[]) => [...new Map(o.filter((x) => x.value).map((x) => [x.value, x])).values()];
  const userOptions = unique([...(people.data?.data ?? []).map((u) => ({ value: u.email, label: u.fullName || `${u.first} ${u.last}`, hint: u.email })), ...events.flatMap((e) => [e.actor, e.target]).filter((p) => p?.email).map((p) => ({ value: p!.email!, label: p!.name || p!.email!, hint: p!.email! }))]);
  const clientOptions = unique([...(clients.data?.data ?? []).map((c) => ({ value: String(c.client_id), label: c.name })), ...events.filter((e) => e.client?.id).map((e) => ({ value: String(e.client!.id), label: e.client!.name }))]);
  const typeOptions = (types.data?.data ?? []).filter((t) => !t.never && !t.never_recorded).map((t) => ({ value: t.name, label: t.title, group: t.category }));

  // What the bars span: the dates asked for, within the window; now by this clock, or by the server's where it is ahead.
  const since = asDate(meta?.window?.since)?.getTime() ?? null, now = Math.max(Date.now(), asDate(log.waiting[0]?.timestamp ?? events[0]?.timestamp)?.getTime() ?? 0);
  const begin = since === null ? null : Math.max(since, asDate(meta?.from)?.getTime() ?? since), until = Math.min(now, asDate(meta?.to)?.getTime() ?? now);
  const newest = useMemo(() => [...log.waiting, ...events], [log.waiting, events]);

  const [hits, news] = useAloud(log, filter, counted(events.length, meta), pillText(log));
  const window = <span className="dim small window-said">{meta?.window ? `Events since ${longDay(meta.window.since)}; next change ${longDay(meta.window.next_change)}` : "\u00a0"}</span>;
  const any = FILTERS.some((f) => values[f]), none = !log.loading && !log.fault && events.length === 0;
  return (
    <Page kind="full" title="Audit log" crumbs={ADMIN} acts={<>
      <SealBadge />
      <span className="sr" role="status" id="news">{news}</span>
      <span className={`live ${log.live === "on" ? "on" : ""}`}><i aria-hidden />{log.live === "on" ? "Live" : log.live === "past" ? "Range has ended" : log.loading ? "Loading" : "Connecting"}</span>
      <Button size="compact-md" variant="default" component={Link} to="/admin/access" leftSection={<IconCalendarUser size={15} aria-hidden />}>Access on a date</Button>
      {s.can("AUDIT_LOG.EXPORT") && <ExportMenu filter={filter} zone={zone} />}
    </>}>
      <search className="audit-bar" aria-label="Filters">
        <DateBox label="Start date" value={values.from} presets={START} zone={zone} since={meta?.window?.since} pick={(v) => { toSearch(); set({ from: v }); }} />
        <DateBox label="End date" value={values.to} presets={END} zone={zone} end since={meta?.window?.since} pick={(v) => { toSearch(); set({ to: v }); }} />
        <TextInput ref={search} className="find" type="text" aria-label="Search" placeholder="Search events, people, addresses" autoComplete="off" maxLength={1024} value={text} onChange={(e) => setText(e.currentTarget.value)} leftSection={<IconSearch size={15} aria-hidden />}
          onKeyDown={(e) => { if (e.key === "Escape") { if (text) setText(""); else e.currentTarget.blur(); } else if (e.key === "ArrowDown") { e.preventDefault(); e.currentTarget.blur(); move(at < 0 ? 1 : 0); } }}
          rightSection={text ? <ActionIcon size="sm" variant="subtle" color="gray" aria-label="Clear text" onClick={() => { setText(""); search.current?.focus(); }}><IconX size={14} aria-hidden /></ActionIcon> : <kbd aria-hidden>/</kbd>} />
      </search>
      <div className="row wrap chips">
        <FilterChip name="User" value={values.user} options={userOptions} pick={(v) => set({ user: v })} onSearch={(t) => setSeek((o) => ({ ...o, user: t }))} any="Use" />
        <FilterChip name="Event" value={values.event_type} options={typeOptions} pick={(v) => set({ event_type: v })} />
        <FilterChip name="Outcome" value={values.outcome} options={OUTCOMES} pick={(v) => set({ outcome: v })} />
        <FilterChip name="Client" value={values.client} options={clientOptions} pick={(v) => set({ client: v })} onSearch={(t) => setSeek((o) => ({ ...o, client: t }))} />
        {values.request && <span className="chip-set"><span className="chip on">Request: <strong className="mono">{values.request}</strong></span><button type="button" className="chip-x" aria-label="Remove filter Request" onClick={() => { toSearch(); set({ request: "" }); }}><IconX size={13} aria-hidden /></button></span>}
        {any && <Button size="compact-xs" variant="subtle" color="gray" onClick={clear}>Clear all</Button>}
        {!narrow && <><span className="grow" />{window}</>}
      </div>
      {narrow && window}
      {meta?.window?.held_by_clock_step && <Notice kind="warn"><div className="row wrap"><span className="grow">The server's clock was stepped. No month of the log expires until an administrator confirms that the time is right{s.can("AUDIT_LOG.RETENTION") ? `: it is ${stamp(Date.now(), "utc")} UTC by this browser` : ""}.</span>{s.can("AUDIT_LOG.RETENTION") && <Button size="compact-sm" variant="default" onClick={() => void confirmClock(log.again)}>The time is right</Button>}</div></Notice>}
      {log.fault && events.length > 0 && <Notice kind="bad">{log.fault}</Notice>}
      <AuditBars filter={filter} dates={{ from: values.from, to: values.to }} from={begin} to={until} ready={!log.loading && !log.fault} round={log.round} events={newest} zone={zone} narrow={!!narrow} pick={(d) => set({ from: d.from, to: d.to })} />
      <section className={`log ${log.loading ? "loading" : ""}`} aria-label="Events" aria-busy={log.loading}>
        {log.waiting.length > 0 && <button type="button" className="pill" onClick={top}><IconArrowUp size={14} aria-hidden />{pillText(log)}</button>}
        <span className="sr" role="status">{hits}</span>
        <div className="grow" role="table" aria-label="Audit events" aria-rowcount={-1} style={{ display: "flex", flexDirection: "column", minHeight: 0 }}>
          <div role="rowgroup"><div className="log-cols log-head" role="row"><span role="columnheader"><span className="sr">Details</span></span><span role="columnheader">User</span><span role="columnheader">Event</span><span role="columnheader">Time <button type="button" className="bare link num" title={zone === "utc" ? "Show local time" : "Show UTC"} onClick={() => setUrl({ tz: zone === "utc" ? "" : "utc" })}>({zoneName(zone)})</button></span><span role="columnheader" className="addr">Address</span></div></div>
          <div className="log-scroll" ref={scroll} role="rowgroup" tabIndex={0} aria-label="Events, newest first" onScroll={(e) => { if (e.currentTarget.scrollTop < 4 && open === null && log.waiting.length) log.release(); }}>
            <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
              {items.map((v) => { const e = events[v.index]!; return <Item key={v.key} e={e} i={v.index} top={v.start} size={virtual.measureElement} opened={open === e.cuid} cur={at === v.index} fresh={log.fresh.has(e.cuid)} parts={parts} zone={zone} toggle={toggle} filter={(f) => { toSearch(); set(f); }} />; })}
            </div>
            {!log.loading && events.length > 0 && <div className="foot small" role="row"><span role="cell">{meta?.complete === false ? <Incomplete meta={meta} zone={zone} more={log.more} /> : meta?.more ? "Loading older events" : meta?.window && !any ? (events[events.length - 1]!.index === 0 ? "The log begins here" : `What was before ${longDay(meta.window.since)} has left the log`) : `No further matches: ${counted(events.length, meta)} in all`}</span></div>}
          </div>
        </div>
        {log.loading && !events.length && <div style={{ position: "absolute", inset: "34px 0 0", padding: 16 }}><Skeleton rows={9} /></div>}
        {log.fault && !events.length && <div style={{ position: "absolute", inset: "34px 0 0" }}><Empty title="This search could not be run" text={values.from && values.to && !/^\d+[dh]$/.test(values.from + values.to) && values.from > values.to ? "The start date is later than the end date." : log.fault}><Button size="xs" variant="default" onClick={log.again}>Try again</Button></Empty></div>}
        {none && <div className="empty" style={{ position: "absolute", inset: "34px 0 0" }}><IconListSearch size={30} aria-hidden />
          {meta?.complete === false ? <><h2>Nothing found yet</h2><Incomplete meta={meta} zone={zone} more={log.more} /></> : any ? <><h2>No events match</h2>
            {(meta?.older ?? 0) > 0 ? <p>Nothing in this range, but outside of it there is more.</p> : <p>{values.q ? "Every word must occur. Try fewer words, or a part of one." : "Change or remove a filter."}</p>}
            <div className="row wrap" style={{ justifyContent: "center" }}>{(meta?.older ?? 0) > 0 && <Button size="xs" onClick={() => { toSearch(); set({ from: "", to: "" }); }}>{meta!.older! >= 1000 ? "1,000 or more" : meta!.older!.toLocaleString("en")} older {meta!.older === 1 ? "match" : "matches"}: widen</Button>}<Button size="xs" variant="default" onClick={clear}>Clear all filters</Button></div></>
            : <><h2>No events yet</h2><p>What people do here appears in this list as it happens.</p></>}</div>}
      </section>
    </Page>
  );
}
/** How many are found; while there are more than were read, at least how many. */
const counted = (n: number, meta: { more: boolean; complete: boolean } | null) => (!n ? "No events" : !meta || meta.more || !meta.complete ? `${n.toLocaleString("en")} or more events` : plural(n, "event"));
const pillText = (log: { waiting: unknown[]; missed: boolean }) => (log.missed ? "1,000 or more new events" : plural(log.waiting.length, "new event"));
const Incomplete = ({ meta, zone, more }: { meta: { scanned_to?: unknown }; zone: Zone; more: () => void }) => <span className="row wrap" style={{ justifyContent: "center" }}>Looked back to {stamp(meta.scanned_to, zone)} so far. <Button size="compact-xs" variant="default" onClick={more}>Search further back</Button></span>;

interface ItemProps { e: Event; i: number; top: number; size: (n: Element | null) => void; opened: boolean; cur: boolean; fresh: boolean; parts: string[]; zone: Zone; toggle: (e: Event, i: number) => void; filter: (v: Record<string, string>) => void }
function Item({ e, i, top, size, opened, cur, fresh, parts, zone, toggle, filter }: ItemProps) {
  const name = who(e), seen = `${name} ${e.message} ${e.address ?? ""}`.toLowerCase();
  // A hit that lies in the event's name alone would look like a mistake: show the name.
  const hidden = parts.some((p) => !seen.includes(p.toLowerCase())) ? [e.event_type, e.title].find((x) => x && parts.some((p) => !seen.includes(p.toLowerCase()) && x.toLowerCase().includes(p.toLowerCase()))) : undefined;
  return (
    <div className={`log-item ${opened ? "open" : ""} ${fresh ? "fresh" : ""}`} data-index={i} ref={size} style={{ transform: `translateY(${top}px)` }} role="presentation">
      <div className={`log-cols log-row ${cur ? "cur" : ""}`} role="row" onClick={(c) => { if (!(c.target as Element).closest("a,.tog") && !getSelection()?.toString()) toggle(e, i); }}>
        <span role="cell" style={{ padding: 0, display: "contents" }}><button type="button" className="tog" aria-expanded={opened} aria-label={`Details: ${e.message || e.title}`} onClick={() => toggle(e, i)}><IconChevronRight size={14} aria-hidden /></button></span>
        <div role="cell" className="who" title={e.user_info}><Avatar small name={name} /><span className="cut"><Marked text={name} parts={parts} /></span></div>
        <div role="cell" className="what"><span className={`dot ${outcomeWord(e.outcome).toLowerCase()}`} title={outcomeWord(e.outcome)}><span className="sr">{outcomeWord(e.outcome)}</span></span><span className="cut" title={e.message}><Marked text={e.message} parts={parts} /></span>{hidden && <span className="dim small nowrap"><Marked text={hidden} parts={parts} /></span>}{(e.count ?? 1) > 1 && <Badge>× {e.count!.toLocaleString("en")}</Badge>}</div>
        <div role="cell" className="when num nowrap" title={ago(e.timestamp)}><time dateTime={e.timestamp}>{stamp(e.timestamp, zone)}</time></div>
        <div role="cell" className="addr mono cut dim" title={e.address ?? undefined}>{e.address}</div>
      </div>
      {opened && <div role="row"><div role="cell"><Detail e={e} zone={zone} filter={filter} /></div></div>}
    </div>
  );
}

/** One event by its permanent address. */
export function EventPage() {
  const { cuid } = useParams(), url = useUrl(), zone: Zone = url.get("tz") === "utc" ? "utc" : "local";
  const q = useQuery({ queryKey: ["event", cuid], queryFn: ({ signal }) => get<{ data?: Event } & Event>(`/api/v2/auditlog/${encodeURIComponent(cuid!)}`, signal), staleTime: Infinity });
  const e = q.data ? (q.data.data ?? q.data) : null;
  return (
    <Page title={e ? e.title || e.event_type : "Event"} crumbs={[...ADMIN, ["/admin/audit-log", "Audit log"]]} acts={<><Button size="compact-md" variant="default" onClick={() => url.set({ tz: zone === "utc" ? "" : "utc" })}>{zone === "utc" ? "Show local time" : "Show UTC"}</Button><Copy text={location.href} label="Copy link" /></>}>
      {q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !e ? <Panel><Skeleton rows={6} /></Panel>
        : <Panel title={<span className="row"><Avatar small name={who(e)} />{who(e)}</span>} acts={<Outcome of={e.outcome} />} body={false}><div style={{ paddingTop: 12 }}><Detail e={e} zone={zone} /></div>
          <div className="row wrap" style={{ padding: "0 20px 18px 36px" }}>{e.request_id && <Link to={`/admin/audit-log${query({ request: e.request_id })}`}>All events of this request</Link>}{e.actor?.email && <Link to={`/admin/audit-log${query({ user: e.actor.email })}`}>All events of {e.actor.name || e.actor.email}</Link>}</div></Panel>}
    </Page>
  );
}
