// Who is signed in, what he may, and the sign-in form: as a page at first, as a dialog over the page when a session ends.
import { Anchor, Button, Modal, PasswordInput, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from "react";
import { Link } from "react-router";
import { ApiError, api, onExpired, say, type Session } from "./api";
import { setDateFormat } from "./time";
import { Notice } from "./ui/basics";

const Context = createContext<Session | null>(null);
export function useSession(): Session & { can: (...keys: string[]) => boolean; t: number; base: string } {
  const s = useContext(Context)!;
  return { ...s, can: (...keys) => keys.some((k) => s.permissions.includes(k)), t: s.user.tenant_id, base: `/api/v2/tenants/${s.user.tenant_id}` };
}
export const SessionProvider = ({ session, children }: { session: Session; children: ReactNode }) => <Context value={session}>{children}</Context>;

/** The session, or null when nobody is signed in. */
export function useSessionQuery() {
  return useQuery({
    queryKey: ["session"], retry: (n, e) => !(e instanceof ApiError && e.status !== 0) && n < 2, staleTime: Infinity,
    queryFn: async ({ signal }) => {
      try { const s = await api<Session>("GET", "/api/v2/session", undefined, { signal, quiet: true }); setDateFormat(s.user.dateFormat); return s; } catch (e) { if (e instanceof ApiError && e.status === 401) return null; throw e; }
    },
  });
}

/** Name and password, then the second factor where there is one. */
export function SignInForm({ done, email = "", fixed = false }: { done: () => void | Promise<void>; email?: string; fixed?: boolean }) {
  const [name, setName] = useState(email), [password, setPassword] = useState(""), [code, setCode] = useState<string | null>(null), [token, setToken] = useState("");
  const [recovery, setRecovery] = useState(false), [busy, setBusy] = useState(false), [fault, setFault] = useState("");
  const run = async (f: () => Promise<boolean>) => {
    setBusy(true); setFault("");
    try { if (await f()) await done(); } catch (e) {
      setFault(say(e)); setToken("");
      if (code && e instanceof ApiError && (e.code?.includes("challenge") || e.status === 410)) { setCode(null); setPassword(""); }
    } finally { setBusy(false); }
  };
  const first = () => run(async () => {
    const a = await api<{ mfa_required?: boolean; code?: string }>("POST", "/api/v2/session", { username: name.trim(), password }, { quiet: true });
    if (a.mfa_required) { setCode(a.code ?? ""); return false; }
    return true;
  });
  const second = (t = token) => run(async () => { await api("POST", "/api/v2/session/mfa", { code, token: t.trim() }, { quiet: true }); return true; });
  if (code !== null) return (
    <form className="stack" onSubmit={(e) => { e.preventDefault(); void second(); }}>
      {fault && <Notice kind="bad">{fault}</Notice>}
      {recovery
        ? <TextInput key="r" label="Recovery code" value={token} onChange={(e) => setToken(e.currentTarget.value)} autoComplete="off" autoFocus required withAsterisk={false} />
        : <TextInput key="t" label="Six-digit code" description="From your authenticator app" value={token} inputMode="numeric" autoComplete="one-time-code" maxLength={6} autoFocus required withAsterisk={false} onChange={(e) => { const v = e.currentTarget.value.replace(/\D/g, ""); setToken(v); if (v.length === 6 && !busy) void second(v); }} />}
      <Button type="submit" loading={busy} fullWidth>Verify</Button>
      <div className="row" style={{ justifyContent: "space-between" }}>
        <Anchor component="button" type="button" size="sm" onClick={() => { setRecovery(!recovery); setToken(""); setFault(""); }}>{recovery ? "Use the authenticator app" : "Use a recovery code"}</Anchor>
        <Anchor component="button" type="button" size="sm" onClick={() => { setCode(null); setToken(""); setPassword(""); setFault(""); }}>Start again</Anchor>
      </div>
    </form>
  );
  return (
    <form className="stack" onSubmit={(e) => { e.preventDefault(); void first(); }}>
      {fault && <Notice kind="bad">{fault}</Notice>}
      <TextInput label="Email" type="text" inputMode="email" name="username" autoComplete="username" value={name} readOnly={fixed} onChange={(e) => setName(e.currentTarget.value)} autoFocus={!fixed && !email} required withAsterisk={false} />
      <PasswordInput label="Password" name="password" autoComplete="current-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoFocus={fixed || !!email} data-autofocus={fixed || undefined} required withAsterisk={false} visibilityToggleButtonProps={{ "aria-label": "Show password", tabIndex: 0 }} />
      <Button type="submit" loading={busy} fullWidth>Sign in</Button>
      {!fixed && <Anchor component={Link} to="/forgot" size="sm" ta="center">Forgotten your password?</Anchor>}
    </form>
  );
}

/** Stands over the page when the session ended; requests wait for it. */
export function ExpiredDialog({ session }: { session: Session }) {
  const [open, setOpen] = useState(false), waiting = useRef<(() => void)[]>([]), client = useQueryClient();
  useEffect(() => {
    onExpired(() => new Promise<void>((go) => { waiting.current.push(go); setOpen(true); }));
    return () => onExpired(null);
  }, []);
  const done = async () => {
    const s = await api<Session>("GET", "/api/v2/session", undefined, { quiet: true });
    if (s.user.cuid !== session.user.cuid) { location.reload(); return; }
    client.setQueryData(["session"], s);
    setOpen(false);
    waiting.current.splice(0).forEach((go) => go());
  };
  return (
    <Modal opened={open} onClose={() => {}} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title="Your session has ended" centered size="sm" zIndex={400}>
      <div className="stack"><p className="dim">Sign in again to go on. What you typed is still here.</p>
        <SignInForm done={done} email={session.user.email} fixed />
        <Anchor component="button" type="button" size="sm" ta="center" onClick={() => location.assign("/")}>Leave this page</Anchor></div>
    </Modal>
  );
}

/** A page in use stays signed in: typing and moving touch the session every few minutes. */
export function useKeepAlive(idleMinutes: number) {
  useEffect(() => {
    let last = Date.now();
    const every = Math.max(30_000, Math.min(4 * 60_000, (idleMinutes || 60) * 60_000 / 4));
    const touch = () => { if (Date.now() - last > every) { last = Date.now(); void api("GET", "/api/v2/session").catch(() => {}); } };
    const kinds = ["keydown", "pointerdown", "wheel"] as const;
    kinds.forEach((k) => addEventListener(k, touch, { passive: true }));
    return () => kinds.forEach((k) => removeEventListener(k, touch));
  }, [idleMinutes]);
}
