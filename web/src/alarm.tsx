// The banner on every page while the audit log is known to be wrong: damage, a table that differs from it, a witness
// that contradicts it. For whoever may view the log.
import { useQuery } from "@tanstack/react-query";
import { IconAlertOctagon } from "@tabler/icons-react";
import { Link, useLocation } from "react-router";
import { get } from "./api";
import type { Seal } from "./pages/verify";
import { useSession } from "./session";

export const SEAL = "/api/v2/auditlog/seal";

/** Looks in the background: a page left open does not keep its session alive. */
export function useSeal(every: number, enabled: boolean) {
  return useQuery({ queryKey: ["seal"], enabled, refetchInterval: every, retry: false, queryFn: ({ signal }) => get<{ data: Seal }>(SEAL, signal, true) });
}

export function Alarm() {
  const s = useSession(), { pathname } = useLocation(), d = useSeal(30_000, s.can("AUDIT_LOG.VIEW")).data?.data, a = d?.alarms?.[0];
  if (!d || !a) return null;
  const to = a.kind === "witness" ? "/admin/witnesses" : "/admin/audit-log#seal", finding = a.kind === "damage" ? d.self_check?.findings?.[0] : undefined, more = d.alarms!.length - 1;
  return (
    <div className="alarm" role="alert">
      <IconAlertOctagon size={18} aria-hidden />
      <div className="grow"><strong>{a.text}</strong>{finding && <span className="break"> {finding.what.charAt(0).toUpperCase() + finding.what.slice(1)}{finding.index !== null && finding.index !== undefined ? ` (event ${finding.index.toLocaleString("en")})` : ""}.</span>}{more > 0 && ` And ${more} more.`} {pathname !== to && <Link to={to}>{a.kind === "witness" ? "See the witnesses" : "See the finding"}</Link>}</div>
    </div>
  );
}
