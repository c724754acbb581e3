// Witnesses: what this log's proofs rest on outside of this server, how each witness stands to the log, and how to run one.
import { useQuery } from "@tanstack/react-query";
import { IconEye } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { get } from "../api";
import { useSession } from "../session";
import { exact, plural } from "../time";
import { ADMIN, Ago, Badge, Copy, Empty, Failed, Notice, Page, Panel, Skeleton } from "../ui/basics";

interface Witness {
  name: string; key: string; url: string | null; last_size: number; last_cosigned_at: string | null; state: "cosigns" | "fails" | "contradicts" | "unknown" | "not_asked"; since: string | null; behind: number;
  in_quorum: boolean; counts: boolean; last_asked_at: string | null; last_success_at: string | null; last_failure_at: string | null; last_failure: string | null;
}
interface Status {
  log: { origin: string; size: number; signed_at: string; keys: string[]; sent: boolean } | null;
  policy: { file: string; text: string | null; loaded_at: string | null; refused: string | null; refused_at: string | null };
  quorum: { text: string; met: boolean; missing: string | null; within_hours: number } | null;
  witnesses: Witness[];
}
const STATE: Record<Witness["state"], [string, string]> = { cosigns: ["Cosigns", "ok"], fails: ["Does not cosign", "warn"], contradicts: ["Contradicts the log", "bad"], unknown: ["Not asked yet", ""], not_asked: ["Not asked", ""] };
const n = (x: number) => x.toLocaleString("en");
const cap = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

export function WitnessesPage() {
  const s = useSession(), may = s.can("AUDIT_LOG.VIEW");
  return (
    <Page title="Witnesses" crumbs={ADMIN} kind="form" text="A witness keeps the newest checkpoint of this log that it saw, and signs only one that continues it. While one runs where nobody who runs this server can reach it, events can not be taken back or rewritten unnoticed, nor two people shown two logs.">
      {may ? <All /> : <div className="panel"><Empty title="You do not have access to this" text="It takes the permission to view the audit log." /></div>}
    </Page>
  );
}

