// Access on a date: who had which rights at a moment, worked out from the log, and the event each right came from.
import { Button, Menu, Select } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { IconChevronRight, IconDownload, IconUserSearch } from "@tabler/icons-react";
import { Fragment, useState, type ReactNode } from "react";
import { Link } from "react-router";
import { get, post, query, type Client } from "../api";
import { useSession } from "../session";
import { asDate, clock, day, dayStart, plural, stamp, zoneName } from "../time";
import { ADMIN, Avatar, Badge, Empty, Failed, Page, Skeleton } from "../ui/basics";
import { Find, Pager, useDelayed, useTyped, useUrl } from "../ui/table";
import { DateBox } from "./audit-parts";

interface Grant { client_id?: number; client?: string; tier?: string | null; role: string; title: string; enabled: boolean; permissions: string[]; since: string | null; event: string | null }
interface Token { cuid: string; name: string; expires: string; scopes: string[]; since: string | null; event: string | null }
interface Person { cuid: string; name: string; email: string; enabled: boolean; second_factor: boolean; default_group: boolean; authentication_provider: string; tier: string | null; certain: boolean; all_clients: boolean; permissions: string[]; roles: Grant[]; clients: Grant[]; clients_total: number; tokens: Token[] }
interface Answer { data: Person[]; meta: { on: string; total: number; baseline: { event: string; at: string }; events: number; erased: number; window: { since: string } } }
const LIMIT = 50, LOG = "/admin/audit-log";

/** Ends of periods people are asked about, as the moment behind them. */
function presets(): [string, string][] {
  const now = new Date(), at = (d: Date) => d.toISOString(), month = (back: number) => new Date(now.getFullYear(), now.getMonth() - back, 1);
  return [["", "Now"], [at(dayStart(ymd(now), "local")), "End of yesterday"], [at(month(0)), "End of last month"], [at(month(1)), "End of the month before"], [at(month(2)), "Three months back"]];
}
const ymd = (d: Date) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
/** A day stands for its end: the last moment before the next one. */
const moment = (v: string) => { const d = asDate(v); return !d ? "" : d.getTime() > Date.now() ? "" : clock(d) === "00:00:00" ? new Date(d.getTime() - 1).toISOString() : d.toISOString(); };

