// Service-level agreements: within how many days findings of some kind are to be closed, and who is told.
import { Button, Checkbox, Group, Modal, MultiSelect, NumberInput, Switch, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconHourglass, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { ApiError, del, get, post, put, type Sla } from "../api";
import { plural } from "../time";
import { ADMIN, Badge, confirm, Empty, Notice, Page, toast, toastError } from "../ui/basics";
import { Pager, Table, type Column } from "../ui/table";

const AT = "/api/v2/sla/benchmarks", SEVERITIES = ["Critical", "High", "Medium", "Low", "Informational"];
const TIMES: [string, string][] = [["Daily", "Daily"], ["Nearing", "When nearing"], ["Exceeded", "When exceeded"]], WHOM: [string, string][] = [["AssignedUser", "Assigned user"], ["Recipients", "Recipients"]];
const FRESH: Omit<Sla, "id"> = { name: "", daysToClose: 30, enabled: true, findingSeverity: [], findingTags: [], assetCriticality: [], assetTags: [], notificationSettings: { hoursBeforeExpirationNotify: 24, recipients: [] } };

export function SlasPage() {
  const cache = useQueryClient(), [edit, setEdit] = useState<Omit<Sla, "id"> & { id?: string } | null>(null), q = useQuery({ queryKey: ["slas"], queryFn: ({ signal }) => get<{ data: Sla[] }>(AT, signal) });
  const again = () => { void cache.invalidateQueries({ queryKey: ["slas"] }); };
  const remove = async (a: Sla) => { if (!(await confirm(`Delete ${a.name}?`, "The audit log keeps what it said.", "Delete agreement"))) return; try { await del(`${AT}/${a.id}`); toast(`${a.name} deleted`); again(); } catch (e) { toastError(e); } };
  const also = (a: Sla) => [a.findingTags.length && `tagged ${a.findingTags.join(", ")}`, a.assetCriticality.length && `on ${a.assetCriticality.join(", ").toLowerCase()} assets`, a.assetTags.length && `on assets tagged ${a.assetTags.join(", ")}`].filter(Boolean).join("; ");
  const columns: Column<Sla>[] = [
    { key: "name", title: "Name", by: (a) => a.name, fixed: true, render: (a) => <button type="button" className="bare cut" style={{ fontWeight: 500 }} onClick={() => setEdit(a)}>{a.name}</button> },
    { key: "days", title: "Close within", by: (a) => a.daysToClose, render: (a) => <span className="num">{plural(a.daysToClose, "day")}</span> },
    { key: "severity", title: "Severities", opt: true, render: (a) => <span className="cut">{a.findingSeverity.join(", ")}</span> },
    { key: "also", title: "Only", opt: true, render: (a) => <span className="cut dim">{also(a) || "–"}</span> },
    { key: "state", title: "State", by: (a) => (a.enabled ? 0 : 1), render: (a) => (a.enabled ? <Badge kind="ok">Enabled</Badge> : <Badge>Disabled</Badge>) },
  ];
  return (
    <Page title="Service-Level Agreements" crumbs={ADMIN} text="Within how many days findings are to be closed. Findings are not in this version: agreements are kept, nothing is measured by them yet." acts={<Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setEdit(FRESH)}>Create agreement</Button>}>
      <Table name="Service-level agreements" sort="name" columns={columns} rows={q.data?.data} error={q.error} again={() => void q.refetch()} id={(a) => a.id} label={(a) => a.name} open={setEdit} actions={(a) => [{ label: "Edit", icon: <IconPencil size={15} aria-hidden />, run: () => setEdit(a) }, { label: "Delete", icon: <IconTrash size={15} aria-hidden />, danger: true, run: () => void remove(a) }]}
        empty={<Empty icon={<IconHourglass size={28} aria-hidden />} title="No agreements" text="Create the first: for instance, critical findings within 7 days." />} />
      <Pager offset={0} limit={Infinity} total={q.data?.data.length} go={() => {}} />
      {edit && <Edit a={edit} close={() => setEdit(null)} done={again} />}
    </Page>
  );
}

