// Settings pages: each a table of fields over one settings object; and the state of the installation.
import { Button, NumberInput, PasswordInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";
import { ApiError, get, look, post, put } from "../api";
import { useSession } from "../session";
import { exact, plural } from "../time";
import { ADMIN, Badge, Copy, Failed, Notice, Page, Panel, Skeleton, toast } from "../ui/basics";

type Kind = "general" | "email" | "authentication" | "proofs";
type Value = string | number | boolean | null;
type Values = Record<string, Value>;
interface Field { key: string; label: string; type: "text" | "area" | "number" | "bool" | "choice" | "secret"; hint?: string; unit?: string; min?: number; max?: number; choices?: [string, string][]; wide?: boolean; when?: (v: Values) => boolean }
interface Group { title: string; fields: Field[] }
const PAGES: Record<Kind, { title: string; text?: string; groups: Group[] }> = {
  general: { title: "General Settings", groups: [
    { title: "Account", fields: [{ key: "name", label: "Name of the workspace", type: "text", wide: true }, { key: "address", label: "Address", type: "area", wide: true }] },
    { title: "Defaults", fields: [{ key: "visibility", label: "Findings default", hint: "For findings added to an already published report", type: "choice", choices: [["draft", "Draft"], ["published", "Published"]] }, { key: "rapidTemplating", label: "Rapid templating", type: "bool", wide: true }] }] },
  authentication: { title: "Authentication", text: "How people prove who they are, and for how long.", groups: [
    { title: "Second factor", fields: [{ key: "mfa_required", label: "Demand a second factor of everybody", hint: "Who has none sets it up at the next sign-in", type: "bool", wide: true }] },
    { title: "Passwords", fields: [{ key: "password_policy", label: "Rule", type: "choice", choices: [["classes", "Length and four character classes"], ["length", "Length and list of breached ones"]] }, { key: "password_min", label: "Shortest password", type: "number", unit: "characters", min: 8, max: 128 }] },
    { title: "Lockout", fields: [{ key: "lockout_failures", label: "Failures until locked", type: "number", min: 1, max: 100 }, { key: "lockout_minutes", label: "Within", type: "number", unit: "minutes", min: 1, max: 1440 }, { key: "lockout_release_minutes", label: "Released after", type: "number", unit: "minutes", min: 1, max: 10080 }, { key: "auth_per_minute", label: "Failed attempts a minute and address", type: "number", min: 1, max: 1000 }] },
    { title: "Sessions", fields: [{ key: "idle_minutes", label: "End when idle for", type: "number", unit: "minutes", min: 5, max: 1440 }, { key: "absolute_hours", label: "End in any case after", type: "number", unit: "hours", min: 1, max: 720 }] }] },
  proofs: { title: "Checkpoints and proofs", text: "A checkpoint says what the audit log was at one moment. Copies of it outside of this server are what a rewritten log is found by.", groups: [
    { title: "Checkpoints by mail", fields: [{ key: "checkpoint_mail", label: "Addresses", hint: "Up to ten, separated by commas. Each gets the newest checkpoint at once and then once a day, through the server of Email Settings. Choose mailboxes that nobody who runs this server can empty.", type: "area", wide: true }] },
    { title: "Public proofs", fields: [{ key: "public", label: "Checkpoints and tiles are public", hint: "Anybody who knows the address may read them, without an account: for monitors and other people's tools. They hold hashes only, no event and no name.", type: "bool", wide: true }] }] },
  email: { title: "Email Settings", text: "Without a mail server nothing is sent; administrators copy set-password links instead.", groups: [
    { title: "Server", fields: [{ key: "host", label: "Host", type: "text" }, { key: "port", label: "Port", type: "number", min: 1, max: 65535 }, { key: "security", label: "Security", type: "choice", choices: [["starttls", "STARTTLS (587)"], ["tls", "TLS (465)"], ["plain", "None: not secure (25)"]] }, { key: "sender", label: "Sender address", type: "text" }] },
    { title: "Sign-in at the server", fields: [{ key: "username", label: "Username", type: "text" }, { key: "password", label: "Password", type: "secret" }] }] },
};
const NEED: Record<Kind, string[]> = { general: ["ADMINISTRATION.GENERAL_SETTINGS"], authentication: ["SECURITY.AUTHENTICATION_SETTINGS"], email: ["ADMINISTRATION.EMAIL_SETTINGS"], proofs: ["AUDIT_LOG.RETENTION"] };

export function SettingsPage({ kind }: { kind: Kind }) {
  useParams();
  const s = useSession(), page = PAGES[kind], q = useQuery({ queryKey: ["settings", kind], queryFn: ({ signal }) => get<{ data: Values }>(`${s.base}/settings/${kind}`, signal) });
  return <Page title={page.title} crumbs={ADMIN} text={page.text} kind="form">{q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !q.data ? <Panel><Skeleton rows={6} /></Panel> : <Form kind={kind} key={kind} start={q.data.data} />}</Page>;
}
/** Whether each fault of the answer is shown at a field of the page. */
const atFields = (e: Error, kind: Kind) => e instanceof ApiError && e.fields.length > 0 && e.fields.every((x) => PAGES[kind].groups.some((g) => g.fields.some((d) => `/${d.key}` === x.pointer)));
function Form({ kind, start }: { kind: Kind; start: Values }) {
  const s = useSession(), cache = useQueryClient(), may = s.can(...NEED[kind]);
  // What was typed lies over what the server says: a change of someone else, or typing on while it is saved, loses nothing.
  const [edits, setEdits] = useState<Values>({}), f = { ...start, ...edits }, dirty = Object.keys(edits).some((k) => edits[k] !== start[k]), set = (k: string, v: Value) => setEdits((o) => ({ ...o, [k]: v }));
  const save = useMutation({ mutationFn: async () => {
    await put(`${s.base}/settings/${kind}`, Object.fromEntries(Object.entries(f).filter(([k, v]) => k !== "password_set" && !(k === "password" && (v === "" || v === null))))); return edits;
  }, onSuccess: (saved) => { if (saved) { toast("Settings saved"); cache.setQueryData<{ data: Values }>(["settings", kind], (o) => o && { data: { ...o.data, ...saved, ...("password" in saved && { password: undefined, password_set: true }) } as Values }); setEdits((o) => Object.fromEntries(Object.entries(o).filter(([k, v]) => v !== saved[k]))); void cache.invalidateQueries({ queryKey: ["settings", kind] }); if (kind === "general") void cache.invalidateQueries({ queryKey: ["session"] }); } } });
  const field = (d: Field) => {
    const v = f[d.key], error = save.error instanceof ApiError ? save.error.field(d.key) : undefined, common = { label: d.label, description: d.hint, error, disabled: !may, className: d.wide ? "wide" : undefined };
    switch (d.type) {
      case "bool": return <Switch key={d.key} {...common} checked={!!v} onChange={(e) => set(d.key, e.currentTarget.checked)} />;
      case "choice": return <Select key={d.key} {...common} data={d.choices!.map(([value, label]) => ({ value, label }))} value={(v as string) ?? null} onChange={(x) => set(d.key, x)} />;
      case "number": return <NumberInput key={d.key} {...common} min={d.min} max={d.max} suffix={d.unit ? ` ${d.unit}` : undefined} value={(v as number) ?? ""} allowDecimal={false} onChange={(x) => set(d.key, x === "" ? null : Number(x))} />;
      case "area": return <Textarea key={d.key} {...common} rows={3} value={(v as string) ?? ""} onChange={(e) => set(d.key, e.currentTarget.value)} />;
      case "secret": return <PasswordInput key={d.key} {...common} placeholder={start.password_set ? "Set; type to replace" : ""} autoComplete="new-password" value={(v as string) ?? ""} onChange={(e) => set(d.key, e.currentTarget.value)} />;
      default: return <TextInput key={d.key} {...common} value={(v as string) ?? ""} onChange={(e) => set(d.key, e.currentTarget.value)} />;
    }
  };
  return (
    <form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{atFields(save.error, kind) ? "Not saved: see what is said at the field." : save.error.message}</Notice>}{!may && <Notice>You can see these settings, not change them.</Notice>}{kind === "email" && f.security === "plain" && <Notice kind="warn">Without encryption the password and each mail can be read on the way.</Notice>}
      {PAGES[kind].groups.map((g) => <Panel key={g.title} title={g.title}><div className="fields">{g.fields.filter((d) => !d.when || d.when(f)).map(field)}</div></Panel>)}
      {kind === "email" && <MailTest dirty={dirty} />}
      {kind === "proofs" && !!start.public && <PublicAddress />}
      {may && <div className="save"><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button>{dirty ? <><Button variant="subtle" color="gray" onClick={() => setEdits({})}>Discard</Button><span className="dim small">Changes not saved</span></> : <span className="dim small">All saved</span>}</div>}
    </form>
  );
}
/** Where the public checkpoint stands: of the epoch that runs. */
function PublicAddress() {
  const s = useSession(), q = useQuery({ queryKey: ["witnesses"], enabled: s.can("AUDIT_LOG.VIEW"), queryFn: ({ signal }) => get<{ data: { log: { origin: string } | null } }>("/api/v2/auditlog/witnesses/status", signal) }), origin = q.data?.data.log?.origin;
  if (!origin) return null;
  const at = `${location.origin}/api/v2/auditlog/log/${s.user.tenantCuid}/${origin.split("/").pop()}/`;
  return <Panel title="Public address"><div className="stack"><span className="keyline"><span className="mono break">{at}</span><Copy text={at} label="Copy address" /></span><span className="dim small">The prefix for clients of C2SP tlog-tiles: <code className="mono">checkpoint</code>, <code className="mono">vkey</code> and <code className="mono">tile/…</code> stand below it.</span></div></Panel>;
}
function MailTest({ dirty }: { dirty: boolean }) {
  const s = useSession(), [to, setTo] = useState(s.user.email), test = useMutation({ mutationFn: () => post<{ message?: string }>(`${s.base}/settings/email/test`, { to }) });
  return <Panel title="Test"><div className="stack">{test.error && <Notice kind="bad">{test.error.message}</Notice>}{test.data && <Notice kind="ok">{test.data.message || `Sent to ${to}.`}</Notice>}<div className="row wrap" style={{ alignItems: "flex-end" }}><TextInput className="grow" label="Send a test mail to" value={to} onChange={(e) => setTo(e.currentTarget.value)} /><Button variant="default" loading={test.isPending} disabled={dirty || !to} onClick={() => test.mutate()}>Send</Button></div>{dirty && <span className="dim small">Save first; the test uses what is saved.</span>}</div></Panel>;
}

