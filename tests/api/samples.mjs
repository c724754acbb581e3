/**
 * For every route of the binary a valid request: things to put into its path, and a body. What a route may use up is
 * made afresh for each request. Written by hand, like allowed.mjs; the walks of rights.test.mjs live on it.
 */
import { readFileSync } from "node:fs";
import { PASSWORD, certificate } from "./harness.mjs";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const SLA = { name: "Criticals", daysToClose: 7, findingSeverity: ["Critical"], enabled: true };
let serial = 0;

/** The things of one workspace (or of one client of it): each is made when it is first asked for, by its administrator. */
export class Things {
  /** @param {any} admin signed in @param {number} t @param {string} mark stands in every name */
  constructor(admin, t, mark, second = undefined) { this.a = admin; this.second = second; this.t = t; this.mark = mark; this.had = {}; }
  /** What was made: kind → value. */
  async of(kind) { return (this.had[kind] ??= await MAKE[kind](this, ++serial)); }
  name(n) { return `${this.mark} ${n}`; }
}
const V2 = (w) => `/api/v2/tenants/${w.t}`, V1 = (w) => `/api/v1/tenant/${w.t}`;
const saml = (w) => ({ enabled: false, providerName: w.mark, issuer: "https://idp.example/metadata", cert: readFileSync(certificate(w.a.server.store.dir).cert, "utf8").trim(), idpSSOUrl: "https://idp.example/sso" });
const person = async (w, n) => {
  const email = `${w.mark.toLowerCase()}${n}@walk.example`;
  await w.a.ok("POST", `${V1(w)}/user/create`, { email, name: { first: w.mark, last: `Person ${n}` }, role: "STD_USER" });
  const u = (await w.a.ok("GET", `${V2(w)}/users?limit=10&filter=${encodeURIComponent(email)}`)).data.find((x) => x.email === email);
  w.had.user = u.user_id; w.had.userCuid = u.cuid;
  return (w.had.email = email);
};
const MAKE = {
  email: person,
  user: async (w, n) => { await person(w, n); return w.had.user; },
  client: async (w, n) => (await w.a.ok("POST", "/api/v1/client/create", { name: w.name(n) })).client_id,
  role: async (w, n) => { const r = await w.a.ok("POST", `${V2(w)}/security/role`, { title: w.name(n), permissions: ["CLIENTS.VIEW"] }); w.had.roleKey = (r.data ?? r).key; return (r.data ?? r).id; },
  roleKey: async (w) => { await w.of("role"); return w.had.roleKey; },
  tier: async (w, n) => { const r = await w.a.ok("POST", `${V2(w)}/tiers`, { name: w.name(n), description: "walk" }), all = (await w.a.ok("GET", `${V2(w)}/tiers`)).data; return String((r.data ?? r).id ?? all.find((x) => x.name === w.name(n)).id); },
  tag: async (w, n) => { const name = `${w.mark.toLowerCase()}-${n}`; await w.a.ok("POST", `${V1(w)}/tag`, { name, scope: "tenant", ownerId: w.t }); return `tag_tenant_${w.t}_${name}`; },
  sla: async (w, n) => (await w.a.ok("POST", "/api/v2/sla/benchmarks", { ...SLA, name: w.name(n) })).data.id,
  substatus: async (w, n) => (await w.a.ok("POST", "/api/v3/substatus", { status: "Open", value: w.name(n) })).data.cuid,
  hold: async (w, n) => (await w.a.ok("POST", "/api/v2/auditlog/holds", { reason: w.name(n) })).data.id,
  erasure: async (w, n) => { // of somebody who is gone
    const email = await w.of("gone");
    void n;
    return (await (w.second ?? w.a).ok("POST", "/api/v2/auditlog/erasures", { subject: email, reason: "asked for it", legal_ground: "GDPR 17" })).data.id;
  },
  gone: async (w) => { const x = new Things(w.a, w.t, w.mark), id = await x.of("user"); await w.a.ok("DELETE", `${V2(w)}/users/${id}`, null); return x.had.email; },
  event: async (w) => (await w.a.ok("GET", "/api/v2/auditlog?event_type=UserCreated&limit=1")).data[0].cuid,
  saml: async (w, n) => { const name = `${w.mark.toLowerCase()}-${n}`; await w.a.ok("POST", `${V2(w)}/saml/${name}`, saml(w)); return name; },
  notice: async () => "c000000000000000000000000",
};

