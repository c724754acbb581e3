/** Exports: what is shown, its digest, cells that do not execute, and the event about it. */
import { test, after, before } from "node:test";
import { createHash } from "node:crypto";
import { serve, assert, recount } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }] });
  admin = await s.as();
  for (const name of ['=HYPERLINK("http://x","y")', "+1", "@SUM(A1)", "-2", 'quo"te, comma', "line\u2028sep", "right\u202eleft", "tab\there"])
    await admin.ok("POST", "/api/v1/client/create", { name });
});
after(() => s.stop());

const csvRows = (text) => {
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i], row = rows.at(-1);
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { row[row.length - 1] += '"'; i++; }
      else if (c === '"') quoted = false;
      else row[row.length - 1] += c;
    } else if (c === '"') quoted = true;
    else if (c === ",") row.push("");
    else if (c === "\n") rows.push([""]);
    else if (c !== "\r") row[row.length - 1] += c;
  }
  if (rows.at(-1).length === 1 && rows.at(-1)[0] === "") rows.pop();
  return rows;
};

test("NDJSON: count, first and last index and digest are what the headers say", async () => {
  const r = await admin.get("/api/v2/auditlog/export?format=ndjson&event_type=ClientCreated");
  assert.equal(r.status, 200);
  const lines = r.text.trimEnd().split("\n").map((l) => JSON.parse(l));
  assert.equal(lines.length, 8);
  assert.equal(Number(r.headers["x-recount-count"]), 8);
  assert.equal(r.headers["x-recount-digest"], "sha-256=" + createHash("sha256").update(r.raw).digest("hex"));
  const e = await admin.event("AuditLogExported");
  assert.match(e.message, /exported 8 events/);
  assert.ok(e.message.includes(createHash("sha256").update(r.raw).digest("hex")));
});
test("CSV: no cell begins like a formula, control and bidirectional characters are codes", async () => {
  const r = await admin.get("/api/v2/auditlog/export?format=csv&event_type=ClientCreated");
  assert.equal(r.status, 200);
  assert.match(r.headers["content-disposition"], /attachment; filename="audit-log-.*\.csv"/);
  const rows = csvRows(r.text);
  assert.equal(rows.length, 9);
  for (const row of rows.slice(1)) for (const cell of row) assert.doesNotMatch(cell, /^[=+\-@\t\r]/, cell);
  assert.equal(/[\u202a-\u202e\u2066-\u2069\u2028\u0009]/.test(r.text), false, "codes instead of characters");
  assert.equal(new Set(rows.map((x) => x.length)).size, 1, "every row has the same number of cells");
});
test("OCSF lines are objects with class and time", async () => {
  const r = await admin.get("/api/v2/auditlog/export?format=ocsf&limit=10");
  assert.equal(r.status, 200);
  for (const l of r.text.trimEnd().split("\n")) {
    const o = JSON.parse(l);
    assert.equal(typeof o.class_uid, "number");
    assert.equal(typeof o.time, "number");
  }
});
test("the right to see is not the right to export; an unknown format is refused", async () => {
  const c = await s.as("std@example.org");
  assert.equal((await c.get("/api/v2/auditlog/export")).status, 403);
  assert.equal((await admin.get("/api/v2/auditlog/export?format=exe")).status, 400);
});
test("recount audit export gives the same events offline", async () => {
  const r = recount(["audit", "export", "--format", "ndjson", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  assert.ok(r.out.split("\n").filter((l) => l.includes("ClientCreated")).length >= 8);
});