const NAMED: Record<string, string> = { uptimeSeconds: "Running for" };
const lasting = (s: number) => (s < 60 ? plural(s, "second") : s < 3600 ? plural(Math.floor(s / 60), "minute") : s < 86_400 ? `${plural(Math.floor(s / 3600), "hour")} ${plural(Math.floor(s / 60) % 60, "minute")}` : `${plural(Math.floor(s / 86_400), "day")} ${plural(Math.floor(s / 3600) % 24, "hour")}`);
/** Health as the server tells it, whatever it tells. */
export function HealthPage() {
  const q = useQuery({ queryKey: ["health"], refetchInterval: 10_000, queryFn: ({ signal }) => look<{ data: Record<string, unknown> }>("/api/v2/health/full", signal) }), d = q.data?.data ?? {};
  const words = (k: string) => NAMED[k] ?? k.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/_/g, " ").toLowerCase().replace(/^\w/, (c) => c.toUpperCase());
  const show = (k: string, v: unknown): React.ReactNode => (typeof v === "boolean" ? (k === "inMaintenanceMode" ? <Badge kind={v ? "warn" : "ok"}>{v ? "Yes" : "No"}</Badge> : <Badge kind={v ? "ok" : "bad"}>{v ? "Yes" : "No"}</Badge>) : v === "ok" ? <Badge kind="ok">OK</Badge> : v === null || v === undefined ? "–" : typeof v === "number" && k === "uptimeSeconds" ? <span className="num">{lasting(v)}</span> : typeof v === "number" ? <span className="num">{/(_at|time|started)$/.test(k) && v > 1e11 ? exact(v) : v.toLocaleString("en")}</span> : String(v));
  const flat = Object.entries(d).filter(([, v]) => typeof v !== "object" || v === null), deep = Object.entries(d).filter(([, v]) => typeof v === "object" && v !== null) as [string, Record<string, unknown>][];
  const facts = (o: [string, unknown][]) => <dl className="facts">{o.map(([k, v]) => <div key={k} style={{ display: "contents" }}><dt>{words(k)}</dt><dd>{typeof v === "object" && v !== null ? <code className="mono">{JSON.stringify(v)}</code> : show(k, v)}</dd></div>)}</dl>;
  return <Page title="System health" crumbs={ADMIN} kind="form">{q.error && !q.data ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !q.data ? <Panel><Skeleton /></Panel> : <>{flat.length > 0 && <Panel title="Server">{facts(flat)}</Panel>}{deep.map(([k, v]) => <Panel key={k} title={words(k)}>{facts(Object.entries(v))}</Panel>)}</>}</Page>;
}
