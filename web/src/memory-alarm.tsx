// On every page of whoever may see the log: that what this browser saw of it, and what it is shown now, do not fit.
import { Button } from "@mantine/core";
import { Link } from "react-router";
import { brokenOf, setBroken, useMemory } from "./memory";
import { useSession } from "./session";
import { Notice } from "./ui/basics";

export function MemoryAlarm() {
  const s = useSession();
  useMemory();
  const b = s.can("AUDIT_LOG.VIEW") ? brokenOf(s.user.tenantCuid) : null;
  if (!b) return null;
  return (
    <div className="memory-alarm">
      <Notice kind={b.kind ?? "bad"}><div className="row wrap"><span className="grow"><strong>{b.kind ? "The audit log has changed since this browser saw it." : "The audit log is not the one this browser knows."}</strong> {b.text} <Link to="/admin/verify">Look at it</Link></span>{b.kind && <Button size="compact-sm" variant="default" onClick={() => setBroken(b.log, null)}>Noted</Button>}</div></Notice>
    </div>
  );
}
