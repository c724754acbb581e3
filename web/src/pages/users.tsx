// Users: states, roles, bulk actions, adding one by one or by CSV, editing with Details and Authorization.
import { Button, Checkbox, Drawer, FileButton, Group, Menu, Modal, MultiSelect, Select, Switch, Tabs, TextInput } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconBan, IconChevronDown, IconDownload, IconFileImport, IconLink, IconLock, IconLockOpen, IconMail, IconPencil, IconPlus, IconShieldOff, IconTrash, IconUserCheck, IconUsers, IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { ApiError, api, del, fileForm, get, post, put, query, say, type User } from "../api";
import { useRoles, useTiers } from "../data";
import { useSession } from "../session";
import { plural } from "../time";
import { ADMIN, Ago, Avatar, Badge, confirm, Copy, Empty, Failed, Notice, Page, Skeleton, toast } from "../ui/basics";
import { Columns, Find, Pager, Table, useDelayed, useTyped, useUrl, type Action, type Column } from "../ui/table";
import { UserClients } from "./authorization";

const LIMIT = 50;
type Verb = "unlock" | "enable" | "disable" | "reset-password" | "reset-mfa" | "end-sessions" | "password-link" | "delete";
const DID: Record<Verb, string> = { unlock: "unlocked", enable: "enabled", disable: "disabled", "reset-password": "gets a mail to set a new password", "reset-mfa": "second factor reset", "end-sessions": "signed out everywhere", "password-link": "link made", delete: "deleted" };
const nameOf = (u: User) => u.fullName || `${u.first} ${u.last}`.trim() || u.email;

/** Whom it concerns: nobody counts ticks before he deletes. */
function Names({ of }: { of: string[] }) {
  const rest = of.length - NAMED;
  return <ul className="named">{of.slice(0, rest > 1 ? NAMED : of.length).map((n, i) => <li key={i}>{n}</li>)}{rest > 1 && <li>and {rest.toLocaleString("en")} more</li>}</ul>;
}
const NAMED = 10;
/** Where links to set a password were asked for and none is on its way. */
const UNSENT = "No mail server is set, so nothing was sent: copy a set-password link instead.";
/** Does one thing to some users, with a question before what can not be undone. */
function useActs() {
  const s = useSession(), cache = useQueryClient(), [link, setLink] = useState<{ user: User; url: string } | null>(null);
  const run = async (verb: Verb, users: User[]): Promise<void> => {
    const n = users.length === 1 ? nameOf(users[0]!) : plural(users.length, "user");
    const ask: Partial<Record<Verb, [string, string, string]>> = { delete: [`Delete ${n}?`, users.length === 1 ? "The account and its access are gone; the audit log keeps what it did under its name." : "The accounts and their access are gone; the audit log keeps what they did under their names.", users.length === 1 ? "Delete user" : `Delete ${n}`], disable: [`Disable ${n}?`, "All sessions end at once. Enable again at any time.", users.length === 1 ? "Disable user" : `Disable ${n}`], "reset-password": [`Reset the password of ${n}?`, "A mail with a link to set a new one is sent. The old password goes on until the link is used.", "Reset password"], "reset-mfa": [`Reset the second factor of ${n}?`, "Do this when the device is lost. Make sure who is asking.", "Reset second factor"], "end-sessions": [`Sign ${n} out everywhere?`, "All sessions end at once.", "End sessions"] };
    const q = ask[verb];
    if (q && !(await confirm(q[0], users.length === 1 ? q[1] : <>{q[1]}<Names of={users.map(nameOf)} /></>, q[2], verb === "delete" || verb === "disable"))) return;
    const bad: string[] = [];
    let unsent = false;
    for (const u of users) try {
      if (verb === "delete") await del(`${s.base}/users/${u.user_id}`);
      else { const a = await post<{ sent?: boolean; link?: string; url?: string; data?: { link?: string; url?: string } }>(`${s.base}/users/${u.user_id}/${verb}`); unsent ||= a.sent === false; if (verb === "password-link") { const url = a.link ?? a.url ?? a.data?.link ?? a.data?.url ?? ""; setLink({ user: u, url: url.startsWith("/") ? location.origin + url : url }); } }
    } catch (e) { bad.push(users.length === 1 ? say(e) : `${nameOf(u)}: ${say(e)}`); }
    if (bad.length || unsent) toast([...bad, ...(unsent ? [UNSENT] : [])].join(" "), true); else if (verb !== "password-link") toast(`${n}: ${DID[verb]}`);
    void cache.invalidateQueries({ queryKey: ["users"] }); void cache.invalidateQueries({ queryKey: ["user"] });
  };
  const dialog = <Modal opened={!!link} onClose={() => setLink(null)} title={`Set-password link for ${link ? nameOf(link.user) : ""}`}><div className="stack"><p className="dim">Hand it over on a way you trust. It works once and is not shown again.</p><TextInput aria-label="Link" readOnly value={link?.url ?? ""} onFocus={(e) => e.currentTarget.select()} /><Group justify="flex-end" gap="xs"><Copy text={link?.url ?? ""} label="Copy link" /></Group></div></Modal>;
  return { run, dialog };
}