function Edit({ a, close, done }: { a: Omit<Sla, "id"> & { id?: string }; close: () => void; done: () => void }) {
  const [f, setF] = useState(a), n = f.notificationSettings, set = (o: Partial<Sla>) => setF((old) => ({ ...old, ...o })), note = (o: Record<string, unknown>) => setF((old) => ({ ...old, notificationSettings: { ...old.notificationSettings, ...o } }));
  const save = useMutation({ mutationFn: () => (a.id ? put(`${AT}/${a.id}`, f) : post(AT, f)), onSuccess: () => { toast(a.id ? "Agreement saved" : "Agreement created"); done(); close(); } });
  const fault = (at: string) => (save.error instanceof ApiError ? save.error.field(at) : undefined);
  return (
    <Modal opened onClose={close} size="lg" title={a.id ? "Edit agreement" : "Create agreement"}><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <div className="fields">
        <TextInput className="wide" label="Name" required data-autofocus maxLength={255} value={f.name} error={fault("name")} onChange={(e) => set({ name: e.currentTarget.value })} />
        <Checkbox.Group className="wide" label="Severities" withAsterisk value={f.findingSeverity} error={fault("findingSeverity")} onChange={(v) => set({ findingSeverity: SEVERITIES.filter((x) => v.includes(x)) })}><div className="row wrap" style={{ minHeight: 36, columnGap: 14 }}>{SEVERITIES.map((x) => <Checkbox key={x} size="xs" value={x} label={x} />)}</div></Checkbox.Group>
        <NumberInput label="Close within" required min={1} max={36500} suffix=" days" allowDecimal={false} value={f.daysToClose} error={fault("daysToClose")} onChange={(v) => set({ daysToClose: Number(v) })} />
        <MultiSelect label="Only on assets of criticality" placeholder={f.assetCriticality.length ? "" : "Any"} data={[...new Set([...SEVERITIES, ...f.assetCriticality])]} value={f.assetCriticality} error={fault("assetCriticality")} onChange={(v) => set({ assetCriticality: v })} />
        <TagsInput label="Only findings tagged" placeholder={f.findingTags.length ? "" : "Any"} value={f.findingTags} error={fault("findingTags")} onChange={(v) => set({ findingTags: v })} />
        <TagsInput label="Only on assets tagged" placeholder={f.assetTags.length ? "" : "Any"} value={f.assetTags} error={fault("assetTags")} onChange={(v) => set({ assetTags: v })} />
        <Switch className="wide" label="Enabled" checked={f.enabled} onChange={(e) => set({ enabled: e.currentTarget.checked })} />
      </div>
      <h2>Notices</h2>
      <table className="marks" aria-label="Notices"><thead><tr><th scope="col">Tell</th>{TIMES.map(([k, t]) => <th key={k} scope="col">{t}</th>)}</tr></thead>
        <tbody>{WHOM.map(([w, whom]) => <tr key={w}><td>{whom}</td>{TIMES.map(([k, t]) => { const key = `send${k}NotificationTo${w}`; return <td key={k}><Checkbox size="xs" aria-label={`${whom}: ${t.toLowerCase()}`} checked={n[key] === true} onChange={(e) => note({ [key]: e.currentTarget.checked })} /></td>; })}</tr>)}</tbody></table>
      <div className="fields"><TagsInput label="Recipients" description="E-mail addresses" value={n.recipients} error={fault("recipients")} onChange={(v) => note({ recipients: v })} /><NumberInput label="Nearing means" description="Before the time is up" min={0} max={8760} suffix=" hours" allowDecimal={false} value={n.hoursBeforeExpirationNotify} error={fault("hoursBeforeExpirationNotify")} onChange={(v) => note({ hoursBeforeExpirationNotify: Number(v) })} /></div>
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>{a.id ? "Save" : "Create"}</Button></Group>
    </form></Modal>
  );
}
