// What proves the log: the seal above the list, and the Verify button of an event. The checking itself is proof.ts.
import { Button, Popover } from "@mantine/core";
import { IconCheck, IconInfoCircle, IconShieldCheck, IconShieldExclamation, IconShieldX, IconX } from "@tabler/icons-react";
import { useEffect, useMemo, useState } from "react";
import { Link, useLocation } from "react-router";
import { useSeal } from "../alarm";
import { say, type Event } from "../api";
import { useSession } from "../session";
import { ago, stamp } from "../time";
import { brokenOf, useMemory } from "../memory";
import { glance, hasWebCrypto, newestHead, verifyEvent, verifyHead, type Head, type Step } from "../trust";
import { Copy, Notice } from "../ui/basics";

export interface Seal {
  state: "green" | "amber" | "red"; reasons: string[]; checkpoint: { origin: string; size: number; root: string; signed_at: string } | null;
  witnesses?: { configured: number; cosigned_at: string | null; contradicting?: number } | null; self_check?: { last_complete: string | null; findings_total?: number; findings?: { index?: number | null; origin: string; what: string; expected?: string | null; found?: string | null; first_found_at?: string | null }[] } | null;
  alarms?: { kind: "damage" | "elsewhere" | "signing" | "witness"; text: string }[];
}

export const Steps = ({ steps }: { steps: Step[] }) => (
  <ol className="steps">{steps.map((s) => <li key={s.title} className={s.ok === false ? "bad" : s.ok ? "ok" : "warn"}>{s.ok === false ? <IconX size={15} aria-label="Failed" /> : s.ok ? <IconCheck size={15} aria-label="Good" /> : <IconInfoCircle size={15} aria-label="To know" />}<div><strong>{s.title}</strong><div>{s.text}</div></div></li>)}</ol>
);
const LIMITS = "This check uses the key that this server gave to this browser and the script it delivered. It can not show that others were given the same key, nor what happened in the second before a checkpoint. Compare the key once with one you got another way (by mail, from a witness, on paper); to be independent of this page, check the same proof with doc/verify/verify.py.";

/** Checks one event in this browser and shows each step. */
export function VerifyEvent({ e }: { e: Event }) {
  const s = useSession(), [steps, setSteps] = useState<Step[]>([]), [busy, setBusy] = useState(false), [fault, setFault] = useState("");
  if (!s.can("AUDIT_LOG.EXPORT")) return null;
  const run = async () => {
    setBusy(true); setSteps([]); setFault("");
    try { await verifyEvent(e, setSteps); } catch (x) { setFault(say(x)); } finally { setBusy(false); }
  };
  const bad = steps.some((x) => x.ok === false), done = steps.length > 0 && !busy;
  return (
    <div className="verify">
      <div className="row wrap">
        <Button size="compact-xs" variant="default" leftSection={<IconShieldCheck size={14} aria-hidden />} loading={busy} onClick={() => void run()}>Verify</Button>
        <Button component="a" size="compact-xs" variant="default" href={`/api/v2/auditlog/proof/${e.cuid}?format=tlog-proof`} download={`${e.cuid}.tlog-proof`}>Proof file</Button>
        {done && <span role="status" className={`verdict ${bad ? "bad" : "ok"}`}>{bad ? "This event does not verify" : "Verified in this browser"}</span>}
      </div>
      {fault && <Notice kind="bad">{fault}</Notice>}
      {steps.length > 0 && <><Steps steps={steps} /><p className="dim small">{LIMITS}{!hasWebCrypto() && " This page came over plain HTTP, so a script did the arithmetic in place of the browser."}</p></>}
    </div>
  );
}

const SHOWN = { green: { text: "Sealed", Icon: IconShieldCheck, kind: "ok" }, amber: { text: "Sealed, with remarks", Icon: IconShieldExclamation, kind: "warn" }, red: { text: "Not trustworthy", Icon: IconShieldX, kind: "bad" } } as const;

