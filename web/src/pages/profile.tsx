// One's own account: name and looks, password, second factor, sessions, access tokens.
import { Button, Group, Modal, MultiSelect, PasswordInput, SegmentedControl, Select, Tabs, TextInput, useMantineColorScheme } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconDeviceLaptop, IconKey, IconPlus } from "@tabler/icons-react";
import qrcode from "qrcode-generator";
import { useMemo, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { ApiError, del, get, post, put } from "../api";
import { useSession } from "../session";
import { day, plural, setDateFormat, type DateFormat } from "../time";
import { Ago, Badge, confirm, Copy, Empty, Failed, Notice, Page, Panel, Skeleton, toast, toastError, eye } from "../ui/basics";
import { Rules } from "./gate";

const TABS = [["profile", "Profile"], ["password", "Password"], ["mfa", "Two-factor authentication"], ["sessions", "Sessions"], ["tokens", "Access tokens"]] as const;
export function Profile() {
  const { tab = "profile" } = useParams(), go = useNavigate(), s = useSession();
  return (
    <Page title="Profile" kind="form">
      {s.must_enroll_mfa && <Notice kind="warn">Your workspace demands a second factor. Set it up here to go on.</Notice>}
      <Tabs value={tab} onChange={(t) => void go(`/profile${t === "profile" ? "" : "/" + t}`)} keepMounted={false}><Tabs.List className="tabs-bar" aria-label="Profile">{TABS.map(([k, name]) => <Tabs.Tab key={k} value={k} disabled={s.must_enroll_mfa && k !== "mfa"}>{name}</Tabs.Tab>)}</Tabs.List>
        <Tabs.Panel value="profile"><Name /></Tabs.Panel><Tabs.Panel value="password"><Password /></Tabs.Panel><Tabs.Panel value="mfa"><Factor /></Tabs.Panel><Tabs.Panel value="sessions"><Sessions /></Tabs.Panel><Tabs.Panel value="tokens"><Tokens /></Tabs.Panel></Tabs>
    </Page>
  );
}

function Name() {
  const s = useSession(), cache = useQueryClient(), { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true }), [f, setF] = useState({ first: s.user.first, last: s.user.last }), dirty = f.first !== s.user.first || f.last !== s.user.last;
  const save = useMutation({ mutationFn: (x: object) => put("/api/v1/user/update", x), onSuccess: () => { toast("Saved"); void cache.invalidateQueries({ queryKey: ["session"] }); } }), fault = (k: string) => (save.error instanceof ApiError ? save.error.field(k) : undefined);
  const prefer = useMutation({ mutationFn: (x: object) => put("/api/v2/user/preferences", x), onSuccess: () => void cache.invalidateQueries({ queryKey: ["session"] }), onError: toastError });
  return (
    <div className="stack">
      <Panel title="Name"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate({ name: f }); }}>{save.error && <Notice kind="bad">{save.error.message}</Notice>}<div className="fields"><TextInput label="First name" autoComplete="given-name" error={fault("first")} value={f.first} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, first: v })); }} /><TextInput label="Last name" autoComplete="family-name" error={fault("last")} value={f.last} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, last: v })); }} /><TextInput className="wide" label="Email" readOnly value={s.user.email} description="Changed by an administrator only" /></div><div><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button></div></form></Panel>
      <Panel title="Looks"><div className="stack"><div><div id="theme-label" style={{ fontWeight: 500, marginBottom: 4 }}>Theme</div><SegmentedControl aria-labelledby="theme-label" data={[{ value: "light", label: "Light" }, { value: "dark", label: "Dark" }, { value: "auto", label: "As the system" }]} value={colorScheme} onChange={(v) => { setColorScheme(v as "light"); prefer.mutate({ theme: v }); }} /></div>
        <Select label="Date format" w={220} data={["YYYY-MM-DD", "DD-MM-YYYY", "MM-DD-YYYY"]} value={s.user.dateFormat || "YYYY-MM-DD"} onChange={(v) => { setDateFormat(v as DateFormat); prefer.mutate({ dateFormat: v }); }} description={`Today: ${day(Date.now())}`} /></div></Panel>
    </div>
  );
}
function Password() {
  const [f, setF] = useState({ currentPassword: "", newPassword: "", again: "" }), bind = (k: keyof typeof f) => ({ value: f[k], onChange: (e: React.ChangeEvent<HTMLInputElement>) => { const v = e.currentTarget.value; setF((o) => ({ ...o, [k]: v })); }, required: true, withAsterisk: false });
  const save = useMutation({ mutationFn: () => { if (f.newPassword !== f.again) throw new ApiError(400, "The two new passwords differ.", undefined, [{ pointer: "/again", reason: "Differs from the first" }]); return put("/api/v1/user/changepass", { currentPassword: f.currentPassword, newPassword: f.newPassword }); }, onSuccess: () => { setF({ currentPassword: "", newPassword: "", again: "" }); toast("Password changed; other sessions have ended"); } }), fault = (k: string) => (save.error instanceof ApiError ? save.error.field(k) : undefined);
  return <Panel title="Change password"><form className="stack" style={{ maxWidth: 420 }} onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>{save.error && <Notice kind="bad">{save.error.message}</Notice>}<PasswordInput label="Current password" {...eye("current")} autoComplete="current-password" error={fault("currentPassword")} {...bind("currentPassword")} /><div><PasswordInput label="New password" {...eye("new")} autoComplete="new-password" error={fault("newPassword")} {...bind("newPassword")} /><Rules value={f.newPassword} /></div><PasswordInput label="New password again" {...eye("repetition")} autoComplete="new-password" error={fault("again")} {...bind("again")} /><div><Button type="submit" loading={save.isPending}>Change password</Button></div></form></Panel>;
}

