/** The routes the binary itself knows (recount openapi), as {method, path, who, permission}. */
import { recount, assert } from "./harness.mjs";

let cached;
export function routes() {
  if (cached) return cached;
  const r = recount(["openapi"]);
  assert.equal(r.status, 0, r.err);
  const doc = JSON.parse(r.out);
  cached = [];
  for (const [path, methods] of Object.entries(doc.paths))
    for (const [method, o] of Object.entries(methods))
      cached.push({ method: method.toUpperCase(), path, who: o["x-who"], permission: o["x-permission"], events: o["x-events"], op: o });
  return cached;
}
