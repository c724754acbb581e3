// Roles and tiers, which several pages show by name and offer for choice.
import { useQuery } from "@tanstack/react-query";
import { get, type Role, type Tier } from "./api";
import { useSession } from "./session";

const BUILT_IN: Record<string, string> = { ADMIN: "Administrator", STD_USER: "Standard User", ANALYST: "Analyst", AUDITOR: "Auditor" };
export function useRoles() {
  const s = useSession(), q = useQuery({ queryKey: ["roles"], enabled: s.can("SECURITY.VIEW_ROLES", "SECURITY.MANAGE_ROLES"), queryFn: ({ signal }) => get<{ data: Role[] }>(`${s.base}/security/role`, signal) });
  const list = q.data?.data;
  const title = (key: string) => list?.find((r) => r.key === key)?.title ?? BUILT_IN[key] ?? key.replace(/^TENANT_\d+_ROLE_/, "").replace(/_/g, " ").toLowerCase().replace(/^\w/, (c) => c.toUpperCase());
  const options = (...also: string[]) => [...new Set([...(list?.filter((r) => r.enabled !== false).map((r) => r.key) ?? Object.keys(BUILT_IN)), ...also.filter(Boolean)])].map((k) => ({ value: k, label: title(k) }));
  return { ...q, list, title, options };
}
export function useTiers() {
  const s = useSession(), q = useQuery({ queryKey: ["tiers"], staleTime: 30_000, retry: false, queryFn: ({ signal }) => get<{ data: Tier[]; enabled?: boolean }>(`${s.base}/tiers`, signal) });
  const toggle = useQuery({ queryKey: ["settings", "tiers"], retry: false, staleTime: 30_000, enabled: s.can("SECURITY.MANAGE_CLASSIFICATION"), queryFn: ({ signal }) => get<{ data: { enabled: boolean } }>(`${s.base}/settings/tiers`, signal) });
  const list = q.data?.data ?? [], on = (toggle.data?.data?.enabled ?? q.data?.enabled ?? false) && list.length > 0;
  return { ...q, list, on, options: list.filter((t) => t.enabled !== false).map((t) => ({ value: String(t.id), label: t.name })), title: (id: unknown) => list.find((t) => String(t.id) === String(id))?.name ?? "None" };
}