export function AccessPage() {
  const s = useSession(), url = useUrl(), [text, setText] = useTyped("q", 140, { offset: "" }), q = useDelayed(text), on = url.get("on"), client = url.get("client"), offset = Number(url.get("offset")) || 0, [open, setOpen] = useState<Set<string>>(new Set());
  const ask = { on: moment(on), q, client }, link = query(ask).slice(1);
  const a = useQuery({ queryKey: ["access", link, offset], placeholderData: keepPreviousData, retry: false, queryFn: ({ signal }) => get<Answer>(`/api/v2/auditlog/access${query({ ...ask, limit: LIMIT, offset })}`, signal) });
  const clients = useQuery({ queryKey: ["all-clients"], enabled: s.can("CLIENTS.VIEW", "SECURITY.MANAGE_AUTHORIZATION"), queryFn: () => post<{ data: Client[] }>("/api/v2/clients", { pagination: { offset: 0, limit: 1000 }, sort: [{ by: "name", order: "ASC" }] }) });
  const toggle = (id: string) => setOpen((o) => { const n = new Set(o); if (!n.delete(id)) n.add(id); return n; });
  const meta = a.error ? undefined : a.data?.meta, people = a.error ? undefined : a.data?.data;
  return (
    <Page title="Access on a date" crumbs={[...ADMIN, [LOG, "Audit log"]]} text="Who had which rights at a moment, as the log implies it, and the event each right came from."
      acts={s.can("AUDIT_LOG.EXPORT") && <Menu position="bottom-end" width={240}><Menu.Target><Button size="compact-md" variant="default" leftSection={<IconDownload size={15} aria-hidden />}>Export review</Button></Menu.Target>
        <Menu.Dropdown><Menu.Label>A line for each right, with room to decide</Menu.Label>{([["csv", "CSV", "For spreadsheets"], ["ndjson", "NDJSON", "One JSON object a line"]] as const).map(([f, name, hint]) => <Menu.Item key={f} component="a" href={`/api/v2/auditlog/access/export?format=${f}${link ? "&" + link : ""}`} download><div>{name}</div><div className="dim small">{hint}</div></Menu.Item>)}</Menu.Dropdown></Menu>}>
      <div className="toolbar">
        <DateBox label="Date" value={on} presets={presets()} zone="local" end since={meta?.window.since} pick={(v) => url.set({ on: moment(v) ? v : "", offset: "" })} />
        <Find value={text} onChange={setText} label="Find a person" />
        {(clients.data ? clients.data.data.length > 0 : clients.isLoading) && <Select aria-label="Client" w={220} searchable disabled={!clients.data} data={[{ value: "all", label: "All clients" }, ...(clients.data?.data ?? []).map((c) => ({ value: String(c.client_id), label: c.name }))]} value={client || "all"} onChange={(v) => url.set({ client: v === "all" ? "" : v, offset: "" })} />}
      </div>
      {!a.error && <p className="dim small access-said" role="status">{meta && <>{plural(meta.total, "person", "people")} on <time dateTime={meta.on}>{stamp(meta.on)}</time> ({zoneName("local", meta.on)}). From the <Link className="under" to={`${LOG}/${meta.baseline.event}`}>baseline of {day(meta.baseline.at)}</Link> and {plural(meta.events, "event")} behind it{meta.erased > 0 && `, ${plural(meta.erased, "of them erased", "of them erased")}`}.</>}</p>}
      {a.error ? <div className="panel"><Failed error={a.error} again={() => void a.refetch()} /></div> : (
        <div className="table-box" tabIndex={0} role="region" aria-label="People and their rights">
          <table className="t" aria-label="People and their rights" aria-busy={!people}>
            <thead><tr><th className="tick"><span className="sr">Details</span></th><th scope="col">Name</th><th scope="col">State</th><th scope="col" className="opt">Roles</th><th scope="col" className="opt right">Clients</th><th scope="col" className="opt">Second factor</th><th scope="col" className="opt right">Tokens</th></tr></thead>
            <tbody>
              {!people && Array.from({ length: 6 }, (_, i) => <tr key={i} aria-hidden>{Array.from({ length: 7 }, (_, k) => <td key={k} className={k > 2 ? "opt" : ""}><div className="sk" style={{ width: `${70 - ((i + k) * 13) % 40}%` }} /></td>)}</tr>)}
              {people?.map((p) => { const opened = open.has(p.cuid); return <Fragment key={p.cuid}>
                <tr className={`open person ${p.enabled ? "" : "muted"}`} onClick={(e) => { if (!(e.target as Element).closest("button,a")) toggle(p.cuid); }}>
                  <td className="tick"><button type="button" className={`unfold ${opened ? "on" : ""}`} aria-expanded={opened} aria-label={`Rights of ${p.name}`} onClick={() => toggle(p.cuid)}><IconChevronRight size={14} aria-hidden /></button></td>
                  <td><span className="row"><Avatar small name={p.name || p.email} /><span><span className="cut" style={{ fontWeight: 500 }}>{p.name}</span><span className="cut dim small">{p.email}</span></span></span></td>
                  <td>{!p.certain ? <Badge kind="warn">Not certain</Badge> : p.enabled ? <Badge kind="ok">Enabled</Badge> : <Badge>Disabled</Badge>}</td>
                  <td className="opt"><span className="cut">{p.roles.map((r) => r.title).join(", ") || <span className="dim">None</span>}</span></td>
                  <td className="opt right num">{p.all_clients ? "All" : p.clients_total.toLocaleString("en")}</td>
                  <td className="opt">{p.second_factor ? "On" : <span className="dim">Off</span>}</td>
                  <td className="opt right num">{p.tokens.length || <span className="dim">0</span>}</td>
                </tr>
                {opened && <tr className="inner"><td colSpan={7}><Rights p={p} on={ask.on} kept={meta?.window.since} /></td></tr>}
              </Fragment>; })}
            </tbody>
          </table>
          {people?.length === 0 && <Empty icon={<IconUserSearch size={28} aria-hidden />} title="Nobody matches" text="At this moment nobody of that name had access there." />}
        </div>)}
      <Pager offset={offset} limit={LIMIT} total={meta?.total} go={(o) => url.set({ offset: o ? String(o) : "" })} />
    </Page>
  );
}

