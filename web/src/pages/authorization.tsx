// Who may work on which client: the page over all users, and the tab of one user.
import { ActionIcon, Button, Modal, Select, Switch, Tooltip } from "@mantine/core";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconPlus, IconUsersGroup, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { get, post, put, query, type Client, type User } from "../api";
import { useRoles, useTiers } from "../data";
import { useSession } from "../session";
import { plural } from "../time";
import { ADMIN, Avatar, Badge, confirm, Empty, Failed, Page, Skeleton, toast, toastError } from "../ui/basics";
import { Columns, Find, Pager, Table, useDelayed, useTyped, useUrl, type Column } from "../ui/table";
import { Authorize } from "./clients";

interface Grant { client_id: number; name: string; role: string; classificationId?: string | number | null }
type Row = User & { clients: Grant[] };
const LIMIT = 50;
const useClients = () => useQuery({ queryKey: ["all-clients"], queryFn: () => post<{ data: Client[] }>("/api/v2/clients", { pagination: { offset: 0, limit: 1000 }, sort: [{ by: "name", order: "ASC" }] }) });

export function AuthorizationPage() {
  const s = useSession(), url = useUrl(), roles = useRoles(), tiers = useTiers(), clients = useClients(), cache = useQueryClient(), [text, setText] = useTyped("filter", 140, { offset: "" }), filter = useDelayed(text), client = url.get("client"), offset = Number(url.get("offset")) || 0, sortBy = url.get("sortBy") || "lastName", desc = url.get("order") === "DESEND";
  const [open, setOpen] = useState<Row | null>(null), [add, setAdd] = useState<Client | null>(null), [choose, setChoose] = useState(false);
  const q = useQuery({ queryKey: ["authorization", filter, client, offset, sortBy, desc], placeholderData: keepPreviousData, queryFn: ({ signal }) => get<{ data: Row[]; total: number }>(`${s.base}/authorization${query({ filter, client, offset, limit: LIMIT, sortBy, order: desc ? "DESEND" : "ASCEND" })}`, signal) });
  const group = async (u: Row, on: boolean) => { if (!(await (on ? confirm(`Add ${u.fullName} to the Default Group?`, "Gets access to all present clients at once, and to each new one.", "Add to the group", false) : confirm(`Remove ${u.fullName} from the Default Group?`, "New clients are no longer given. Access already given stays.", "Remove from the group", false)))) return; try { await put(`${s.base}/users/${u.user_id}`, { default_group: on }); toast(on ? `${u.fullName} joined the Default Group` : `${u.fullName} left the Default Group`); void cache.invalidateQueries({ queryKey: ["authorization"] }); } catch (e) { toastError(e); } };
  const assign = (c: Client) => async (users: object[], words: string) => { try { const a = await post<{ users_rejected?: string[] }>(`/api/v2/tenant/${s.t}/client/${c.client_id}/user/assign`, { users }); if (a.users_rejected?.length) toast(`Not possible for ${a.users_rejected.join(", ")}: you may not grant what you do not hold.`, true); else toast(words); void cache.invalidateQueries({ queryKey: ["authorization"] }); return true; } catch (e) { toastError(e); return false; } };
  const columns: Column<Row>[] = [
    { key: "name", title: "Name", sort: "lastName", fixed: true, render: (u) => <span className="row"><Avatar small name={u.fullName || u.email} /><span className="cut" style={{ fontWeight: 500 }}>{u.fullName || `${u.first} ${u.last}`}</span>{u.disabled && <Badge>Disabled</Badge>}</span> }, { key: "email", title: "Email", sort: "email", opt: true, render: (u) => <span className="cut dim">{u.email}</span> }, { key: "role", title: "Tenant role", opt: true, render: (u) => <span className="cut">{u.roles?.map(roles.title).join(", ")}</span> },
    ...(tiers.on ? [{ key: "tier", title: "Classification", opt: true, render: (u: Row) => tiers.title(u.tenantClassificationLevel) }] : []),
    { key: "group", title: "Default Group", render: (u) => <Switch size="xs" aria-label={`Default Group: ${u.fullName}`} checked={!!u.default_group} onChange={(e) => void group(u, e.currentTarget.checked)} /> },
    { key: "clients", title: "Clients", render: (u) => { const list = u.clients ?? []; return <button type="button" className="bare row" onClick={() => setOpen(u)}><span className="sr">Clients of {u.fullName}: </span>{list.slice(0, 2).map((c) => <Badge key={c.client_id}>{c.name}</Badge>)}{list.length > 2 && <Badge>+{list.length - 2}</Badge>}{!list.length && <span className="dim">None</span>}</button>; } },
  ];
  return (
    <Page title="Authorization" crumbs={ADMIN} text="Which users work on which clients. Members of the Default Group get all present clients and each new one." acts={<Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => { const c = clients.data?.data.find((x) => String(x.client_id) === client); if (c) setAdd(c); else setChoose(true); }}>Authorize users</Button>}>
      <div className="toolbar"><Find value={text} onChange={setText} label="Find a user" /><Select aria-label="Client" w={220} searchable data={[{ value: "all", label: "All clients" }, ...(clients.data?.data ?? []).map((c) => ({ value: String(c.client_id), label: c.name }))]} value={client || "all"} onChange={(v) => url.set({ client: v === "all" ? "" : v, offset: "" })} /><span className="grow" /><Columns columns={columns} /></div>
      <Table name="Authorization" columns={columns} rows={q.data?.data} error={q.error} again={() => void q.refetch()} id={(u) => u.user_id} label={(u) => u.fullName || u.email} sort={sortBy} desc={desc} onSort={(k, d) => url.set({ sortBy: k, order: d ? "DESEND" : "" })} open={setOpen} rowClass={(u) => (u.disabled ? "muted" : "")} empty={<Empty icon={<IconUsersGroup size={28} aria-hidden />} title="No user matches" />} />
      <Pager offset={offset} limit={LIMIT} total={q.data?.total} go={(o) => url.set({ offset: o ? String(o) : "" })} />
      <Modal opened={!!open} onClose={() => setOpen(null)} title={`Clients of ${open?.fullName ?? ""}`} size="lg">{open && <UserClients user={q.data?.data.find((u) => u.user_id === open.user_id) ?? open} />}</Modal>
      <Modal opened={choose} onClose={() => setChoose(false)} title="Authorize users"><Select label="Client" placeholder="Choose a client" searchable data-autofocus data={(clients.data?.data ?? []).map((c) => ({ value: String(c.client_id), label: c.name }))} value={null} onChange={(v) => { setChoose(false); setAdd(clients.data?.data.find((c) => String(c.client_id) === v) ?? null); }} /></Modal>
      {add && <Authorize c={add} close={() => setAdd(null)} assign={assign(add)} />}
    </Page>
  );
}

