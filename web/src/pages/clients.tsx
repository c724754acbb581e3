// Clients: list, creation, details with logo and custom fields, and who may work on them.
import { ActionIcon, Button, FileButton, Group, Modal, Select, Tabs, TagsInput, Textarea, TextInput } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconBuilding, IconPlus, IconTrash, IconUserPlus, IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { ApiError, api, del, fileForm, get, post, put, type Client, type ClientUser } from "../api";
import { useRoles, useTiers } from "../data";
import { useSession } from "../session";
import { plural } from "../time";
import { Avatar, Badge, confirm, Empty, Failed, Notice, Page, Panel, Skeleton, toast, toastError } from "../ui/basics";
import { Columns, Find, Pager, Table, useDelayed, useTyped, useUrl, type Column } from "../ui/table";
import { ClientMark } from "./dashboard";

const LIMIT = 50;
export function ClientsPage() {
  const s = useSession(), url = useUrl(), go = useNavigate(), cache = useQueryClient(), [text, setText] = useTyped("q", 140, { offset: "" }), q = useDelayed(text), offset = Number(url.get("offset")) || 0, desc = url.get("order") === "DESC", tag = url.get("tag");
  const list = useQuery({ queryKey: ["clients", q, tag, offset, desc], placeholderData: keepPreviousData, queryFn: () => post<{ data: Client[]; meta: { pagination: { total: number } } }>("/api/v2/clients", { pagination: { offset, limit: LIMIT }, sort: [{ by: "name", order: desc ? "DESC" : "ASC" }], filters: [...(q ? [{ by: "name", value: q }] : []), ...(tag ? [{ by: "tags", value: [tag] }] : [])] }) });
  const remove = async (c: Client) => { if (!(await confirm(`Delete ${c.name}?`, "Its users lose access. The audit log keeps what was done.", "Delete client"))) return; try { await del(`/api/v1/client/${c.client_id}`); toast(`${c.name} deleted`); void cache.invalidateQueries({ queryKey: ["clients"] }); } catch (e) { toastError(e); } };
  const columns: Column<Client>[] = [
    { key: "name", title: "Name", sort: "name", fixed: true, render: (c) => <span className="row"><ClientMark c={c} size={22} /><a href={`/clients/${c.client_id}`} onClick={(e) => { if (e.ctrlKey || e.metaKey) return; e.preventDefault(); void go(`/clients/${c.client_id}`); }} className="cut" style={{ color: "inherit", fontWeight: 500 }}>{c.name}</a></span> },
    { key: "tags", title: "Tags", opt: true, render: (c) => <span className="row">{c.tags?.slice(0, 3).map((t) => <button key={t} type="button" className="bare" aria-label={`Only clients tagged ${t}`} onClick={() => url.set({ tag: t, offset: "" })}><Badge>{t}</Badge></button>)}{(c.tags?.length ?? 0) > 3 && <Badge>+{c.tags!.length - 3}</Badge>}</span> },
    { key: "poc", title: "Contact", opt: true, render: (c) => <span className="cut">{c.poc || <span className="dim">–</span>}</span> }, { key: "poc_email", title: "Contact email", opt: true, hidden: true, render: (c) => <span className="cut">{c.poc_email}</span> },
    { key: "users", title: "Users", right: true, render: (c) => Object.keys(c.users ?? {}).length },
  ];
  return (
    <Page title="Clients" acts={s.can("CLIENTS.CREATE") && <Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => url.set({ new: "1" })}>New client</Button>}>
      <div className="toolbar"><Find value={text} onChange={setText} label="Find a client" />{tag && <span className="chip-set"><span className="chip on">Tag: <strong className="cut">{tag}</strong></span><button type="button" className="chip-x" aria-label="Remove filter Tag" onClick={() => url.set({ tag: "" })}><IconX size={13} aria-hidden /></button></span>}<span className="grow" /><Columns columns={columns} /></div>
      <Table name="Clients" columns={columns} rows={list.data?.data} error={list.error} again={() => void list.refetch()} id={(c) => c.client_id} label={(c) => c.name} sort="name" desc={desc} onSort={(_, d) => url.set({ order: d ? "DESC" : "" })} open={(c) => void go(`/clients/${c.client_id}`)}
        actions={s.can("CLIENTS.DELETE") ? (c) => [{ label: "Delete client", danger: true, icon: <IconTrash size={15} aria-hidden />, run: () => void remove(c) }] : undefined}
        empty={<Empty icon={<IconBuilding size={28} aria-hidden />} title={q || tag ? "No client matches" : "No clients yet"} text={q || tag ? "Try another name." : s.can("CLIENTS.CREATE") ? "A client is whom you test for. Reports and findings belong to it." : "An administrator assigns you to clients."}>{!q && !tag && s.can("CLIENTS.CREATE") && <Button size="xs" onClick={() => url.set({ new: "1" })}>New client</Button>}</Empty>} />
      <Pager offset={offset} limit={LIMIT} total={list.data?.meta?.pagination?.total} go={(o) => url.set({ offset: o ? String(o) : "" })} />
      <NewClient opened={url.get("new") === "1" && s.can("CLIENTS.CREATE")} close={() => url.set({ new: "" })} />
    </Page>
  );
}