/** The code is drawn here; the secret goes to no other place. */
function Qr({ text }: { text: string }) {
  const d = useMemo(() => { const q = qrcode(0, "M"); q.addData(text); q.make(); const n = q.getModuleCount(); let p = ""; for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (q.isDark(y, x)) p += `M${x} ${y}h1v1h-1z`; return { p, n }; }, [text]);
  return <svg className="qr" role="img" aria-label="QR code for the authenticator app" viewBox={`0 0 ${d.n} ${d.n}`} shapeRendering="crispEdges"><path d={d.p} fill="#000" /></svg>;
}
function Codes({ codes, close }: { codes: string[]; close: () => void }) {
  return <Modal opened onClose={() => {}} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title="Recovery codes"><div className="stack"><Notice kind="warn">Keep these in a safe place. Each works once when your device is lost; they are not shown again.</Notice><ul className="codes">{codes.map((c) => <li key={c}>{c}</li>)}</ul><Group justify="space-between"><Copy text={codes.join("\n")} label="Copy all" /><Button onClick={close}>I have kept them</Button></Group></div></Modal>;
}
function Factor() {
  const s = useSession(), cache = useQueryClient(), [qr, setQr] = useState<{ secret: string; uri: string } | null>(null), [token, setToken] = useState(""), [password, setPassword] = useState(""), [codes, setCodes] = useState<string[] | null>(null), [ask, setAsk] = useState<"off" | "codes" | null>(null), on = s.user.mfa_enabled;
  const begin = useMutation({ mutationFn: () => get<{ secret: string; uri: string; data?: { secret: string; uri: string } }>("/api/v2/user/mfa/qr"), onSuccess: (a) => { setQr(a.data ?? a); setToken(""); }, onError: toastError });
  const activate = useMutation({ mutationFn: () => post<{ recovery_codes?: string[]; data?: { recovery_codes: string[] } }>("/api/v2/user/mfa/qr/activate", on ? { token, password } : { token }), onSuccess: (a) => { setQr(null); setCodes(a.recovery_codes ?? a.data?.recovery_codes ?? []); } });
  const finish = () => { setCodes(null); void cache.invalidateQueries({ queryKey: ["session"] }); };
  return (
    <Panel title="Two-factor authentication" acts={on ? <Badge kind="ok">On</Badge> : <Badge>Off</Badge>}><div className="stack">
      {!qr && <p className="dim">{on ? "Signing in asks for a code from your authenticator app after the password." : "After the password, signing in also asks for a code from an authenticator app on your phone."}</p>}
      {qr ? <form className="stack" onSubmit={(e) => { e.preventDefault(); activate.mutate(); }}>
        {activate.error && <Notice kind="bad">{activate.error.message}</Notice>}
        <div className="row wrap" style={{ alignItems: "flex-start", gap: 20 }}><Qr text={qr.uri} /><div className="stack grow" style={{ minWidth: 240 }}><p>1. Scan the code with an authenticator app.</p><div><p className="dim small">Or type this key:</p><div className="row wrap"><code className="mono break">{qr.secret.match(/.{1,4}/g)?.join(" ")}</code><Copy text={qr.secret} /></div></div>{on && <PasswordInput label="Your password" autoComplete="current-password" required withAsterisk={false} value={password} onChange={(e) => setPassword(e.currentTarget.value)} />}<TextInput label="2. Type the six digits it shows" inputMode="numeric" autoComplete="one-time-code" maxLength={6} value={token} onChange={(e) => setToken(e.currentTarget.value.replace(/\D/g, ""))} w={240} autoFocus /><div className="row"><Button type="submit" disabled={token.length !== 6} loading={activate.isPending}>Confirm</Button><Button variant="default" onClick={() => setQr(null)}>Cancel</Button></div><p className="dim small">Nothing changes until the code is confirmed.</p></div></div></form>
        : <div className="row wrap"><Button loading={begin.isPending} variant={on ? "default" : "filled"} onClick={() => void (on ? confirm("Set up a new device?", "The present one works until the new one is confirmed.", "Go on", false) : Promise.resolve(true)).then((ok) => ok && begin.mutate())}>{on ? "Set up a new device" : "Set up"}</Button>{on && <><Button variant="default" onClick={() => setAsk("codes")}>New recovery codes</Button><Button variant="default" c="var(--bad)" onClick={() => setAsk("off")}>Disable</Button></>}</div>}
      {codes && <Codes codes={codes} close={finish} />}
      {ask && <AskPassword title={ask === "off" ? "Disable the second factor?" : "Make new recovery codes?"} text={ask === "off" ? "Only the password will protect your account." : "The old codes end."} yes={ask === "off" ? "Disable" : "Make new codes"} close={() => setAsk(null)} run={async (password) => { if (ask === "off") { await put("/api/v1/user/mfa/token/disable", { password }); toast("Second factor is off"); finish(); } else { const a = await post<{ recovery_codes?: string[]; data?: { recovery_codes: string[] } }>("/api/v2/user/mfa/recovery", { password }); setCodes(a.recovery_codes ?? a.data?.recovery_codes ?? []); } setAsk(null); }} />}
    </div></Panel>
  );
}
function AskPassword({ title, text, yes, close, run }: { title: string; text: string; yes: string; close: () => void; run: (p: string) => Promise<void> }) {
  const [p, setP] = useState(""), go = useMutation({ mutationFn: () => run(p) });
  return <Modal opened onClose={close} title={title} size="sm" centered><form className="stack" onSubmit={(e) => { e.preventDefault(); go.mutate(); }}><p className="dim">{text}</p>{go.error && <Notice kind="bad">{go.error.message}</Notice>}<PasswordInput label="Your password" autoComplete="current-password" required withAsterisk={false} data-autofocus value={p} onChange={(e) => setP(e.currentTarget.value)} /><Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={go.isPending}>{yes}</Button></Group></form></Modal>;
}

