// Retention, holds and erasure: what is kept of the audit log and until when, what keeps it longer, and who is taken out of it.
import { Button, Checkbox, Group, Modal, NumberInput, TagsInput, Textarea, TextInput } from "@mantine/core";
import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconEraser, IconLock, IconPlus } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { ApiError, del, get, look, post, put } from "../api";
import { useSession } from "../session";
import { confirmClock } from "./clock";
import { asDate, clock, day, exact, longDay, plural } from "../time";
import { ADMIN, Ago, Badge, confirm, Empty, Failed, Notice, Page, Panel, Skeleton, toast, toastError } from "../ui/basics";

interface Kept { months_kept: number; since: string; next_drop: string | null; held_by_clock_step: boolean; held: boolean; may_change: boolean; pending: { months_kept: number; asked_at: string; asked_by: string | null; effective_at: string } | null; months: { month: string; events: number; bytes: number | null }[] }
interface Hold { id: string; reason: string; state: "standing" | "released" | "expired"; until: string | null; kept_from: string; placed_at: string; placed_by: string | null; ended_at: string | null; ended_by: string | null; end_reason: string | null }
interface Range { log: "workspace" | "instance"; epoch: number; first: number; last: number }
interface Erasure { wal: { state: "due" | "cleared"; due_by: string; cleared_at: string | null; todo: string | null } | null; id: string; state: "asked" | "delayed" | "running" | "done" | "cancelled"; unrecorded: boolean; person: string; label: string; subject: { emails: string[]; names: string[]; accounts: string[]; texts: string[] } | null; reason: string; legal_ground: string; asked_by: string | null; asked_by_me: boolean; asked_by_operator: boolean; asked_at: string; due_at: string | null; approved_by: string | null; approved_at: string | null; ended_by: string | null; ended_at: string | null; step: string; looked_at: number; total: number; events: number; result: { ranges: Range[]; more_ranges: boolean; copies: { kind: string; at: string; what: string }[]; more_copies: boolean; still_named: string[] } | null }

const R = "/api/v2/auditlog/retention", H = "/api/v2/auditlog/holds", E = "/api/v2/auditlog/erasures";
const size = (n: number | null) => (n === null ? "–" : n < 1 << 20 ? `${Math.ceil(n / 1024).toLocaleString("en")} KB` : n < 1 << 30 ? `${(n / (1 << 20)).toFixed(1)} MB` : `${(n / 2 ** 30).toFixed(1)} GB`);
const monthName = (m: string) => new Date(m + "-01T00:00:00Z").toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
/** A hold that ends with a day is said to; the page and the command line make no others. */
const lastDay = (until: string) => (clock(until, "utc", true) === "00:00:00.000" ? `the end of ${day(asDate(until)!.getTime() - 1, "utc")} (UTC)` : exact(until));
const someone = (name: string | null) => name ?? "a deleted account";

const KEPT = queryOptions({ queryKey: ["retention"], queryFn: ({ signal }) => get<{ data: Kept }>(R, signal) });
const HOLDS = queryOptions({ queryKey: ["holds"], queryFn: ({ signal }) => get<{ data: Hold[] }>(H, signal) });
const ERASURES = queryOptions({ queryKey: ["erasures"], queryFn: ({ signal }) => look<{ data: Erasure[] }>(E, signal), refetchInterval: (x) => (x.state.data?.data.some((e) => e.state === "running") ? 1000 : false) });

export function RetentionPage() {
  const s = useSession(), keeps = s.can("AUDIT_LOG.RETENTION"), erases = s.can("AUDIT_LOG.ERASE");
  // All of it at once: what comes above would push down what is there already.
  const kept = useQuery({ ...KEPT, enabled: keeps }), holds = useQuery({ ...HOLDS, enabled: keeps }), erasures = useQuery({ ...ERASURES, enabled: erases }), there = (!keeps || (!kept.isPending && !holds.isPending)) && (!erases || !erasures.isPending);
  return (
    <Page title="Retention, holds and erasure" crumbs={ADMIN} text="How long the audit log is kept, what keeps it longer, and who is taken out of it." kind="form">
      {!keeps && !erases && <div className="panel"><Empty title="You do not have access to this" text="It takes the permission to set how long the audit log is kept, or to erase personal data from it." /></div>}
      {!there ? <Panel><Skeleton rows={8} /></Panel> : <>{keeps && <Window />}{keeps && <Holds />}{erases && <Erasures />}</>}
    </Page>
  );
}