export function UsersPage() {
  const s = useSession(), url = useUrl(), go = useNavigate(), { id } = useParams(), roles = useRoles(), acts = useActs(), cache = useQueryClient();
  const [text, setText] = useTyped("filter", 140, { offset: "" }), filter = useDelayed(text), status = url.get("status"), role = url.get("role"), sortBy = url.get("sortBy") || "lastName", desc = url.get("order") === "DESEND", offset = Number(url.get("offset")) || 0;
  const [picked, setPicked] = useState<Set<string | number>>(new Set()), [add, setAdd] = useState(false), [csv, setCsv] = useState(false);
  const list = useQuery({ queryKey: ["users", filter, status, role, sortBy, desc, offset], placeholderData: keepPreviousData, queryFn: ({ signal }) => get<{ data: User[]; total: number }>(`${s.base}/users${query({ offset, limit: LIMIT, sortBy, order: desc ? "DESEND" : "ASCEND", filter, status, role })}`, signal) });
  const may = s.can("SECURITY.MANAGE_USERS"), rows = list.data?.data, chosen = rows?.filter((u) => picked.has(u.user_id)) ?? [];
  const actions = (u: User): Action[] => [
    { label: "Edit", icon: <IconPencil size={15} aria-hidden />, run: () => void go(`/admin/users/${u.user_id}${location.search}`) },
    ...(u.locked ? [{ label: "Unlock", icon: <IconLockOpen size={15} aria-hidden />, run: () => void acts.run("unlock", [u]) }] : []),
    { label: "Reset password", icon: <IconMail size={15} aria-hidden />, run: () => void acts.run("reset-password", [u]) }, { label: "Copy set-password link", icon: <IconLink size={15} aria-hidden />, run: () => void acts.run("password-link", [u]) },
    ...(u.mfa?.enabled ? [{ label: "Reset second factor", icon: <IconShieldOff size={15} aria-hidden />, run: () => void acts.run("reset-mfa", [u]) }] : []), { label: "End sessions", icon: <IconX size={15} aria-hidden />, run: () => void acts.run("end-sessions", [u]) },
    u.disabled ? { label: "Enable", icon: <IconUserCheck size={15} aria-hidden />, run: () => void acts.run("enable", [u]) } : { label: "Disable", icon: <IconBan size={15} aria-hidden />, run: () => void acts.run("disable", [u]) },
    { label: "Delete", icon: <IconTrash size={15} aria-hidden />, danger: true, run: () => void acts.run("delete", [u]) },
  ];
  const columns: Column<User>[] = [
    { key: "name", title: "Name", sort: "lastName", fixed: true, render: (u) => <span className="row"><Avatar small name={nameOf(u)} /><Link to={`/admin/users/${u.user_id}${location.search}`} className="cut" style={{ color: "inherit", fontWeight: 500 }}>{nameOf(u)}</Link>{u.locked && <IconLock size={14} aria-label="Locked" color="var(--bad)" />}</span> },
    { key: "email", title: "Email", sort: "email", opt: true, render: (u) => <span className="cut dim">{u.email}</span> },
    { key: "status", title: "Status", sort: "flag", render: (u) => (u.disabled ? <Badge>User disabled</Badge> : u.locked ? <Badge kind="bad">User locked</Badge> : <Badge kind="ok">Enabled</Badge>) },
    { key: "roles", title: "Roles", opt: true, render: (u) => <span className="cut">{u.roles.map(roles.title).join(", ") || <span className="dim">None</span>}</span> },
    { key: "mfa", title: "Second factor", opt: true, render: (u) => (u.mfa?.enabled ? <Badge kind="info">On</Badge> : <span className="dim">Off</span>) },
    { key: "group", title: "Default Group", opt: true, hidden: true, render: (u) => (u.default_group ? "Member" : <span className="dim">–</span>) }, { key: "provider", title: "Provider", opt: true, hidden: true, render: (u) => u.authentication_provider ?? "–" }, { key: "created", title: "Created", opt: true, hidden: true, render: (u) => <Ago at={u.createdAt} /> },
    { key: "last", title: "Last sign-in", opt: true, render: (u) => <span className="dim"><Ago at={u.lastLogin} /></span> },
  ];
  return (
    <Page title="Users" crumbs={ADMIN} acts={may && <><Button size="compact-md" variant="default" leftSection={<IconFileImport size={15} aria-hidden />} onClick={() => setCsv(true)}>Import from CSV</Button><Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setAdd(true)}>Add users</Button></>}>
      <div className="toolbar">
        <Find value={text} onChange={setText} label="Find a user" />
        <Select aria-label="Status" w={150} data={[{ value: "all", label: "All states" }, { value: "enabled", label: "Enabled" }, { value: "disabled", label: "Disabled" }, { value: "locked", label: "Locked" }]} value={status || "all"} onChange={(v) => url.set({ status: v === "all" ? "" : v, offset: "" })} />
        <Select aria-label="Role" w={180} searchable data={[{ value: "all", label: "All roles" }, ...roles.options(role)]} value={role || "all"} onChange={(v) => url.set({ role: v === "all" ? "" : v, offset: "" })} /><span className="grow" /><Columns columns={columns} />
      </div>
      {chosen.length > 0 && <div className="bulk" role="region" aria-label="Bulk actions"><strong>{chosen.length} selected</strong><span className="grow" />
        {chosen.some((u) => u.disabled) && <Button size="compact-sm" variant="default" onClick={() => void acts.run("enable", chosen.filter((u) => u.disabled))}>Enable</Button>}{chosen.some((u) => !u.disabled) && <Button size="compact-sm" variant="default" onClick={() => void acts.run("disable", chosen.filter((u) => !u.disabled))}>Disable</Button>}{chosen.some((u) => u.locked) && <Button size="compact-sm" variant="default" onClick={() => void acts.run("unlock", chosen.filter((u) => u.locked))}>Unlock</Button>}
        <BulkRole users={chosen} done={() => { void cache.invalidateQueries({ queryKey: ["users"] }); }} /><Button size="compact-sm" variant="default" onClick={() => void acts.run("reset-password", chosen)}>Reset password</Button><Button size="compact-sm" variant="default" onClick={() => void acts.run("end-sessions", chosen)}>End sessions</Button><Button size="compact-sm" variant="default" c="var(--bad)" onClick={() => void acts.run("delete", chosen).then(() => setPicked(new Set()))}>Delete</Button><Button size="compact-sm" variant="subtle" color="gray" onClick={() => setPicked(new Set())}>Clear selection</Button></div>}
      <Table name="Users" columns={columns} rows={rows} error={list.error} again={() => void list.refetch()} id={(u) => u.user_id} label={nameOf} sort={sortBy} desc={desc} onSort={(k, d) => url.set({ sortBy: k, order: d ? "DESEND" : "", offset: "" })} picked={may ? picked : undefined} onPick={may ? setPicked : undefined} actions={may ? actions : undefined} open={(u) => void go(`/admin/users/${u.user_id}${location.search}`)} rowClass={(u) => (u.disabled ? "muted" : u.locked ? "tint" : "")}
        empty={<Empty icon={<IconUsers size={28} aria-hidden />} title="No user matches" text="Change the filters, or add a user." />} />
      <Pager offset={offset} limit={LIMIT} total={list.data?.total} go={(o) => url.set({ offset: o ? String(o) : "" })} />
      {id && <EditUser id={id} known={rows?.find((u) => String(u.user_id) === id)} close={() => void go(`/admin/users${location.search}`)} actions={may ? actions : () => []} />}
      {add && <AddUsers close={() => setAdd(false)} />}{csv && <Import close={() => setCsv(false)} />}{acts.dialog}
    </Page>
  );
}