/** Since when, leading to the event; one whose month has left the log is a date alone. */
function Since({ g, kept }: { g: { since: string | null; event: string | null }; kept?: string }) {
  if (!g.since) return <span className="dim">before the log's reach</span>;
  if (!g.event || (kept && g.since < kept)) return <span className="num" title="The month of its event has left the log">{day(g.since)}</span>;
  return <Link to={`${LOG}/${g.event}`} title={stamp(g.since)}>{day(g.since)}</Link>;
}
const Keys = ({ of }: { of: string[] }) => (of.length ? <span className="keys">{of.map((k) => <code key={k} className="mono">{k}</code>)}</span> : <span className="dim">None</span>);
const Block = ({ title, children }: { title: string; children: ReactNode }) => <section><h2>{title}</h2>{children}</section>;

/** The rights of one person; of many clients the list holds the first ones only, and the rest is asked for here. */
function Rights({ p, on, kept }: { p: Person; on: string; kept?: string }) {
  const short = p.clients_total > p.clients.length;
  const whole = useQuery({ queryKey: ["access-one", p.cuid, on], enabled: short, queryFn: ({ signal }) => get<Answer>(`/api/v2/auditlog/access${query({ on, user: p.cuid })}`, signal) });
  const clients = whole.data?.data[0]?.clients ?? p.clients;
  return (
    <div className="rights">
      <Block title="In the workspace">
        {p.roles.length ? <table className="changes" aria-label="Roles in the workspace"><thead><tr><th scope="col">Role</th><th scope="col">Since</th></tr></thead><tbody>{p.roles.map((r) => <tr key={r.role}><td>{r.title} {!r.enabled && <Badge>Switched off</Badge>}</td><td><Since g={r} kept={kept} /></td></tr>)}</tbody></table> : <p className="dim">No role</p>}
        <dl className="facts" style={{ marginTop: 8 }}><dt>Signs in with</dt><dd>{p.authentication_provider === "plextrac" ? "Password" : p.authentication_provider}</dd><dt>Second factor</dt><dd>{p.second_factor ? "On" : "Off"}</dd>{p.tier && <><dt>Classification</dt><dd>{p.tier}</dd></>}{p.default_group && <><dt>Default Group</dt><dd>Member</dd></>}{!p.certain && <><dt>Certainty</dt><dd>An event about this person was erased: parts may be missing.</dd></>}</dl>
      </Block>
      <Block title="Permissions in the workspace"><Keys of={p.permissions} /></Block>
      <Block title="On clients">
        {p.all_clients && <p>Sees every client, assigned or not.</p>}
        {clients.length ? <div className="scroll"><table className="changes" aria-label="Roles on clients"><thead><tr><th scope="col">Client</th><th scope="col">Role</th><th scope="col">Classification</th><th scope="col">Since</th></tr></thead><tbody>{clients.map((g) => <tr key={g.client_id}><td>{g.client}</td><td title={g.permissions.join(", ")}>{g.title} {!g.enabled && <Badge>Switched off</Badge>}</td><td>{g.tier ?? <span className="dim">None</span>}</td><td><Since g={g} kept={kept} /></td></tr>)}</tbody></table></div> : !p.all_clients && <p className="dim">None</p>}
        {short && (whole.error ? <Failed error={whole.error} /> : !whole.data ? <Skeleton rows={2} /> : p.clients_total > clients.length && <p className="dim small">The first {clients.length.toLocaleString("en")} of {p.clients_total.toLocaleString("en")}; the export has all.</p>)}
      </Block>
      {p.tokens.length > 0 && <Block title="Access tokens"><table className="changes" aria-label="Access tokens"><thead><tr><th scope="col">Name</th><th scope="col">May</th><th scope="col">Until</th></tr></thead><tbody>{p.tokens.map((t) => <tr key={t.cuid}><td>{t.name}</td><td><Keys of={t.scopes} /></td><td>{day(t.expires)}</td></tr>)}</tbody></table></Block>}
    </div>
  );
}
