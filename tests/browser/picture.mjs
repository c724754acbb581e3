/** Makes doc/screenshot.png from a demonstration: node tests/browser/picture.mjs [file]. Not a test. */
import path from "node:path";
import { ROOT, serve, until } from "../api/harness.mjs";
import { browser, signIn, open } from "./harness.mjs";

const s = await serve({ noAdmin: true, args: ["--demo"] });
const b = await browser(s);
try {
  const [, email, password] = await until(() => /administrator\s+(\S+)\s+(\S+)/.exec(s.out), "how to sign in");
  const page = await b.page({ width: 1360, height: 850 });
  await signIn(page, s, email, password);
  await open(page, s, "/admin/audit-log?from=90d");
  await page.keyboard.press("/");
  await page.keyboard.type("changed");
  await page.locator(".log-row mark").first().waitFor();
  await until(() => /q=changed/.test(page.url()), "the address");
  await page.locator(".log-row", { hasText: "client" }).first().click();
  await page.locator(".detail").waitFor();
  await page.locator(".live.on").waitFor();
  await page.screenshot({ path: process.argv[2] ?? path.join(ROOT, "doc/screenshot.png") });
} finally { await b.close(); await s.stop(); }
