// Parts of the audit page: date boxes, filter chips, the whole event.
import { Button, Combobox, Popover, TextInput, useCombobox } from "@mantine/core";
import { DatePicker } from "@mantine/dates";
import { IconCalendar, IconCheck, IconChevronDown, IconChevronLeft, IconChevronRight, IconPlus, IconX } from "@tabler/icons-react";
import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Link } from "react-router";
import type { Event } from "../api";
import { fieldLabel, fieldValue } from "../fields";
import { ago, asDate, clock, day, dayStart, stamp, zoneName, type Zone } from "../time";
import { Badge, Copy, useEscape } from "../ui/basics";
import { visible, visibleAll } from "../text";
import { VerifyEvent } from "./verify";

export const START: [string, string][] = [["1d", "Past 24 hours"], ["7d", "Past 7 days"], ["30d", "Past 30 days"], ["90d", "Past 90 days"], ["", "Whole window"]];
export const END: [string, string][] = [["", "Now"], ["1d", "24 hours ago"], ["7d", "7 days ago"], ["30d", "30 days ago"], ["90d", "90 days ago"]];

function shown(raw: string, presets: [string, string][], zone: Zone, end: boolean) {
  const p = presets.find(([v]) => v === raw);
  if (p) return p[1];
  const d = asDate(raw);
  if (!d) return raw;
  const whole = clock(d, zone) === "00:00:00";
  return whole ? day(end ? d.getTime() - 1 : d, zone) : `${day(d, zone)} ${clock(d, zone).slice(0, 5)}`;
}
const ymd = (d: Date, zone: Zone) => (zone === "utc" ? d.toISOString().slice(0, 10) : `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`);