/* ---- the window ---- */

function Window() {
  const cache = useQueryClient(), q = useQuery(KEPT), d = q.data?.data;
  const [typed, setTyped] = useState<number | null>(null), again = () => cache.invalidateQueries({ queryKey: ["retention"] });
  const save = useMutation({ mutationFn: async (months: number) => {
    const longer = months > d!.months_kept;
    const yes = longer ? await confirm("Keep the log longer?", `From ${d!.months_kept} to ${months} whole months, at once. Making it shorter again takes 30 days.`, "Keep longer", false)
      : await confirm("Keep the log shorter?", `From ${d!.months_kept} to ${months} whole months. All administrators are told now; it takes effect in 30 days, unless one of them cancels it.`, "Announce");
    if (yes) await put(R, { months_kept: months });
    return yes ? (longer ? "Saved" : "Announced to all administrators") : null;
  }, onSuccess: async (done) => { if (done) { await again(); setTyped(null); toast(done); } } }); // done once the page knows it: what is typed next is compared with it
  const cancel = async () => { if (!(await confirm("Cancel the shorter retention?", "The log is kept as long as now, and all administrators are told.", "Cancel the change", false, "Go back"))) return; try { await del(R + "/pending"); toast("Cancelled"); again(); } catch (e) { toastError(e); } };
  const right = () => void confirmClock(again);
  if (q.error) return <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div>;
  if (!d) return null;
  const value = typed ?? d.months_kept, dirty = typed !== null && typed !== d.months_kept;
  return (
    <>
      <Panel title="Window"><form className="stack" onSubmit={(e) => { e.preventDefault(); if (dirty) save.mutate(value); }}>
        {save.error && <Notice kind="bad">{save.error.message}</Notice>}
        {d.held_by_clock_step && <Notice kind="warn"><div className="row wrap"><span className="grow">The clock moved by more than an hour at once. Nothing leaves the log until somebody confirms that it is right.</span><Button size="compact-xs" variant="default" onClick={right}>The time is right</Button></div></Notice>}
        {d.pending && <Notice kind="warn"><div className="row wrap"><span className="grow">From {exact(d.pending.effective_at)} on the log is kept for {plural(d.pending.months_kept, "whole month")} only. Announced by {someone(d.pending.asked_by)} <Ago at={d.pending.asked_at} />.</span>{d.may_change && <Button size="compact-xs" variant="default" onClick={() => void cancel()}>Cancel the change</Button>}</div></Notice>}
        <dl className="facts"><dt>Kept since</dt><dd>{longDay(d.since)} (UTC)</dd><dt>Next month leaves</dt><dd>{d.held ? <>Not while a legal hold stands</> : d.held_by_clock_step ? "Not before the clock is confirmed" : <>{longDay(d.next_drop)} (UTC)</>}</dd></dl>
        {d.may_change ? <div className="row wrap" style={{ alignItems: "flex-end" }}><NumberInput label="Whole months kept" description="Beside the running one. Longer holds at once, shorter in 30 days, never under four." min={4} max={120} suffix=" months" allowDecimal={false} value={value} onChange={(v) => setTyped(v === "" ? null : Number(v))} error={save.error instanceof ApiError ? save.error.field("months_kept") : undefined} className="grow" /><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button></div>
          : <p className="dim small">Kept for {plural(d.months_kept, "whole month")} beside the running one. The first workspace of the installation sets it.</p>}
      </form></Panel>
      <Panel title="Months" body={false}>
        {!d.months.length ? <Empty title="Nothing is kept yet" /> : <div className="table-box bare" tabIndex={0} role="region" aria-label="Months"><table className="t" aria-label="Months"><thead><tr><th scope="col">Month (UTC)</th><th scope="col" className="right">Events of this workspace</th><th scope="col" className="right">On disk</th></tr></thead>
          <tbody>{d.months.map((m) => <tr key={m.month}><td>{monthName(m.month)}</td><td className="right num">{m.events.toLocaleString("en")}</td><td className="right num">{size(m.bytes)}</td></tr>)}</tbody></table></div>}
      </Panel>
    </>
  );
}

