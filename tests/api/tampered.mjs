/**
 * Copies of a store that somebody changes behind the server's back, and `recount audit verify` on them. Used by
 * tamper.test.mjs and planted.test.mjs.
 */
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { assert, recount, psql, STORE } from "./harness.mjs";

export const LITE = STORE === "sqlite";

export function sqlite(file, sql) {
  const r = spawnSync("sqlite3", ["-batch", "-cmd", ".timeout 10000", file], { input: sql, encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(r.status, 0, `sqlite3 ${path.basename(file)}: ${r.stderr}\n${sql.slice(0, 300)}`);
  return r.stdout.trim();
}

let copies = 0, remembered = 0;

/** A copy of a stopped store: {data, url, flags, drop}. */
export function copyOf(store) {
  const data = path.join(store.dir, `copy${++copies}`);
  cpSync(store.data, data, { recursive: true });
  const c = { dir: store.dir, data, flags: ["--data", data], url: undefined, drop: () => rmSync(data, { recursive: true, force: true }) };
  if (!LITE) {
    const u = new URL(store.url), name = `${u.pathname.slice(1)}_c${copies}`;
    psql(`CREATE DATABASE ${name} TEMPLATE ${u.pathname.slice(1)}`);
    u.pathname = "/" + name;
    c.url = u.href;
    c.flags.push("--database", u.href);
    c.drop = () => { psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`); rmSync(data, { recursive: true, force: true }); };
  }
  return c;
}

export const fileOf = (c, where) => path.join(c.data, where === "main" ? "recount.db" : where === "heads" ? "heads.db" : path.join("audit", where + ".db"));

/**
 * SQL on the main store, "heads", a month ("2026-09") or its text index ("2026-09.index"), with the triggers that refuse
 * changes out of the way while it runs: they are as before when it is done.
 */
export function sqlIn(c, where, text) {
  if (!LITE && where !== "heads") return psql(`SET session_replication_role = replica; ${text}`, c.url);
  const file = fileOf(c, where);
  const triggers = JSON.parse(sqlite(file, "SELECT coalesce(json_group_array(json_array(name, sql)), '[]') FROM sqlite_schema WHERE type = 'trigger';"));
  const off = triggers.map(([name]) => `DROP TRIGGER ${name};`).join("\n"), on = triggers.map(([, sql]) => sql + ";").join("\n");
  return sqlite(file, `BEGIN IMMEDIATE;\n${off}\n${text};\n${on}\nCOMMIT;`);
}

/** Remembers in a file of its own unless told where, so that runs do not know of each other. */
export function verify(c, ...args) {
  const where = args.includes("--remember") ? [] : ["--remember", path.join(c.dir, `remembered${++remembered}`)];
  return recount(["audit", "verify", ...c.flags, ...where, ...args]);
}

/** For a server on the copy. */
export const storeOf = (c) => ({ kind: STORE, dir: c.dir, data: c.data, url: c.url, flags: c.url ? ["--database", c.url] : [], drop: () => c.drop() });

/** Makes a copy of what `store()` gives, changes it, and expects the change to be named with the exit status 1. */
export function attackOn(store, name, change, expected, { fast = false, deep = true, args = [] } = {}) {
  test(name, async () => {
    const c = copyOf(store());
    try {
      await change(c);
      for (const how of [...(deep ? [["--deep"]] : []), ...(fast ? [[]] : [])]) {
        const r = verify(c, ...how, ...args), told = r.out + r.err;
        assert.equal(r.signal, null, told);
        assert.equal(r.status, 1, `verify ${how} found nothing: ${told}`);
        for (const e of [expected].flat()) assert.match(told, e);
        assert.match(r.err, /^recount: /m, "and ends with a sentence");
      }
    } finally { c.drop(); }
  });
}
