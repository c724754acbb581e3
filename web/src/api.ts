// The only way to the server: same origin, cookie session, one error shape. A request that meets an ended session waits
// for the sign-in dialog and is sent again, so that nothing typed is lost.

export interface FieldFault { pointer: string; reason: string }
export class ApiError extends Error {
  constructor(public status: number, message: string, public code?: string, public fields: FieldFault[] = []) { super(message); }
  /** The fault of one field, by the last part of its JSON pointer. */
  field(name: string) { return this.fields.find((f) => f.pointer.split("/").pop() === name)?.reason; }
}

/** Members of requests that pages call otherwise; the others lose their capitals and underscores. */
const CALLED: Record<string, string> = {
  again: "The password again", code: "The code", custom_field: "Custom fields", daysToClose: "Days to close", email: "Email", expires_days: "Ends after", file: "The file", first: "First name", host: "Mail server", last: "Last name",
  newPassword: "The new password", password: "The password", poc: "Contact", poc_email: "Contact email", q: "The search", role: "Role", tenantClassificationLevel: "Classification", to: "The address", token: "What you typed",
};
/** One fault as a sentence for people: the API's own names of members stay out of pages. */
function sentence(f: FieldFault): string {
  const parts = f.pointer.replace(/^#/, "").split("/").filter(Boolean), last = parts.filter((p) => !/^\d+$/.test(p)).pop() ?? "", row = parts.find((p) => /^\d+$/.test(p));
  const words = last.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[._]/g, " ").toLowerCase(), name = CALLED[last] ?? (words ? words[0]!.toUpperCase() + words.slice(1) : "What was sent");
  return `${name}${row === undefined ? "" : ` of entry ${Number(row) + 1}`}${/^(is|are|must|needs?|has|have|holds?|can)\b/.test(f.reason) ? "" : ":"} ${f.reason}`;
}

let ask: (() => Promise<void>) | null = null;
/** Registers who shows the sign-in dialog. */
export const onExpired = (f: typeof ask) => { ask = f; };

/** A form with the file as it is now. Browsers read a file when they send it: one that was saved again since it was chosen makes the request fail as if the server were gone. */
export async function fileForm(file: File): Promise<FormData> {
  const form = new FormData();
  let bytes: ArrayBuffer;
  try { bytes = await file.arrayBuffer(); } catch { throw new ApiError(0, `${file.name} was changed after it was chosen, or can not be read. Choose it again.`, "file"); }
  form.set("file", new File([bytes], file.name, { type: file.type }));
  return form;
}

/** background: nobody asked for it just now, so it does not keep the session alive. */
interface Options { signal?: AbortSignal; form?: FormData; quiet?: boolean; background?: boolean }

export async function api<T = unknown>(method: string, path: string, body?: unknown, o: Options = {}): Promise<T> {
  for (;;) {
    let answer: Response;
    try {
      answer = await fetch(path, {
        method, credentials: "same-origin", signal: o.signal,
        headers: { "X-Recount": o.background ? "background" : "1", Accept: "application/json", ...(body !== undefined && !o.form ? { "Content-Type": "application/json" } : {}) },
        body: o.form ?? (body === undefined ? undefined : JSON.stringify(body)),
      });
    } catch (e) {
      if ((e as Error).name === "AbortError") throw e;
      throw new ApiError(0, "The server can not be reached. Check the connection and try again.", "unreachable");
    }
    const text = await answer.text();
    let data: unknown = null;
    try { data = text ? JSON.parse(text) : null; } catch { /* said below */ }
    if (answer.ok) return data as T;
    if (answer.status === 401 && !o.quiet && ask) { await ask(); continue; }
    const d = (data ?? {}) as { message?: string; code?: string; fields?: FieldFault[] };
    const wait = answer.headers.get("Retry-After");
    const fallback = answer.status === 429 ? `Too many attempts. Try again ${wait ? `in ${wait} s` : "in a minute"}.` : `The server answered ${answer.status}.`;
    throw new ApiError(answer.status, d.fields?.length ? [...new Set(d.fields.map(sentence))].join("; ") : d.message || fallback, d.code, d.fields ?? []);
  }
}
export const get = <T,>(path: string, signal?: AbortSignal, background = false) => api<T>("GET", path, undefined, { signal, background });
/** What the page asks by itself. */
export const look = <T,>(path: string, signal?: AbortSignal) => get<T>(path, signal, true);
export const post = <T = unknown,>(path: string, body: unknown = {}) => api<T>("POST", path, body);
export const put = <T = unknown,>(path: string, body: unknown = {}) => api<T>("PUT", path, body);
export const patch = <T = unknown,>(path: string, body: unknown = {}) => api<T>("PATCH", path, body);
export const del = <T = unknown,>(path: string) => api<T>("DELETE", path);
export const say = (e: unknown) => (e instanceof Error ? e.message : String(e));
export function query(o: Record<string, string | number | boolean | null | undefined>): string {
  const p = new URLSearchParams();
  for (const [k, v] of Object.entries(o)) if (v !== undefined && v !== null && v !== "") p.set(k, String(v));
  const s = p.toString();
  return s ? "?" + s : "";
}