/* ---- legal holds ---- */

function Holds() {
  const cache = useQueryClient(), q = useQuery(HOLDS), list = q.data?.data, [make, setMake] = useState(false), [release, setRelease] = useState<Hold | null>(null);
  const again = () => { void cache.invalidateQueries({ queryKey: ["holds"] }); void cache.invalidateQueries({ queryKey: ["retention"] }); };
  return (
    <Panel title="Legal holds" body={false} acts={<Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setMake(true)}>Place a hold</Button>}>
      {q.error ? <Failed error={q.error} again={() => void q.refetch()} /> : !list ? <div className="body"><Skeleton rows={2} /></div> : !list.length ? <Empty icon={<IconLock size={26} aria-hidden />} title="No legal holds" text="While one stands, no month leaves the log and nobody is erased from it. A month holds the events of all workspaces, so it is kept for all." /> :
        <ul className="list">{list.map((h) => <li key={h.id} className="entry"><div className="grow"><div className="row wrap"><Badge kind={h.state === "standing" ? "warn" : ""}>{h.state === "standing" ? "Stands" : h.state === "released" ? "Released" : "Ended"}</Badge><span className="break" style={{ fontWeight: 500 }}>{h.reason}</span></div>
          <div className="dim small">Placed by {someone(h.placed_by)} <Ago at={h.placed_at} /> · {h.until ? `until ${lastDay(h.until)}` : "until released"}{h.ended_at && <> · {h.state === "expired" ? "its date came" : <>released by {someone(h.ended_by)}: {h.end_reason}</>} <Ago at={h.ended_at} /></>}</div></div>
          {h.state === "standing" && <Button size="compact-xs" variant="default" aria-label={`Release ${h.reason}`} onClick={() => setRelease(h)}>Release</Button>}</li>)}</ul>}
      {make && <Place close={() => setMake(false)} done={again} />}{release && <Release hold={release} close={() => setRelease(null)} done={again} />}
    </Panel>
  );
}
function Ask({ title, text, send, error, close, children, yes, danger }: { title: string; text?: ReactNode; send: { mutate: () => void; isPending: boolean }; error: Error | null; close: () => void; children: ReactNode; yes: string; danger?: boolean }) {
  return <Modal opened onClose={close} title={title}><form className="stack" onSubmit={(e) => { e.preventDefault(); send.mutate(); }}>{text && <div className="dim">{text}</div>}{error && <Notice kind="bad">{error.message}</Notice>}{children}<Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" color={danger ? "red.8" : undefined} loading={send.isPending}>{yes}</Button></Group></form></Modal>;
}
const fault = (e: Error | null, name: string) => (e instanceof ApiError ? e.field(name) : undefined);
function Place({ close, done }: { close: () => void; done: () => void }) {
  const [reason, setReason] = useState(""), [until, setUntil] = useState(""), send = useMutation({ mutationFn: () => post(H, { reason, ...(until ? { until } : {}) }), onSuccess: () => { toast("The hold stands"); done(); close(); } });
  return <Ask title="Place a legal hold" text="No month leaves the log, and nobody is erased from it, until the hold ends." send={send} error={send.error} close={close} yes="Place the hold"><Textarea label="Reason" description="Stays in the log" required data-autofocus rows={3} maxLength={1000} value={reason} error={fault(send.error, "reason")} onChange={(e) => setReason(e.currentTarget.value)} /><TextInput type="date" label="Until" description="The last day of it (UTC). Empty: until somebody releases it" value={until} error={fault(send.error, "until")} onChange={(e) => setUntil(e.currentTarget.value)} /></Ask>;
}
function Release({ hold, close, done }: { hold: Hold; close: () => void; done: () => void }) {
  const [reason, setReason] = useState(""), send = useMutation({ mutationFn: () => post(`${H}/${hold.id}/release`, { reason }), onSuccess: () => { toast("The hold is released"); done(); close(); } });
  return <Ask title="Release the legal hold" text={<>{hold.reason}. Months that left the window are dropped within minutes, if no other hold stands.</>} send={send} error={send.error} close={close} yes="Release the hold" danger><Textarea label="Reason" description="Stays in the log" required data-autofocus rows={3} maxLength={1000} value={reason} error={fault(send.error, "reason")} onChange={(e) => setReason(e.currentTarget.value)} /></Ask>;
}

