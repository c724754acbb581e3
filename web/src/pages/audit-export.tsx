// The export of what is shown: first what it is (range, count, indices, digest), then the file, and the signed manifest beside it.
import { Button, Group, Menu, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconDownload, IconFileCertificate } from "@tabler/icons-react";
import { useState } from "react";
import { get } from "../api";
import { plural, stamp, zoneName, type Zone } from "../time";
import { Copy, Failed, Skeleton } from "../ui/basics";

type Format = "csv" | "ndjson" | "ocsf";
interface Manifest { from: string; to: string; before: number; count: number; first_index: number | null; last_index: number | null; digest: string; data: { manifest: string; checkpoint: string; vkey: string } }
const FORMATS: [Format, string, string][] = [["csv", "CSV", "For spreadsheets"], ["ndjson", "NDJSON", "One JSON object a line"], ["ocsf", "OCSF", "For a SIEM"]];

/** `filter` is the list's, as in its address. */
export function ExportMenu({ filter, zone }: { filter: string; zone: Zone }) {
  const [format, setFormat] = useState<Format | null>(null);
  return <>
    <Menu position="bottom-end" width={230}><Menu.Target><Button size="compact-md" variant="default" leftSection={<IconDownload size={15} aria-hidden />}>Export</Button></Menu.Target>
      <Menu.Dropdown><Menu.Label>What is shown, with query and digest</Menu.Label>{FORMATS.map(([f, name, hint]) => <Menu.Item key={f} onClick={() => setFormat(f)}><div>{name}</div><div className="dim small">{hint}</div></Menu.Item>)}</Menu.Dropdown></Menu>
    {format && <ExportDialog format={format} filter={filter} zone={zone} close={() => setFormat(null)} />}
  </>;
}
function ExportDialog({ format, filter, zone, close }: { format: Format; filter: string; zone: Zone; close: () => void }) {
  const name = FORMATS.find(([f]) => f === format)![1];
  const q = useQuery({ queryKey: ["export", format, filter], gcTime: 0, staleTime: Infinity, refetchOnWindowFocus: false, retry: false, queryFn: ({ signal }) => get<Manifest>(`/api/v2/auditlog/export/manifest?format=${format}${filter ? "&" + filter : ""}`, signal) });
  const m = q.data;
  return (
    <Modal opened onClose={close} title={`Export as ${name}`} size="lg">
      {q.error ? <Failed error={q.error} again={() => void q.refetch()} /> : !m ? <Skeleton rows={5} /> : <div className="stack">
        <dl className="facts">
          <dt>Events</dt><dd>{plural(m.count, "event")}</dd>
          <dt>Range</dt><dd className="num">{stamp(m.from, zone, true)} to {stamp(m.to, zone, true)} <span className="dim">{zoneName(zone, m.to)}</span></dd>
          <dt>Query</dt><dd>{said(filter) || <span className="dim">no filter</span>}</dd>
          <dt>First index</dt><dd className="num">{m.first_index ?? "–"}</dd>
          <dt>Last index</dt><dd className="num">{m.last_index ?? "–"}</dd>
          <dt>SHA-256</dt><dd><code className="mono">{hex(m)}</code> <Copy text={hex(m)} /></dd>
        </dl>
        <p className="dim small">The manifest says the same, signed by the log. With it anybody can check later that the file is what was exported: <code className="mono">doc/verify/verify.py export FILE --manifest MANIFEST</code>.</p>
        <Group justify="flex-end" gap="xs"><Button variant="default" onClick={close}>Close</Button><Button variant="default" leftSection={<IconFileCertificate size={15} aria-hidden />} onClick={() => save(m)}>Save manifest</Button><Button component="a" href={address(format, filter, m)} download leftSection={<IconDownload size={15} aria-hidden />}>Download {name}</Button></Group>
      </div>}
    </Modal>
  );
}
const hex = (m: Manifest) => m.digest.replace(/^sha-256=/, "");
/** Exactly what the manifest tells of, whatever has happened since. */
function address(format: Format, filter: string, m: Manifest) {
  const p = new URLSearchParams(filter);
  for (const [k, v] of Object.entries({ format, from: m.from, to: m.to, before: String(m.before) })) p.set(k, v);
  return `/api/v2/auditlog/export?${p}`;
}
const said = (filter: string) => [...new URLSearchParams(filter)].map(([k, v]) => `${k}: ${v}`).join(", ");
function save(m: Manifest) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(new Blob([JSON.stringify(m, null, 2) + "\n"], { type: "application/json" }));
  a.download = `audit-log-${m.to.slice(0, 10)}.manifest.json`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}