// Shapes.
export interface Me { user_id: number; cuid: string; email: string; first: string; last: string; role: string; roles: string[]; tenant_id: number; tenantCuid: string; tenantName: string; mfa_enabled: boolean; theme?: string; dateFormat?: string }
export interface Session { user: Me; permissions: string[]; demo: boolean; idle_minutes: number; must_enroll_mfa: boolean; version?: string }
export interface User { user_id: number; cuid: string; email: string; first: string; last: string; fullName: string; roles: string[]; disabled: boolean; locked: boolean; mfa?: { enabled: boolean }; lastLogin?: number; createdAt?: number; default_group: boolean; authentication_provider?: string; tenantClassificationLevel?: string | number | null }
export interface Role { id: string; key: string; title: string; description: string; enabled: boolean; editable: boolean; canDisable: boolean; permissions: string[]; totalPermissions: number; userCount: number }
export interface Permission { key: string; category: string; section: string; title: string; scope?: string; asked?: boolean; roles: Record<string, boolean> }
export interface Sla { id: string; name: string; daysToClose: number; enabled: boolean; findingSeverity: string[]; findingTags: string[]; assetCriticality: string[]; assetTags: string[]; notificationSettings: Record<string, unknown> & { hoursBeforeExpirationNotify: number; recipients: string[] } }
export interface Substatus { cuid: string; status: string; value: string }
export interface Tier { id: string | number; name: string; description: string; enabled: boolean; level?: number }
export interface Client { client_id: number; cuid: string; name: string; poc?: string; poc_email?: string; description?: string; tags?: string[]; logo?: string; custom_field?: { label: string; value: string }[]; users?: Record<string, { role: string; classificationId: string | null }> }
export interface ClientUser { email?: string; username?: string; role: string; classificationId?: string | number | null; name?: { first: string; last: string }; first?: string; last?: string; disabled?: boolean }
export interface Party { kind?: string; id?: string | null; name?: string | null; email?: string | null; session?: string | null }
export interface Event { cuid: string; user_info: string; message: string; event_type: string; timestamp: string; index: number; epoch?: number; outcome: string; title: string; category: string; actor?: Party | null; target?: Party | null; client?: { id: number | string; name: string } | null; address?: string | null; via?: string | null; user_agent?: string | null; request_id?: string | null; changes?: { field: string; before: string | null; after: string | null }[] | null; private_detail?: string | null; count?: number; leaf?: string | null }
export interface EventMeta { next: string | number | null; more: boolean; complete: boolean; settled?: boolean; scanned_to?: string | number | null; newest?: number; older?: number; from?: string; to?: string; window?: { since: string | number; next_change: string | number; held_by_clock_step?: boolean } }
export interface EventType { name: string; title: string; category: string; never?: boolean; never_recorded?: boolean }
