// Sub-statuses: what a workspace adds below the three statuses of a finding.
import { ActionIcon, Button, Group, Modal, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { ApiError, del, get, patch, post, type Substatus } from "../api";
import { ADMIN, confirm, Failed, Notice, Page, Panel, Skeleton, toast, toastError } from "../ui/basics";

const AT = "/api/v3/substatus", STATUSES = ["Open", "In Process", "Closed"];

export function SubstatusesPage() {
  const cache = useQueryClient(), [edit, setEdit] = useState<Substatus | null>(null), q = useQuery({ queryKey: ["substatuses"], queryFn: ({ signal }) => get<{ data: Substatus[] }>(AT, signal) });
  const again = () => { void cache.invalidateQueries({ queryKey: ["substatuses"] }); };
  const remove = async (x: Substatus) => { if (!(await confirm(`Delete ${x.value}?`, `It is no longer offered below ${x.status}.`, "Delete sub-status"))) return; try { await del(`${AT}/${x.cuid}`); toast(`${x.value} deleted`); again(); } catch (e) { toastError(e); } };
  return (
    <Page title="Sub-statuses" crumbs={ADMIN} kind="form" text="Finer words below the three statuses of a finding. Findings are not in this version: what you set here is kept for them.">
      {q.error ? <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div> : !q.data ? <Panel><Skeleton rows={6} /></Panel> : STATUSES.map((status) => {
        const list = q.data.data.filter((x) => x.status === status);
        return (
          <Panel key={status} title={status} body={false} acts={<span className="dim small num">{list.length || "None"}</span>}>
            {list.length > 0 && <ul className="list" aria-label={`Sub-statuses of ${status}`}>{list.map((x) => <li key={x.cuid}><span className="grow break">{x.value}</span><ActionIcon variant="subtle" color="gray" aria-label={`Edit ${x.value}`} onClick={() => setEdit(x)}><IconPencil size={15} aria-hidden /></ActionIcon><ActionIcon variant="subtle" color="gray" aria-label={`Delete ${x.value}`} onClick={() => void remove(x)}><IconTrash size={15} aria-hidden /></ActionIcon></li>)}</ul>}
            <Add status={status} done={again} line={list.length > 0} />
          </Panel>);
      })}
      {edit && <Edit x={edit} close={() => setEdit(null)} done={again} />}
    </Page>
  );
}

function Add({ status, done, line }: { status: string; done: () => void; line: boolean }) {
  const [value, setValue] = useState(""), save = useMutation({ mutationFn: () => post(AT, { status, value }), onSuccess: () => { toast(`${value.trim()} added`); setValue(""); done(); } });
  return (
    <form className={`row add ${line ? "line" : ""}`} onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      <TextInput className="grow" size="xs" aria-label={`New sub-status of ${status}`} placeholder="Add a sub-status" maxLength={100} value={value} error={save.error ? (save.error instanceof ApiError && save.error.field("value")) || save.error.message : undefined} onChange={(e) => { setValue(e.currentTarget.value); if (save.error) save.reset(); }} />
      <Button type="submit" size="xs" variant="default" aria-label={`Add to ${status}`} disabled={!value.trim()} loading={save.isPending}>Add</Button>
    </form>
  );
}

function Edit({ x, close, done }: { x: Substatus; close: () => void; done: () => void }) {
  const [f, setF] = useState({ status: x.status, value: x.value }), save = useMutation({ mutationFn: () => patch(`${AT}/${x.cuid}`, f), onSuccess: () => { toast("Sub-status saved"); done(); close(); } });
  return (
    <Modal opened onClose={close} title="Edit sub-status"><form className="stack" onSubmit={(e) => { e.preventDefault(); save.mutate(); }}>
      {save.error && <Notice kind="bad">{save.error.message}</Notice>}
      <TextInput label="Name" required data-autofocus maxLength={100} value={f.value} error={save.error instanceof ApiError ? save.error.field("value") : undefined} onChange={(e) => { const v = e.currentTarget.value; setF((o) => ({ ...o, value: v })); }} />
      <Select label="Below" data={STATUSES} value={f.status} onChange={(v) => setF((o) => ({ ...o, status: v! }))} />
      <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Cancel</Button><Button type="submit" loading={save.isPending}>Save</Button></Group>
    </form></Modal>
  );
}