function NewClient({ opened, close }: { opened: boolean; close: () => void }) {
  const go = useNavigate(), cache = useQueryClient(), [f, setF] = useState({ name: "", poc: "", poc_email: "", description: "" });
  const save = useMutation({ mutationFn: () => post<{ client_id: number; assign_message?: { users_assigned?: string[] } }>("/api/v1/client/create", f), onSuccess: (a) => { void cache.invalidateQueries({ queryKey: ["clients"] }); setF({ name: "", poc: "", poc_email: "", description: "" }); toast(`Client created; ${plural(a.assign_message?.users_assigned?.length ?? 0, "user")} may work on it`); void go(`/clients/${a.client_id}`); } });
  const bind = (k: keyof typeof f) => ({ value: f[k], onChange: (e: React.ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => { const v = e.currentTarget.value; setF((o) => ({ ...o, [k]: v })); }, error: save.error instanceof ApiError ? save.error.field(k) : undefined });
  return (
    <Modal opened={opened} onClose={close} title="New client"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <TextInput label="Name" required data-autofocus {...bind("name")} /><div className="fields"><TextInput label="Contact" {...bind("poc")} /><TextInput label="Contact email" type="email" {...bind("poc_email")} /></div><Textarea label="Description" rows={3} {...bind("description")} />
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>Create client</Button></Group>
    </form></Modal>
  );
}

export function ClientPage() {
  const { id, tab = "details" } = useParams(), go = useNavigate(), s = useSession(), cache = useQueryClient();
  const q = useQuery({ queryKey: ["client", id], queryFn: ({ signal }) => get<Client>(`/api/v1/client/${id}`, signal) }), c = q.data;
  const remove = async () => { if (!c || !(await confirm(`Delete ${c.name}?`, "Its users lose access. The audit log keeps what was done.", "Delete client"))) return; try { await del(`/api/v1/client/${id}`); toast(`${c.name} deleted`); void cache.invalidateQueries({ queryKey: ["clients"] }); void go("/clients"); } catch (e) { toastError(e); } };
  return (
    <Page title={c?.name ?? "Client"} crumbs={[["/clients", "Clients"]]} acts={c && <>{s.can("AUDIT_LOG.VIEW") && <Button size="compact-md" variant="default" onClick={() => void go(`/admin/audit-log?client=${id}`)}>History</Button>}{s.can("CLIENTS.DELETE") && <Button size="compact-md" variant="default" leftSection={<IconTrash size={15} aria-hidden />} onClick={() => void remove()}>Delete client</Button>}</>}>
      {q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !c ? <Panel><Skeleton rows={6} /></Panel> :
        <Tabs value={tab} onChange={(t) => void go(`/clients/${id}${t === "details" ? "" : "/" + t}`)} keepMounted={false}><Tabs.List className="tabs-bar" aria-label="Client"><Tabs.Tab value="details">Details</Tabs.Tab><Tabs.Tab value="users">User access</Tabs.Tab></Tabs.List>
          <Tabs.Panel value="details"><ClientDetails c={c} key={c.cuid} /></Tabs.Panel><Tabs.Panel value="users"><Access c={c} /></Tabs.Panel></Tabs>}
    </Page>
  );
}

function ClientDetails({ c }: { c: Client }) {
  const cache = useQueryClient(), start = { name: c.name, poc: c.poc ?? "", poc_email: c.poc_email ?? "", description: c.description ?? "", tags: c.tags ?? [], custom_field: c.custom_field ?? [] }, [f, setF] = useState(start), dirty = JSON.stringify(f) !== JSON.stringify(start);
  const again = () => { void cache.invalidateQueries({ queryKey: ["client", String(c.client_id)] }); void cache.invalidateQueries({ queryKey: ["clients"] }); };
  const save = useMutation({ mutationFn: () => put(`/api/v1/client/${c.client_id}`, f), onSuccess: () => { toast("Client saved"); again(); } });
  const logo = useMutation({ mutationFn: async (file: File | null) => { if (!file) { await del(`/api/v1/client/${c.client_id}/logo`); return "Logo removed"; } await api("POST", `/api/v1/client/${c.client_id}/logo`, undefined, { form: await fileForm(file) }); return "Logo saved"; }, onSuccess: (did) => { toast(did); again(); }, onError: toastError });
  const same = useRef<() => void>(null); // the same file can be chosen again
  const unmark = async () => { if (await confirm(`Remove the logo of ${c.name}?`, "The picture is deleted.", "Remove logo")) logo.mutate(null); };
  const bind = (k: "name" | "poc" | "poc_email" | "description") => ({ value: f[k], onChange: (e: React.ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => { const v = e.currentTarget.value; setF((o) => ({ ...o, [k]: v })); }, error: save.error instanceof ApiError ? save.error.field(k) : undefined });
  const fields = f.custom_field, setField = (i: number, v: Partial<(typeof fields)[number]>) => setF((o) => ({ ...o, custom_field: o.custom_field.map((x, k) => (k === i ? { ...x, ...v } : x)) }));
  return (
    <form className="stack" style={{ maxWidth: 760 }} onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <div className="row"><ClientMark c={c} size={44} /><FileButton accept="image/png,image/jpeg" resetRef={same} onChange={(file) => { same.current?.(); if (file) logo.mutate(file); }}>{(p) => <Button {...p} size="compact-sm" variant="default" loading={logo.isPending}>{c.logo ? "Change logo" : "Add a logo"}</Button>}</FileButton>{c.logo && <Button size="compact-sm" variant="subtle" color="gray" onClick={() => void unmark()}>Remove logo</Button>}</div>
      <div className="fields"><TextInput className="wide" label="Name" required {...bind("name")} /><TextInput label="Contact" {...bind("poc")} /><TextInput label="Contact email" {...bind("poc_email")} /><Textarea className="wide" label="Description" autosize={false} rows={4} {...bind("description")} /><TagsInput className="wide" label="Tags" value={f.tags} onChange={(tags) => setF((o) => ({ ...o, tags }))} placeholder={f.tags.length ? "" : "Add a tag, then Enter"} clearable={false} /></div>
      <div><h2 style={{ marginBottom: 8 }}>Custom fields</h2><div className="stack" style={{ gap: 8 }}>
        {fields.map((x, i) => <div key={i} className="row"><TextInput aria-label={`Label of field ${i + 1}`} placeholder="Label" value={x.label} onChange={(e) => setField(i, { label: e.currentTarget.value })} /><TextInput className="grow" aria-label={`Value of field ${i + 1}`} placeholder="Value" value={x.value} onChange={(e) => setField(i, { value: e.currentTarget.value })} /><ActionIcon variant="subtle" color="gray" aria-label={`Remove field ${i + 1}`} onClick={() => setF((o) => ({ ...o, custom_field: o.custom_field.filter((_, k) => k !== i) }))}><IconTrash size={15} aria-hidden /></ActionIcon></div>)}
        <div><Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setF((o) => ({ ...o, custom_field: [...o.custom_field, { label: "", value: "" }] }))}>Add a field</Button></div></div></div>
      <div className="save"><Button type="submit" disabled={!dirty} loading={save.isPending}>Save</Button>{dirty ? <><Button variant="subtle" color="gray" onClick={() => setF(start)}>Discard</Button><span className="dim small">Changes not saved</span></> : <span className="dim small">All saved</span>}</div>
    </form>
  );
}

const mail = (u: ClientUser) => u.email ?? u.username ?? "";
const nameOf = (u: ClientUser) => `${u.name?.first ?? u.first ?? ""} ${u.name?.last ?? u.last ?? ""}`.trim() || mail(u);
function Access({ c }: { c: Client }) {
  const s = useSession(), cache = useQueryClient(), roles = useRoles(), tiers = useTiers(), [add, setAdd] = useState(false), [text, setText] = useState("");
  const q = useQuery({ queryKey: ["client-users", c.client_id], queryFn: ({ signal }) => get<ClientUser[] | { data: ClientUser[] }>(`${s.base}/clients/${c.client_id}/users`, signal) }), all = q.data ? (Array.isArray(q.data) ? q.data : q.data.data) : undefined;
  const may = s.can("CLIENTS.MANAGE_USERS", "SECURITY.MANAGE_AUTHORIZATION"), again = () => { void cache.invalidateQueries({ queryKey: ["client-users", c.client_id] }); void cache.invalidateQueries({ queryKey: ["client", String(c.client_id)] }); };
  const assign = async (users: { username: string; role: string; classificationId?: string | number | null }[], words: string) => { try { const a = await post<{ users_rejected?: string[] }>(`/api/v2/tenant/${s.t}/client/${c.client_id}/user/assign`, { users }); if (a.users_rejected?.length) toast(`Not possible for ${a.users_rejected.join(", ")}`, true); else toast(words); again(); return true; } catch (e) { toastError(e); return false; } };
  const revoke = async (u: ClientUser) => { if (!(await confirm(`Revoke the access of ${nameOf(u)}?`, `${mail(u)} can no longer see ${c.name}.`, "Revoke access"))) return; try { await post(`/api/v1/tenant/${s.t}/client/${c.client_id}/user/remove`, { users: [{ username: mail(u) }] }); toast(`${mail(u)} removed`); again(); } catch (e) { toastError(e); } };
  const rows = all?.filter((u) => `${u.name?.first ?? u.first ?? ""} ${u.name?.last ?? u.last ?? ""} ${mail(u)}`.toLowerCase().includes(text.toLowerCase()));
  const columns: Column<ClientUser>[] = [
    { key: "name", title: "Name", by: nameOf, fixed: true, render: (u) => { const n = nameOf(u); return <span className="row"><Avatar small name={n} /><span className="cut">{n}</span></span>; } },
    { key: "email", title: "Email", by: mail, opt: true, render: (u) => <span className="cut dim">{mail(u)}</span> },
    { key: "role", title: "Role on this client", by: (u) => roles.title(u.role), render: (u) => (may ? <Select size="xs" variant="unstyled" aria-label={`Role of ${mail(u)}`} data={roles.options(u.role)} value={u.role} onChange={(v) => v && v !== u.role && void assign([{ username: mail(u), role: v, classificationId: u.classificationId ?? null }], "Role changed")} comboboxProps={{ width: 200 }} /> : roles.title(u.role)) },
    ...(tiers.on ? [{ key: "tier", title: "Classification", render: (u: ClientUser) => (may ? <Select size="xs" variant="unstyled" aria-label={`Classification of ${mail(u)}`} clearable data={tiers.options} value={u.classificationId ? String(u.classificationId) : null} placeholder="None" onChange={(v) => void assign([{ username: mail(u), role: u.role, classificationId: v }], "Classification changed")} comboboxProps={{ width: 180 }} /> : tiers.title(u.classificationId)) }] : []),
  ];
  return (
    <div className="stack">
      <div className="toolbar"><Find value={text} onChange={setText} label="Find a user" /><span className="grow" />{may && <Button size="compact-md" leftSection={<IconUserPlus size={15} aria-hidden />} onClick={() => setAdd(true)}>Authorize users</Button>}</div>
      <Table name="User access" columns={columns} rows={rows} error={q.error} again={() => void q.refetch()} id={mail} label={mail} actions={may ? (u) => [{ label: "Revoke access", danger: true, run: () => void revoke(u) }] : undefined} empty={<Empty title={text ? "Nobody matches" : "Nobody has access yet"} text={text ? undefined : "Authorize users to let them work on this client."} />} />
      <Pager offset={0} limit={Infinity} total={rows?.length} go={() => {}} />
      {add && <Authorize c={c} close={() => setAdd(false)} assign={assign} />}
    </div>
  );
}
/** Users not yet on the client, several at once. */
export function Authorize({ c, close, assign }: { c: Client; close: () => void; assign: (u: { username: string; role: string; classificationId?: string | null }[], words: string) => Promise<boolean> }) {
  const s = useSession(), roles = useRoles(), tiers = useTiers(), q = useQuery({ queryKey: ["client-available", c.client_id], staleTime: 0, queryFn: ({ signal }) => get<ClientUser[] | { data: ClientUser[] }>(`/api/v1/tenant/${s.t}/client/${c.client_id}/users/available`, signal) }), list = q.data ? (Array.isArray(q.data) ? q.data : q.data.data) : [];
  const [rows, setRows] = useState([{ username: "", role: "STD_USER", classificationId: null as string | null }]), [busy, setBusy] = useState(false), set = (i: number, v: Partial<(typeof rows)[number]>) => setRows((o) => o.map((r, k) => (k === i ? { ...r, ...v } : r)));
  const flat = list.map((u) => { const x = (u as { data?: ClientUser }).data ?? u; return { value: mail(x), label: `${x.name?.first ?? x.first ?? ""} ${x.name?.last ?? x.last ?? ""} · ${mail(x)}`.trim() }; }).filter((o) => o.value);
  return (
    <Modal opened onClose={close} title={`Authorize users for ${c.name}`} size="lg"><form className="stack" onSubmit={(e) => { e.preventDefault(); const full = rows.filter((r) => r.username); setBusy(true); void assign(full, `${plural(full.length, "user")} authorized`).then((ok) => { setBusy(false); if (ok) close(); }); }}>
      {q.data && !flat.length && <Notice>Everybody already has access to this client.</Notice>}
      {rows.map((r, i) => <div key={i} className="row wrap"><Select className="grow" miw={200} aria-label={`User ${i + 1}`} placeholder="User" searchable limit={100} nothingFoundMessage="Nobody found" data={flat.filter((o) => o.value === r.username || !rows.some((x) => x.username === o.value))} value={r.username || null} onChange={(v) => set(i, { username: v ?? "" })} /><Select aria-label={`Role ${i + 1}`} data={roles.options(r.role)} value={r.role} onChange={(v) => set(i, { role: v ?? r.role })} w={170} />{tiers.on && <Select aria-label={`Classification ${i + 1}`} placeholder="No tier" clearable data={tiers.options} value={r.classificationId} onChange={(v) => set(i, { classificationId: v })} w={130} />}</div>)}
      <div><Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} aria-hidden />} onClick={() => setRows((o) => [...o, { username: "", role: "STD_USER", classificationId: null }])}>Add another user</Button></div>
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={busy} disabled={!rows.some((r) => r.username)}>Authorize</Button></Group>
    </form></Modal>
  );
}