const tokenBody = async (c) => ({ name: `walk ${++serial}`, scopes: (await c.ok("GET", "/api/v2/session")).permissions.slice(0, 1), expires_days: 1 });
/** Of whom a {cuid} of the path is: these are the caller's own, not the administrator's. */
const own = async (c, kind) => {
  if (kind === "token") return (await c.ok("POST", "/api/v2/user/tokens", await tokenBody(c))).cuid;
  const other = await c.again(); // another session of the same person
  return (await other.ok("GET", "/api/v2/user/sessions")).data.find((x) => x.current).cuid;
};
/** Kinds of things a path's parameter names. */
export function kindOf(path, param) {
  if (param === "c") return "client";
  if (param === "provider") return path.includes("/saml/") ? "saml" : undefined;
  if (path.endsWith("/user/{userId}/permissions")) return "oneself";
  if (param === "cuid") return path.includes("/sessions/") ? "session" : path.includes("/tokens/") ? "token" : "event";
  return { userId: "user", roleId: "role", roleKey: "roleKey", id: "tier", tagId: "tag", slaBenchmarkId: "sla", substatusCuid: "substatus", holdId: "hold", erasureId: "erasure" }[param];
}
const PLAIN = { provider: "plextrac", l: "0", n1: "000.p/1", name: "FORGOTTEN_PASSWORD" };
/** The route's path with w's things in it. */
export async function pathOf(r, w, caller) {
  let out = "";
  for (const bit of r.path.split(/(\{\w+\})/)) {
    const p = /^\{(\w+)\}$/.exec(bit)?.[1], kind = p && kindOf(r.path, p);
    if (!p) out += bit;
    else if (p === "t") out += w.t;
    else if (kind === "oneself") out += w.had.oneself ??= (await caller.ok("GET", "/api/v2/whoami")).user_id;
    else if (kind === "session" || kind === "token") out += w.had[kind] ??= await own(caller, kind);
    else out += kind ? encodeURIComponent(String(await w.of(kind))) : PLAIN[p] ?? "1";
  }
  return out;
}