/** Clients of one user, with role and tier each. */
export function UserClients({ user }: { user: User }) {
  const s = useSession(), roles = useRoles(), tiers = useTiers(), clients = useClients(), cache = useQueryClient(), may = s.can("SECURITY.MANAGE_AUTHORIZATION"), [text, setText] = useState("");
  const q = useQuery({ queryKey: ["authorization", "one", user.email], enabled: may, queryFn: ({ signal }) => get<{ data: Row[] }>(`${s.base}/authorization${query({ filter: user.email, offset: 0, limit: 10 })}`, signal) }), row = q.data?.data.find((u) => u.user_id === user.user_id), list = row?.clients ?? [], again = () => void cache.invalidateQueries({ queryKey: ["authorization"] });
  const give = async (client: number, role: string, classificationId: string | number | null | undefined, words: string) => { try { const a = await post<{ users_rejected?: string[] }>(`/api/v2/tenant/${s.t}/client/${client}/user/assign`, { users: [{ username: user.email, role, classificationId: classificationId ?? null }] }); if (a.users_rejected?.length) toast("This was refused: you may not grant what you do not hold.", true); else toast(words); again(); } catch (e) { toastError(e); } };
  const revoke = async (g: Grant) => { if (!(await confirm(`Revoke access to ${g.name}?`, `${user.email} can no longer see this client.`, "Revoke access"))) return; try { await post(`/api/v1/tenant/${s.t}/client/${g.client_id}/user/remove`, { users: [{ username: user.email }] }); toast(`Access to ${g.name} revoked`); again(); } catch (e) { toastError(e); } };
  if (!may) return <Empty title="You may not see this" text="Authorization needs its own permission." />;
  if (q.error) return <Failed error={q.error} again={() => void q.refetch()} />;
  if (!q.data) return <Skeleton />;
  const free = (clients.data?.data ?? []).filter((c) => !list.some((g) => g.client_id === c.client_id));
  return (
    <div className="stack">
      <div className="row wrap"><Find value={text} onChange={setText} label="Find a client" /><span className="grow" /><Select aria-label="Add a client" placeholder="Add a client" searchable w={200} data={free.map((c) => ({ value: String(c.client_id), label: c.name }))} value={null} onChange={(v) => v && void give(Number(v), user.roles.includes("ADMIN") ? "ADMIN" : "STD_USER", null, "Client added")} /></div>
      <div className="dim small row">{plural(list.length, "client")}{user.default_group && <Badge kind="info">Default Group</Badge>}</div>
      {list.length === 0 ? <Empty title="No clients" text="Add one above." /> : <ul className="list panel grants" aria-label={`Clients of ${user.email}`}>{list.filter((g) => g.name.toLowerCase().includes(text.toLowerCase())).map((g) => <li key={g.client_id} style={{ flexWrap: "wrap" }}><span className="grow cut" style={{ fontWeight: 500, minWidth: 110 }} title={g.name}>{g.name}</span><Select size="xs" w={140} aria-label={`Role on ${g.name}`} data={roles.options(g.role)} value={g.role} onChange={(v) => v && v !== g.role && void give(g.client_id, v, g.classificationId, "Role changed")} />{tiers.on && <Select size="xs" w={110} aria-label={`Classification on ${g.name}`} placeholder="No tier" clearable allowDeselect data={tiers.options} value={g.classificationId ? String(g.classificationId) : null} onChange={(v) => void give(g.client_id, g.role, v, "Classification changed")} />}<Tooltip label="Revoke"><ActionIcon variant="subtle" color="gray" aria-label={`Revoke ${g.name}`} onClick={() => void revoke(g)}><IconX size={15} aria-hidden /></ActionIcon></Tooltip></li>)}</ul>}
    </div>
  );
}
