// Before the door: set-up, sign-in, forgotten password, setting a password by link.
import { Anchor, Button, PasswordInput, Radio, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { IconCheck, IconPoint } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { ApiError, api, say } from "../api";
import { SignInForm } from "../session";
import { Notice, useTitle, eye } from "../ui/basics";

export const Gate = ({ children, wide }: { children: ReactNode; wide?: boolean }) => <main className={`gate ${wide ? "wide" : ""}`}><div><div className="brand"><img src="/favicon.svg" alt="" />Recount</div>{children}</div></main>;

/** Shows which of the rules a password meets; the server decides. */
export function Rules({ value }: { value: string }) {
  const rules: [string, boolean][] = [["12 characters", [...value].length >= 12], ["lower case", /\p{Ll}/u.test(value)], ["upper case", /\p{Lu}/u.test(value)], ["digit", /\d/.test(value)], ["special character", /[^\p{L}\d]/u.test(value)]];
  return <ul className="rules" aria-label="Password rules">{rules.map(([name, met]) => <li key={name} className={met ? "met" : ""}>{met ? <IconCheck size={13} aria-hidden /> : <IconPoint size={13} aria-hidden />}{name}<span className="sr">{met ? ": met" : ": missing"}</span></li>)}</ul>;
}

export function SignInPage({ done }: { done: () => Promise<void> }) {
  useTitle("Sign in");
  return <Gate><div className="panel"><div className="stack"><div><h1>Sign in</h1><p className="dim">To your workspace</p></div><SignInForm done={done} /></div></div></Gate>;
}

export function ForgotPage() {
  useTitle("Forgotten password");
  const [email, setEmail] = useState(""), [sent, setSent] = useState(false), [busy, setBusy] = useState(false), [fault, setFault] = useState("");
  const send = async () => { setBusy(true); setFault(""); try { await api("POST", "/api/v1/user/forgotpass", { email: email.trim() }, { quiet: true }); setSent(true); } catch (e) { setFault(say(e)); } finally { setBusy(false); } };
  return (
    <Gate><div className="panel"><form className="stack" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      <div><h1>Forgotten password</h1><p className="dim">{sent ? "Look into your mailbox." : "We send a link that sets a new one."}</p></div>
      {sent ? <Notice kind="ok">If there is an account for {email.trim()}, a link is on its way. It works once. Without mail in this workspace, ask your administrator for a set-password link.</Notice> : <>
        {fault && <Notice kind="bad">{fault}</Notice>}
        <TextInput label="Email" inputMode="email" autoComplete="username" value={email} onChange={(e) => setEmail(e.currentTarget.value)} required withAsterisk={false} autoFocus />
        <Button type="submit" loading={busy} fullWidth>Send the link</Button></>}
      <Anchor component={Link} to="/" size="sm" ta="center">Back to sign-in</Anchor>
    </form></div></Gate>
  );
}

export function PasswordLinkPage() {
  useTitle("Set your password");
  const params = useParams(), [search] = useSearchParams(), token = params.token ?? search.get("token") ?? location.hash.replace(/^#(token=)?/, "");
  const [one, setOne] = useState(""), [two, setTwo] = useState(""), [ok, setOk] = useState(false), [busy, setBusy] = useState(false), [fault, setFault] = useState(""), [at, setAt] = useState<"one" | "two" | "">("");
  const tell = (text: string, field: typeof at) => { setFault(text); setAt(field); };
  const send = async () => {
    if (one !== two) { tell("Differs from the first", "two"); return; }
    setBusy(true); tell("", "");
    try { await api("POST", "/api/v2/user/password/link", { token, newPassword: one }, { quiet: true }); setOk(true); } catch (e) { const weak = e instanceof ApiError ? e.field("newPassword") : undefined; tell(weak ?? say(e), weak ? "one" : ""); } finally { setBusy(false); }
  };
  return (
    <Gate><div className="panel"><form className="stack" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      <div><h1>Set your password</h1>{!ok && <p className="dim">The link works once.</p>}</div>
      {ok ? <Notice kind="ok">Your password is set. You can sign in now.</Notice> : !token ? <Notice kind="bad">The link is incomplete. Open it again from the mail, or ask for a new one.</Notice> : <>
        {fault && !at && <Notice kind="bad">{fault}</Notice>}
        <div><PasswordInput label="New password" {...eye("new")} autoComplete="new-password" error={at === "one" && fault} value={one} onChange={(e) => setOne(e.currentTarget.value)} required withAsterisk={false} autoFocus /><Rules value={one} /></div>
        <PasswordInput label="New password again" {...eye("repetition")} autoComplete="new-password" error={at === "two" && fault} value={two} onChange={(e) => setTwo(e.currentTarget.value)} required withAsterisk={false} />
        <Button type="submit" loading={busy} fullWidth>Set password</Button></>}
      <Anchor component={Link} to="/" size="sm" ta="center">{ok ? "Sign in" : "Back to sign-in"}</Anchor>
    </form></div></Gate>
  );
}

export function SetupPage() {
  useTitle("Set-up");
  const [search] = useSearchParams(), go = useNavigate(), cache = useQueryClient();
  const [f, setF] = useState({ token: search.get("token") ?? location.hash.replace(/^#(token=)?/, ""), tenant_name: "", first: "", last: "", email: "", password: "", retention: "4" }), [busy, setBusy] = useState(false), [fault, setFault] = useState<ApiError | null>(null);
  const bind = (k: keyof typeof f) => ({ value: f[k], onChange: (e: React.ChangeEvent<HTMLInputElement>) => { const v = e.currentTarget.value; setF((o) => ({ ...o, [k]: v })); }, error: fault?.field(k), required: true, withAsterisk: false });
  const send = async () => {
    setBusy(true); setFault(null);
    try {
      const { retention, ...rest } = f;
      await api("POST", "/api/v2/setup", { ...rest, token: f.token.trim(), retention_months: Number(retention) }, { quiet: true });
      await api("POST", "/api/v2/session", { username: f.email.trim(), password: f.password }, { quiet: true }).catch(() => {});
      cache.clear(); await go("/");
    } catch (e) { setFault(e instanceof ApiError ? e : new ApiError(0, say(e))); } finally { setBusy(false); }
  };
  return (
    <Gate wide><div className="panel"><form className="stack" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      <div><h1>Set up Recount</h1><p className="dim">Your workspace and its first administrator.</p></div>
      {fault && <Notice kind="bad">{fault.message}</Notice>}
      <TextInput label="Set-up token" description="Printed by the server when it started" autoComplete="off" {...bind("token")} />
      <TextInput label="Name of the workspace" placeholder="Example Security" {...bind("tenant_name")} />
      <div className="fields"><TextInput label="First name" autoComplete="given-name" {...bind("first")} /><TextInput label="Last name" autoComplete="family-name" {...bind("last")} />
        <TextInput className="wide" label="Email" type="email" autoComplete="username" {...bind("email")} />
        <div className="wide"><PasswordInput label="Password" autoComplete="new-password" {...bind("password")} /><Rules value={f.password} /></div></div>
      <Radio.Group label="How long is the audit log kept?" description="Months end on the first, UTC. It can be made longer at any time, and shorter with 30 days' notice, never under 120 days." value={f.retention} onChange={(v) => setF((o) => ({ ...o, retention: v }))}>
        <div className="stack" style={{ marginTop: 8, gap: 8 }}><Radio value="4" label="120 days: the running month and the four before it" /><Radio value="12" label="12 months: the running month and the twelve before it" /></div>
      </Radio.Group>
      <Button type="submit" loading={busy} fullWidth>Create the workspace</Button>
    </form></div></Gate>
  );
}