function All() {
  const q = useQuery({ queryKey: ["witnesses"], refetchInterval: 10_000, queryFn: ({ signal }) => get<{ data: Status }>("/api/v2/auditlog/witnesses/status", signal, true) }), d = q.data?.data;
  if (q.error && !d) return <div className="panel"><Failed error={q.error} again={() => void q.refetch()} /></div>;
  if (!d) return <Panel><Skeleton rows={6} /></Panel>;
  const some = d.witnesses.length > 0;
  return (
    <>
      {d.policy.refused && <Notice kind="bad">The changed file {d.policy.file} is refused, the policy before it holds: {d.policy.refused} (<Ago at={d.policy.refused_at} />).</Notice>}
      {d.witnesses.filter((w) => w.state === "contradicts").map((w) => <Notice key={w.key} kind="bad"><strong>{w.name} contradicts this log.</strong> If this store was put back from a copy, begin a new epoch and give the witness its key; otherwise somebody has changed the store: keep it as it is, and run <code className="mono">recount audit verify --deep</code>.</Notice>)}
      {some ? <Panel title="Witnesses" body={false}><Quorum d={d} /><ul className="list">{d.witnesses.map((w) => <One key={w.key} w={w} log={d.log} />)}</ul></Panel>
        : <div className="panel"><Empty icon={<IconEye size={28} aria-hidden />} title="No witness is configured" text={<>Whoever holds this server and its key could rewrite the log unnoticed. Ask your auditor, or a department that does not run this server, to run a witness, with the lines below. Then write its line into {d.policy.file}.</>} /></div>}
      {d.log ? <><Log log={d.log} /><How d={d} log={d.log} /></> : <Panel title="This log"><p className="dim">It has no signed checkpoint yet. One follows within a second of the first event.</p></Panel>}
      {d.policy.text !== null && <Panel title="Policy as loaded" acts={<Copy text={d.policy.text} label="Copy policy" />}><div className="stack"><span className="dim small">{d.policy.file} in the server's data folder, loaded {exact(d.policy.loaded_at)}. A change is taken within ten seconds and recorded in the log.</span><Lines text={d.policy.text} label="Policy" /></div></Panel>}
    </>
  );
}

const Lines = ({ text, label }: { text: string; label: string }) => <pre className="lines" tabIndex={0} role="region" aria-label={label}>{text.trimEnd()}</pre>;

function Quorum({ d }: { d: Status }) {
  const q = d.quorum!, none = q.text === "none";
  return (
    <div className={`quorum ${none || !d.log?.sent ? "" : q.met ? "ok" : "warn"}`}>
      <div><span className="dim">Quorum</span> <strong className="break">{none ? "none is asked for" : q.text}</strong></div>
      <div className="small">{d.log && !d.log.sent ? "The policy names other logs: no witness is sent this one." : none ? "The policy asks for no cosignature; the seal still wants one within 24 hours." : q.met ? `Cosigned within the last ${q.within_hours} hours.` : `Not reached within ${q.within_hours} hours: ${q.missing}.`}</div>
    </div>
  );
}

function One({ w, log }: { w: Witness; log: Status["log"] }) {
  const [word, kind] = STATE[w.state], facts: [string, ReactNode][] = [
    ["Last cosigned", w.last_size > 0 ? <><span className="num">{n(w.last_size)} events</span>, <Ago at={w.last_cosigned_at} /></> : "Never"],
    ["Behind", w.last_size === 0 ? log ? `All ${plural(log.size, "event")}` : "–" : w.behind > 0 ? plural(w.behind, "event") : "Nothing"],
    ["Address", w.url ? <span className="mono break">{w.url}</span> : "None: it is not asked"],
    ["Key", <span className="keyline"><span className="mono break">{w.key}</span><Copy text={w.key} label="Copy key" /></span>],
  ];
  return (
    <li className="entry"><div className="grow">
      <div className="row wrap"><Badge kind={kind}>{word}</Badge><strong className="break">{w.name}</strong>{w.in_quorum && <span className="dim small">in the quorum</span>}<span className="grow" />{w.since && <span className="dim small">since <Ago at={w.since} /></span>}</div>
      {(w.state === "fails" || w.state === "contradicts") && w.last_failure && <div className={`why ${kind}`}>{cap(w.last_failure)}.</div>}
      {w.state === "not_asked" && <div className="dim small">{w.url ? "The policy does not name this log, or the key is of a kind that only others check." : "Its line in the policy has no address."}</div>}
      <dl className="facts witness">{facts.map(([k, v]) => <div key={k} style={{ display: "contents" }}><dt>{k}</dt><dd>{v}</dd></div>)}
        {w.last_asked_at && <><dt>Last asked</dt><dd><Ago at={w.last_asked_at} /></dd></>}
        {w.state === "cosigns" && w.last_failure && <><dt>Last failure</dt><dd><Ago at={w.last_failure_at} />: {w.last_failure}</dd></>}</dl>
    </div></li>
  );
}

function Log({ log }: { log: NonNullable<Status["log"]> }) {
  return (
    <Panel title="This log"><dl className="facts">
      <dt>Origin</dt><dd><span className="keyline"><span className="mono break">{log.origin}</span><Copy text={log.origin} label="Copy origin" /></span></dd>
      {log.keys.map((k, i) => <div key={k} style={{ display: "contents" }}><dt>{log.keys.length > 1 ? (i ? "Key before" : "Newest key") : "Verification key"}</dt><dd><span className="keyline"><span className="mono break">{k}</span><Copy text={k} label="Copy key" /></span>{i === 0 && <span className="dim small">The line for a witness's list of logs, for an auditor's policy, and for <code className="mono">verify.py --vkey</code>. Hand it over by another way than this server.</span>}</dd></div>)}
      <dt>Newest checkpoint</dt><dd><span className="num">{n(log.size)} events</span>, <Ago at={log.signed_at} /></dd>
    </dl></Panel>
  );
}

function How({ d, log }: { d: Status; log: NonNullable<Status["log"]> }) {
  const run = `mkdir -p -m 700 /var/lib/witness /etc/witness\ncat > /etc/witness/logs <<'END'\n${log.keys.join("\n")}\nEND\nrecount witness --name auditor --data /var/lib/witness --listen 0.0.0.0:8090 --logs /etc/witness/logs`;
  const more = d.witnesses.length > 0;
  const line = `${more ? "" : `log ${log.keys[0]}\n`}witness auditor KEY http://ADDRESS:8090${more ? "" : "\nquorum auditor"}`;
  return (
    <Panel title="Run a witness"><ol className="how">
      <li><div className="row"><span className="grow">On a machine that those who run this server can not reach, with the same <code className="mono">recount</code> binary. It needs no account and no database.</span><Copy text={run} label="Copy commands" /></div><Lines text={run} label="Commands for the witness" /></li>
      <li><div className="row"><span className="grow">It prints its key. Put that and its address into <code className="mono">{d.policy.file}</code> in this server's data folder{more && <>, above the line of the quorum, and name it there if it is to be asked for</>}. The change is taken within ten seconds.</span><Copy text={line} label="Copy lines" /></div><Lines text={line} label="Lines for the policy" /></li>
      <li>It appears above, and cosigns within seconds. After a restore this log gets a new origin and key line: add it to the witness's list and send the witness <code className="mono">SIGHUP</code>.</li>
    </ol></Panel>
  );
}