/* ---- erasure ---- */

const STATE: Record<Erasure["state"], [string, string]> = { asked: ["Waits for another administrator", "warn"], delayed: ["Waits seven days", "warn"], running: ["Running", "info"], done: ["Erased", "ok"], cancelled: ["Cancelled", ""] };
function Erasures() {
  const cache = useQueryClient(), [make, setMake] = useState(false);
  const q = useQuery(ERASURES), list = q.data?.data;
  const again = () => { void cache.invalidateQueries({ queryKey: ["erasures"] }); };
  return (
    <Panel title="Erasure of a person" body={false} acts={<Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setMake(true)}>Ask for an erasure</Button>}>
      {q.error ? <Failed error={q.error} again={() => void q.refetch()} /> : !list ? <div className="body"><Skeleton rows={2} /></div> : !list.length ? <Empty icon={<IconEraser size={26} aria-hidden />} title="Nobody was erased" text="Erasing takes the name, address and words of a person out of every event; that something of this kind happened, here, stays provable. It takes two administrators." /> :
        <ul className="list">{list.map((e) => <One key={e.id} e={e} again={again} />)}</ul>}
      {make && <New close={() => setMake(false)} done={again} />}
    </Panel>
  );
}
function One({ e, again }: { e: Erasure; again: () => void }) {
  const open = e.state === "asked" || e.state === "delayed", [more, setMore] = useState(false), who = e.subject && [...e.subject.emails, ...e.subject.names, ...e.subject.texts].join(", ");
  const act = async (what: "approve" | "cancel" | "dismiss", title: string, text: string, yes: string, done: string, danger: boolean) => { if (!(await confirm(title, text, yes, danger, "Go back"))) return; try { await post(`${E}/${e.id}/${what}`); toast(done); again(); } catch (x) { toastError(x); again(); } };
  return (
    <li className="entry"><div className="grow">
      <div className="row wrap"><Badge kind={STATE[e.state][1]}>{e.asked_by_operator && e.state === "asked" ? "Waits for an administrator" : STATE[e.state][0]}</Badge><span style={{ fontWeight: 500 }} className="break">{who || e.label}</span>{who && <span className="dim small">stays as {e.label}</span>}</div>
      <div className="dim small break">Asked by {someone(e.asked_by)} <Ago at={e.asked_at} />: {e.reason} · {e.legal_ground}{e.approved_at && <> · {e.approved_by ? `approved by ${e.approved_by}` : "began by itself"} <Ago at={e.approved_at} /></>}{e.state === "delayed" && e.due_at && <> · runs by itself on {exact(e.due_at)}: nobody else could approve it</>}{e.state === "cancelled" && <> · cancelled by {someone(e.ended_by)} <Ago at={e.ended_at} /></>}</div>
      {e.state === "running" && <div className="small row" role="status"><progress aria-label="Progress" max={Math.max(1, e.total)} value={e.looked_at} /><span>{e.step}{e.total > 0 && <>, {e.looked_at.toLocaleString("en")} of {e.total.toLocaleString("en")} events</>}</span></div>}
      {e.result && <div className="small"><span>{plural(e.events, "event")} erased.</span> <button type="button" className="bare link" aria-expanded={more} onClick={() => setMore(!more)}>{more ? "Hide details" : "Details and copies"}</button>{more && <Result e={e} />}</div>}
      {e.unrecorded && <Notice kind="bad"><div className="row wrap"><span className="grow">This stands in the database and not in the log, so the server does nothing on its word. Somebody has written there.</span><Button size="compact-xs" variant="default" aria-label={`Dismiss the request ${e.label}`} onClick={() => void act("dismiss", "Dismiss this request?", "Nobody is erased, and the log tells that you took it away. Look for who can write to the database.", "Dismiss it", "Dismissed", false)}>Dismiss</Button></div></Notice>}
    </div>{open && !e.unrecorded && <span className="row" style={{ gap: 6 }}>{e.asked_by_operator ? <Button size="compact-xs" variant="default" aria-label={`Take on the erasure of ${who}`} onClick={() => void act("approve", "Take on this request?", "It was asked for on the machine itself. Taken on, it is as if you had asked: another administrator approves it.", "Take it on", "It is your request now", false)}>Take on</Button> : !e.asked_by_me && <Button size="compact-xs" color="red.8" aria-label={`Approve the erasure of ${who}`} onClick={() => void act("approve", `Erase ${who}?`, `Everything the log says of ${who} is removed for good. It can not be taken back.`, "Approve and erase", "It runs now", true)}>Approve</Button>}<Button size="compact-xs" variant="default" aria-label={`Cancel the erasure of ${who}`} onClick={() => void act("cancel", `Cancel the erasure of ${who}?`, "Nothing is erased.", "Cancel the request", "The request is cancelled", false)}>Cancel</Button></span>}</li>
  );
}
function Result({ e }: { e: Erasure }) {
  const r = e.result!, text = (x: Range) => `${x.log === "instance" ? "instance " : ""}${x.first.toLocaleString("en")}${x.last > x.first ? `–${x.last.toLocaleString("en")}` : ""}`;
  return (
    <div className="stack result"><dl className="facts"><dt>Stays as</dt><dd>{e.label}</dd><dt>Indices</dt><dd className="num">{r.ranges.slice(0, 60).map(text).join(", ") || "none"}{(r.more_ranges || r.ranges.length > 60) && " …"}</dd>{e.ended_at && <><dt>Out of the store</dt><dd>{exact(e.ended_at)}</dd></>}{r.still_named.length > 0 && <><dt>Still named by</dt><dd>the clients {r.still_named.join(", ")}</dd></>}</dl>
      <Notice kind={r.copies.length ? "warn" : ""}>{r.copies.length ? <>These were made while the log still held the person. Recount can not reach into them:</> : <>No backup and no export of the log was made by Recount while it held the person.</>} Standbys, dumps and archives made by other means are not known to it.{r.copies.length > 0 && <ul>{r.copies.map((c, i) => <li key={i}>{exact(c.at)}: {c.what}</li>)}{r.more_copies && <li>and more: see the events BackupCreated and AuditLogExported</li>}</ul>}</Notice>
      {e.wal && <Notice kind={e.wal.state === "cleared" ? "ok" : Date.parse(e.wal.due_by) < Date.now() ? "bad" : "warn"}>{e.wal.state === "cleared" ? <>No segment of the database's write-ahead log from before is left since {exact(e.wal.cleared_at)}.</> : <>The database's write-ahead log may hold it still, and should not after {exact(e.wal.due_by)}. <span className="break">{e.wal.todo}</span></>}</Notice>}</div>
  );
}
function New({ close, done }: { close: () => void; done: () => void }) {
  const [f, setF] = useState({ subject: "", reason: "", legal_ground: "", texts: [] as string[], unseen: false }), send = useMutation({ mutationFn: () => post(E, f), onSuccess: () => { toast("Asked: the other administrators are told"); done(); close(); } });
  return (
    <Ask title="Ask for the erasure of a person" text="Name, address and words of the person leave every event in which he or she acts, is concerned, or is named. The account must be deleted before." send={send} error={send.error} close={close} yes="Ask for the erasure" danger>
      <TextInput label="Email address" description="Or the id of the deleted account" required data-autofocus value={f.subject} error={fault(send.error, "subject")} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, subject: v, unseen: false })); }} />
      {(f.unseen || fault(send.error, "subject")?.includes("unseen")) && <Checkbox label="Ask all the same" description="For somebody whom no search finds, but who stands in details of events" checked={f.unseen} onChange={(e) => { const v = e.currentTarget.checked; setF((o) => ({ ...o, unseen: v })); }} />}
      <TagsInput label="Further texts that give the person away" description="Other spellings, a telephone number: matched anywhere, at least four characters" maxTags={16} value={f.texts} error={send.error instanceof ApiError && send.error.fields.find((x) => x.pointer.startsWith("/texts"))?.reason} onChange={(texts) => setF((o) => ({ ...o, texts }))} />
      <TextInput label="Legal ground" description="Stays in the log, so it must not name the person" placeholder="GDPR Art. 17(1)(b)" required maxLength={1000} value={f.legal_ground} error={fault(send.error, "legal_ground")} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, legal_ground: v })); }} />
      <Textarea label="Reason" description="Stays in the log, so it must not name the person" required rows={2} maxLength={1000} value={f.reason} error={fault(send.error, "reason")} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, reason: v })); }} />
    </Ask>
  );
}
