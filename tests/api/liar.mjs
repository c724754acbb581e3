/** Whoever has the server and its key: signs what he likes, so that only what is said can give him away. */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { assert } from "./harness.mjs";

/** Signs notes with a key file as the server does. `kind` 1: a log's key. */
export class Liar {
  constructor(/** @type {{data: string}} */ store, file = path.join(store.data, "keys/sign.key")) {
    this.key = createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), readFileSync(file)]), format: "der", type: "pkcs8" });
    this.raw = createPublicKey(this.key).export({ format: "der", type: "spki" }).subarray(-32);
  }

  vkey(name) {
    const key = Buffer.concat([Buffer.from([1]), this.raw]), id = createHash("sha256").update(`${name}\n`).update(key).digest("hex").slice(0, 8);
    return `${name}+${id}+${key.toString("base64")}`;
  }

  /** The note of a text that ends in a newline. */
  note(text, name) {
    const id = Buffer.from(/\+([0-9a-f]{8})\+/.exec(this.vkey(name))[1], "hex");
    return `${text}\n— ${name} ${Buffer.concat([id, sign(null, Buffer.from(text), this.key)]).toString("base64")}\n`;
  }

  /** An export with proofs whose events were changed by `change(events, last line)`, under a manifest that says so, and what `say` makes of it. */
  doctored(text, change, say = (/** @type {string} */ manifest) => manifest) {
    const lines = text.split("\n"), last = JSON.parse(lines.at(-2)), events = lines.slice(0, -2).map((l) => JSON.parse(l)), name = /^origin (.*)$/m.exec(last.manifest)[1];
    assert.equal(last.vkey.split("\n")[0], this.vkey(name), "the key is the server's");
    change(events, last);
    const body = events.map((e) => JSON.stringify(e) + "\n").join(""), digest = createHash("sha256").update(body).digest("hex");
    const said = last.manifest.slice(0, last.manifest.lastIndexOf("\n\n— ") + 1).replace(/^digest sha256 .*$/m, `digest sha256 ${digest}`);
    return body + JSON.stringify({ ...last, manifest: this.note(say(said), name) }) + "\n";
  }
}
