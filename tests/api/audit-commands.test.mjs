/**
 * `recount audit holds` and `recount audit erasures`: what the operator of the machine may do, beside a running server and without one;
 * and that a shell is not one of the two administrators who decide on an erasure.
 */
import { test, after, before } from "node:test";
import { serve, recount, assert, smtpSink, mailText, until, ADMIN, sqlOn } from "./harness.mjs";

let s, admin, bert, sink;
const E = "/api/v2/auditlog/erasures", H = "/api/v2/auditlog/holds";
before(async () => {
  sink = await smtpSink();
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }, { email: "zora@example.org", first: "Zora", last: "Zeller", role: "STD_USER" }, { email: "yves@example.org", first: "Yves", last: "Young", role: "STD_USER" }, { email: "other@example.org", role: "ADMIN", newTenant: true, tenantName: "Other" }] });
  admin = await s.as();
  bert = await s.as("bert@example.org");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  for (const u of (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data)
    if (/^(zora|yves)@/.test(u.email)) await admin.ok("DELETE", `/api/v2/tenants/0/users/${u.user_id}`);
});
after(async () => { await s.stop(); sink.close(); });

const run = (...args) => recount(["audit", ...args, "--data", s.store.data, ...s.store.flags]);
const done = (...args) => { const r = run(...args); assert.equal(r.status, 0, `${args.join(" ")}: ${r.err}`); return r.out; };
const refused = (text, ...args) => { const r = run(...args); assert.equal(r.status, 1, `${args.join(" ")}: ${r.out}${r.err}`); assert.match(r.err, text); };
const listed = (what, ...more) => JSON.parse(done(what, "list", "--json", ...more));
const ask = (subject, ...more) => ["erasures", "request", "--subject", subject, "--reason", "Letter 4711", "--legal-ground", "GDPR Art. 17", ...more];

test("a hold is placed, shown and released beside the server; the event names the operator", async () => {
  assert.deepEqual(listed("holds"), []);
  const id = done("holds", "place", "--reason", "Case 17", "--until", "2190-03-31").split("\n")[0];
  const [h] = listed("holds");
  assert.deepEqual([h.id, h.reason, h.state, h.until, h.placed_by], [id, "Case 17", "standing", "2190-04-01T00:00:00.000Z", "the operator (command line)"]);
  assert.deepEqual((await admin.ok("GET", H)).data, [h]);
  const e = await admin.event("LegalHoldPlaced");
  assert.match(e.user_info, /^recount audit holds place \(.+@.+\)/);
  assert.equal(e.target.id, id);
  assert.match(done("holds", "list"), new RegExp(`^${id}\tstanding\tplaced .* by the operator .*, until 2190-04-01.*: Case 17\n$`));
  assert.deepEqual(listed("holds", "--tenant", "1"), [], "another workspace's holds are its own");
  refused(/no such legal hold/, "holds", "release", id, "--reason", "x", "--tenant", "1");
  refused(/legal hold stands/, ...ask("zora@example.org"));
  done("holds", "release", id, "--reason", "The case is closed");
  refused(/ended already/, "holds", "release", id, "--reason", "again");
  const [after] = listed("holds");
  assert.deepEqual([after.state, after.ended_by, after.end_reason], ["released", "the operator (command line)", "The case is closed"]);
  assert.match((await admin.event("LegalHoldReleased")).user_info, /^recount audit holds release/);
});

test("an administrator's hold is released by the operator, and the other way round", async () => {
  const { data } = await admin.ok("POST", H, { reason: "Case 18" });
  done("holds", "release", data.id, "--reason", "He is away");
  const id = done("holds", "place", "--reason", "Case 19").split("\n")[0];
  await admin.ok("POST", `${H}/${id}/release`, { reason: "over" });
  assert.deepEqual(listed("holds").map((h) => [h.reason, h.placed_by, h.ended_by]).sort(), [["Case 17", "the operator (command line)", "the operator (command line)"], ["Case 18", "Alice Archer", "the operator (command line)"], ["Case 19", "the operator (command line)", "Alice Archer"]]);
});

test("wrong usage is 2, refusals are 1 with a sentence, and neither changes anything", () => {
  for (const args of [["holds"], ["holds", "drop"], ["holds", "place", "x", "--reason", "r"], ["holds", "release", "--reason", "r"], ["holds", "list", "--reason", "r"], ["holds", "place", "--reason", "r", "--json"],
    ["holds", "place", "--reason", "r", "--until", "soon"], ["holds", "release", "x", "--reason", "r", "--until", "2190-01-01"], ["holds", "list", "--tenant", "x"], ["holds", "list", "--tenant", "-1"],
    ["erasures"], ["erasures", "request", "--reason", "r", "--legal-ground", "g"], ["erasures", "cancel"], ["erasures", "approve"], ["erasures", "list", "--subject", "a@example.org"], [...ask("zora@example.org"), "extra"], ["erasures", "cancel", "x", "--reason", "r"]])
    assert.equal(run(...args).status, 2, args.join(" "));
  refused(/--reason is required/, "holds", "place", "--reason", " ");
  refused(/at most 1000 bytes/, "holds", "place", "--reason", "x".repeat(1001));
  refused(/until must lie in the future/, "holds", "place", "--reason", "r", "--until", "2001-01-01");
  refused(/no id of a legal hold/, "holds", "release", "nonsense", "--reason", "r");
  refused(/no such legal hold/, "holds", "release", "c000000000000000000000000", "--reason", "r");
  refused(/no workspace 77/, "holds", "list", "--tenant", "77");
  refused(/e-mail address or the id/, ...ask("Zora"));
  refused(/holds nothing of this account/, ...ask("c000000000000000000000000"));
  refused(/still has an account/, ...ask(ADMIN.email));
  refused(/must not name the person/, "erasures", "request", "--subject", "zora@example.org", "--reason", "as zora@example.org wishes", "--legal-ground", "g");
  refused(/shorter one/, ...ask("zora@example.org", "--text", "abc"));
  refused(/no such request/i, "erasures", "cancel", "c000000000000000000000000");
  assert.deepEqual(listed("erasures"), []);
  assert.equal(listed("holds").length, 3);
});

