// The bell: what this person was told by the installation. The latest first; those not read yet are counted.
import { ActionIcon, Button, Indicator, Popover } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { IconBell, IconBellOff } from "@tabler/icons-react";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { look, put } from "./api";
import { follow, mayFollow } from "./live";
import { useSession } from "./session";
import { visible } from "./text";
import { plural } from "./time";
import { Ago, Empty, Failed, Skeleton, toastError, useEscape } from "./ui/basics";

interface Told { id: string; message: string; read: boolean; createdAt: number }
const PATH = "/api/v1/user/notifications", MOST = 100;

export function Bell() {
  const s = useSession(), cache = useQueryClient(), [open, setOpen] = useState(false), [busy, setBusy] = useState(false), mark = useRef<string | null>(null), button = useRef<HTMLButtonElement>(null), live = mayFollow(s);
  // Who may not follow the log hears by asking now and then.
  const unread = useQuery({ queryKey: ["notices", "unread"], staleTime: 60_000, refetchOnWindowFocus: true, refetchInterval: live ? false : 300_000, queryFn: ({ signal }) => look<{ data: Told[] }>(`${PATH}?read=unread&limit=${MOST}`, signal) });
  const all = useQuery({ queryKey: ["notices", "all"], enabled: open, staleTime: 0, queryFn: ({ signal }) => look<{ data: Told[] }>(`${PATH}?read=any&limit=${MOST}`, signal) });
  const again = () => cache.invalidateQueries({ queryKey: ["notices"] });
  useEffect(() => (live ? follow(s.user.cuid, { notice: (m) => { if (m !== mark.current) { mark.current = m; void again(); } } }) : undefined), [live, s.user.cuid]); // eslint-disable-line
  const fresh = unread.data?.data ?? [], n = fresh.length, list = all.data?.data ?? [];
  const read = async (ids: string[]) => {
    setBusy(true);
    try { if (ids.length) await put(PATH, { notificationIds: ids }); } catch (e) { toastError(e); } finally { await again(); setBusy(false); }
  };
  /** All of them, also those beyond what is shown. */
  const readAll = async () => {
    for (let ids = fresh.map((x) => x.id); ids.length; ids = (await look<{ data: Told[] }>(`${PATH}?read=unread&limit=${MOST}`)).data.map((x) => x.id)) {
      await put(PATH, { notificationIds: ids });
      if (ids.length < MOST) break;
    }
  };
  const count = n >= MOST ? `${MOST - 1}+` : String(n);
  // The focus is moved here and now, not by a timer of Popover's (README).
  const leave = () => { button.current?.focus(); setOpen(false); };
  useEscape(open, leave);
  const within = (e: KeyboardEvent<HTMLDivElement>) => {
    if (e.key === "Escape") { e.stopPropagation(); leave(); }
    if (e.key !== "Tab") return;
    const all = [...e.currentTarget.querySelectorAll<HTMLElement>("button:not(:disabled), ul")], first = all[0], last = all[all.length - 1], now = document.activeElement;
    if (e.shiftKey ? now === first || now === e.currentTarget : now === last) { e.preventDefault(); (e.shiftKey ? last : first)?.focus(); }
  };
  return (
    <Popover withRoles={false} opened={open} onChange={setOpen} position="bottom-end" shadow="md" withinPortal closeOnEscape={false} transitionProps={{ duration: 80 }}>
      <Indicator disabled={!n} label={count} size={15} offset={6} color="red.8" zIndex={1}>
        <Popover.Target>
          <ActionIcon variant="subtle" color="gray" size={32} aria-label={n ? `Notifications, ${count} unread` : "Notifications"} title="Notifications" ref={button} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen((o) => !o)}><IconBell size={17} aria-hidden /></ActionIcon>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown p={0} role="dialog" aria-label="Notifications" onKeyDown={within}>
        <div className="notices" role="group" aria-label="Latest notifications" tabIndex={-1} ref={(n) => { if (n && open && !n.contains(document.activeElement)) n.focus(); }}>
          <header><h2>Notifications</h2><span className="sr" role="status">{n ? `${plural(n, "notification")} not read` : "Nothing unread"}</span><span className="grow" />
            <Button size="compact-xs" variant="subtle" disabled={!n} loading={busy} onClick={(e) => { stay(e.currentTarget, ".notices"); setBusy(true); readAll().catch(toastError).finally(() => { void again(); setBusy(false); }); }}>Mark all as read</Button></header>
          {all.error ? <Failed error={all.error} again={() => void all.refetch()} /> : !all.data ? <div style={{ padding: 16 }}><Skeleton rows={3} /></div>
            : !list.length ? <Empty icon={<IconBellOff size={26} aria-hidden />} title="Nothing here yet" text="Administrators are told here when the audit log is found damaged, is to be kept shorter, or when someone is to be erased from it." />
              : <ul aria-label="Latest first" tabIndex={0}>{list.map((x) => <Row key={x.id} x={x} read={() => void read([x.id])} busy={busy} />)}</ul>}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

/** A button that goes away or is switched off by its own click leaves the focus nowhere, and Escape would reach nobody. */
const stay = (from: HTMLElement, around: string, within?: string) => { const to = from.closest<HTMLElement>(around); (within ? to?.querySelector<HTMLElement>(within) : to)?.focus(); };

/** One of them: its first line is the title. Opening it reads it. */
function Row({ x, read, busy }: { x: Told; read: () => void; busy: boolean }) {
  const [open, setOpen] = useState(false), [title = "", ...rest] = x.message.split("\n"), text = rest.join("\n").trim();
  return (
    <li className={x.read ? "" : "unread"}>
      <button type="button" className="bare" aria-expanded={text ? open : undefined} onClick={() => { setOpen(!open); if (!x.read) read(); }}>
        <strong>{!x.read && <span className="sr">Unread: </span>}{visible(title)}</strong>
        {text && <span className={`text ${open ? "" : "short"}`}>{open ? text.split("\n").map((l, i) => <span key={i}>{visible(l) || "\u00a0"}</span>) : visible(text.split("\n", 1)[0])}</span>}
      </button>
      <div className="row"><span className="dim small grow"><Ago at={x.createdAt} /></span>{!x.read && <Button size="compact-xs" variant="subtle" color="gray" disabled={busy} onClick={(e) => { stay(e.currentTarget, "li", "button"); read(); }}>Mark as read</Button>}</div>
    </li>
  );
}
