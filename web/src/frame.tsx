// The frame: navigation on the left, jump and user menu on top, the page in the middle.
import { ActionIcon, Menu, Modal, TextInput, Tooltip, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconBuilding, IconChevronDown, IconHelp, IconKey, IconLayoutDashboard, IconLayoutSidebar, IconLogout, IconMenu2, IconMoon, IconSearch, IconSettings, IconSun, IconUser } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { Alarm } from "./alarm";
import { api, post, put, type Client } from "./api";
import { MemoryAlarm } from "./memory-alarm";
import { ADMIN_PAGES, mayAdmin } from "./pages/admin";
import { Bell } from "./notices";
import { ExpiredDialog, useKeepAlive, useSession } from "./session";
import { Avatar, Confirm, Toasts } from "./ui/basics";

const store = (k: string, v?: string) => { try { if (v === undefined) return localStorage.getItem(k); localStorage.setItem(k, v); } catch { /* storage refused */ } return null; };

export function Frame() {
  const s = useSession(), [folded, setFolded] = useState(store("recount-nav") === "folded"), [nav, setNav] = useState(false), [jump, setJump] = useState(false);
  const where = useLocation(), main = useRef<HTMLElement>(null), admin = mayAdmin(s.can), client = useQueryClient(), go = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  useKeepAlive(s.idle_minutes);
  useHotkeys([["mod+K", () => setJump(true)]], []);
  useHotkeys([["shift+?", () => go("/help")]]);
  useEffect(() => { setNav(false); main.current?.scrollTo(0, 0); }, [where.pathname]);
  const fold = () => { setFolded(!folded); store("recount-nav", folded ? "" : "folded"); };
  const leave = async () => { await api("DELETE", "/api/v2/session", undefined, { quiet: true }).catch(() => {}); client.clear(); location.assign("/"); };
  const dark = colorScheme === "dark" || (colorScheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const links: [string, string, typeof IconUser, boolean][] = [["/", "Dashboard", IconLayoutDashboard, true], ["/clients", "Clients", IconBuilding, s.can("CLIENTS.VIEW", "CLIENTS.CREATE", "SECURITY.MANAGE_AUTHORIZATION")]];
  const item = ([to, name, Icon]: (typeof links)[number]) => <Tooltip key={to} label={name} position="right" disabled={!folded}><NavLink to={to} end={to === "/"} className="nav-link" aria-label={name}><Icon size={18} stroke={1.7} aria-hidden /><span>{name}</span></NavLink></Tooltip>;
  return (
    <div className={`frame ${folded ? "folded" : ""} ${nav ? "navopen" : ""}`}>
      <div id="said" className="sr" role="status" />
      <a className="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>Skip to content</a>
      <nav className="nav" aria-label="Modules">
        <Link to="/" className="brand" aria-label="Recount"><img src="/favicon.svg" alt="" /><span>Recount</span></Link>
        {links.filter((l) => l[3]).map(item)}
        <div className="nav-foot">
          {admin && <Tooltip label="Account Admin" position="right" disabled={!folded}><NavLink to="/admin" className="nav-link" aria-label="Account Admin"><IconSettings size={18} stroke={1.7} aria-hidden /><span>Account Admin</span></NavLink></Tooltip>}
          <UnstyledButton className="nav-link fold" onClick={fold} aria-label={folded ? "Unfold navigation" : "Fold navigation"}><IconLayoutSidebar size={18} stroke={1.7} aria-hidden /><span>Fold</span></UnstyledButton>
        </div>
      </nav>
      <section className="top" aria-label="Tools">
        <ActionIcon className="only-narrow" variant="subtle" color="gray" size={32} aria-label="Menu" aria-expanded={nav} onClick={() => setNav(!nav)}><IconMenu2 size={19} aria-hidden /></ActionIcon>
        <button type="button" className="jump" onClick={() => setJump(true)} aria-haspopup="dialog"><IconSearch size={15} aria-hidden /><span className="grow cut">Go to a page or client</span><kbd>Ctrl K</kbd></button>
        <div className="grow wide-only" />
        {s.demo && <span className="demo" title="A demonstration workspace with invented data">Demo<span className="wide-only">nstration</span></span>}
        <Tooltip label={dark ? "Light colours" : "Dark colours"}><ActionIcon variant="subtle" color="gray" size={32} aria-label={dark ? "Switch to light colours" : "Switch to dark colours"} onClick={() => { const to = dark ? "light" : "dark"; setColorScheme(to); client.setQueryData<typeof s>(["session"], (o) => o && { ...o, user: { ...o.user, theme: to } }); void put("/api/v2/user/preferences", { theme: to }).catch(() => {}); }}>{dark ? <IconSun size={17} aria-hidden /> : <IconMoon size={17} aria-hidden />}</ActionIcon></Tooltip>
        <Bell />
        <Menu position="bottom-end" width={240}>
          <Menu.Target><UnstyledButton className="row"><Avatar name={`${s.user.first} ${s.user.last}`} /><span className="user-name" style={{ fontWeight: 500 }}>{s.user.first} {s.user.last}</span><span className="sr">User menu</span><IconChevronDown size={14} aria-hidden className="wide-only" /></UnstyledButton></Menu.Target>
          <Menu.Dropdown>
            <Menu.Label><div className="cut">{s.user.email}</div><div className="cut">{s.user.tenantName}</div></Menu.Label>
            <Menu.Item leftSection={<IconUser size={15} aria-hidden />} onClick={() => go("/profile")}>Profile</Menu.Item>
            {admin && <Menu.Item leftSection={<IconSettings size={15} aria-hidden />} onClick={() => go("/admin")}>Account Admin</Menu.Item>}
            <Menu.Item leftSection={<IconKey size={15} aria-hidden />} onClick={() => go("/profile/tokens")}>Access tokens</Menu.Item>
            <Menu.Item leftSection={<IconHelp size={15} aria-hidden />} rightSection={<kbd aria-hidden>?</kbd>} onClick={() => go("/help")}>Help</Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<IconLogout size={15} aria-hidden />} onClick={() => void leave()}>Sign out</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </section>
      <main className="main" id="main" ref={main} tabIndex={-1}><Alarm /><MemoryAlarm /><Outlet /></main>
      {jump && <Jump close={() => setJump(false)} />}
      <ExpiredDialog session={s} /><Confirm /><Toasts />
    </div>
  );
}

