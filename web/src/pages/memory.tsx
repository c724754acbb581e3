// The page "Verify the log": the newest checkpoint checked in this browser, what the browser remembers of the log, the key
// pinned here, and how to check without this page. The checking is trust.ts, the memory memory.ts.
import { Button, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { IconPin, IconRefresh } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "react-router";
import { say } from "../api";
import { forget, logOf, memories, pin, pinned, useMemory } from "../memory";
import { useSession } from "../session";
import { stamp } from "../time";
import { newestHead, pinKey, verifyHead, type Head, type Step } from "../trust";
import { ADMIN, confirm, Copy, Empty, Failed, Page, Panel, Skeleton, toast } from "../ui/basics";
import { Steps } from "./verify";

const AT = (at: string) => `${stamp(at, "utc", true)} UTC`;

export function VerifyPage() {
  const s = useSession(), q = useQuery({ queryKey: ["verify-head"], retry: false, staleTime: Infinity, refetchOnWindowFocus: false, enabled: s.can("AUDIT_LOG.EXPORT"), queryFn: async () => { const head = await newestHead(); return { head, steps: head ? await verifyHead(head) : [] }; } });
  const again = () => void q.refetch();
  return (
    <Page title="Verify the log" crumbs={[...ADMIN, ["/admin/audit-log", "Audit log"]]} text="Checked in this browser, from the bytes the server hands out.">
      {!s.can("AUDIT_LOG.EXPORT") ? <div className="panel"><Empty title="You do not have access to this" text="Proofs go with the right to export the audit log." /></div>
        : q.error ? <div className="panel"><Failed error={q.error} again={again} /></div> : !q.data ? <Panel><Skeleton rows={6} /></Panel>
          : !q.data.head ? <div className="panel"><Empty title="No checkpoint yet" text="The first one is signed a second after the first event."><Button size="xs" variant="default" onClick={again}>Try again</Button></Empty></div>
            : <><Newest head={q.data.head} steps={q.data.steps} busy={q.isFetching} again={again} /><Remembered head={q.data.head} again={again} /><Elsewhere head={q.data.head} /></>}
    </Page>
  );
}

function Newest({ head, steps, busy, again }: { head: Head; steps: Step[]; busy: boolean; again: () => void }) {
  const bad = steps.some((x) => x.ok === false);
  return (
    <Panel title="Newest checkpoint" acts={<Button size="compact-xs" variant="default" leftSection={<IconRefresh size={13} aria-hidden />} loading={busy} onClick={again}>Check again</Button>}>
      <div className="stack verify">
        <span role="status" className={`verdict ${bad ? "bad" : "ok"}`}>{bad ? "The log does not verify" : "Verified in this browser"}</span>
        <Steps steps={steps} />
        <dl className="facts"><dt>Events</dt><dd className="num">{head.size.toLocaleString("en")}, signed {AT(head.signed_at)}</dd><dt>Root</dt><dd className="mono small break">{head.root}</dd><dt>Key</dt><dd className="mono small break">{head.vkey}</dd></dl>
        <div className="row wrap"><Button component="a" size="compact-xs" variant="default" href="/api/v2/auditlog/checkpoint" download="checkpoint.txt">Save checkpoint</Button><Copy text={head.vkey} label="Copy key" /></div>
      </div>
    </Panel>
  );
}

function Remembered({ head, again }: { head: Head; again: () => void }) {
  useMemory();
  const log = logOf(head.origin), list = memories(log), p = pinned(log), [text, setText] = useState(""), [fault, setFault] = useState("");
  const forgetAll = async () => {
    if (!(await confirm("Let this browser forget?", "It then takes the next checkpoint it sees for the first one, whatever was shown before. Do it after you were told of a restore or a new key another way.", "Forget"))) return;
    forget(log); toast("Forgotten: this browser begins anew"); again();
  };
  const unpin = async () => { if (!(await confirm("Remove the pin?", "This browser then follows whatever key the server shows it.", "Remove pin"))) return; pin(log, null); toast("The pin is removed"); again(); };
  const keep = async () => {
    setFault("");
    try { await pinKey(text, head); setText(""); toast("The key is pinned"); again(); } catch (x) { setFault(say(x)); }
  };
  return (
    <Panel title="What this browser remembers" acts={list.length > 0 && <Button size="compact-xs" variant="default" onClick={() => void forgetAll()}>Forget</Button>}>
      <div className="stack">
        <p className="dim small">The last checkpoint it saw, on any page with the seal. Each later one must continue it. It lies in this browser alone: another one, and a private window, remember for themselves.</p>
        {!list.length ? <p>Nothing yet.</p>
          : <table className="changes memory" aria-label="Checkpoints this browser remembers"><thead><tr><th scope="col">Epoch</th><th scope="col">Events</th><th scope="col">Seen</th><th scope="col">Root</th></tr></thead><tbody>{list.map(({ origin, epoch, memory: m }) => <tr key={origin}><td className="num">{epoch}</td><td className="num">{m.size.toLocaleString("en")}</td><td className="num">{AT(m.at)}</td><td className="mono small break">{m.root}</td></tr>)}</tbody></table>}
        <h3>Pinned key</h3>
        {p ? <><span className="mono small break">{p.vkey}</span><div className="row wrap"><span className="dim small">Pinned {AT(p.at)}. Every checkpoint must be signed by it, or by a key it has signed for.</span><Button size="compact-xs" variant="default" onClick={() => void unpin()}>Remove pin</Button></div></>
          : <><p className="dim small">The key above came from this server. Paste the one that you were given another way (by mail, from a witness, on paper), and this browser demands it from now on.</p>
            <form className="stack" onSubmit={(e) => { e.preventDefault(); void keep(); }}><Textarea label="Key" aria-label="Key" placeholder="INSTALLATION/WORKSPACE/EPOCH+id+key" value={text} onChange={(e) => setText(e.currentTarget.value)} autosize minRows={2} maxLength={500} error={fault || undefined} spellCheck={false} /><div><Button type="submit" size="compact-sm" variant="default" leftSection={<IconPin size={14} aria-hidden />} disabled={!text.trim()}>Pin this key</Button></div></form></>}
      </div>
    </Panel>
  );
}

function Elsewhere({ head }: { head: Head }) {
  const lines = ["T=…   # an access token of yours", `L=${location.origin}/api/v2/auditlog`, "curl -fsS -H \"Authorization: Bearer $T\" $L/checkpoint > now", `verify.py checkpoint now --vkey '${head.vkey}' --pin seen.json`, "curl -fsS -H \"Authorization: Bearer $T\" \"$L/export?format=ndjson&proofs=1\" > log.ndjson", `verify.py export log.ndjson --vkey '${head.vkey}' --pin seen.json`].join("\n");
  return (
    <Panel title="Without this page" acts={<Copy text={lines} label="Copy commands" />}>
      <div className="stack"><p>This page is the server's, and so is the key above. <code className="mono">doc/verify/verify.py</code> needs neither: Python alone, and a key you were given once. Access tokens are in <Link to="/profile/tokens" className="underlined">your profile</Link>.</p><pre className="commands">{lines}</pre></div>
    </Panel>
  );
}