test("what the operator asks for is taken on by one administrator and approved by another; he approves nothing", async () => {
  const id = done(...ask("zora@example.org", "--text", "plate AB-CD 1234", "badge 9914")).split("\n")[0];
  const [e] = listed("erasures");
  assert.deepEqual([e.id, e.state, e.asked_by, e.asked_by_operator, e.subject], [id, "asked", "the operator (command line)", true, null]);
  assert.doesNotMatch(done("erasures", "list") + JSON.stringify(e), /zora/i);
  const asked = await admin.event("ErasureRequested");
  assert.match(asked.user_info, /^recount audit erasures request \(/);
  await until(() => sink.mails.some((m) => m.to[0] === ADMIN.email && /take it on, and another one/.test(mailText(m))), "the mail");
  refused(/asked for already/, ...ask("zora@example.org"));
  refused(/operator does not approve/, "erasures", "approve", id);

  const taken = (await admin.ok("POST", `${E}/${id}/approve`)).data;
  assert.deepEqual([taken.state, taken.asked_by, taken.asked_by_me, taken.asked_by_operator], ["asked", "Alice Archer", true, false]);
  assert.deepEqual(taken.subject.texts, ["plate ab-cd 1234", "badge 9914"]);
  await admin.event("ErasureRequested", (x) => /took on the operator's request/.test(x.message) && /Alice/.test(x.user_info));
  assert.equal((await admin.post(`${E}/${id}/approve`)).status, 403, "who took it on does not approve it");
  refused(/operator does not approve/, "erasures", "approve", id);
  assert.deepEqual(await admin.events({ event_type: "ErasureApproved" }), []);
  assert.equal((await bert.ok("POST", `${E}/${id}/approve`)).data.state, "running");
  await until(async () => (await admin.ok("GET", `${E}/${id}`)).data.state === "done", "the erasure", 90_000);
  assert.match(done("erasures", "list"), /\tdone\t.*asked .* by Alice Archer; approved .* by Bert Bright; \d+ events: Letter 4711; GDPR/);
  refused(/decided already/, "erasures", "cancel", id);
});

test("the operator cancels, his own request and another's", async () => {
  const mine = done(...ask("yves@example.org")).split("\n")[0];
  done("erasures", "cancel", mine);
  const his = (await bert.ok("POST", E, { subject: "yves@example.org", reason: "Letter 5", legal_ground: "Art. 17" })).data.id;
  done("erasures", "cancel", his);
  const all = listed("erasures").filter((e) => e.id === mine || e.id === his);
  assert.ok(all.every((e) => e.state === "cancelled" && e.ended_by === "the operator (command line)"), JSON.stringify(all));
  await until(async () => (await admin.events({ event_type: "ErasureCancelled" })).length === 2, "both events");
});

test("without a server; a lone administrator who takes a request on waits seven days, and nobody to decide is no request", async () => {
  await s.stop({ drop: false });
  const id = done(...ask("yves@example.org")).split("\n")[0];
  assert.equal(listed("erasures")[0].state, "asked");
  const hold = done("holds", "place", "--reason", "Case 20").split("\n")[0];
  done("holds", "release", hold, "--reason", "over");
  await s.start();
  admin = await s.as();
  await admin.ok("POST", `/api/v2/tenants/0/users/${(await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === "bert@example.org").user_id}/disable`);
  const taken = (await admin.ok("POST", `${E}/${id}/approve`)).data;
  assert.equal(taken.state, "delayed");
  const days = (new Date(taken.due_at).getTime() - Date.now()) / 86400e3;
  assert.ok(days > 6.9 && days <= 7, `${days}`);
  assert.equal((await admin.post(`${E}/${id}/approve`)).status, 403);
  done("erasures", "cancel", id);
});

test("what the operator did is what the log says he did", () => {
  const r = s.check();
  assert.equal(r.status, 0, r.out + r.err);
});

test("nobody may decide: the operator's request is refused, and runs by nobody", () => {
  sqlOn(s.store, "DELETE FROM role_permission WHERE permission = 'AUDIT_LOG.ERASE'");
  refused(/Nobody in this workspace may decide/, ...ask("yves@example.org"));
  s.o.tampers = true;
});