/** Ctrl-K: pages by name, clients as one types. */
function Jump({ close }: { close: () => void }) {
  const s = useSession(), go = useNavigate(), [text, setText] = useState(""), [at, setAt] = useState(0);
  const clients = useQuery({ queryKey: ["jump", text], enabled: text.length > 1 && s.can("CLIENTS.VIEW", "SECURITY.MANAGE_AUTHORIZATION"), queryFn: () => post<{ data: Client[] }>("/api/v2/clients", { pagination: { offset: 0, limit: 5 }, filters: [{ by: "name", value: text }] }), placeholderData: keepPreviousData });
  const pages = useMemo(() => [
    { name: "Dashboard", to: "/", hint: "" }, { name: "Clients", to: "/clients", hint: "" },
    ...ADMIN_PAGES.filter((p) => s.can(...p.need)).map((p) => ({ name: p.name, to: p.to, hint: p.group })), ...(mayAdmin(s.can) ? [{ name: "Admin Dashboard", to: "/admin", hint: "Account Admin" }] : []),
    { name: "Profile", to: "/profile", hint: "You" }, { name: "Change password", to: "/profile/password", hint: "You" }, { name: "Two-factor authentication", to: "/profile/mfa", hint: "You" }, { name: "Sessions", to: "/profile/sessions", hint: "You" }, { name: "Access tokens", to: "/profile/tokens", hint: "You" }, { name: "Help", to: "/help", hint: "Keyboard, documents, version" },
  ], [s]);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = [...pages.filter((p) => words.every((w) => `${p.name} ${p.hint}`.toLowerCase().includes(w))), ...(text.length > 1 ? clients.data?.data ?? [] : []).map((c) => ({ name: c.name, to: `/clients/${c.client_id}`, hint: "Client" }))];
  const cur = Math.min(at, hits.length - 1);
  useEffect(() => { document.getElementById(`jump-${cur}`)?.scrollIntoView({ block: "nearest" }); }, [cur]);
  const open = (to: string) => { close(); go(to); };
  return (
    <Modal opened onClose={close} withCloseButton={false} size="md" padding="sm" yOffset="12vh" title={<span className="sr">Go to</span>} styles={{ header: { minHeight: 0, padding: 0 } }}>
      <TextInput autoFocus data-autofocus aria-label="Go to a page or client" placeholder="Go to a page or client" leftSection={<IconSearch size={16} aria-hidden />} value={text} role="combobox" aria-expanded aria-controls="jump-list" aria-activedescendant={cur >= 0 ? `jump-${cur}` : undefined}
        onChange={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={(e) => { if (e.key === "ArrowDown") { e.preventDefault(); setAt(Math.min(cur + 1, hits.length - 1)); } else if (e.key === "ArrowUp") { e.preventDefault(); setAt(Math.max(0, cur - 1)); } else if (e.key === "Enter" && hits[cur]) open(hits[cur].to); }} />
      <div role="listbox" id="jump-list" aria-label="Pages" style={{ marginTop: 8, maxHeight: 380, overflowY: "auto" }}>
        {hits.map((h, i) => <div key={h.to + h.name} id={`jump-${i}`} role="option" aria-selected={i === cur} className="palette-item" style={{ cursor: "pointer" }} onMouseMove={() => setAt(i)} onClick={() => open(h.to)}>{h.name}<small>{h.hint}</small></div>)}
      </div>
      {!hits.length && <p className="dim break" role="status" style={{ padding: 10 }}>Nothing found for “{text}”.</p>}
    </Modal>
  );
}
