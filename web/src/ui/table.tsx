// One table for all lists: sort, columns to choose, rows to tick, skeleton, empty and error states. Server-side: it only
// shows what it is given and reports what is wished.
import { ActionIcon, Button, Checkbox, Menu, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconChevronLeft, IconChevronRight, IconColumns3, IconDots, IconSearch, IconX } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { useLocation, useNavigate, useNavigationType, useSearchParams } from "react-router";
import { Empty, Failed } from "./basics";

/** `sort` is what the server calls the order; `by` sorts here, in a list that is here whole. */
export interface Column<T> { key: string; title: string; render: (row: T) => ReactNode; sort?: string; by?: (row: T) => string | number; opt?: boolean; right?: boolean; fixed?: boolean; hidden?: boolean }
export interface Action { label: string; run: () => void; danger?: boolean; icon?: ReactNode }
interface Props<T> {
  name: string; columns: Column<T>[]; rows?: T[]; id: (row: T) => string | number; error?: unknown; again?: () => void;
  sort?: string; desc?: boolean; onSort?: (key: string, desc: boolean) => void; open?: (row: T) => void;
  picked?: Set<string | number>; onPick?: (s: Set<string | number>) => void; actions?: (row: T) => Action[]; rowClass?: (row: T) => string; label: (row: T) => string;
  empty: ReactNode;
}

let ahead: string | null = null; // the address that is on its way, while a change of it is under way
/**
 * Values in the address, so that a view can be sent to someone. A change starts from the address as it is now or will
 * be in a moment, not from the one last drawn: drawing may be late, and of two changes in a row the first would be lost.
 */
export function useUrl() {
  const [p] = useSearchParams(), go = useNavigate();
  return {
    p, get: (k: string) => p.get(k) ?? "",
    set: (values: Record<string, string | null | undefined>) => {
      const n = new URLSearchParams(ahead ?? window.location.search);
      for (const [k, v] of Object.entries(values)) if (v) n.set(k, v); else n.delete(k);
      const mine = (ahead = n.toString());
      void Promise.resolve(go({ search: mine && "?" + mine }, { replace: true, state: OWN })).finally(() => { if (ahead === mine) ahead = null; });
    },
  };
}
const OWN = { own: true };
/**
 * A text box and its value in the address. The box leads and the address follows a moment later; the address leads when
 * somebody goes back or follows a link, but never by a change that the page made itself: that may be drawn after
 * further letters were typed, and would take them away. `put` sets both, for a caller who changes the address.
 */
export function useTyped(key: string, ms: number, also: Record<string, string> = {}): [string, (v: string) => void, (v: string) => void] {
  const url = useUrl(), where = useLocation(), kind = useNavigationType(), [text, setText] = useState(url.get(key)), sent = useRef(text);
  const put = (v: string) => { sent.current = v; setText(v); };
  useEffect(() => {
    const own = kind === "REPLACE" && (where.state as typeof OWN | null)?.own, v = url.get(key);
    if (!own && v !== sent.current) put(v);
  }, [where.key]); // eslint-disable-line
  useEffect(() => {
    if (text === sent.current) return;
    const t = setTimeout(() => { sent.current = text; url.set({ [key]: text, ...also }); }, ms);
    return () => clearTimeout(t);
  }, [text]); // eslint-disable-line
  return [text, setText, put];
}
/** Text that follows at once on screen and a moment later in the request. */
export function useDelayed<T>(value: T, ms = 140): T {
  const [v, set] = useState(value);
  useEffect(() => { const t = setTimeout(() => set(value), ms); return () => clearTimeout(t); }, [value, ms]);
  return v;
}

export function Find({ value, onChange, label }: { value: string; onChange: (v: string) => void; label: string }) {
  const box = useRef<HTMLInputElement>(null);
  return <TextInput ref={box} className="find" size="sm" aria-label={label} placeholder={label} value={value} onChange={(e) => onChange(e.currentTarget.value)} leftSection={<IconSearch size={15} aria-hidden />}
    rightSection={value ? <ActionIcon size="sm" variant="subtle" color="gray" aria-label="Clear" onClick={() => { box.current?.focus(); onChange(""); }}><IconX size={14} aria-hidden /></ActionIcon> : null} />;
}

