// Roles: the list, the permission matrix over all of them, and one role with its permissions and members.
import { Button, Checkbox, Group, Modal, Select, Switch, Tabs, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconCheck, IconChevronRight, IconMinus, IconPlus } from "@tabler/icons-react";
import { Fragment, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { ApiError, del, get, post, put, query, type Permission, type Role, type User } from "../api";
import { useRoles } from "../data";
import { useSession } from "../session";
import { plural } from "../time";
import { ADMIN, Avatar, Badge, confirm, Empty, Failed, Notice, Page, Panel, Skeleton, toast, toastError } from "../ui/basics";
import { Find, Pager, Table, useTyped, useUrl, words, type Column } from "../ui/table";

const fault = (e: Error | null, name: string) => (e instanceof ApiError ? e.field(name) : undefined);
const FEW = 8; // roles that are seen at one glance: no box to find one
const usePermissions = () => { const s = useSession(); return useQuery({ queryKey: ["permissions"], staleTime: 60_000, queryFn: ({ signal }) => get<{ data: Permission[] }>(`${s.base}/security/permissions`, signal) }); };
const inUse = (p: Permission) => p.asked !== false;
interface Shown { name: string; list: Permission[]; all: Permission[]; used: boolean; open: boolean; flip: () => void }
/** The catalogue by category. Open are the categories something asks for already, or what a search finds; the others fold. */
function useShown(list: Permission[] | undefined) {
  const [find, setFind] = useTyped("find", 140), [flipped, setFlipped] = useState<Set<string>>(new Set()), words = find.toLowerCase().split(/\s+/).filter(Boolean), groups = new Map<string, Permission[]>();
  for (const p of list ?? []) groups.set(p.category, [...(groups.get(p.category) ?? []), p]);
  const shown: Shown[] = [...groups].map(([name, all]) => {
    const hits = all.filter((p) => words.every((w) => `${p.category} ${p.section} ${p.title} ${p.key}`.toLowerCase().includes(w))), used = all.some(inUse);
    return { name, all, used, list: hits, open: words.length > 0 || used !== flipped.has(name), flip: () => setFlipped((o) => { const n = new Set(o); if (!n.delete(name)) n.add(name); return n; }) };
  }).filter((g) => g.list.length);
  const every = shown.every((g) => g.open);
  return { shown, find, box: <div className="toolbar"><Find value={find} onChange={setFind} label="Find a permission" />{!words.length && <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setFlipped(new Set([...groups].filter(([, all]) => all.some(inUse) === every).map(([name]) => name)))}>{every ? "Fold all" : "Unfold all"}</Button>}</div> };
}
interface Loss { signsOut: number; users: { fullName: string; email: string }[] }
/** Whom a change would sign out: losing a right with a role does. `body` as the change: {permissions}, {userId}, or nothing for the whole role. */
const lossOf = (base: string, role: string, body: object) => post<Loss>(`${base}/security/role/${role}/loss`, body);
const people = (n: number) => (n === 1 ? "1 person" : `${n} people`);
function signsOut(l: Loss) {
  const named = l.users.map((u) => u.fullName || u.email), more = l.signsOut - named.length;
  return `Signs out ${people(l.signsOut)}: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}. Who loses a right has to sign in again.`;
}
/** Asks before people are signed out; at once yes when nobody is. */
const asked = async (l: Loss, title: string, yes: string) => !l.signsOut || confirm(title, signsOut(l), yes);
const Later = () => <span className="later">not used yet</span>;
const LATER = <p className="dim small">“Not used yet” marks permissions of modules that are not in this version. They can be given already, and open nothing.</p>;
const Fold = ({ g }: { g: Shown }) => <button type="button" className={`bare folder ${g.open ? "on" : ""}`} aria-expanded={g.open} onClick={g.flip}><IconChevronRight size={14} aria-hidden />{g.name}{!g.used && <Later />}</button>;

async function confirmDelete(base: string, r: Role) {
  try {
    const l = await lossOf(base, r.id, {});
    return await confirm(`Delete the role ${r.title}?`, `${r.userCount ? `${plural(r.userCount, "user")} will lose it.` : "Nobody holds it."}${l.signsOut ? ` ${signsOut(l)}` : ""}`, "Delete role");
  } catch (e) { toastError(e); return false; }
}

