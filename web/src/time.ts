// Times as people read them: absolute with their zone, relative for hovering, in the date format one prefers.

export type DateFormat = "YYYY-MM-DD" | "DD-MM-YYYY" | "MM-DD-YYYY";
export type Zone = "local" | "utc";
let dateFormat: DateFormat = "YYYY-MM-DD";
export const setDateFormat = (f?: string) => { if (f === "DD-MM-YYYY" || f === "MM-DD-YYYY" || f === "YYYY-MM-DD") dateFormat = f; };

const two = (n: number) => String(n).padStart(2, "0");
/** Accepts milliseconds, seconds, ISO text or nothing (→ null). */
export function asDate(v: unknown): Date | null {
  if (v === null || v === undefined || v === "" || v === 0) return null;
  const d = typeof v === "number" ? new Date(v < 1e11 ? v * 1000 : v) : new Date(String(v));
  return Number.isNaN(d.getTime()) ? null : d;
}
export function day(v: unknown, zone: Zone = "local"): string {
  const d = asDate(v);
  if (!d) return "–";
  const [y, m, n] = zone === "utc" ? [d.getUTCFullYear(), d.getUTCMonth() + 1, d.getUTCDate()] : [d.getFullYear(), d.getMonth() + 1, d.getDate()];
  return dateFormat.replace("YYYY", String(y)).replace("MM", two(m)).replace("DD", two(n));
}
export function clock(v: unknown, zone: Zone = "local", withMs = false): string {
  const d = asDate(v);
  if (!d) return "";
  const p = zone === "utc" ? [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()] : [d.getHours(), d.getMinutes(), d.getSeconds()];
  return p.map(two).join(":") + (withMs ? "." + String(d.getMilliseconds()).padStart(3, "0") : "");
}
export const stamp = (v: unknown, zone: Zone = "local", ms = false) => (asDate(v) ? `${day(v, zone)} ${clock(v, zone, ms)}` : "–");
/** With its zone: for a time that stands alone in a sentence. */
export const exact = (v: unknown, zone: Zone = "local") => (asDate(v) ? `${stamp(v, zone)} ${zoneName(zone, v)}` : "–");
export function zoneName(zone: Zone, at: unknown = Date.now()): string {
  if (zone === "utc") return "UTC";
  const off = -(asDate(at) ?? new Date()).getTimezoneOffset();
  if (off === 0) return "UTC+0";
  return `UTC${off < 0 ? "−" : "+"}${Math.floor(Math.abs(off) / 60)}${Math.abs(off) % 60 ? ":" + two(Math.abs(off) % 60) : ""}`;
}
const rel = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
export function ago(v: unknown): string {
  const d = asDate(v);
  if (!d) return "never";
  const s = (d.getTime() - Date.now()) / 1000, a = Math.abs(s);
  if (a < 45) return s > 5 ? "in a moment" : "just now";
  for (const [unit, n, up] of [["minute", 60, 2700], ["hour", 3600, 79200], ["day", 86400, 2.2e6], ["month", 2629800, 2.8e7]] as const) if (a < up) return rel.format(Math.round(s / n), unit);
  return rel.format(Math.round(s / 31557600), "year");
}
/** "1 July", with the year where it is another one. Months of the window are UTC. */
export function longDay(v: unknown): string {
  const d = asDate(v);
  if (!d) return "–";
  return d.toLocaleDateString("en-GB", { day: "numeric", month: "long", timeZone: "UTC", ...(d.getUTCFullYear() === new Date().getUTCFullYear() ? {} : { year: "numeric" }) });
}
/** A calendar day (YYYY-MM-DD) in the zone as an instant; `next` gives the start of the following day. */
export function dayStart(ymd: string, zone: Zone, next = false): Date {
  const [y, m, d] = ymd.split("-").map(Number) as [number, number, number];
  return zone === "utc" ? new Date(Date.UTC(y, m - 1, d + (next ? 1 : 0))) : new Date(y, m - 1, d + (next ? 1 : 0));
}
export const plural = (n: number, one: string, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