export function Columns<T>({ columns }: { columns: Column<T>[] }) {
  const url = useUrl(), [hidden, toggle] = useHidden(columns, url);
  return (
    <Menu closeOnItemClick={false} position="bottom-end" width={190}>
      <Menu.Target><ActionIcon variant="default" size={34} aria-label="Choose columns"><IconColumns3 size={16} aria-hidden /></ActionIcon></Menu.Target>
      <Menu.Dropdown>{columns.filter((c) => !c.fixed).map((c) => <Menu.Item key={c.key} role="menuitemcheckbox" aria-checked={!hidden.has(c.key)} onClick={() => toggle(c.key)} leftSection={<Checkbox size="xs" checked={!hidden.has(c.key)} readOnly tabIndex={-1} aria-hidden style={{ pointerEvents: "none" }} />}>{c.title}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}
function useHidden<T>(columns: Column<T>[], url: ReturnType<typeof useUrl>): [Set<string>, (k: string) => void] {
  const raw = url.p.get("hide"), hidden = new Set(raw === null ? columns.filter((c) => c.hidden).map((c) => c.key) : raw.split("."));
  return [hidden, (k) => { const n = new Set(hidden); if (n.has(k)) n.delete(k); else n.add(k); url.set({ hide: [...n].filter(Boolean).join(".") || "-" }); }];
}

export const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const compare = (a: string | number, b: string | number) => (typeof a === "number" && typeof b === "number" ? a - b : words.compare(String(a), String(b)));

export function Table<T>(t: Props<T>) {
  const url = useUrl(), [hidden] = useHidden(t.columns, url), last = useRef<number>(-1);
  const cols = t.columns.filter((c) => c.fixed || !hidden.has(c.key)), here = !t.onSort && t.columns.some((c) => c.by);
  const sort = here ? url.get("sort") || t.sort : t.sort, desc = here ? url.get("order") === "desc" : t.desc, by = here ? t.columns.find((c) => c.key === sort)?.by : undefined;
  const rows = useMemo(() => (by && t.rows ? [...t.rows].sort((a, b) => (desc ? -1 : 1) * compare(by(a), by(b))) : t.rows), [t.rows, sort, desc]); // eslint-disable-line
  const onSort = here ? (key: string, d: boolean) => url.set({ sort: key, order: d ? "desc" : "" }) : t.onSort, keyOf = (c: Column<T>) => (here ? c.by && c.key : c.sort);
  const all = !!rows?.length && rows.every((r) => t.picked?.has(t.id(r)));
  const pick = (i: number, range: boolean) => {
    const n = new Set(t.picked), on = !n.has(t.id(rows![i]!)), from = range && last.current >= 0 ? Math.min(last.current, i) : i, to = range && last.current >= 0 ? Math.max(last.current, i) : i;
    for (let k = from; k <= to; k++) { const id = t.id(rows![k]!); if (on) n.add(id); else n.delete(id); }
    last.current = i; t.onPick!(n);
  };
  if (t.error && !rows) return <div className="table-box"><Failed error={t.error} again={t.again} /></div>;
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={t.name}>
      <table className="t" aria-label={t.name} aria-busy={!rows}>
        <thead><tr>
          {t.onPick && <th className="tick"><Checkbox size="xs" aria-label="Select all on this page" checked={all} indeterminate={!all && !!t.picked?.size} onChange={() => t.onPick!(all ? new Set() : new Set(rows?.map(t.id)))} /></th>}
          {cols.map((c) => <th key={c.key} scope="col" className={`${c.opt ? "opt" : ""} ${c.right ? "right" : ""}`} aria-sort={keyOf(c) && sort === keyOf(c) ? (desc ? "descending" : "ascending") : undefined}>
            {keyOf(c) && onSort ? <button type="button" className="bare" onClick={() => onSort(keyOf(c)!, sort === keyOf(c) ? !desc : false)}>{c.title}{sort === keyOf(c) && (desc ? <IconArrowDown size={13} aria-hidden /> : <IconArrowUp size={13} aria-hidden />)}</button> : c.title}</th>)}
          {t.actions && <th className="acts"><span className="sr">Actions</span></th>}
        </tr></thead>
        <tbody>
          {!rows && Array.from({ length: 6 }, (_, i) => <tr key={i} aria-hidden>{t.onPick && <td className="tick" />}{cols.map((c, k) => <td key={c.key} className={c.opt ? "opt" : ""}><div className="sk" style={{ width: `${70 - ((i + k) * 13) % 40}%` }} /></td>)}{t.actions && <td />}</tr>)}
          {rows?.map((r, i) => {
            const id = t.id(r), acts = t.actions?.(r) ?? [];
            return (
              <tr key={id} className={`${t.open ? "open" : ""} ${t.picked?.has(id) ? "sel" : ""} ${t.rowClass?.(r) ?? ""}`} onClick={(e) => { if (t.open && !(e.target as Element).closest("button,a,input,label,[role=menu],.mantine-Menu-dropdown")) t.open(r); }}>
                {t.onPick && <td className="tick"><Checkbox size="xs" aria-label={`Select ${t.label(r)}`} checked={t.picked?.has(id) ?? false} onClick={(e) => pick(i, e.shiftKey)} onChange={() => {}} /></td>}
                {cols.map((c) => <td key={c.key} className={`${c.opt ? "opt" : ""} ${c.right ? "right num" : ""}`}>{c.render(r)}</td>)}
                {t.actions && <td className="acts">{acts.length > 0 && <Menu position="bottom-end" width={220}><Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${t.label(r)}`}><IconDots size={16} aria-hidden /></ActionIcon></Menu.Target><Menu.Dropdown>{acts.map((a) => <Menu.Item key={a.label} color={a.danger ? "var(--bad)" : undefined} leftSection={a.icon} onClick={a.run}>{a.label}</Menu.Item>)}</Menu.Dropdown></Menu>}</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows?.length === 0 && (typeof t.empty === "string" ? <Empty title={t.empty} /> : t.empty)}
    </div>
  );
}

export function Pager({ offset, limit, total, go }: { offset: number; limit: number; total?: number; go: (offset: number) => void }) {
  if (total === undefined || (total <= limit && offset === 0)) return total ? <div className="pager num">{total.toLocaleString("en")} in all</div> : null;
  return (
    <div className="pager num">
      <span>{Math.min(offset + 1, total).toLocaleString("en")}–{Math.min(offset + limit, total).toLocaleString("en")} of {total.toLocaleString("en")}</span>
      <Button size="compact-sm" variant="default" aria-label="Previous page" disabled={offset === 0} onClick={() => go(Math.max(0, offset - limit))}><IconChevronLeft size={15} aria-hidden /></Button>
      <Button size="compact-sm" variant="default" aria-label="Next page" disabled={offset + limit >= total} onClick={() => go(offset + limit)}><IconChevronRight size={15} aria-hidden /></Button>
    </div>
  );
}