function BulkRole({ users, done }: { users: User[]; done: () => void }) {
  const s = useSession(), roles = useRoles();
  const give = async (key: string, title: string) => {
    const r = roles.list?.find((x) => x.key === key), bad: string[] = [];
    for (const u of users) try { if (r) await put(`${s.base}/security/role/${r.id}/users`, { userId: u.user_id }); } catch (e) { bad.push(`${nameOf(u)}: ${say(e)}`); }
    if (bad.length) toast(bad.join(" "), true); else toast(`${title}: given to ${plural(users.length, "user")}`);
    done();
  };
  return <Menu><Menu.Target><Button size="compact-sm" variant="default" rightSection={<IconChevronDown size={13} aria-hidden />}>Give role</Button></Menu.Target><Menu.Dropdown>{roles.options().map((o) => <Menu.Item key={o.value} onClick={() => void give(o.value, o.label)}>{o.label}</Menu.Item>)}</Menu.Dropdown></Menu>;
}

function EditUser({ id, known, close, actions }: { id: string; known?: User; close: () => void; actions: (u: User) => Action[] }) {
  const s = useSession(), url = useUrl(), q = useQuery({ queryKey: ["user", id], enabled: !known, queryFn: ({ signal }) => get<User & { data?: User }>(`${s.base}/users/${encodeURIComponent(id)}`, signal) }), u = known ?? q.data?.data ?? q.data;
  return (
    <Drawer opened onClose={close} title={u ? nameOf(u) : "User"} size={520}>
      {q.error ? <Failed error={q.error} /> : !u ? <Skeleton /> : <Tabs value={url.get("tab") || "details"} onChange={(t) => url.set({ tab: t === "details" ? "" : t })} keepMounted={false}><Tabs.List className="tabs-bar" aria-label="User"><Tabs.Tab value="details">Details</Tabs.Tab><Tabs.Tab value="authorization">Authorization</Tabs.Tab></Tabs.List>
        <Tabs.Panel value="details"><UserForm u={u} key={JSON.stringify(u)} actions={actions(u).filter((a) => a.label !== "Edit")} /></Tabs.Panel><Tabs.Panel value="authorization"><UserClients user={u} /></Tabs.Panel></Tabs>}
    </Drawer>
  );
}
function UserForm({ u, actions }: { u: User; actions: Action[] }) {
  const s = useSession(), roles = useRoles(), tiers = useTiers(), cache = useQueryClient(), start = { first: u.first, last: u.last, roles: u.roles, default_group: u.default_group, tenantClassificationLevel: u.tenantClassificationLevel ?? null }, [f, setF] = useState(start), dirty = JSON.stringify(f) !== JSON.stringify(start), may = s.can("SECURITY.MANAGE_USERS");
  const save = useMutation({ mutationFn: async () => {
    const gone = u.roles.filter((r) => !f.roles.includes(r)).map(roles.title);
    if (gone.length && !(await confirm(`Take ${gone.join(", ")} from ${nameOf(u)}?`, "Where that takes a right away, all open sessions of this user end.", "Take away"))) return false;
    await put(`${s.base}/users/${u.user_id}`, f);
    return true;
  }, onSuccess: (saved) => { if (!saved) return; toast("User saved"); void cache.invalidateQueries({ queryKey: ["users"] }); void cache.invalidateQueries({ queryKey: ["user"] }); } }), fault = (k: string) => (save.error instanceof ApiError ? save.error.field(k) : undefined);
  return (
    <form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}{u.locked && <Notice kind="warn">Locked after failed sign-ins.</Notice>}{u.disabled && <Notice>Disabled: can not sign in.</Notice>}
      <div className="fields"><TextInput label="First name" value={f.first} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, first: v })); }} error={fault("first")} disabled={!may} /><TextInput label="Last name" value={f.last} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, last: v })); }} error={fault("last")} disabled={!may} /><TextInput className="wide" label="Email" value={u.email} readOnly description="Can not be changed" />
        <MultiSelect className="wide" label="Roles" description="Rights are the sum of all roles" searchable data={roles.options(...f.roles)} value={f.roles} onChange={(v) => setF((o) => ({ ...o, roles: v }))} error={fault("roles")} disabled={!may} />{tiers.on && <Select label="Classification" placeholder="None" clearable allowDeselect data={tiers.options} value={f.tenantClassificationLevel ? String(f.tenantClassificationLevel) : null} onChange={(v) => setF((o) => ({ ...o, tenantClassificationLevel: v }))} disabled={!may} />}
        <Switch className="wide" label="Member of the Default Group" description="Gets access to all present clients and to each new one" checked={f.default_group} onChange={(e) => { const v = e.currentTarget.checked; setF((o) => ({ ...o, default_group: v })); }} disabled={!may} /></div>
      <dl className="facts"><dt>Second factor</dt><dd>{u.mfa?.enabled ? "On" : "Off"}</dd><dt>Last sign-in</dt><dd><Ago at={u.lastLogin} /></dd><dt>Created</dt><dd><Ago at={u.createdAt} /></dd><dt>User id</dt><dd className="num">{u.user_id}</dd></dl>
      {actions.length > 0 && <div className="row wrap">{actions.map((a) => <Button key={a.label} size="compact-sm" variant="default" c={a.danger ? "var(--bad)" : undefined} leftSection={a.icon} onClick={a.run}>{a.label}</Button>)}</div>}
      {s.can("AUDIT_LOG.VIEW") && <Link to={`/admin/audit-log${query({ user: u.email })}`}>Events of this user</Link>}
      {may && <div className="save" style={{ background: "var(--raised)" }}><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button>{dirty && <span className="dim small">Changes not saved</span>}</div>}
    </form>
  );
}

