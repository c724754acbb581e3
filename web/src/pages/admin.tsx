// The Admin Dashboard: cards by group. Only what one may use is shown.
import { IconAdjustments, IconCertificate, IconEye, IconBuildingSkyscraper, IconCalendarUser, IconChevronRight, IconClipboardList, IconEraser, IconHeartbeat, IconHierarchy, IconHourglass, IconListTree, IconLock, IconMail, IconShieldCheck, IconShieldLock, IconStack2, IconUsers, IconUsersGroup } from "@tabler/icons-react";
import { Link } from "react-router";
import { useSession } from "../session";
import { Empty, Page } from "../ui/basics";

export const ADMIN_PAGES = [
  { group: "Security & User Management", name: "Audit log", to: "/admin/audit-log", need: ["AUDIT_LOG.VIEW"], text: "Who did what, when, and from where", icon: IconClipboardList },
  { group: "Security & User Management", name: "Access on a date", to: "/admin/access", need: ["AUDIT_LOG.VIEW"], text: "Who had which rights, and since when", icon: IconCalendarUser },
  { group: "Security & User Management", name: "Verify the log", to: "/admin/verify", need: ["AUDIT_LOG.EXPORT"], text: "Checked in this browser, and what it remembers", icon: IconShieldCheck },
  { group: "Security & User Management", name: "Witnesses", to: "/admin/witnesses", need: ["AUDIT_LOG.VIEW"], text: "Who cosigns the log, outside of this server", icon: IconEye },
  { group: "Security & User Management", name: "Checkpoints and proofs", to: "/admin/proofs", need: ["AUDIT_LOG.RETENTION"], text: "Who gets checkpoints by mail, and what is public", icon: IconCertificate },
  { group: "Security & User Management", name: "Retention, holds and erasure", to: "/admin/retention", need: ["AUDIT_LOG.RETENTION", "AUDIT_LOG.ERASE"], text: "What is kept of the log, and who is taken out", icon: IconEraser },
  { group: "Security & User Management", name: "Users", to: "/admin/users", need: ["SECURITY.VIEW_USERS", "SECURITY.MANAGE_USERS"], text: "Accounts, states and roles", icon: IconUsers },
  { group: "Security & User Management", name: "Role Based Access", to: "/admin/roles", need: ["SECURITY.VIEW_ROLES", "SECURITY.MANAGE_ROLES"], text: "Roles and the permission matrix", icon: IconHierarchy },
  { group: "Security & User Management", name: "Authorization", to: "/admin/authorization", need: ["SECURITY.MANAGE_AUTHORIZATION"], text: "Who may work on which client", icon: IconUsersGroup },
  { group: "Security & User Management", name: "Classification Tiers", to: "/admin/classification-tiers", need: ["SECURITY.MANAGE_CLASSIFICATION"], text: "Levels of what one may read", icon: IconStack2 },
  { group: "Security & User Management", name: "Authentication", to: "/admin/authentication", need: ["SECURITY.AUTHENTICATION_SETTINGS"], text: "Passwords, lockout, second factor, sessions", icon: IconLock },
  { group: "Tenant Settings", name: "General Settings", to: "/admin/general", need: ["ADMINISTRATION.GENERAL_SETTINGS", "ADMINISTRATION.ACCOUNT_INFORMATION"], text: "Name, address and defaults", icon: IconAdjustments },
  { group: "Tenant Settings", name: "Email Settings", to: "/admin/email", need: ["ADMINISTRATION.EMAIL_SETTINGS"], text: "Mail server and sender", icon: IconMail },
  { group: "Tenant Settings", name: "Service-Level Agreements", to: "/admin/slas", need: ["ADMINISTRATION.SERVICE_LEVEL_AGREEMENTS"], text: "Within how many days findings are closed", icon: IconHourglass },
  { group: "Tenant Settings", name: "Sub-statuses", to: "/admin/sub-statuses", need: ["ADMINISTRATION.GENERAL_SETTINGS"], text: "Finer words below Open, In Process and Closed", icon: IconListTree },
  { group: "Tenant Settings", name: "System health", to: "/admin/health", need: ["ADMINISTRATION.ADMINISTRATION_ACCESS"], text: "State of the installation", icon: IconHeartbeat },
];
export const mayAdmin = (can: (...k: string[]) => boolean) => can("ADMINISTRATION.ADMINISTRATION_ACCESS") || ADMIN_PAGES.some((p) => can(...p.need));
const GROUPS = [{ name: "Security & User Management", text: "People, what they may do, and what they did", icon: IconShieldLock }, { name: "Tenant Settings", text: "How this workspace behaves", icon: IconBuildingSkyscraper }];

export function AdminDashboard() {
  const s = useSession(), groups = GROUPS.map((g) => ({ ...g, pages: ADMIN_PAGES.filter((p) => p.group === g.name && s.can(...p.need)) })).filter((g) => g.pages.length);
  return (
    <Page title="Admin Dashboard" text={`Settings of ${s.user.tenantName}`}>
      {!groups.length && <div className="panel"><Empty title="Nothing to administer" text="Your roles hold no administration permission." /></div>}
      <div className="cards" style={{ gridTemplateColumns: undefined }}>
        {groups.map((g) => <section key={g.name} className="panel card" aria-labelledby={`g-${g.name.replace(/\W+/g, "-")}`}>
          <div className="title"><span className="ico"><g.icon size={17} aria-hidden /></span><div><h2 id={`g-${g.name.replace(/\W+/g, "-")}`}>{g.name}</h2><div className="dim small">{g.text}</div></div></div>
          <div className="card-links">{g.pages.map((p) => <div key={p.to} className="card-link"><p.icon size={17} stroke={1.7} aria-hidden /><span><Link to={p.to}>{p.name}</Link><small>{p.text}</small></span><IconChevronRight size={15} aria-hidden /></div>)}</div>
        </section>)}
      </div>
    </Page>
  );
}
