// Classification tiers: the ladder of who may read what. Top row = most restrictive, bottom row = level 1.
import { ActionIcon, Button, Group, Modal, Switch, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconArrowDown, IconArrowUp, IconGripVertical, IconPencil, IconPlus, IconStack2, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { ApiError, del, get, post, put, type Tier } from "../api";
import { useSession } from "../session";
import { ADMIN, Badge, confirm, Empty, Failed, Notice, Page, Panel, Skeleton, toast, toastError } from "../ui/basics";

export function TiersPage() {
  const s = useSession(), cache = useQueryClient(), [edit, setEdit] = useState<Partial<Tier> | null>(null), [drag, setDrag] = useState<number | null>(null), [local, setLocal] = useState<Tier[] | null>(null);
  const q = useQuery({ queryKey: ["tiers"], queryFn: ({ signal }) => get<{ data: Tier[]; enabled?: boolean }>(`${s.base}/tiers`, signal) }), on = useQuery({ queryKey: ["settings", "tiers"], queryFn: ({ signal }) => get<{ data: { enabled: boolean } }>(`${s.base}/settings/tiers`, signal) });
  const again = () => { void cache.invalidateQueries({ queryKey: ["tiers"] }); void cache.invalidateQueries({ queryKey: ["settings", "tiers"] }); };
  // The server lists level 1 first or last; levels, where given, decide.
  const sorted = [...(q.data?.data ?? [])].sort((a, b) => (b.level ?? 0) - (a.level ?? 0)), list = local ?? sorted;
  const toggle = async (v: boolean) => { if (!v && !(await confirm("Switch classification tiers off?", "They then restrict nothing: who was kept from reading something by a tier is so no longer.", "Switch off"))) return; try { await put(`${s.base}/settings/tiers`, { enabled: v }); toast(v ? "Classification tiers are on" : "Classification tiers are off"); again(); } catch (e) { toastError(e); } };
  const order = async (next: Tier[]) => { setLocal(next); try { await put(`${s.base}/tiers/order`, { ids: next.map((t) => t.id) }); await cache.invalidateQueries({ queryKey: ["tiers"] }); toast("Order saved"); } catch (e) { toastError(e); } finally { setLocal(null); } };
  const move = (from: number, to: number) => { if (to < 0 || to >= list.length || from === to) return; const next = [...list], [x] = next.splice(from, 1); next.splice(to, 0, x!); void order(next); };
  const remove = async (t: Tier) => { if (!(await confirm(`Delete ${t.name}?`, "Users who hold it lose it.", "Delete tier"))) return; try { await del(`${s.base}/tiers/${t.id}`); toast(`${t.name} deleted`); again(); } catch (e) { toastError(e); } };
  return (
    <Page title="Classification Tiers" crumbs={ADMIN} text="Who holds a tier reads reports of that tier and of all below it." acts={<Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setEdit({ name: "", description: "", enabled: true })}>Create classification</Button>}>
      <Panel><Switch label="Use classification tiers" description="Off: tiers restrict nothing and are not shown" checked={on.data?.data?.enabled ?? false} disabled={!on.data} onChange={(e) => void toggle(e.currentTarget.checked)} /></Panel>
      {q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !q.data ? <Panel><Skeleton /></Panel> : !list.length ? <div className="panel"><Empty icon={<IconStack2 size={28} aria-hidden />} title="No tiers" text="Create the first one." /></div> :
        <div className="table-box" tabIndex={0} role="region" aria-label="Tiers"><table className="t" aria-label="Tiers"><thead><tr><th className="tick"><span className="sr">Order</span></th><th scope="col">Level</th><th scope="col">Name</th><th scope="col" className="opt">Description</th><th scope="col">State</th><th><span className="sr">Actions</span></th></tr></thead>
          <tbody>{list.map((t, i) => <tr key={t.id} draggable className={drag === i ? "dragging" : ""} onDragStart={() => setDrag(i)} onDragEnd={() => setDrag(null)} onDragOver={(e) => e.preventDefault()} onDrop={() => { if (drag !== null) move(drag, i); setDrag(null); }}>
            <td className="tick"><IconGripVertical size={15} className="drag" aria-hidden /></td><td className="num">{list.length - i}</td><td style={{ fontWeight: 500 }}><span className="cut" title={t.name}>{t.name}</span></td><td className="opt dim"><span className="cut" title={t.description}>{t.description}</span></td><td>{t.enabled ? <Badge kind="ok">Enabled</Badge> : <Badge>Disabled</Badge>}</td>
            <td className="right"><span className="row end" style={{ gap: 2 }}><ActionIcon variant="subtle" color="gray" aria-label={`${t.name}: up`} disabled={i === 0} onClick={() => move(i, i - 1)}><IconArrowUp size={15} aria-hidden /></ActionIcon><ActionIcon variant="subtle" color="gray" aria-label={`${t.name}: down`} disabled={i === list.length - 1} onClick={() => move(i, i + 1)}><IconArrowDown size={15} aria-hidden /></ActionIcon><ActionIcon variant="subtle" color="gray" aria-label={`Edit ${t.name}`} onClick={() => setEdit(t)}><IconPencil size={15} aria-hidden /></ActionIcon><ActionIcon variant="subtle" color="gray" aria-label={`Delete ${t.name}`} onClick={() => void remove(t)}><IconTrash size={15} aria-hidden /></ActionIcon></span></td></tr>)}</tbody></table></div>}
      <p className="dim small">The top row is the most restrictive; a new tier lands there. The bottom row is always level 1.</p>
      {edit && <Edit t={edit} close={() => setEdit(null)} done={again} />}
    </Page>
  );
}
function Edit({ t, close, done }: { t: Partial<Tier>; close: () => void; done: () => void }) {
  const s = useSession(), [f, setF] = useState({ name: t.name ?? "", description: t.description ?? "", enabled: t.enabled !== false });
  const save = useMutation({ mutationFn: () => (t.id === undefined ? post(`${s.base}/tiers`, f) : put(`${s.base}/tiers/${t.id}`, f)), onSuccess: () => { toast(t.id === undefined ? "Tier created" : "Tier saved"); done(); close(); } });
  return (
    <Modal opened onClose={close} title={t.id === undefined ? "Create classification" : "Edit classification"}><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <TextInput label="Name" required data-autofocus value={f.name} error={save.error instanceof ApiError ? save.error.field("name") : undefined} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, name: v })); }} /><Textarea label="Description" rows={3} value={f.description} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, description: v })); }} /><Switch label="Enabled" checked={f.enabled} onChange={(e) => { const v = e.currentTarget.checked; setF((o) => ({ ...o, enabled: v })); }} />
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>Save</Button></Group>
    </form></Modal>
  );
}