interface Draft { email: string; first: string; last: string; role: string; tier: string | null; group: boolean }
const blank = (): Draft => ({ email: "", first: "", last: "", role: "STD_USER", tier: null, group: false });
function AddUsers({ close }: { close: () => void }) {
  const s = useSession(), roles = useRoles(), tiers = useTiers(), cache = useQueryClient(), [rows, setRows] = useState([blank()]), [mail, setMail] = useState(true), set = (i: number, v: Partial<Draft>) => setRows((o) => o.map((r, k) => (k === i ? { ...r, ...v } : r)));
  const save = useMutation({ mutationFn: () => post<{ invited: number }>(`/api/v1/tenant/${s.t}/user/create/bulk${mail ? "" : "?sendEmail=false"}`, rows.map((r) => ({ email: r.email.trim(), role: r.role, name: { first: r.first, last: r.last }, default_group: r.group, tenantClassificationLevel: r.tier, sendEmail: mail }))), onSuccess: (d) => { toast(`${plural(rows.length, "user")} added${mail && !d.invited ? `. ${UNSENT}` : ""}`, mail && !d.invited); void cache.invalidateQueries({ queryKey: ["users"] }); close(); } });
  const fault = (i: number, k: string) => (save.error instanceof ApiError ? save.error.fields.find((f) => f.pointer.startsWith(`/${i}/`) && f.pointer.endsWith(k))?.reason : undefined);
  return (
    <Modal opened onClose={close} title="Add users" size="lg"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      {rows.map((r, i) => <fieldset key={i} className="fields" style={{ border: 0, padding: 0, margin: 0, ...(i ? { borderTop: "1px solid var(--line)", paddingTop: 14 } : {}) }}><legend className="sr">User {i + 1}</legend>
        <TextInput className="wide" label="Email" type="email" required value={r.email} error={fault(i, "email")} onChange={(e) => set(i, { email: e.currentTarget.value })} data-autofocus={i === rows.length - 1 || undefined} /><TextInput label="First name" required value={r.first} error={fault(i, "first")} onChange={(e) => set(i, { first: e.currentTarget.value })} /><TextInput label="Last name" required value={r.last} error={fault(i, "last")} onChange={(e) => set(i, { last: e.currentTarget.value })} />
        <Select label="Role" searchable data={roles.options(r.role)} value={r.role} error={fault(i, "role")} onChange={(v) => set(i, { role: v ?? r.role })} />{tiers.on && <Select label="Classification" placeholder="None" clearable allowDeselect data={tiers.options} value={r.tier} onChange={(v) => set(i, { tier: v })} />}
        <div className="wide row"><Checkbox label="Default Group: all present and new clients" checked={r.group} onChange={(e) => set(i, { group: e.currentTarget.checked })} /><span className="grow" />{rows.length > 1 && <Button size="compact-xs" variant="subtle" color="gray" onClick={() => setRows((o) => o.filter((_, k) => k !== i))}>Remove</Button>}</div></fieldset>)}
      <div><Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setRows((o) => [...o, blank()])}>New user</Button></div>
      <Checkbox label="Send each a link to set the password" checked={mail} onChange={(e) => setMail(e.currentTarget.checked)} />
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>{rows.length === 1 ? "Add user" : `Add ${rows.length} users`}</Button></Group>
    </form></Modal>
  );
}