export function DateBox({ label, value, presets, zone, end = false, since, pick }: { label: string; value: string; presets: [string, string][]; zone: Zone; end?: boolean; since?: unknown; pick: (v: string) => void }) {
  const [open, setOpen] = useState(false), val = useId(), list = useRef<HTMLDivElement>(null), button = useRef<HTMLButtonElement>(null), at = presets.some(([v]) => v === value) ? null : asDate(value);
  const [time, setTime] = useState("");
  // The focus is moved here and now: Popover's own trap and return move it by timers, and on a slow machine such a timer
  // fires after the box has closed and takes the focus, and the letters, from the search box.
  const choose = (v: string) => { pick(v); setOpen(false); };
  const leave = () => { button.current?.focus(); setOpen(false); };
  useEscape(open, leave);
  const within = (e: KeyboardEvent<HTMLDivElement>) => {
    if (e.key === "Escape") { e.stopPropagation(); leave(); }
    if (e.key !== "Tab") return;
    const all = [...e.currentTarget.querySelectorAll<HTMLElement>("button:not(:disabled, [tabindex='-1']), input")], first = all[0], last = all[all.length - 1];
    if (document.activeElement === (e.shiftKey ? first : last)) { e.preventDefault(); (e.shiftKey ? last : first)?.focus(); }
  };
  const keys = (e: KeyboardEvent) => {
    const items = [...(list.current?.querySelectorAll("button") ?? [])], i = items.indexOf(document.activeElement as HTMLButtonElement);
    if (e.key === "ArrowDown") { e.preventDefault(); items[(i + 1) % items.length]?.focus(); } else if (e.key === "ArrowUp") { e.preventDefault(); items[(i - 1 + items.length) % items.length]?.focus(); }
  };
  const date = (d: string | null) => {
    if (!d) return;
    const [h, m] = time ? time.split(":").map(Number) : [];
    choose(h === undefined ? dayStart(d, zone, end).toISOString() : new Date(dayStart(d, zone).getTime() + h * 3_600_000 + (m ?? 0) * 60_000).toISOString());
  };
  return (
    <Popover withRoles={false} opened={open} onChange={setOpen} position="bottom-start" closeOnEscape={false} withinPortal shadow="md" transitionProps={{ duration: 80 }}>
      <Popover.Target>
        <div className="datebox">
          <IconCalendar size={15} aria-hidden /><button type="button" ref={button} className="bare lab" aria-describedby={val} aria-haspopup="dialog" aria-expanded={open} onClick={() => { setOpen((o) => !o); setTime(""); }}>{label}</button><span className="val grow" id={val}>{shown(value, presets, zone, end)}</span><IconChevronDown size={14} aria-hidden />
        </div>
      </Popover.Target>
      <Popover.Dropdown p={0} role="dialog" aria-label={label} onKeyDown={within}>
        <div className="range">
          <div className="presets" role="menu" aria-label={`${label} presets`} ref={list} onKeyDown={keys}>
            {presets.map(([v, name], i) => <button key={v} type="button" role="menuitem" data-on={v === value || undefined} autoFocus={i === 0} onClick={() => choose(v)}><span>{name}</span>{v === value && <IconCheck size={14} aria-hidden />}</button>)}
          </div>
          <div className="cal">
            <DatePicker size="xs" previousIcon={<IconChevronLeft size={14} aria-hidden />} nextIcon={<IconChevronRight size={14} aria-hidden />} value={at ? ymd(end && clock(at, zone) === "00:00:00" ? new Date(at.getTime() - 1) : at, zone) : null} onChange={(v) => date(v as string | null)} minDate={asDate(since) ? ymd(asDate(since)!, zone) : undefined} maxDate={ymd(new Date(), zone)} highlightToday hideOutsideDates weekendDays={[]} ariaLabels={{ previousMonth: "Previous month", nextMonth: "Next month", previousYear: "Previous year", nextYear: "Next year", previousDecade: "Previous decade", nextDecade: "Next decade" }} />
            <div className="row" style={{ marginTop: 8 }}><TextInput type="time" size="xs" aria-label="Time of day (optional)" value={time} onChange={(e) => setTime(e.currentTarget.value)} /><span className="dim small">{time ? `then the day, ${zoneName(zone)}` : `whole day, ${zoneName(zone)}`}</span></div>
          </div>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

export interface Option { value: string; label: string; group?: string; hint?: string }
/** A filter as a chip: dashed while unset, filled with its value and a cross when set. `any` offers the typed text itself. */
export function FilterChip({ name, value, options, pick, onSearch, any }: { name: string; value: string; options: Option[]; pick: (v: string) => void; onSearch?: (t: string) => void; any?: string }) {
  const button = useRef<HTMLButtonElement>(null), [text, setText] = useState(""), box = useCombobox({ onDropdownClose: () => { setText(""); onSearch?.(""); box.resetSelectedOption(); } });
  const words = text.toLowerCase().split(/\s+/).filter(Boolean), hits = options.filter((o) => words.every((w) => `${o.label} ${o.group ?? ""} ${o.hint ?? ""} ${o.value}`.toLowerCase().includes(w))).slice(0, 200);
  const groups = [...new Set(hits.map((o) => o.group ?? ""))], cur = options.find((o) => o.value === value);
  const row = (o: Option) => <Combobox.Option key={o.value} value={o.value} active={o.value === value}><div className="row"><span className="grow cut">{o.label}</span>{o.hint && <span className="dim small cut">{o.hint}</span>}{o.value === value && <IconCheck size={14} aria-hidden />}</div></Combobox.Option>;
  return (
    <Combobox store={box} keepMounted={false} width={290} position="bottom-start" shadow="md" onOptionSubmit={(v) => { button.current?.focus(); pick(v === value ? "" : v); box.closeDropdown(); }}>
      <span className={value ? "chip-set" : undefined}>
        <Combobox.Target targetType="button"><button type="button" ref={button} className={`chip ${value ? "on" : ""}`} onClick={() => box.toggleDropdown()}>{value ? <>{name}: <strong>{cur?.label ?? value}</strong></> : <><IconPlus size={13} aria-hidden />{name}</>}</button></Combobox.Target>
        {value && <button type="button" className="chip-x" aria-label={`Remove filter ${name}`} onClick={() => { button.current?.focus(); pick(""); }}><IconX size={13} aria-hidden /></button>}
      </span>
      <Combobox.Dropdown>
        <Combobox.Search autoFocus value={text} onChange={(e) => { setText(e.currentTarget.value); onSearch?.(e.currentTarget.value); box.updateSelectedOptionIndex(); }} placeholder={`Find ${name.toLowerCase()}`} aria-label={`Find ${name.toLowerCase()}`} />
        <Combobox.Options mah={320} style={{ overflowY: "auto" }} tabIndex={0} aria-label={name}>
          {groups.map((g) => (g ? <Combobox.Group key={g} label={g}>{hits.filter((o) => o.group === g).map(row)}</Combobox.Group> : hits.filter((o) => !o.group).map(row)))}
          {any && text.trim() && !hits.some((o) => o.value === text.trim()) && <Combobox.Option value={text.trim()}>{any} “{text.trim()}”</Combobox.Option>}
          {!hits.length && !(any && text.trim()) && <Combobox.Empty>Nothing found</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

/** The pieces a search text is made of: words, and "quoted" parts as they are. */
export const pieces = (q: string) => [...q.matchAll(/"([^"]+)"?|(\S+)/g)].map((m) => (m[1] ?? m[2])!.trim()).filter(Boolean);
export function Marked({ text, parts }: { text: string; parts: string[] }): ReactNode {
  if (!parts.length) return text;
  const bits = text.split(new RegExp(`(${parts.map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi"));
  return bits.map((b, i) => (i % 2 ? <mark key={i}>{b}</mark> : b));
}
export const who = (e: Event) => visible(e.actor?.name || e.actor?.email || e.user_info) || "System";
export const outcomeWord = (o: string) => (/^s/i.test(o) ? "Success" : /^d/i.test(o) ? "Denied" : "Failure");
export const outcomeKind = (o: string) => (/^s/i.test(o) ? "ok" : /^d/i.test(o) ? "warn" : "bad");
export const Outcome = ({ of }: { of: string }) => <Badge kind={outcomeKind(of)}>{outcomeWord(of)}</Badge>;

const NONE = <span className="dim">none</span>;
function Change({ of: c }: { of: NonNullable<Event["changes"]>[number] }) {
  const before = fieldValue(c.field, c.before), after = fieldValue(c.field, c.after);
  return <tr><td title={c.field}>{fieldLabel(c.field)}</td><td>{before === null ? NONE : <del>{before}</del>}</td><td>{after === null ? NONE : <ins>{after}</ins>}</td></tr>;
}
/** The whole event. `filter` lets a value become a filter. */
export function Detail({ e: raw, zone, filter }: { e: Event; zone: Zone; filter?: (v: Record<string, string>) => void }) {
  const e = visibleAll(raw);
  const val = (v: ReactNode, set?: Record<string, string>) => (filter && set ? <button type="button" className="bare link" title="Show only these" onClick={() => filter(set)}>{v}</button> : v);
  const person = (p: Event["actor"]) => (p && (p.name || p.email || p.id) ? <>{val(p.name || p.email || p.id, p.kind === "user" || p.email ? { user: p.email || p.id || "" } : undefined)}{p.email && p.name && <span className="dim"> {p.email}</span>}{p.kind && p.kind !== "user" && <span className="dim"> ({p.kind})</span>}</> : null);
  const facts = (rows: [string, ReactNode][]) => <dl className="facts">{rows.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([k, v]) => <div key={k} style={{ display: "contents" }}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>;
  return (
    <div className="detail">
      <p className="span break" style={{ fontSize: 14 }}>{e.message}</p>
      <div><h2>What</h2>{facts([["Event", val(e.title || e.event_type, { event_type: e.event_type })], ["Name", <code className="mono" key="n">{e.event_type}</code>], ["Category", e.category], ["Outcome", <Outcome key="o" of={e.outcome} />], ["Who", person(e.actor) ?? e.user_info], ["Target", person(e.target) ?? null], ["Client", e.client?.name ? val(e.client.name, { client: String(e.client.id) }) : null], ["Folded", (e.count ?? 1) > 1 ? `${e.count!.toLocaleString("en")} alike, as one event` : null], ["Detail", e.private_detail]])}</div>
      <div><h2>When and where</h2>{facts([["Time", <span key="t" className="num">{stamp(e.timestamp, zone, true)} {zoneName(zone, e.timestamp)}</span>], ["", <span key="r" className="dim num">{ago(e.timestamp)} · {new Date(e.timestamp).toISOString()}</span>], ["Address", e.address ? val(<span className="mono">{e.address}</span>, { q: `"${e.address}"` }) : null], ["Via", e.via], ["Browser", e.user_agent], ["Session", e.actor?.session ? <code className="mono">{e.actor.session}</code> : null], ["Request", e.request_id ? val(<code className="mono">{e.request_id}</code>, { request: e.request_id }) : null]])}</div>
      {!!e.changes?.length && <div className="span"><h2>Changes</h2><table className="changes" aria-label="Changes"><thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead><tbody>{e.changes.map((c, i) => <Change key={i} of={c} />)}</tbody></table></div>}
      <div className="span"><h2>Record</h2>{facts([["Index", <span key="i" className="num">{e.index}</span>], ["Id", <code key="c" className="mono">{e.cuid}</code>], ["Leaf", e.leaf ? <code className="mono">{e.leaf}</code> : null]])}
        <VerifyEvent key={e.cuid} e={raw} />
        <div className="row wrap" style={{ marginTop: 10 }}>{filter && <Button component={Link} to={`/admin/audit-log/${e.cuid}`} size="compact-xs" variant="default">Open by itself</Button>}<Copy text={`${location.origin}/admin/audit-log/${e.cuid}`} label="Copy link" /><Copy text={JSON.stringify(raw, null, 2)} label="Copy as JSON" /></div></div>
    </div>
  );
}