interface Device { cuid: string; created_at: unknown; last_used: unknown; address: string; user_agent: string; current: boolean }
const browser = (ua: string) => { const b = /Edg\//.test(ua) ? "Edge" : /Firefox\//.test(ua) ? "Firefox" : /Chrom/.test(ua) ? "Chrome" : /Safari\//.test(ua) ? "Safari" : ua.split(/[/ ]/)[0] || "Unknown"; const o = /Windows/.test(ua) ? "Windows" : /iPhone|iPad/.test(ua) ? "iOS" : /Mac OS/.test(ua) ? "macOS" : /Android/.test(ua) ? "Android" : /Linux/.test(ua) ? "Linux" : ""; return o ? `${b} on ${o}` : b; };
function Sessions() {
  const cache = useQueryClient(), q = useQuery({ queryKey: ["sessions"], queryFn: ({ signal }) => get<{ data: Device[] }>("/api/v2/user/sessions", signal) }), list = q.data?.data, again = (t: string) => { toast(t); void cache.invalidateQueries({ queryKey: ["sessions"] }); };
  const all = async () => { if (await confirm("End all other sessions?", "This one stays.", "End all others")) await del("/api/v2/user/sessions").then(() => again("All other sessions have ended"), toastError); };
  return <Panel title="Where you are signed in" body={false} acts={(list?.length ?? 0) > 1 && <Button size="compact-xs" variant="default" onClick={() => void all()}>End all others</Button>}>{q.error ? <Failed error={q.error} again={() => void q.refetch()} /> : !list ? <div className="body"><Skeleton /></div> : <ul className="list">{list.map((d) => <li key={d.cuid} style={{ padding: "9px 16px" }}><IconDeviceLaptop size={20} stroke={1.6} aria-hidden className="dim" /><div className="grow"><div className="row"><span style={{ fontWeight: 500 }} title={d.user_agent}>{browser(d.user_agent ?? "")}</span>{d.current && <Badge kind="ok">This one</Badge>}</div><div className="dim small"><span className="mono">{d.address}</span> · used <Ago at={d.last_used} /> · since <Ago at={d.created_at} /></div></div>{!d.current && <Button size="compact-xs" variant="default" aria-label={`End session ${browser(d.user_agent ?? "")}`} onClick={() => void del(`/api/v2/user/sessions/${d.cuid}`).then(() => again("Session ended"), toastError)}>End</Button>}</li>)}</ul>}</Panel>;
}
interface Token { cuid: string; name: string; scopes: string[]; created_at?: unknown; expires_at?: unknown; last_used?: unknown; revoked?: boolean }
function Tokens() {
  const s = useSession(), cache = useQueryClient(), [make, setMake] = useState(false), [fresh, setFresh] = useState(""), q = useQuery({ queryKey: ["tokens"], queryFn: ({ signal }) => get<{ data: Token[] }>("/api/v2/user/tokens", signal) }), list = q.data?.data, [f, setF] = useState({ name: "", days: "90", scopes: [] as string[] });
  const save = useMutation({ mutationFn: () => post<{ token: string; data?: { token: string } }>("/api/v2/user/tokens", { name: f.name.trim(), expires_days: Number(f.days), scopes: f.scopes }), onSuccess: (a) => { setFresh(a.token ?? a.data?.token ?? ""); setMake(false); setF({ name: "", days: "90", scopes: [] }); void cache.invalidateQueries({ queryKey: ["tokens"] }); } });
  const revoke = async (t: Token) => { if (await confirm(`Revoke ${t.name}?`, "Scripts that use it stop working at once.", "Revoke")) await del(`/api/v2/user/tokens/${t.cuid}`).then(() => { toast("Token revoked"); void cache.invalidateQueries({ queryKey: ["tokens"] }); }, toastError); };
  return (
    <Panel title="Access tokens" body={false} acts={<Button size="compact-xs" leftSection={<IconPlus size={13} aria-hidden />} onClick={() => setMake(true)}>New token</Button>}>
      {q.error ? <Failed error={q.error} again={() => void q.refetch()} /> : !list ? <div className="body"><Skeleton /></div> : !list.length ? <Empty icon={<IconKey size={26} aria-hidden />} title="No access tokens" text="A token lets a script read for you: named, expiring, read-only, and limited to chosen permissions." /> : <ul className="list">{list.map((t) => <li key={t.cuid} style={{ padding: "9px 16px" }}><IconKey size={18} stroke={1.6} aria-hidden className="dim" /><div className="grow"><div style={{ fontWeight: 500 }} className="cut">{t.name}</div><div className="dim small">{plural(t.scopes?.length ?? 0, "permission")} · ends <Ago at={t.expires_at} /> · last used <Ago at={t.last_used} /></div></div><Button size="compact-xs" variant="default" aria-label={`Revoke ${t.name}`} onClick={() => void revoke(t)}>Revoke</Button></li>)}</ul>}
      <Modal opened={make} onClose={() => setMake(false)} title="New access token"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>{save.error && <Notice kind="bad">{save.error.message}</Notice>}<TextInput label="Name" description="What it is for" required data-autofocus value={f.name} error={save.error instanceof ApiError ? save.error.field("name") : undefined} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, name: v })); }} /><Select label="Ends after" data={[["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "one year"]].map(([value, label]) => ({ value: value!, label: label! }))} value={f.days} onChange={(v) => setF((o) => ({ ...o, days: v ?? "90" }))} /><MultiSelect label="Permissions" description="It can read what these allow, never change anything" searchable data={s.permissions.map((p) => ({ value: p, label: p }))} value={f.scopes} onChange={(v) => setF((o) => ({ ...o, scopes: v }))} maxDropdownHeight={240} /><Group justify="flex-end" gap="xs"><Button variant="default" onClick={() => setMake(false)}>Cancel</Button><Button type="submit" loading={save.isPending} disabled={!f.scopes.length}>Create token</Button></Group></form></Modal>
      <Modal opened={!!fresh} onClose={() => setFresh("")} title="Your new token"><div className="stack"><Notice kind="warn">Copy it now; it is not shown again.</Notice><TextInput aria-label="Token" readOnly value={fresh} styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }} onFocus={(e) => e.currentTarget.select()} /><Group justify="space-between"><Copy text={fresh} /><Button onClick={() => setFresh("")}>Done</Button></Group></div></Modal>
    </Panel>
  );
}