export function RolesPage() {
  const s = useSession(), url = useUrl(), go = useNavigate(), roles = useRoles(), cache = useQueryClient(), [make, setMake] = useState(false), [text, setText] = useTyped("role", 140), may = s.can("SECURITY.MANAGE_ROLES");
  const rows = roles.list?.map((r) => r).sort((a, b) => Number(a.editable) - Number(b.editable) || (a.editable ? words.compare(a.title, b.title) : 0)).filter((r) => `${r.title} ${r.description ?? ""}`.toLowerCase().includes(text.trim().toLowerCase()));
  const remove = async (r: Role) => { if (!(await confirmDelete(s.base, r))) return; try { await del(`${s.base}/security/role/${r.id}`); toast(`${r.title} deleted`); void cache.invalidateQueries({ queryKey: ["roles"] }); void cache.invalidateQueries({ queryKey: ["permissions"] }); } catch (e) { toastError(e); } };
  const columns: Column<Role>[] = [
    { key: "title", title: "Role", by: (r) => r.title, fixed: true, render: (r) => <span className="row"><a href={`/admin/roles/${r.id}`} onClick={(e) => { e.preventDefault(); void go(`/admin/roles/${r.id}`); }} className="cut" title={r.title} style={{ color: "inherit", fontWeight: 500 }}>{r.title}</a>{!r.editable ? <Badge>Built in</Badge> : <Badge kind="info">Custom</Badge>}{r.enabled === false && <Badge kind="warn">Disabled</Badge>}</span> },
    { key: "description", title: "Description", opt: true, render: (r) => <span className="cut dim" title={r.description}>{r.description}</span> }, { key: "permissions", title: "Permissions", by: (r) => r.totalPermissions ?? r.permissions?.length ?? 0, right: true, opt: true, render: (r) => r.totalPermissions ?? r.permissions?.length }, { key: "users", title: "Users", by: (r) => r.userCount ?? 0, right: true, render: (r) => r.userCount },
  ];
  return (
    <Page title="Role Based Access" crumbs={ADMIN} text="Rights are the sum of all roles a user holds. Built-in roles can not be changed." acts={may && <Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setMake(true)}>Create role</Button>}>
      <Tabs value={url.get("view") || "roles"} onChange={(v) => url.set({ view: v === "roles" ? "" : v })} keepMounted={false}><Tabs.List className="tabs-bar" aria-label="Roles and permissions"><Tabs.Tab value="roles">Roles</Tabs.Tab><Tabs.Tab value="matrix">Permission matrix</Tabs.Tab></Tabs.List>
        <Tabs.Panel value="roles"><div className="stack">{(roles.list?.length ?? 0) > FEW && <div className="toolbar"><Find value={text} onChange={setText} label="Find a role" /></div>}<Table name="Roles" columns={columns} sort="" rows={rows} error={roles.error} again={() => void roles.refetch()} id={(r) => r.id} label={(r) => r.title} open={(r) => void go(`/admin/roles/${r.id}`)} actions={may ? (r) => [{ label: "Open", run: () => void go(`/admin/roles/${r.id}`) }, ...(r.editable ? [{ label: "Delete role", danger: true, run: () => void remove(r) }] : [])] : undefined} empty={<Empty title="No role matches" text="Try another name." />} /><Pager offset={0} limit={Infinity} total={rows?.length} go={() => {}} /></div></Tabs.Panel>
        <Tabs.Panel value="matrix"><Matrix roles={roles.list} /></Tabs.Panel></Tabs>
      {make && <Create close={() => setMake(false)} roles={roles.list ?? []} />}
    </Page>
  );
}
function Matrix({ roles }: { roles?: Role[] }) {
  const q = usePermissions(), c = useShown(q.data?.data);
  if (q.error) return <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div>;
  if (!q.data) return <Panel><Skeleton rows={8} /></Panel>;
  const keys = roles?.map((r) => r.key) ?? Object.keys(q.data.data[0]?.roles ?? {}), title = (k: string) => roles?.find((r) => r.key === k)?.title ?? k, has = (p: Permission, k: string) => p.roles?.[k] ?? roles?.find((r) => r.key === k)?.permissions?.includes(p.key) ?? false;
  const sum = (g: Shown, k: string) => { const n = g.all.filter((p) => has(p, k)).length; return n === g.all.length ? "All" : n === 0 ? <span className="faint">None</span> : <>{n}<span className="sr"> of {g.all.length}</span></>; };
  return (
    <div className="stack">{c.box}
      {!c.shown.length ? <div className="panel"><Empty title="No permission matches" text={`Nothing in the catalogue holds “${c.find}”.`} /></div> :
        <div className="table-box matrix" tabIndex={0} role="region" aria-label="Permission matrix"><table className="t" aria-label="Permission matrix"><thead><tr><th scope="col">Permission</th><th scope="col" className="opt sec">Section</th>{keys.map((k) => <th key={k} scope="col">{title(k)}</th>)}</tr></thead>
          <tbody>{c.shown.map((g) => <Fragment key={g.name}><tr className="group"><th scope="row"><Fold g={g} /></th><td className="opt sec num">{plural(g.all.length, "permission")}</td>{keys.map((k) => <td key={k} className="num">{sum(g, k)}</td>)}</tr>
            {g.open && g.list.map((p, i) => <tr key={p.key}><th scope="row" title={p.key}>{p.title}{g.used && !inUse(p) && <Later />}</th><td className="opt sec">{p.section !== g.list[i - 1]?.section ? p.section : <span className="sr">{p.section}</span>}</td>{keys.map((k) => <td key={k}>{has(p, k) ? <IconCheck size={15} color="var(--ok)" aria-label="Yes" role="img" /> : <IconMinus size={13} color="var(--faint)" opacity={0.5} aria-label="No" role="img" />}</td>)}</tr>)}</Fragment>)}</tbody></table></div>}
      {LATER}</div>
  );
}
function Create({ close, roles }: { close: () => void; roles: Role[] }) {
  const s = useSession(), go = useNavigate(), cache = useQueryClient(), [f, setF] = useState({ title: "", description: "", from: "" });
  const key = `TENANT_${s.t}_ROLE_${f.title.trim().toUpperCase().replace(/[^A-Z0-9]+/g, "_")}`;
  const save = useMutation({ mutationFn: async () => {
    const free = await post<{ available: boolean }>(`${s.base}/security/role/availability`, { key });
    if (free.available === false) throw new ApiError(409, "There is a role of this name already.", undefined, [{ pointer: "/title", reason: "Another role has this name" }]);
    const base = roles.find((r) => r.key === f.from), a = await post<Role & { data?: Role }>(`${s.base}/security/role`, { title: f.title.trim(), description: f.description, permissions: base?.permissions ?? [] }), r = a.data ?? a;
    if (r.title !== f.title.trim()) await put(`${s.base}/security/role/${r.id}/info`, { title: f.title.trim(), description: f.description, enabled: true });
    if (base && !base.permissions.every((p) => r.permissions?.includes(p))) await put(`${s.base}/security/role/${r.id}/permissions`, { permissions: base.permissions });
    return r;
  }, onSuccess: (r) => { void cache.invalidateQueries({ queryKey: ["roles"] }); void cache.invalidateQueries({ queryKey: ["permissions"] }); toast("Role created; now choose its permissions"); void go(`/admin/roles/${r.id}`); } });
  return (
    <Modal opened onClose={close} title="Create role"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <TextInput label="Name" required data-autofocus maxLength={80} value={f.title} error={fault(save.error, "title")} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, title: v })); }} /><Textarea label="Description" rows={2} value={f.description} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, description: v })); }} /><Select label="Start from" data={[{ value: "none", label: "No permissions" }, ...roles.map((r) => ({ value: r.key, label: r.title }))]} value={f.from || "none"} onChange={(v) => setF((o) => ({ ...o, from: v === "none" ? "" : v! }))} />
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>Create role</Button></Group>
    </form></Modal>
  );
}