export const form = (fields) => {
  const b = "----walk", parts = Object.entries(fields).flatMap(([k, v]) => [Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="${k}"${Buffer.isBuffer(v) ? `; filename="${k}"` : ""}\r\n\r\n`), Buffer.from(v), Buffer.from("\r\n")]);
  return [Buffer.concat([...parts, Buffer.from(`--${b}--\r\n`)]), { "content-type": `multipart/form-data; boundary=${b}` }];
};
const PAGE = { pagination: { offset: 0, limit: 10 } };
const toggle = async (w) => ({ email: await w.of("email"), disabled: true });
const assign = async (w) => ({ users: [{ username: await w.of("email"), role: "STD_USER", classificationId: await w.of("tier") }] });
const csv = (n) => form({ file: Buffer.from(`first name,last name,email,role,default group,authentication provider,classification tier\nWalk,Csv,csv${n}@walk.example,STD_USER,false,local,\n`) });

/** @type {Record<string, (w: Things, caller: any) => any>} bodies; an array [bytes, headers] is sent as it is */
export const BODIES = {
  "PUT /api/v1/user/update": () => ({ name: { first: "Wally", last: "Walker" } }),
  "PUT /api/v1/user/changepass": () => ({ currentPassword: PASSWORD, newPassword: "Another-Meadow-52?" }),
  "POST /api/v2/user/tokens": (_, c) => tokenBody(c),
  "PUT /api/v1/user/notifications": async (w) => ({ notificationIds: [await w.of("notice")] }),
  "PUT /api/v2/user/preferences": () => ({ theme: "dark" }),
  "POST /api/v2/user/mfa/qr/activate": () => ({ token: "000000", code: "x", password: PASSWORD }),
  "PUT /api/v1/user/mfa/token": () => ({ token: "000000", code: "x", password: PASSWORD }),
  "PUT /api/v1/user/mfa/token/disable": () => ({ password: PASSWORD }),
  "POST /api/v2/user/mfa/recovery": () => ({ password: PASSWORD }),
  "POST /api/v2/user/findings": () => PAGE,
  "POST /api/v2/client/{c}/findings": () => PAGE,
  "POST /api/v2/clients": () => PAGE,
  "PUT /api/v1/tenant/{t}": () => ({ address: "Walk Street 1" }),
  "PUT /api/v2/tenants/{t}/settings": () => ({ visibility: "draft" }),
  "PUT /api/v2/tenants/{t}/settings/general": () => ({ address: "Walk Street 2" }),
  "PUT /api/v2/tenants/{t}/settings/authentication": () => ({ idle_minutes: 61 }),
  "PUT /api/v2/tenants/{t}/settings/email": () => ({ host: "127.0.0.1", port: 9, security: "plain", sender: "walk@walk.example" }),
  "POST /api/v2/tenants/{t}/settings/email/test": () => ({ to: "walk@walk.example" }),
  "PUT /api/v2/tenants/{t}/settings/audit": () => ({ months_kept: 12 }),
  "PUT /api/v2/tenants/{t}/settings/proofs": () => ({ public: false }),
  "PUT /api/v2/tenants/{t}/settings/tiers": () => ({ enabled: true }),
  "PUT /api/v2/tenants/{t}/tiers": () => ({ enabled: true }),
  "PUT /api/v2/tenants/{t}/mailer/templates/{name}": () => ({ subject: "Walk", body: "%%LINK%%" }),
  "POST /api/v2/tenants/{t}/providers/{provider}": () => ({ enabled: true }),
  "POST /api/v2/tenants/{t}/saml/{provider}": saml,
  "PUT /api/v2/authenticate/tenants/{t}/users/{userId}/configuration": () => ({ mfa: { enabled: false } }),
  "POST /api/v2/sla/benchmarks": () => SLA,
  "PUT /api/v2/sla/benchmarks/{slaBenchmarkId}": () => ({ ...SLA, daysToClose: 9 }),
  "POST /api/v3/substatus": () => ({ status: "Open", value: `walk ${++serial}` }),
  "PATCH /api/v3/substatus/{substatusCuid}": () => ({ status: "Closed", value: `walk ${++serial}` }),
  "POST /api/v1/tenant/{t}/user/create": async (w) => ({ email: `new${++serial}@walk.example`, name: { first: "New", last: "Walker" }, role: await w.of("roleKey"), tenantClassificationLevel: await w.of("tier") }),
  "POST /api/v1/tenant/{t}/user/create/bulk": async (w) => [{ email: `new${++serial}@walk.example`, name: { first: "New", last: "Walker" }, role: await w.of("roleKey") }],
  "POST /api/v2/tenants/{t}/users/csv": () => csv(++serial),
  "PUT /api/v2/tenants/{t}/users/{userId}": async (w) => ({ first: "Changed", roles: [await w.of("roleKey")], tenantClassificationLevel: await w.of("tier") }),
  "DELETE /api/v2/user/delete": async (w) => ({ email: await w.of("email") }),
  "PUT /api/v1/tenant/{t}/user/resetpass": async (w) => ({ username: await w.of("email") }),
  "POST /api/v1/tenant/{t}/user/toggledisabled": toggle,
  "POST /api/v1/tenant/{t}/user/toggledisable": toggle,
  "PUT /api/v1/tenant/{t}/user/mfa/disable": async (w) => ({ email: await w.of("email") }),
  "POST /api/v2/tenants/{t}/security/role": () => ({ title: `Walk ${++serial}`, permissions: ["CLIENTS.VIEW"] }),
  "POST /api/v2/tenants/{t}/security/role/availability": async (w) => ({ key: await w.of("roleKey") }),
  "PUT /api/v2/tenants/{t}/security/role/{roleId}/info": () => ({ title: `Walk ${++serial}`, description: "walked", enabled: true }),
  "PUT /api/v2/tenants/{t}/security/role/{roleId}/permissions": () => ({ permissions: ["CLIENTS.VIEW", "CLIENTS.EDIT"] }),
  "POST /api/v2/tenants/{t}/security/role/{roleId}/loss": async (w) => ({ userId: await w.of("user") }),
  "PUT /api/v2/tenants/{t}/security/role/{roleId}/users": async (w) => ({ userId: await w.of("user") }),
  "PUT /api/v2/tenants/{t}/default-group": async (w) => ({ userId: await w.of("user"), member: true }),
  "POST /api/v2/tenants/{t}/tiers": () => ({ name: `Walk ${++serial}`, description: "walked" }),
  "PUT /api/v2/tenants/{t}/tiers/{id}": () => ({ name: `Walk ${++serial}` }),
  "PUT /api/v2/tenants/{t}/tiers/order": async (w) => { await w.of("tier"); return { ids: (await w.a.ok("GET", `${V2(w)}/tiers`)).data.map((x) => x.id) }; },
  "POST /api/v1/tenant/{t}/tag": () => ({ name: `walk-${++serial}`, scope: "tenant", ownerId: 0 }),
  "POST /api/v1/tenant/{t}/tag/find": () => ({ name: "walk" }),
  "POST /api/v1/client/create": () => ({ name: `Walk ${++serial}` }),
  "PUT /api/v1/client/{c}": () => ({ description: `walk ${++serial}` }),
  "POST /api/v1/tenant/{t}/client/{c}/user/assign": assign,
  "POST /api/v2/tenant/{t}/client/{c}/user/assign": assign,
  "POST /api/v2/tenant/{t}/client/{c}/bulk/users/assign": async (w) => [{ email: await w.of("email"), role: "STD_USER" }],
  "POST /api/v1/tenant/{t}/client/{c}/user/remove": async (w) => form({ users: JSON.stringify([{ username: await w.of("email") }]) }),
  "PUT /api/v2/auditlog/retention": () => ({ months_kept: 12 }),
  "DELETE /api/v2/auditlog/retention/pending": async (w) => { for (const months_kept of [14, 13]) await w.a.ok("PUT", "/api/v2/auditlog/retention", { months_kept }); },
  "POST /api/v2/auditlog/holds": () => ({ reason: "walk" }),
  "POST /api/v2/auditlog/holds/{holdId}/release": () => ({ reason: "over" }),
  "POST /api/v2/auditlog/erasures": async (w) => ({ subject: await w.of("gone"), reason: "asked for it", legal_ground: "GDPR 17" }),
};
for (const kind of ["logo", "icon"]) for (const dark of ["", "/dark"]) BODIES[`POST /api/v1/tenant/{t}/${kind}${dark}`] = () => form({ file: PNG });
BODIES["POST /api/v1/client/{c}/logo"] = () => form({ file: PNG });

/** What follows the path where it must be there. */
export const QUERIES = {
  "PUT /api/v1/tenant/{t}/notificationsettings": "?reminderDays=7",
  "GET /api/v1/tenant/{t}/tag/search": "?text=walk&name=walk",
  "GET /api/v2/auditlog/consistency": "?from=1&to=2",
  "GET /api/v2/auditlog/histogram": "?edges=30d,0d",
  "GET /api/v2/auditlog/opening": "?round=1",
};
/** The whole request: [target, body, headers]. */
export async function request(r, w, caller) {
  const key = `${r.method} ${r.path}`, target = (await pathOf(r, w, caller)) + (QUERIES[key] ?? "");
  if (r.method === "GET") return [target, undefined, {}];
  const body = BODIES[key] ? await BODIES[key](w, caller) : r.method === "DELETE" ? undefined : {};
  return Array.isArray(body) && Buffer.isBuffer(body[0]) ? [target, body[0], body[1]] : [target, body, {}];
}