const TEMPLATE = "first name,last name,email,role,classification tier,authentication provider,default group\r\nAda,Example,ada@example.com,standard user,,plextrac,no\r\n";
function Import({ close }: { close: () => void }) {
  const s = useSession(), cache = useQueryClient(), [file, setFile] = useState<File | null>(null);
  const same = useRef<() => void>(null); // the same file can be chosen again, saved anew
  const send = useMutation({ mutationFn: async () => api<{ created: number; invited: number; rejected?: { line: number; reason: string }[] }>("POST", `${s.base}/users/csv`, undefined, { form: await fileForm(file!) }), onSuccess: () => void cache.invalidateQueries({ queryKey: ["users"] }) });
  const template = () => { const a = document.createElement("a"); a.href = URL.createObjectURL(new Blob([TEMPLATE], { type: "text/csv" })); a.download = "users.csv"; a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1000); };
  const d = send.data, created = Array.isArray(d?.created) ? d.created.length : Number(d?.created ?? 0);
  return (
    <Modal opened onClose={close} title="Import users from CSV"><div className="stack">
      {send.error && <Notice kind="bad">{send.error.message}</Notice>}
      {d ? <><Notice kind={d.rejected?.length ? "warn" : "ok"}>{plural(created, "user")} created{d.rejected?.length ? `, ${plural(d.rejected.length, "line")} refused` : ""}.</Notice>{created > 0 && !d.invited && <Notice kind="warn">{UNSENT}</Notice>}{!!d.rejected?.length && <ul className="list panel">{d.rejected.map((r) => <li key={r.line}><span className="num dim">Line {r.line}</span><span className="grow">{r.reason}</span></li>)}</ul>}<Group justify="flex-end"><Button onClick={close}>Done</Button></Group></> : <>
        <p className="dim">Seven columns: first name, last name, email, role, classification tier, authentication provider, default group. First name, last name, email and authentication provider (plextrac) are required; a blank role is Standard User.</p>
        <div className="row wrap"><FileButton accept=".csv,text/csv" resetRef={same} onChange={(f) => { same.current?.(); if (f) { send.reset(); setFile(f); } }}>{(p) => <Button {...p} variant="default">{file ? "Another file" : "Choose a file"}</Button>}</FileButton><span className="grow cut">{file?.name ?? <span className="dim">No file chosen</span>}</span><Button variant="subtle" size="compact-sm" leftSection={<IconDownload size={14} aria-hidden />} onClick={template}>Template</Button></div>
        <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button disabled={!file} loading={send.isPending} onClick={() => send.mutate()}>Import</Button></Group></>}
    </div></Modal>
  );
}