export function RolePage() {
  const { id } = useParams(), s = useSession(), url = useUrl(), go = useNavigate(), cache = useQueryClient(), q = useQuery({ queryKey: ["role", id], queryFn: ({ signal }) => get<Role & { data?: Role }>(`${s.base}/security/role/${id}`, signal) }), r = q.data ? (q.data.data ?? q.data) : undefined, may = s.can("SECURITY.MANAGE_ROLES");
  const again = () => { void cache.invalidateQueries({ queryKey: ["role", id] }); void cache.invalidateQueries({ queryKey: ["roles"] }); void cache.invalidateQueries({ queryKey: ["permissions"] }); };
  const remove = async () => { if (!r || !(await confirmDelete(s.base, r))) return; try { await del(`${s.base}/security/role/${r.id}`); toast(`${r.title} deleted`); again(); void go("/admin/roles"); } catch (e) { toastError(e); } };
  return (
    <Page title={r?.title ?? "Role"} crumbs={[...ADMIN, ["/admin/roles", "Role Based Access"]]} text={r?.description} acts={r?.editable && may && <Button size="compact-md" variant="default" onClick={() => void remove()}>Delete role</Button>}>
      {q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !r ? <Panel><Skeleton rows={7} /></Panel> : <Tabs value={url.get("view") || "permissions"} onChange={(v) => url.set({ view: v === "permissions" ? "" : v })} keepMounted={false}><Tabs.List className="tabs-bar" aria-label="Role"><Tabs.Tab value="permissions">Permissions</Tabs.Tab><Tabs.Tab value="users">Users ({r.userCount ?? 0})</Tabs.Tab>{r.editable && <Tabs.Tab value="info">Details</Tabs.Tab>}</Tabs.List>
        <Tabs.Panel value="permissions"><Permissions r={r} may={may && r.editable} again={again} key={r.permissions?.join()} /></Tabs.Panel><Tabs.Panel value="users"><Members r={r} may={may} again={again} /></Tabs.Panel><Tabs.Panel value="info"><Info r={r} may={may} again={again} /></Tabs.Panel></Tabs>}
    </Page>
  );
}
function Permissions({ r, may, again }: { r: Role; may: boolean; again: () => void }) {
  const s = useSession(), q = usePermissions(), c = useShown(q.data?.data), [on, setOn] = useState(() => new Set(r.permissions ?? [])), dirty = [...on].sort().join() !== [...(r.permissions ?? [])].sort().join();
  const save = useMutation({ mutationFn: async () => {
    if ((r.permissions ?? []).some((p) => !on.has(p)) && !(await asked(await lossOf(s.base, r.id, { permissions: [...on] }), `Change what ${r.title} permits?`, "Save and sign out"))) return false;
    await put(`${s.base}/security/role/${r.id}/permissions`, { permissions: [...on] });
    return true;
  }, onSuccess: (saved) => { if (saved) { toast("Permissions saved"); again(); } } });
  const flip = (keys: string[], v: boolean) => setOn((o) => { const n = new Set(o); for (const k of keys) if (v) n.add(k); else n.delete(k); return n; });
  if (q.error) return <div className="panel"><Failed error={q.error} /></div>;
  if (!q.data) return <Panel><Skeleton /></Panel>;
  return (
    <form className="stack" style={{ maxWidth: 760 }} onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {!r.editable && <Notice>This role is built in; its permissions are fixed. Create a role from it to change them.</Notice>}{save.error && <Notice kind="bad">{save.error.message}</Notice>}
      {c.box}{!c.shown.length && <div className="panel"><Empty title="No permission matches" text={`Nothing in the catalogue holds “${c.find}”.`} /></div>}
      {c.shown.map((g) => { const n = g.all.filter((p) => on.has(p.key)).length, mine = g.list.filter((p) => s.permissions.includes(p.key)).map((p) => p.key), full = g.list.every((p) => on.has(p.key)), tick = g.list === g.all || g.list.length === g.all.length ? `All of ${g.name}` : `All found of ${g.name}`; return (
        <Panel key={g.name} title={<Fold g={g} />} body={false} acts={may ? <Checkbox size="xs" labelPosition="left" label={`${n} of ${g.all.length}`} aria-label={tick} checked={full} indeterminate={n > 0 && !full} onChange={() => flip(mine, !full)} /> : <span className="dim small num">{n} of {g.all.length}</span>}>
          {g.open && <ul className="list">{g.list.map((p) => <li key={p.key}><Checkbox size="xs" label={<>{p.title}{g.used && !inUse(p) && <Later />}</>} checked={on.has(p.key)} disabled={!may || (!s.permissions.includes(p.key) && !on.has(p.key))} onChange={(e) => flip([p.key], e.currentTarget.checked)} /><span className="grow" /><code className="mono dim cut key">{p.key}</code></li>)}</ul>}</Panel>); })}
      {LATER}
      {may && <div className="save"><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button>{dirty ? <><Button variant="subtle" color="gray" onClick={() => setOn(new Set(r.permissions))}>Discard</Button><span className="dim small">Changes not saved</span></> : <span className="dim small">All saved. You can only give permissions you hold.</span>}</div>}
    </form>
  );
}
function Members({ r, may, again }: { r: Role; may: boolean; again: () => void }) {
  const s = useSession(), cache = useQueryClient(), q = useQuery({ queryKey: ["role-users", r.key], queryFn: ({ signal }) => get<(User & { canRemoveUserFromRole?: boolean })[] | { data: (User & { canRemoveUserFromRole?: boolean })[] }>(`${s.base}/security/role/${encodeURIComponent(r.key)}/users`, signal) }), list = q.data ? (Array.isArray(q.data) ? q.data : q.data.data) : undefined;
  const [text, setText] = useState(""), hits = list?.filter((u) => `${u.fullName} ${u.first} ${u.last} ${u.email}`.toLowerCase().includes(text.trim().toLowerCase()));
  const users = useQuery({ queryKey: ["users", "all"], enabled: may, queryFn: ({ signal }) => get<{ data: User[] }>(`${s.base}/users${query({ offset: 0, limit: 1000 })}`, signal) });
  const done = (t: string) => { toast(t); again(); void cache.invalidateQueries({ queryKey: ["role-users", r.key] }); };
  const take = async (u: User) => { try { const l = await lossOf(s.base, r.id, { userId: u.user_id }); if (!(await confirm(`Remove ${u.fullName || u.email} from ${r.title}?`, `The rights of this role end with the next request.${l.signsOut ? ` ${signsOut(l)}` : ""}`, "Remove from role"))) return; await del(`${s.base}/security/role/${r.id}/users/${u.user_id}`); done(`${u.fullName || u.email} removed from ${r.title}`); } catch (e) { toastError(e); } };
  if (q.error) return <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div>;
  return (
    <div className="stack" style={{ maxWidth: 760 }}>
      {may && <Select aria-label="Give this role to" placeholder="Give this role to a user" searchable limit={100} nothingFoundMessage="Nobody found" w={320} data={(users.data?.data ?? []).filter((u) => !list?.some((m) => m.user_id === u.user_id)).map((u) => ({ value: String(u.user_id), label: `${u.fullName || u.first + " " + u.last} · ${u.email}` }))} value={null} onChange={(v) => v && void put(`${s.base}/security/role/${r.id}/users`, { userId: Number(v) }).then(() => done(`${r.title} given`), toastError)} />}
      {!list ? <Skeleton /> : !list.length ? <div className="panel"><Empty title="Nobody holds this role" /></div> : <>{list.length > FEW && <div className="toolbar"><Find value={text} onChange={setText} label="Find a member" /></div>}{!hits!.length ? <div className="panel"><Empty title="Nobody matches" /></div> : <ul className="list panel" aria-label={`Users with ${r.title}`}>{hits!.map((u) => <li key={u.user_id}><Avatar small name={u.fullName || u.email} /><span className="cut" style={{ fontWeight: 500 }}>{u.fullName || `${u.first} ${u.last}`}</span><span className="dim grow cut">{u.email}</span>{may && u.canRemoveUserFromRole !== false && <Button size="compact-xs" variant="subtle" color="gray" aria-label={`Remove ${u.fullName || u.email} from ${r.title}`} onClick={() => void take(u)}>Remove</Button>}</li>)}</ul>}<Pager offset={0} limit={Infinity} total={hits!.length} go={() => {}} /></>}
    </div>
  );
}
function Info({ r, may, again }: { r: Role; may: boolean; again: () => void }) {
  const s = useSession(), [f, setF] = useState({ title: r.title, description: r.description ?? "", enabled: r.enabled !== false }), save = useMutation({ mutationFn: async () => {
    if (r.enabled !== false && !f.enabled && !(await asked(await lossOf(s.base, r.id, {}), `Switch ${r.title} off?`, "Save and sign out"))) return false;
    await put(`${s.base}/security/role/${r.id}/info`, f);
    return true;
  }, onSuccess: (saved) => { if (saved) { toast("Role saved"); again(); } } });
  return <form className="stack" style={{ maxWidth: 520 }} onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>{save.error && <Notice kind="bad">{save.error.message}</Notice>}<TextInput label="Name" required maxLength={80} value={f.title} error={fault(save.error, "title")} disabled={!may} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, title: v })); }} /><Textarea label="Description" rows={3} value={f.description} disabled={!may} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, description: v })); }} /><Switch label="Enabled" description="A disabled role gives no rights to those who hold it" checked={f.enabled} disabled={!may} onChange={(e) => { const v = e.currentTarget.checked; setF((o) => ({ ...o, enabled: v })); }} /><dl className="facts"><dt>Key</dt><dd className="mono">{r.key}</dd></dl>{may && <div><Button type="submit" loading={save.isPending}>Save</Button></div>}</form>;
}
