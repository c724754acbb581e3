/** The Debian package as `make dist` makes it, of the binary under test: what is in it, with which modes, and that it starts. */
import { test, after } from "node:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { BIN, ROOT, assert, serve, newStore, until } from "./harness.mjs";

const has = (tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;
const skip = ["dpkg-deb", "dpkg-shlibdeps"].every(has) ? false : "dpkg-deb and dpkg-shlibdeps (dpkg-dev) are not here";
const dir = mkdtempSync(path.join(os.tmpdir(), "recount-deb-"));
after(() => rmSync(dir, { recursive: true, force: true }));

function run(cmd, ...args) {
  const r = spawnSync(cmd, args, { encoding: "utf8", cwd: ROOT, maxBuffer: 1 << 26, env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000" } });
  assert.equal(r.status, 0, `${cmd} ${args.join(" ")}: ${r.stderr}${r.stdout}`);
  return r.stdout;
}

function pack(name) {
  const out = path.join(dir, name);
  run("tools/dist.sh", BIN, out);
  return path.join(out, readdirSync(out).find((f) => f.endsWith(".deb")));
}

test("the package", { skip }, async (t) => {
  const deb = pack("a");
  const control = Object.fromEntries([...run("dpkg-deb", "--field", deb).matchAll(/^(\S+): (.*)$/gm)].map((m) => [m[1], m[2]]));
  const listed = run("dpkg-deb", "--contents", deb).trim().split("\n").map((l) => l.split(/\s+/));
  const files = Object.fromEntries(listed.filter((l) => !l[5].endsWith("/")).map((l) => [l[5].slice(1), { mode: l[0], owner: l[1] }]));
  const x = path.join(dir, "x");
  run("dpkg-deb", "--raw-extract", deb, x);
  const read = (f) => readFileSync(path.join(x, f), "utf8");

  await t.test("names its version and what the binary is linked with", () => {
    assert.equal(control.Package, "recount");
    assert.equal(control.Version, /version: '([^']+)'/.exec(readFileSync(path.join(ROOT, "meson.build"), "utf8"))[1]);
    for (const lib of ["libc6", "libmicrohttpd12", "libsqlite3-0", "libpq5", "libsodium23", "libcurl4", "libssl3", "adduser"])
      assert.match(control.Depends, new RegExp(`(^|, )${lib}(t64)?( \\(|,|$)`), `Depends names ${lib}: ${control.Depends}`);
    assert.doesNotMatch(control.Depends + (control.Recommends ?? ""), /postgresql|gcc|node/, "trying it needs no database server and no compiler");
  });
  await t.test("holds the server, its unit, settings and documents, nothing else, all root's", () => {
    const expected = {
      "/usr/bin/recount": "-rwxr-xr-x",
      "/usr/lib/systemd/system/recount.service": "-rw-r--r--",
      "/etc/recount/recount.conf": "-rw-r-----", // may come to hold a password
      "/usr/share/doc/recount/audit-log.md": "-rw-r--r--",
      "/usr/share/doc/recount/copyright": "-rw-r--r--",
      "/usr/share/doc/recount/log.md": "-rw-r--r--",
      "/usr/share/doc/recount/operations.md": "-rw-r--r--",
      "/usr/share/doc/recount/security.md": "-rw-r--r--",
      "/usr/share/doc/recount/verify/README.md": "-rw-r--r--",
      "/usr/share/doc/recount/verify/rotation.py": "-rw-r--r--",
      "/usr/share/doc/recount/verify/verify.py": "-rw-r--r--",
      ...Object.fromEntries(readdirSync(path.join(ROOT, "doc/decisions")).map((f) => [`/usr/share/doc/recount/decisions/${f}`, "-rw-r--r--"])),
    };
    assert.deepEqual(Object.fromEntries(Object.entries(files).map(([f, v]) => [f, v.mode])), expected);
    for (const l of listed) assert.equal(l[1], "root/root", l[5]);
    assert.equal(read("DEBIAN/conffiles"), "/etc/recount/recount.conf\n");
    run("sh", "-c", `cd "${x}" && md5sum --check --quiet DEBIAN/md5sums`);
    for (const f of ["postinst", "prerm", "postrm"]) run("sh", "-n", path.join(x, "DEBIAN", f));
    assert.match(read("usr/share/doc/recount/copyright"), /Apache License[^]*react-dom [^]*MIT/, "the licences of what is built in");
  });
  await t.test("purging keeps the log: no script removes the data", () => {
    for (const f of ["postinst", "prerm", "postrm"])
      for (const line of read(`DEBIAN/${f}`).split("\n").filter((l) => /\brm\b/.test(l) && !/^\s*echo /.test(l)))
        assert.match(line, /rm -f \/var\/lib\/recount\/recount\.conf$/, `${f}: ${line}`);
  });
  await t.test("its unit runs as a user of its own, shut in", () => {
    const unit = read("usr/lib/systemd/system/recount.service");
    for (const line of ["User=recount", "ExecStart=/usr/bin/recount serve --data /var/lib/recount", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
      "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes", "MemoryDenyWriteExecute=yes", "StateDirectoryMode=0700", "UMask=0077", "SystemCallFilter=@system-service"])
      assert.ok(unit.split("\n").includes(line), line);
  });
  await t.test("systemd finds nothing wrong and little exposed", { skip: has("systemd-analyze") ? false : "systemd-analyze is not here" }, () => {
    const unit = path.join(dir, "recount.service"); // verify wants ExecStart to exist
    writeFileSync(unit, read("usr/lib/systemd/system/recount.service").replace("/usr/bin/recount", path.join(x, "usr/bin/recount")));
    const v = spawnSync("systemd-analyze", ["verify", "--man=no", unit], { encoding: "utf8" });
    assert.doesNotMatch(v.stderr, /recount\.service/, v.stderr);
    run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit);
  });
  await t.test("the same sources give the same package", () => {
    assert.ok(readFileSync(pack("b")).equals(readFileSync(deb)));
  });
  await t.test("what is in it serves, with the settings it ships", async () => {
    const store = newStore();
    mkdirSync(store.data, { mode: 0o700 });
    symlinkSync(path.join(x, "etc/recount/recount.conf"), path.join(store.data, "recount.conf"));
    const s = await serve({ store, bin: path.join(x, "usr/bin/recount") });
    try {
      await until(() => /setup\?token=\S+/.test(s.out), "the one-time link");
      assert.equal((await s.client().ok("GET", "/api/v2/setup")).needed, true);
    } finally {
      await s.stop();
    }
  });
  await t.test("every setting it names is one the server knows", async () => {
    const named = [...read("etc/recount/recount.conf").matchAll(/^# ([a-z-]+) = (.+)$/gm)];
    assert.ok(named.length >= 6);
    for (const [, name, value] of named) {
      const data = mkdtempSync(path.join(dir, "conf-"));
      writeFileSync(path.join(data, "recount.conf"), `${name} = ${value}\nno-such-setting = 1\n`);
      const r = spawnSync(BIN, ["serve", "--data", data, "--listen", "127.0.0.1:0"], { encoding: "utf8", timeout: 60_000 });
      assert.equal(r.status, 1);
      assert.match(r.stderr, /line 2: unknown setting/, `${name}: ${r.stderr}`);
    }
  });
});
