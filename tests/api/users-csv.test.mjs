/** Users from CSV: the seven columns as spreadsheets write them, refused lines by number and reason, one request in the log. */
import { test, after, before } from "node:test";
import { serve, assert } from "./harness.mjs";

const HEAD = "first name,last name,email,role,classification tier,authentication provider,default group";
let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }, { email: "known@example.org", role: "STD_USER" }] });
  admin = await s.as();
});
after(() => s.stop());

function upload(text, { client = admin, name = "file", filename = "users.csv" } = {}) {
  const mark = "----recount-test", body = Buffer.concat([Buffer.from(`--${mark}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: text/csv\r\n\r\n`), Buffer.from(text), Buffer.from(`\r\n--${mark}--\r\n`)]);
  return client.post("/api/v2/tenants/0/users/csv", body, { "content-type": `multipart/form-data; boundary=${mark}` });
}
const ok = async (text) => { const r = await upload(text); assert.equal(r.status, 200, r.text.slice(0, 500)); return r.body; };
const user = async (email) => (await admin.ok("GET", `/api/v2/tenants/0/users?limit=10&offset=0&filter=${encodeURIComponent(email)}`)).data.find((u) => u.email === email);
const count = async () => (await admin.ok("GET", "/api/v2/tenants/0/users?limit=1&offset=0")).total;
/** That a refused upload changed nothing. */
async function refused(text, status, why, o) {
  const before = await count(), r = await upload(text, o);
  assert.equal(r.status, status, r.text.slice(0, 500));
  assert.match(r.text, why);
  assert.equal(await count(), before);
}

test("all seven columns, quoting, a quoted line end, CRLF and a byte order mark", async () => {
  const r = await ok(`\uFEFF${HEAD}\r\n"Jo, ""the"" Jr",O'Neil,jo@example.org,ANALYST,,plextrac,yes\r\n"Two\r\nlines",Last,two@example.org,,,PlexTrac,no\r\n`);
  assert.deepEqual([r.created, r.rejected], [2, []]);
  const jo = await user("jo@example.org"), two = await user("two@example.org");
  assert.deepEqual([jo.first, jo.roles, jo.default_group, jo.authentication_provider], ['Jo, "the" Jr', ["ANALYST"], true, "plextrac"]);
  assert.deepEqual([two.roles, two.default_group, two.authentication_provider], [["STD_USER"], false, "plextrac"]);
});
test("columns in any order and case, optional ones missing, line ends of Unix, no end at the end", async () => {
  const r = await ok("EMAIL,Authentication Provider,Last Name,First Name\nord@example.org,plextrac,Der,Or");
  assert.equal(r.created, 1);
  assert.equal((await user("ord@example.org")).last, "Der");
});
test("semicolons, as spreadsheets of many countries write them", async () => {
  const r = await ok(`${HEAD.replaceAll(",", ";")}\r\nSemi;"Colon; Jr";semi@example.org;standard user;;plextrac;\r\n`);
  assert.deepEqual([r.created, r.rejected], [1, []]);
  assert.equal((await user("semi@example.org")).last, "Colon; Jr");
});
test("a bad line in the middle is named with its reason; the others are made, and it leaves nothing behind", async () => {
  const bad = /** @type {[string, RegExp][]} */ ([["Bad,Mail,not an address,,,plextrac,", /address is not valid/], [",None,none@example.org,,,plextrac,", /name/], ["No,Provider,nopro@example.org,,,,", /provider is required/], ["Odd,Provider,odd@example.org,,,ldap,", /provider/],
    ["Unknown,Role,role@example.org,Emperor,,plextrac,", /^role "Emperor" is no role$/], ["Unknown,Tier,tier@example.org,,Cosmic,plextrac,", /^classification tier "Cosmic" is no classification tier$/], ["Other,Provider,okta@example.org,,,okta,", /not available in this version: write plextrac/], ["Odd,Group,group@example.org,,,plextrac,perhaps", /default group/], ["Al,Ready,KNOWN@example.org,,,plextrac,", /exists already/], ["Tw,Ice,first@example.org,,,plextrac,", /line 2 already/]]);
  const r = await ok([HEAD, "Good,First,first@example.org,,,plextrac,", ...bad.map(([l]) => l), "Good,Last,last@example.org,,,plextrac,"].join("\n") + "\n");
  assert.equal(r.created, 2);
  assert.deepEqual(r.rejected.map((x) => x.line), bad.map((_, i) => i + 3));
  bad.forEach(([l, why], i) => assert.match(r.rejected[i].reason, why, l));
  assert.ok(await user("last@example.org"));
  for (const email of ["role@example.org", "tier@example.org", "group@example.org", "odd@example.org"]) assert.equal(await user(email), undefined, email);
  assert.equal((await admin.events({ q: "role@example.org" })).length, 0);
});
test("a column that is none of the seven is refused: a misspelt one would make everybody a standard user", async () => {
  await refused("first name,last name,email,roles,authentication provider\nTwo,Words,roles@example.org,admin,plextrac\n", 400, /\\"roles\\", which is none of the seven columns/);
  await refused(`${HEAD},Phone\nTwo,Words,phone@example.org,,,plextrac,,5\n`, 400, /\\"Phone\\"/);
});
test("a column that stands twice is refused: readers would take different ones", () =>
  refused(`${HEAD},Email\nTwo,Addresses,one@example.org,,,plextrac,,other@example.org\n`, 400, /the column \\"email\\" twice/));
