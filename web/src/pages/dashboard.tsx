// The first page: my clients, and the recent activity I may see.
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconActivity, IconBuilding, IconChevronRight } from "@tabler/icons-react";
import { useRef } from "react";
import { Link } from "react-router";
import { look, type Client, type Event } from "../api";
import { useSession } from "../session";
import { Ago, Avatar, Empty, Failed, ListSkeleton, Page, Panel } from "../ui/basics";
import { ADMIN_PAGES } from "./admin";
import { outcomeWord, who } from "./audit-parts";

const NAMES: Record<string, string> = { clients: "Clients", users: "Enabled users", users_enabled: "Enabled users", users_locked: "Locked accounts", locked: "Locked accounts", events_24h: "Events in 24 hours", events: "Events", events_today: "Events today", failed_sign_ins: "Failed sign-ins, 24 hours", login_failures_24h: "Failed sign-ins, 24 hours", sessions: "Sessions" };
export function Dashboard() {
  // Asked again while it is open, it follows the log; only the first time it is a look of its own.
  const again = useRef(false);
  const s = useSession(), q = useQuery({ queryKey: ["dashboard"], refetchInterval: 30_000, queryFn: async ({ signal }) => {
    const d = await look<{ clients?: Client[]; activity?: Event[]; counts?: Record<string, number>; data?: { clients: Client[]; activity: Event[]; counts: Record<string, number> } }>(`/api/v2/dashboard${again.current ? "?follow=1" : ""}`, signal);
    again.current = true;
    return d;
  } });
  const d = q.data?.data ?? q.data, hour = new Date().getHours(), clients = s.can("CLIENTS.VIEW", "CLIENTS.CREATE", "SECURITY.MANAGE_AUTHORIZATION"), counts = Object.entries(d?.counts ?? {}).filter(([k, v]) => typeof v === "number" && (clients || k !== "clients"));
  return (
    <Page title="Dashboard" text={`Good ${hour < 12 ? "morning" : hour < 18 ? "afternoon" : "evening"}, ${s.user.first}.`}>
      {q.error && !d ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : <>
        {!d && (clients || s.can("SECURITY.VIEW_USERS")) && <div className="stats" aria-hidden>{Array.from({ length: (clients ? 1 : 0) + (s.can("SECURITY.VIEW_USERS") ? 1 : 0) }, (_, i) => <div key={i} className="panel stat"><b>&nbsp;</b><span>&nbsp;</span></div>)}</div>}
        {counts.length > 0 && <div className="stats">{counts.map(([k, v]) => <div key={k} className="panel stat"><b>{v.toLocaleString("en")}</b><span>{NAMES[k] ?? (k[0]!.toUpperCase() + k.slice(1)).replace(/_/g, " ")}</span></div>)}</div>}
        <div className="two">
          {!clients ? <Places /> : <Panel title="My clients" body={false} acts={<Button component={Link} to="/clients" size="compact-xs" variant="subtle">All clients</Button>}>
            {!d ? <ListSkeleton /> : !d.clients?.length ? <Empty icon={<IconBuilding size={26} aria-hidden />} title="No clients yet" text={s.can("CLIENTS.CREATE") ? "Create the first one to begin." : "An administrator assigns you to clients."}>{s.can("CLIENTS.CREATE") && <Button component={Link} to="/clients?new=1" size="xs">New client</Button>}</Empty>
              : <ul className="list">{d.clients.slice(0, 8).map((c) => <li key={c.client_id}><ClientMark c={c} /><Link to={`/clients/${c.client_id}`} className="grow cut" style={{ color: "inherit", fontWeight: 500 }}>{c.name}</Link><IconChevronRight size={15} aria-hidden className="dim" /></li>)}</ul>}
          </Panel>}
          <Panel title="Recent activity" body={false} acts={s.can("AUDIT_LOG.VIEW") && <Button component={Link} to="/admin/audit-log" size="compact-xs" variant="subtle">Open the log</Button>}>
            {!d ? <ListSkeleton rows={12} /> : !d.activity?.length ? <Empty icon={<IconActivity size={26} aria-hidden />} title="Nothing yet" text="What you and your team do shows up here." />
              : <ul className="list">{d.activity.slice(0, 12).map((e) => <li key={e.cuid}><Avatar small name={who(e)} /><span className={`dot ${outcomeWord(e.outcome).toLowerCase()}`} title={outcomeWord(e.outcome)} />{s.can("AUDIT_LOG.VIEW") ? <Link to={`/admin/audit-log/${e.cuid}`} className="grow cut says" style={{ color: "inherit" }} title={e.message}>{e.message}</Link> : <span className="grow cut says" title={e.message}>{e.message}</span>}<span className="dim small nowrap"><Ago at={e.timestamp} /></span></li>)}</ul>}
          </Panel>
        </div></>}
    </Page>
  );
}
/** For who works on no client (an auditor): where the own work is. */
function Places() {
  const s = useSession(), list = ADMIN_PAGES.filter((p) => s.can(...p.need)).slice(0, 6);
  if (!list.length) return <Panel title="My clients"><p className="dim">An administrator assigns you to clients.</p></Panel>;
  return <Panel title="Your pages" body={false}><ul className="list">{list.map((p) => <li key={p.to}><p.icon size={17} stroke={1.7} aria-hidden className="dim" /><span className="grow"><Link to={p.to} style={{ color: "inherit", fontWeight: 500 }}>{p.name}</Link><span className="dim small" style={{ display: "block" }}>{p.text}</span></span><IconChevronRight size={15} aria-hidden className="dim" /></li>)}</ul></Panel>;
}
export const ClientMark = ({ c, size = 24 }: { c: Pick<Client, "name" | "logo">; size?: number }) => (c.logo ? <img src={c.logo.startsWith("data:") || c.logo.startsWith("/") ? c.logo : `data:image/png;base64,${c.logo}`} alt="" width={size} height={size} style={{ borderRadius: 5, objectFit: "contain", background: "#fff" }} /> : <Avatar name={c.name} small={size < 26} />);
