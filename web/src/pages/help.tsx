// Help: the keys, where the documents are, what the log proves, and which version this is.
import { Link } from "react-router";
import { useSession } from "../session";
import { Page, Panel } from "../ui/basics";

const KEYS: [string, [string[], string][]][] = [
  ["Everywhere", [[["Ctrl K"], "Go to a page or a client"], [["?"], "This page"], [["Esc"], "Close what is open"]]],
  ["Audit log", [[["/"], "Search"], [["j", "k"], "Next event, previous event"], [["o", "Enter"], "Open or close the marked event"], [["n"], "Show the new events that wait, from the top"], [["↓"], "From the search box into the list"], [["←", "→"], "In the bars: from bar to bar; with Shift several are marked, Enter narrows the dates to them"], [["Esc"], "Empty the search box, or close the event"]]],
];
const DOCUMENTS: [string, string][] = [
  ["operations.md", "Running it: folders, settings, backup and restore, several servers, what to watch"],
  ["audit-log.md", "The audit log: what is recorded, searching and exporting it, how long it is kept, how it is checked"],
  ["log.md", "How the log works inside: records, tree, checkpoints"],
  ["security.md", "What is protected from whom, and what is not"],
  ["verify/", "A small independent program that checks proofs and exports, and how to use it"],
];

export function HelpPage() {
  const s = useSession(), log = s.can("AUDIT_LOG.VIEW");
  return (
    <Page kind="form" title="Help" text={`Recount ${s.version ?? ""}`.trim()}>
      <Panel title="Keyboard">
        <div className="help-keys">{KEYS.map(([where, list]) => <section key={where}><h3>{where}</h3><dl className="facts">{list.map(([keys, text]) => <div key={text} style={{ display: "contents" }}><dt>{keys.map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{text}</dd></div>)}</dl></section>)}</div>
      </Panel>
      <Panel title="Is the audit log true?">
        <div className="stack">
          <p>Every change and the event that tells of it are written together. The events form a Merkle tree whose head is signed at most a second after each of them, so that an event changed, removed or put in later no longer fits what was signed before.</p>
          <ul className="plain">
            <li>{log ? <><Link className="under" to="/admin/audit-log">The audit log</Link> carries a seal.</> : "The audit log carries a seal."} It tells of the last signed checkpoint, of the witnesses, and of the check of the whole log that the server repeats by itself.</li>
            <li>{s.can("AUDIT_LOG.EXPORT") ? <><Link className="under" to="/admin/verify">Verify the log</Link> checks the newest checkpoint in this browser, and <b>Verify</b> in an open event checks that event</> : <>Who may export the log can check the newest checkpoint and each event in the browser</>}: the proof is computed there and compared with what that browser remembers.</li>
            <li>To depend on neither this server nor this page, keep a checkpoint elsewhere and check an event's proof file with <code>verify/verify.py</code>, or the whole store with <code>recount audit verify --deep</code>.</li>
          </ul>
        </div>
      </Panel>
      <Panel title="Documents">
        <div className="stack"><p className="dim">They come with the program: in <code>/usr/share/doc/recount</code> where it was installed as a package, in <code>doc/</code> of its sources.</p>
          <dl className="facts">{DOCUMENTS.map(([name, text]) => <div key={name} style={{ display: "contents" }}><dt><code>{name}</code></dt><dd>{text}</dd></div>)}</dl>
          <p className="dim">The interface for scripts is described by <code>recount openapi</code>. Make a token for a script under <Link className="under" to="/profile/tokens">Access tokens</Link>.</p></div>
      </Panel>
      <Panel title="About"><dl className="facts"><dt>Version</dt><dd>{s.version ?? "Unknown"}</dd><dt>Workspace</dt><dd>{s.user.tenantName}</dd><dt>Signed in as</dt><dd>{s.user.first} {s.user.last} ({s.user.email})</dd></dl></Panel>
    </Page>
  );
}
