// Small parts every page uses: heads, notices, empty and error states, toasts, confirmation, avatars.
import { Button, Group, Modal } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconChevronRight, IconCopy, IconInfoCircle, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { Link } from "react-router";
import { ApiError, say } from "../api";
import { ago, stamp, zoneName } from "../time";

/** The title of the page, also said to who can not see that the page has changed (Frame). */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Recount`;
    const said = document.getElementById("said");
    if (said) said.textContent = title;
  }, [title]);
}

export function Page({ title, crumbs, text, acts, children, kind = "" }: { title: string; crumbs?: [string, string][]; text?: ReactNode; acts?: ReactNode; children: ReactNode; kind?: string }) {
  useTitle(title);
  return (
    <div className={`page ${kind}`}>
      <div className="head">
        <div>
          {crumbs && <nav className="crumbs" aria-label="Breadcrumb">{crumbs.map(([to, name]) => <span key={to} className="row"><Link to={to}>{name}</Link><IconChevronRight size={12} aria-hidden /></span>)}</nav>}
          <h1>{title}</h1>
          {text && <p>{text}</p>}
        </div>
        {acts && <div className="acts">{acts}</div>}
      </div>
      {children}
    </div>
  );
}
export const ADMIN: [string, string][] = [["/admin", "Admin Dashboard"]];

export function Notice({ kind = "", children }: { kind?: "" | "bad" | "warn" | "ok"; children: ReactNode }) {
  const Icon = kind === "bad" || kind === "warn" ? IconAlertTriangle : kind === "ok" ? IconCheck : IconInfoCircle;
  return <div className={`notice ${kind}`} role={kind === "bad" ? "alert" : undefined}><Icon size={17} aria-hidden /><div className="grow">{children}</div></div>;
}
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const denied = error instanceof ApiError && error.status === 403, gone = error instanceof ApiError && error.status === 404;
  return (
    <Empty icon={<IconAlertTriangle size={28} aria-hidden />} title={denied ? "You do not have access to this" : gone ? "This does not exist (any more)" : "This could not be loaded"} text={say(error)}>
      {again && !denied && !gone && <Button size="xs" variant="default" onClick={again}>Try again</Button>}
    </Empty>
  );
}
export function Empty({ icon, title, text, children }: { icon?: ReactNode; title: string; text?: ReactNode; children?: ReactNode }) {
  return <div className="empty">{icon}<h2>{title}</h2>{text && <p>{text}</p>}{children}</div>;
}
export function Panel({ title, acts, children, body = true }: { title?: ReactNode; acts?: ReactNode; children: ReactNode; body?: boolean }) {
  return <section className="panel">{title && <header><h2>{title}</h2>{acts && <div className="acts">{acts}</div>}</header>}{body ? <div className="body">{children}</div> : children}</section>;
}
/** Lines of a list that is on its way, as high as they will be. */
export const ListSkeleton = ({ rows = 6 }: { rows?: number }) => <ul className="list" aria-busy="true" aria-label="Loading">{Array.from({ length: rows }, (_, i) => <li key={i}><div className="sk" style={{ width: `${82 - ((i * 17) % 40)}%` }} /></li>)}</ul>;
export const Skeleton = ({ rows = 4 }: { rows?: number }) => <div className="stack" aria-busy="true" aria-label="Loading" role="status">{Array.from({ length: rows }, (_, i) => <div key={i} className="sk" style={{ width: `${88 - ((i * 17) % 40)}%` }} />)}</div>;

export function Avatar({ name, small }: { name: string; small?: boolean }) {
  const parts = name.trim().split(/\s+/), letters = (first(parts[0] ?? "") + (parts.length > 1 ? first(parts[parts.length - 1]!) : "")).toUpperCase() || "?";
  const hue = [...name].reduce((a, c) => (a * 31 + c.charCodeAt(0)) >>> 0, 7) % 6;
  return <span className={`avatar c${hue} ${small ? "sm" : ""}`} aria-hidden data-letters={letters} />;
}
/** What a reader takes for one letter: a flag or a family of emoji is several code points. */
const letter = new Intl.Segmenter();
const first = (s: string) => letter.segment(s)[Symbol.iterator]().next().value?.segment ?? "";
export const Ago = ({ at }: { at: unknown }) => <span title={at ? `${stamp(at)} ${zoneName("local", at)}` : undefined} className="num">{ago(at)}</span>;
export const Badge = ({ kind = "", children }: { kind?: string; children: ReactNode }) => <span className={`badge ${kind}`}>{children}</span>;

/** What the eye of one of several password boxes shows. */
export const eye = (what: string) => ({ visibilityToggleButtonProps: { "aria-label": `Show ${what}` } });
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await toClipboard(text))) { toast("The browser refused to copy. Mark the text and copy it by hand.", true); return; }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return <><Button size="compact-xs" variant="default" leftSection={done ? <IconCheck size={13} aria-hidden /> : <IconCopy size={13} aria-hidden />} onClick={() => void copy()}>{done ? "Copied" : label}</Button><span className="sr" role="status">{done ? "Copied" : ""}</span></>;
}
/** Browsers lend the clipboard on secure origins only; elsewhere the older way is left. */
async function toClipboard(text: string): Promise<boolean> {
  if (navigator.clipboard) try { await navigator.clipboard.writeText(text); return true; } catch { /* refused: the older way */ }
  const from = document.activeElement as HTMLElement | null, box = document.createElement("textarea");
  box.value = text; box.className = "sr";
  document.body.append(box);
  box.select();
  try { return document.execCommand("copy"); } catch { return false; } finally { box.remove(); from?.focus(); }
}

/** A button that is switched off by its own click leaves the focus nowhere: Escape still closes what is open. */
export function useEscape(open: boolean, close: () => void) {
  const latest = useRef(close);
  latest.current = close;
  useEffect(() => {
    if (!open) return;
    const on = (e: KeyboardEvent) => { if (e.key === "Escape" && e.target === document.body) { e.stopPropagation(); latest.current(); } };
    addEventListener("keydown", on, true);
    return () => removeEventListener("keydown", on, true);
  }, [open]);
}

// Toasts, bottom left.
interface Toast { id: number; text: string; bad: boolean }
const READ_MS = 70; // a letter: whoever is told more has longer to read it
let toasts: Toast[] = [], serial = 0;
const watchers = new Set<() => void>();
const publish = (t: Toast[]) => { toasts = t; watchers.forEach((w) => w()); };
export function toast(text: string, bad = false) {
  const id = ++serial;
  publish([...toasts.slice(-3), { id, text, bad }]);
  setTimeout(() => publish(toasts.filter((t) => t.id !== id)), Math.max(bad ? 9000 : 4500, text.length * READ_MS));
}
export const toastError = (e: unknown) => toast(say(e), true);
export function Toasts() {
  const list = useSyncExternalStore((f) => { watchers.add(f); return () => watchers.delete(f); }, () => toasts);
  const show = (bad: boolean) => list.filter((t) => t.bad === bad).map((t) => <div key={t.id} className={`toast ${t.bad ? "bad" : ""}`} role={bad ? "alert" : undefined}><div className="grow break">{t.text}</div><button type="button" className="bare" aria-label={`Dismiss: ${t.text.slice(0, 60)}`} onClick={() => publish(toasts.filter((x) => x.id !== t.id))}><IconX size={15} aria-hidden /></button></div>);
  // Beside each other: what is said as an alert is not said by the quieter one as well.
  return <div className="toasts"><div>{show(true)}</div><div role="status">{show(false)}</div></div>;
}

// Confirmation as a promise.
interface Question { title: string; text: ReactNode; yes: string; no: string; danger?: boolean; done: (v: boolean) => void }
let put: ((q: Question) => void) | null = null;
/** What can not be undone is not done by a second Enter: there the focus is on what leaves it. */
export const confirm = (title: string, text: ReactNode, yes: string, danger = true, no = "Cancel") => new Promise<boolean>((done) => (put ? put({ title, text, yes, no, danger, done }) : done(false)));
export function Confirm() {
  const [q, setQ] = useState<Question | null>(null), [open, setOpen] = useState(false);
  useEffect(() => { put = (next) => { setQ(next); setOpen(true); }; return () => { put = null; }; }, []);
  const close = (v: boolean) => { q?.done(v); setOpen(false); }; // its words stay while it closes
  return (
    <Modal opened={open} onClose={() => close(false)} title={q?.title} size="sm" centered zIndex={350}>
      <div className="stack"><div className="dim break">{q?.text}</div>
        <Group justify="flex-end" gap="xs"><Button variant="default" onClick={() => close(false)} data-autofocus={q?.danger || undefined}>{q?.no}</Button><Button color={q?.danger ? "red.8" : undefined} onClick={() => close(true)} data-autofocus={!q?.danger || undefined}>{q?.yes}</Button></Group>
      </div>
    </Modal>
  );
}