/** The state of the log as a whole: last checkpoint, witnesses, self-check. */
export function SealBadge() {
  const s = useSession(), [steps, setSteps] = useState<Step[] | null>(null), [fault, setFault] = useState(""), [busy, setBusy] = useState(false), proofs = s.can("AUDIT_LOG.EXPORT");
  const q = useSeal(15_000, true), { hash, key } = useLocation(), [open, setOpen] = useState(false);
  useEffect(() => { if (hash === "#seal") setOpen(true); }, [hash, key]);
  const [head, setHead] = useState<Head | null>(null), d = q.data?.data, seen = d?.checkpoint, version = useMemory();
  // What is shown is remembered, and compared with what was seen here before, without being asked to.
  useEffect(() => { if (proofs && seen) void glance(seen).catch(() => { /* a server that does not answer */ }); }, [proofs, seen?.origin, seen?.size, seen?.root]); // eslint-disable-line
  const told = useMemo(() => brokenOf(s.user.tenantCuid), [version, s.user.tenantCuid]), wrong = told?.kind ? null : told; // eslint-disable-line
  if (!d) return null;
  const state = wrong || steps?.some((x) => x.ok === false) ? "red" : d.state, { text, Icon, kind } = SHOWN[state];
  const check = async () => {
    setBusy(true); setFault("");
    try { const h = await newestHead(); setHead(h); if (h) setSteps(await verifyHead(h)); } catch (x) { setFault(say(x)); } finally { setBusy(false); }
  };
  return (
    <Popover width={400} position="bottom-end" shadow="md" withinPortal trapFocus opened={open} onChange={setOpen}>
      <Popover.Target><button type="button" className={`seal ${kind}`} aria-label={`Seal of the log: ${text}`} onClick={() => setOpen(!open)}><Icon size={15} aria-hidden />{text}</button></Popover.Target>
      <Popover.Dropdown>
        <div className="stack seal-box" role="group" aria-label="Seal of the log">
          {wrong && <Notice kind="bad">{wrong.text}</Notice>}
          {d.reasons.map((r) => <Notice key={r} kind={state === "red" ? "bad" : state === "amber" ? "warn" : ""}>{r}</Notice>)}
          <dl className="facts">
            <dt>Checkpoint</dt><dd className="num">{d.checkpoint ? <>{d.checkpoint.size.toLocaleString("en")} events, {ago(d.checkpoint.signed_at)}<div className="dim small">{stamp(d.checkpoint.signed_at, "utc", true)} UTC</div></> : "None yet"}</dd>
            {d.checkpoint && <><dt>Root</dt><dd className="mono small break">{d.checkpoint.root}</dd></>}
            <dt>Witness</dt><dd><Link to="/admin/witnesses">{d.witnesses?.cosigned_at ? `Cosigned ${ago(d.witnesses.cosigned_at)}` : d.witnesses?.configured ? "Configured, no cosignature yet" : "None configured"}</Link></dd>
            <dt>Self-check</dt><dd>{d.self_check?.last_complete ? `Whole log ${d.self_check.findings_total ? "checked" : "sound"} ${ago(d.self_check.last_complete)}` : "First pass not finished"}</dd>
          </dl>
          <Findings check={d.self_check} />
          {steps && <Steps steps={steps} />}
          {fault && <Notice kind="bad">{fault}</Notice>}
          {proofs && <div className="row wrap"><Button size="compact-xs" variant="default" loading={busy} onClick={() => void check()}>Check against this browser's memory</Button><Button component="a" size="compact-xs" variant="default" href="/api/v2/auditlog/checkpoint" download="checkpoint.txt">Save checkpoint</Button>{head && <Copy text={head.vkey} label="Copy key" />}</div>}
          {proofs && <Link to="/admin/verify" className="small">What this browser remembers</Link>}
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}

/** What the server's check found, newest first. */
function Findings({ check }: { check: Seal["self_check"] }) {
  const list = check?.findings ?? [], more = Math.max(list.length, check?.findings_total ?? 0) - Math.min(list.length, FINDINGS);
  if (!list.length) return null;
  return (
    <div><h2>Found by the server's check</h2><ul className="findings">{list.slice(0, FINDINGS).map((f, i) => <li key={i}><strong className="break">{f.what.charAt(0).toUpperCase() + f.what.slice(1)}</strong><div className="dim small break">{f.index !== null && f.index !== undefined ? `Event ${f.index.toLocaleString("en")} of ` : "Log "}{f.origin}{f.first_found_at && <>, found {ago(f.first_found_at)}</>}</div>{(f.expected || f.found) && <div className="small break">{f.expected && <>Expected {f.expected}</>}{f.expected && f.found && "; "}{f.found && <>found {f.found}</>}</div>}</li>)}</ul>
      <p className="dim small">{more > 0 && `And ${more.toLocaleString("en")} more. `}Keep the store as it is; <code className="mono">recount audit verify --deep</code> on the server names everything.</p></div>
  );
}
const FINDINGS = 5;