test("without a mail server nobody is said to be invited", async () => {
  const r = await ok(`${HEAD}\nUn,Invited,uninvited@example.org,,,plextrac,\n`);
  assert.deepEqual([r.created, r.invited], [1, 0]);
});
test("one event a user, all of one request", async () => {
  await ok(`${HEAD}\nEv,One,ev1@example.org,,,plextrac,yes\nEv,Two,ev2@example.org,,,plextrac,\nEv,Three,ev3@example.org,,,plextrac,\n`);
  const made = (await admin.events({ event_type: "UserCreated" })).filter((e) => /ev\d@example/.test(JSON.stringify(e)));
  assert.equal(made.length, 3);
  assert.equal(new Set(made.map((e) => e.request_id)).size, 1);
  assert.equal(new Set(made.map((e) => e.target.email)).size, 3);
  const group = await admin.event("AddedToDefaultGroup", (e) => JSON.stringify(e).includes("ev1@example.org"));
  assert.equal(group.request_id, made[0].request_id);
});
test("cells that spreadsheets would run are kept as text, and guarded where they go out", async () => {
  await ok(`${HEAD}\n=1+1,"@SUM(A1)",formula@example.org,,,plextrac,\n`);
  const u = await user("formula@example.org");
  assert.deepEqual([u.first, u.last], ["=1+1", "@SUM(A1)"]);
  await admin.event("UserCreated", (e) => e.target.email === "formula@example.org");
  const csv = (await admin.get("/api/v2/auditlog/export?format=csv&q=formula")).text;
  assert.match(csv, /'=1\+1/);
  assert.doesNotMatch(csv, /(^|[,"\n])=1\+1/m);
});
test("what is no such table is refused whole", async () => {
  await refused("", 400, /empty/);
  await refused("first name,email\nx,y@example.org\n", 400, /last name/);
  await refused(`${HEAD}\nA,B,a@example.org,,,plextrac\n`, 400, /line 2/); // a cell too few
  await refused(`${HEAD}\nA,"B,a@example.org,,,plextrac,\n`, 400, /line 2/); // a quote without an end
  await refused(`${HEAD}\nA,B"x,a@example.org,,,plextrac,\n`, 400, /line 2/);
  await refused(Buffer.concat([Buffer.from(`${HEAD}\nA`), Buffer.from([0xff, 0xfe]), Buffer.from(",B,a@example.org,,,plextrac,\n")]), 400, /line 2|UTF-8/);
  await refused(Buffer.from(`${HEAD}\nA\0,B,a@example.org,,,plextrac,\n`), 400, /line 2|U\+0000|not/);
  await refused(`${HEAD}\n`, 400, /file/, { name: "other" });
  assert.equal((await ok(`${HEAD}\n`)).created, 0);
});
test("too many lines and too many bytes are refused whole, with the limit", async () => {
  const line = (i) => `N${i},L,n${i}@example.org,,,plextrac,\n`;
  await refused(`${HEAD}\n${Array.from({ length: 10_000 }, (_, i) => line(i)).join("")}`, 400, /more than 5000 rows/);
  await refused(`${HEAD}\n${"x".repeat(1_100_000)}`, 413, /./);
});
test("a thousand at once; the same file again makes nobody twice", async () => {
  const text = `${HEAD}\n${Array.from({ length: 1000 }, (_, i) => `Bulk,Number ${i},bulk${i}@example.org,,,plextrac,\n`).join("")}`, before = await count();
  assert.deepEqual([(await ok(text)).created, await count()], [1000, before + 1000]);
  const again = await ok(text);
  assert.deepEqual([again.created, again.rejected.length], [0, 1000]);
  assert.equal(await count(), before + 1000);
});
test("only who may manage users; the file can not give more than its sender has", async () => {
  const std = await s.as("std@example.org");
  await refused(`${HEAD}\nA,B,a@example.org,ADMIN,,plextrac,\n`, 403, /./, { client: std });
});
