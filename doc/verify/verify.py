#!/usr/bin/env python3
"""Checks what a Recount audit log hands out, without Recount: Python 3.9 or newer, its standard library, nothing else.
The formats are described in README.md beside this file; sections are named in the comments.

  verify.py export FILE [--manifest FILE]     an export with proofs (NDJSON), or any export beside its manifest
  verify.py proof FILE… [--leaf HEX]          the answer of …/auditlog/proof/ID (JSON); or a .tlog-proof, which holds no record:
                                              --leaf says which leaf, as an export or the page shows it
  verify.py checkpoint FILE                   a signed checkpoint
  verify.py consistency OLD NEW PROOF         two checkpoints, and the answer of …/auditlog/consistency between them
  verify.py opening FILE                      the answer of …/auditlog/opening
  verify.py log FOLDER                        a whole log: FOLDER/checkpoint and FOLDER/tile/entries/… (README 6)

--vkey: the log's key, given once by a way you trust (or a file that holds it). Export, proof and opening bring one along;
without --vkey that one is used, and said to be unproven. --witness: a witness's key (or a file of them; may recur): its cosignature is demanded of
each checkpoint, of consistency's new one, of an export's newest. --pin: remembers the newest checkpoint of each log in FILE, and refuses a log
that does not hold what was remembered. Exit: 0 sound, 1 damaged (says what and where), 2 wrong usage.
"""
import base64, datetime, hashlib, json, os, re, struct, sys
class Damaged(Exception): pass
def need(true, what):
    if not true: raise Damaged(what)
def attempt(read, what):
    try:
        return read()
    except (ValueError, TypeError):
        raise Damaged(what)
def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def unhex(text, what):
    need(isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text), f"{what} is not a hash")
    return bytes.fromhex(text)
def un64(text, what):
    raw = attempt(lambda: base64.b64decode(text, validate=True), f"{what} is not base64")
    need(base64.b64encode(raw).decode() == text, f"{what} is not written the one way")
    return raw
words = lambda raw, what: attempt(lambda: raw.decode("utf-8"), f"{what} is not UTF-8")
def parse(raw, what): return attempt(lambda: json.loads(raw.decode("utf-8")), f"{what} is not JSON")

# ---- Ed25519, RFC 8032 5.1.7: verification alone, slow and plain ----
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
def point(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(xx, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - xx) % P else x
    if y >= P or (x * x - xx) % P or (x == 0 and sign): return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P
def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(k, p):
    q = (0, 1, 1, 0)
    for bit in f"{k:b}": q = add(add(q, q), p) if bit == "1" else add(q, q)
    return q
BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
def ed25519(key, message, signature):
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or a is None or r is None or s >= L: return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y = times(s, BASE), add(r, times(k, a))
    return (x[0] * y[2] - y[0] * x[2]) % P == 0 and (x[1] * y[2] - y[1] * x[2]) % P == 0

# ---- README 3: the tree, RFC 6962 and RFC 9162 ----
def leaf_hash(entry): return sha(b"\0", entry)
def node(left, right): return sha(b"\1", left, right)
def root_of(hashes):
    """The root over neighbouring subtrees, all but the last of one size that is a power of two."""
    if len(hashes) < 2: return hashes[0] if hashes else sha()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root_of(hashes[:k]), root_of(hashes[k:]))
def climb(fn, sn, path, what):
    """Each hash of a proof from the leaf up, and whether it stands on the left (RFC 9162, 2.1.3.2 and 2.1.4.2)."""
    for h in path:
        need(sn, f"{what} is too long")
        left = fn & 1 or fn == sn
        while left and not fn & 1 and fn: fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
        yield h, left
    need(sn == 0, f"{what} is too short")
def included(index, size, h, path):
    need(0 <= index < size, f"index {index} is not below the size {size}")
    for p, left in climb(index, size - 1, path, f"index {index}: the inclusion proof"): h = node(p, h) if left else node(h, p)
    return h
def leads(index, size, root, leaf, path, where):
    need(included(index, size, leaf_hash(leaf), path) == root, f"{where}: the hashes do not lead to the signed root")
def consistent(old, new, path):
    (m, a), (n, b) = old, new
    need(m <= n, f"the log has shrunk from {m} to {n} events")
    if m == n or m == 0: return need(not path and (m != n or a == b), f"two checkpoints of {m} events with different roots")
    path, even = ([a] if m & (m - 1) == 0 else []) + path, (m & -m).bit_length() - 1
    need(path, "the consistency proof is empty")
    fr = sr = path[0]
    for c, left in climb(m - 1 >> even, n - 1 >> even, path[1:], "the consistency proof"): fr, sr = node(c, fr) if left else fr, node(c, sr) if left else node(sr, c)
    need(fr == a and sr == b, f"the log of {n} events does not continue that of {m}: it was rewritten")

# ---- README 4: notes, keys, checkpoints ----
def key_id(name, raw): return sha(name.encode(), b"\n", raw)[:4]
def read_key(vkey, kind=1):
    m = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", vkey.strip())
    need(m, "the key is malformed")
    raw = un64(m[3], "the key")
    need(len(raw) == 33 and raw[0] == kind, f"the key is not an Ed25519 key of a {'log' if kind == 1 else 'witness'}")
    need(key_id(m[1], raw).hex() == m[2], "the key's id is not its own")
    return m[1], raw[1:], bytes.fromhex(m[2])
def signatures(note):
    """The text of a note, and name and bytes of each signature."""
    need(isinstance(note, str) and "\n\n" in note, "there is no signed note")
    text, lines = note.rsplit("\n\n", 1)
    need(lines.endswith("\n"), "the note ends in the middle")
    all_of_them = [re.fullmatch("\u2014 (\\S+) (\\S+)", line) for line in lines[:-1].split("\n")]
    need(all(all_of_them), "a signature line is malformed")
    return text + "\n", [(m[1], un64(m[2], "a signature")) for m in all_of_them]
def open_note(note, keys):
    """The text of a note that one of the keys has signed, and that key's name."""
    (text, signed), found = signatures(note), None
    for name, key, kid in map(read_key, keys):
        for raw in [raw for n, raw in signed if n == name and raw[:4] == kid]:
            need(ed25519(key, text.encode(), raw[4:]), f"the signature of {name} is wrong")
            found = name
    need(found, "the note is not signed by the log's key")
    return text, found
WITNESSES = []
def open_checkpoint(note, keys, cosigned=True):
    text, name = open_note(note, keys)
    m = re.fullmatch(r"(\S+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/=]+)\n", text)
    need(m and m[1] == name, "what is signed is not a checkpoint of this log")
    root = un64(m[3], "the root")
    need(len(root) == 32, "the root is not a hash")
    for witness, key, kid in WITNESSES if cosigned else []:
        lines = [raw[4:] for n, raw in signatures(note)[1] if n == witness and raw[:4] == kid]
        need(lines, f"the checkpoint of {m[2]} events is not cosigned by {witness}")
        for raw in lines:
            when = int.from_bytes(raw[:8], "big")
            need(ed25519(key, f"cosignature/v1\ntime {when}\n{text}".encode(), raw[8:]), f"the cosignature of {witness} is wrong")
        print(f"cosigned by {witness} at {iso(when * 10**6)}")
    return m[1], int(m[2]), root

# ---- README 1 and 2: the record ----
INTS = {1: "version", 4: "outcome", 5: "at", 7: "actor_kind", 11: "client", 14: "count", 240: "epoch", 241: "index", 242: "logged"}
TEXTS = {2: "cuid", 3: "type", 6: "tenant", 8: "actor", 9: "target_kind", 10: "target", 12: "request", 13: "session"}
PERSONAL = {1: "actor_name", 2: "actor_email", 3: "address", 4: "via", 5: "agent", 6: "target_name", 7: "target_email", 8: "client_name", 9: "text", 10: "private"}
def pieces(raw, what):
    at, last = 0, 0
    while at < len(raw):
        need(at + 6 <= len(raw), f"{what} ends in the middle")
        tag, n = struct.unpack_from(">HI", raw, at)
        need(at + 6 + n <= len(raw), f"{what} ends in the middle")
        need(tag > last or (tag == last == 11 and what == "the personal part"), f"{what} is out of order")
        yield tag, raw[at + 6 : at + 6 + n]
        at, last = at + 6 + n, tag
def read_public(raw):
    out = {"count": 1}
    for tag, v in pieces(raw, "the public part"):
        need(tag in INTS or (tag in TEXTS and v), f"the public part has an unknown field {tag}")
        need(tag in TEXTS or len(v) == 8, f"field {tag} of the public part is not a number")
        out[INTS.get(tag) or TEXTS[tag]] = struct.unpack(">q", v)[0] if tag in INTS else words(v, "the public part")
    need(out.get("version") == 1 and all(k in out for k in ("cuid", "type", "outcome", "at", "epoch", "index", "logged")), "the public part lacks a field")
    return out
def read_personal(raw):
    out = {"changes": []}
    for tag, v in pieces(raw, "the personal part"):
        if tag != 11:
            need(tag in PERSONAL and v, f"the personal part has an unknown field {tag}")
            out[PERSONAL[tag]] = words(v, "the personal part")
            continue
        row, at = [], 0
        for _ in range(3):
            need(at + 4 <= len(v), "a change ends in the middle")
            n = struct.unpack_from(">I", v, at)[0]
            at += 4
            row.append(None if n == 0xFFFFFFFF else words(v[at : at + n], "a change"))
            at += 0 if n == 0xFFFFFFFF else n
        need(at == len(v), "a change has the wrong length")
        out["changes"].append(row)
    return out
def leaf_of(p, where):
    """The leaf entry of a proof object, from its parts alone."""
    public, gone, per = un64(p["public"], f"{where}: the public part"), p.get("erased") is True, None
    need(gone == (p.get("personal") is None) == (p.get("salt") is None), f"{where}: the personal part is missing without an erasure being claimed, or there in spite of one")
    inner = unhex(p["personal_hash"], f"{where}: the hash of the personal part")
    if not gone:
        personal, salt = un64(p["personal"], f"{where}: the personal part"), un64(p["salt"], f"{where}: the salt")
        need(len(salt) == 16 and sha(salt, personal) == inner, f"{where}: salt and personal part do not hash to what is said of them")
        per = read_personal(personal)
    leaf = sha(b"recount.audit.entry.v1\n", sha(public), inner)
    need(p["leaf"] == leaf.hex(), f"{where}: record and salt do not hash to the leaf")
    return leaf, read_public(public), per
HIDDEN = "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in (
    (0, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
    (0x3164, 0x3164), (0xFE00, 0xFE0D), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)))
def visible(text): return text and re.sub(f"[{HIDDEN}]", lambda m: "\\u{%04X}" % ord(m[0]), text)
iso = lambda us: (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)).isoformat(timespec="milliseconds") + "Z"
def compare(e, pub, per, where):
    """What a reader sees of the event against the record. Of an erased one nothing personal is left to be seen but pseudonyms."""
    part = lambda key: e.get(key) or {}
    shown = {"id": (e["cuid"], pub["cuid"]), "event": (e["event_type"], pub["type"]), "epoch": (e["epoch"], pub["epoch"]), "index": (e["index"], pub["index"]),
             "outcome": (e["outcome"], ("success", "failure", "denied")[pub["outcome"]]), "count": (e["count"], pub["count"]), "kind of actor": (part("actor").get("kind"), ("anonymous", "user", "token", "command", "system")[pub["actor_kind"]]),
             "actor": (part("actor").get("id"), pub.get("actor")), "session": (part("actor").get("session"), pub.get("session")), "target": (part("target").get("id"), pub.get("target")),
             "kind of target": (part("target").get("kind"), pub.get("target_kind")), "client": (part("client").get("id"), pub.get("client")), "request": (e.get("request_id"), pub.get("request")),
             "time": (e["timestamp"], iso(pub["at"])), "logged": (e["logged"], iso(pub["logged"])), "erasure": (bool(e.get("erased") or e.get("erased_at")), per is None), "leaf": (e.get("leaf") or e["proof"]["leaf"], e["proof"]["leaf"])}
    per = per or {"changes": []}
    if shown["erasure"][1]:
        people = re.findall("Erased person [0-9A-F]{10}", e["message"])
        per["text"] = f"{e['title']}: the personal part was erased ({', '.join(people)})"
        per.update({f"{key}_name": part(key).get("name") for key in ("actor", "target") if part(key).get("name") in people})
    name, mail = per.get("actor_name") or "(erased)" * shown["erasure"][1], per.get("actor_email")
    shown.update({"text": (e["message"], visible(per.get("text", ""))), "person": (part("actor").get("name"), per.get("actor_name")), "e-mail": (part("actor").get("email"), mail),
                  "user": (e["user_info"], f"{name} ({mail})" if name and mail else name or mail or "Nobody signed in"),
                  "address": (e.get("address"), per.get("address")), "proxy": (e.get("via"), per.get("via")), "browser": (e.get("user_agent"), per.get("agent")),
                  "name of target": (part("target").get("name"), per.get("target_name")), "e-mail of target": (part("target").get("email"), per.get("target_email")),
                  "name of client": (part("client").get("name"), per.get("client_name")), "detail": (e.get("private_detail"), per.get("private")),
                  "changes": ([[c["field"], c["before"], c["after"]] for c in e.get("changes") or []], per["changes"])})
    for name, (seen, logged) in shown.items():
        need(seen == logged or (not seen and not logged), f"{where}: the {name} shown is not the one recorded ({seen!r}, {logged!r})")

# ---- commands ----
def key_lines(given):
    """Keys, or files that hold them, one a line."""
    return [k for g in given.split("\n") for k in (open(g, encoding="utf-8").read() if os.path.exists(g) else g).split("\n") if k.strip()]
def keys_of(o, along):
    if o.get("vkey"): return key_lines(o["vkey"])
    need(along, "no key is given")
    print("note: the key came with the data; compare it with one you got another way:\n  " + "\n  ".join(along))
    return along
def pinned(o, origin, size, root, root_then=None):
    """Compares with the checkpoint remembered for this log. root_then: the root at the size remembered, where the caller has computed it."""
    old = memory(o).get(origin)
    if old:
        need(size >= old["size"], f"{origin}: {old['size']} events were seen before, now there are {size}: the log was cut, or an old one put back")
        need(size > old["size"] or root.hex() == old["root"], f"{origin}: another root than the one seen before for {size} events: the log was rewritten")
        need(root_then is None or root_then.hex() == old["root"], f"{origin}: the first {old['size']} events are not those seen before: the log was rewritten")
        if size > old["size"] and root_then is None:
            return print(f"note: not compared with the {old['size']} events remembered: the commands log and consistency do that; still remembered")
    if "pin" in o:
        with open(o["pin"] + ".new", "w", encoding="utf-8") as f:
            json.dump({**memory(o), origin: {"size": size, "root": root.hex()}}, f, indent=1)
        os.replace(o["pin"] + ".new", o["pin"])
memory = lambda o: load(o["pin"]) if os.path.exists(o.get("pin", "")) else {}
load = lambda path: parse(open(path, "rb").read(), path)
epoch_of = lambda origin: int(origin.rsplit("/", 1)[1].split("-")[0])
def prove(p, keys, where):
    origin, size, root = open_checkpoint(p["checkpoint"], keys)
    leaf, pub, per = leaf_of(p, where)
    need(pub["index"] == p["index"] and epoch_of(origin) == pub["epoch"], f"{where}: the record was placed elsewhere")
    need(origin.split("/")[1] == pub.get("tenant", "instance"), f"{where}: the record belongs to another log")
    leads(p["index"], size, root, leaf, [unhex(h, f"{where}: the inclusion proof") for h in p["inclusion"]], where)
    return origin, size, root, pub, per
def cmd_proof(o, *files):
    for path in files:
        text = open(path, "rb").read()
        if text.startswith(b"c2sp.org/tlog-proof@"):
            tlog_proof(o, path, words(text, path))
            continue
        p = parse(text, path).get("data") or {}
        origin, size, root, pub, per = prove(p, keys_of(o, [p.get("vkey", "")]), path)
        pinned(o, origin, size, root)
        erased = "" if per else "; its personal part is said to be erased (README 9)"
        print(f"{path}: sound: {pub['type']} at {iso(pub['at'])} is number {pub['index']} of {size} in {origin}{erased}")
def tlog_proof(o, path, text):
    m = re.fullmatch(r"c2sp\.org/tlog-proof@v1\n(?:extra \S+\n)?index (0|[1-9]\d*)\n((?:[A-Za-z0-9+/=]+\n)*)\n(.*)", text, re.S)
    need(m, f"{path} is not a proof file")
    if not ("vkey" in o and "leaf" in o): raise OSError(0, "a proof file holds neither key nor record: --vkey and --leaf are needed", path)
    origin, size, root = open_checkpoint(m[3], keys_of(o, None))
    leads(int(m[1]), size, root, unhex(o["leaf"], "--leaf"), [un64(h, f"{path}: the inclusion proof") for h in m[2].split()], path)
    pinned(o, origin, size, root)
    print(f"{path}: sound: the leaf is number {m[1]} of {size} in {origin}")
def cmd_checkpoint(o, path):
    origin, size, root = open_checkpoint(open(path, encoding="utf-8").read(), keys_of(o, None))
    pinned(o, origin, size, root)
    print(f"sound: {origin} has {size} events, root {root.hex()}")
def cmd_consistency(o, old, new, proof):
    keys = keys_of(o, None)
    (origin, m, a), (other, n, b) = (open_checkpoint(open(f, encoding="utf-8").read(), keys, f is new) for f in (old, new))
    need(origin == other, "the two checkpoints are of different logs")
    consistent((m, a), (n, b), [unhex(h, "the consistency proof") for h in load(proof)["data"]["proof"]])
    seen = memory(o).get(origin)
    pinned(o, origin, n, b, a if seen and seen["size"] == m else None)
    print(f"sound: {origin}: the log of {n} events continues that of {m}")
def cmd_opening(o, path):
    d = load(path)["data"]
    origin, size, root, pub, per = prove(d["record"], keys_of(o, [d["record"]["vkey"]]), path)
    need(pub["type"] == "AuditLogHeadsRecorded" and per, f"{path}: the record is not one of heads")
    leaf = sha(b"\0", unhex(d["salt"], "the salt"), f"{d['origin']}\n{d['size']}\n".encode(), unhex(d["root"], "the head"))
    top = included(d["leaf_index"], d["leaves"], leaf, [unhex(h, "the path") for h in d["path"]])
    need(top.hex() == d["round_root"] and ["root", None, top.hex()] in per["changes"], f"{path}: the head is not among those recorded")
    print(f"sound: {d['origin']} had {d['size']} events in the round of {d['at']}, recorded as number {pub['index']} of {origin}")
def cmd_export(o, path):
    body = open(path, "rb").read()
    if "manifest" in o: m = load(o["manifest"])["data"]
    else:
        cut, whole = body[:-1].rfind(b"\n") + 1, body.endswith(b"\n")
        m, body = parse(body[cut:], "the last line"), body[:cut]
        need("manifest" in m and whole, f"{path} has no manifest in its last line: it is cut off, or was exported without proofs")
    keys = keys_of(o, m.get("vkey", "").split("\n"))
    text, name = open_note(m["manifest"], keys)
    facts = dict(line.split(" ", 1) for line in text.rstrip("\n").split("\n"))
    named = re.findall("^earlier (\\S+) (\\d+) (\\S+)$", text, re.M)
    need(facts.get("recount-audit-export") == "v1" and facts["origin"] == name, "what is signed is not the manifest of an export")
    origin, size, root = open_checkpoint(m["checkpoint"], keys)
    need(origin == name and facts["checkpoint"] == f"{size} {base64.b64encode(root).decode()}", "checkpoint and manifest do not belong together")
    need(facts["digest"] == "sha256 " + sha(body).hex(), f"{path} is not what was exported: its digest is {sha(body).hex()}")
    heads = {epoch_of(origin): (size, root), **earlier_heads(o, m, keys, origin, named)}
    more = f", {export_lines(body, facts, origin, heads)} erased" if facts["proofs"] == "yes" else "; without proofs: the file is what was exported, its events were not checked one by one"
    pinned(o, origin, size, root)
    print(f"sound: {facts['count']} events of {origin}, query {facts['query']}, under a checkpoint of {size} events{more}")
def earlier_heads(o, m, keys, origin, named):
    """The last checkpoints of epochs before a restore: named by the manifest, and signed by the log's key under their own names."""
    heads = {}
    for x in m.get("earlier", []):
        (text, signed), lost = signatures(x["checkpoint"]), memory(o)
        name = text.split("\n")[0]
        mine = [f"{name}+{key_id(name, raw).hex()}+{base64.b64encode(raw).decode()}" for raw in (b"\1" + read_key(k)[1] for k in keys)]
        if not any(read_key(k)[2] == raw[:4] for k in mine for _, raw in signed):
            mine = x["vkey"].split("\n")
            print(f"note: the checkpoint of {name} is of a key before a rotation, which came with the data; the manifest vouches for it (README 7)")
        old, size, root = open_checkpoint(x["checkpoint"], mine, False)
        need(old.split("/")[:2] == origin.split("/")[:2] and epoch_of(old) < epoch_of(origin), f"{old} is no earlier epoch of {origin}")
        need((old, str(size), base64.b64encode(root).decode()) in named and epoch_of(old) not in heads, f"the manifest names another checkpoint of {old}")
        heads[epoch_of(old)] = size, root
        if old in lost and lost[old]["size"] > size: print(f"note: {lost[old]['size']} events of {old} were seen before; {size} came with the copy that was put back (README 4)")
        else: pinned(o, old, size, root)
    need(len(heads) == len(named), "a checkpoint that the manifest names is missing")
    return heads
def export_lines(body, facts, origin, heads):
    seen, titles, erased, told, begun, bare = [], {}, [], [], {}, 0
    for n, line in enumerate(body.split(b"\n")[:-1], 1):
        e = parse(line, f"line {n}")
        p, where = e.get("proof") or {}, f"line {n} (index {e.get('index')})"
        leaf, pub, per = leaf_of(p, where)
        compare(e, pub, per, where)
        need(pub.get("tenant") == origin.split("/")[1], f"{where}: the record belongs to another log")
        need(titles.setdefault(e["event_type"], (e["title"], e["category"])) == (e["title"], e["category"]), f"{where}: the title is not that of other such events")
        seen.append((pub["epoch"], pub["index"]))
        erased += [] if per else [(pub["epoch"], pub["index"])]
        told += [m for c in per["changes"] if c[0] == "indices" for m in map(re.compile(r"(?:(\d+):)?(\d+)(?:-(\d+))?").fullmatch, c[2].split(", ")) if m] if per and pub["type"] == "PersonErased" else []
        size, root = heads.get(pub["epoch"], (0, b""))
        covered = pub["index"] < size or pub["epoch"] == epoch_of(origin)
        bare += not covered
        if covered: leads(pub["index"], size, root, leaf, [unhex(h, f"{where}: the inclusion proof") for h in p["inclusion"]], where)
        if pub["type"] == "AuditLogEpochBegun" and per: begun[pub["epoch"] - 1] = {c[0]: c[2] or c[1] for c in per["changes"]}
    need(len(seen) == int(facts["count"]), f"the manifest counts {facts['count']} events, the file has {len(seen)}")
    ends = [f"{a}:{b}" for a, b in (seen[0], seen[-1])] if seen else ["-", "-"]
    need(ends == [facts["first"], facts["last"]], f"first and last event are {ends}, the manifest says {facts['first']} and {facts['last']}")
    for a, b in zip(seen, seen[1:]):
        need(a != b and (facts["query"] != "-" or a[0] != b[0] or abs(a[1] - b[1]) == 1), f"there is a gap between index {a[1]} and {b[1]}, though nothing was filtered")
    alone = [i for epoch, i in erased if not any(int(r[1] or 0) == epoch and int(r[2]) <= i <= int(r[3] or r[2]) for r in told)]
    if alone and facts["query"] == "-": print(f"note: {len(alone)} events are said to be erased, and no PersonErased of this file tells of them: from index {min(alone)}. Ask why (README 9)")
    for epoch, said in begun.items():
        (size, root), kept = heads.get(epoch, (0, b"")), int(said["events kept"])
        need(size < kept or (size == kept and (root or sha()).hex() == said["root kept"]), f"the checkpoint of epoch {epoch} is not what the next one began with: {said['events kept']} events kept")
        need(size or not said.get("last checkpoint") or not any(e == epoch for e, _ in seen), f"the last checkpoint of epoch {epoch} is missing: export again (early versions left it out)")
    if bare: print(f"note: {bare} events are of an earlier epoch, which ended before a checkpoint covered them: only what the next one began with does (README 7)")
    return len(erased)
def cmd_log(o, folder):
    origin, size, root = open_checkpoint(open(os.path.join(folder, "checkpoint"), encoding="utf-8").read(), keys_of(o, None))
    tops, old, then = [], memory(o).get(origin, {}).get("size", 0), None
    for n in range((size + 255) // 256):
        width, groups = min(256, size - n * 256), f"{n:,}".split(",")
        groups = ["x" + g.zfill(3) for g in groups[:-1]] + [groups[-1].zfill(3)]
        name = "tile/entries/" + "/".join(groups) + ("" if width == 256 else f".p/{width}")
        need(os.path.exists(os.path.join(folder, name)), f"the entries from index {n * 256} on are missing ({name})")
        raw = open(os.path.join(folder, name), "rb").read()
        need(len(raw) == width * 34 and raw[:: 34] + raw[1 :: 34] == b"\0" * width + b" " * width, f"{name} is malformed")
        hashes = [leaf_hash(raw[i * 34 + 2 : i * 34 + 34]) for i in range(width)]
        if n * 256 < old <= n * 256 + width: then = root_of(tops + [root_of(hashes[: old - n * 256])])
        tops.append(root_of(hashes))
    need(root_of(tops) == root, f"the {size} entries do not make the signed root: at least one was changed")
    pinned(o, origin, size, root, then)
    print(f"sound: all {size} entries of {origin} make the root that was signed")
COMMANDS = {"proof": (cmd_proof, 1, 999), "checkpoint": (cmd_checkpoint, 1, 1), "consistency": (cmd_consistency, 3, 3), "opening": (cmd_opening, 1, 1), "export": (cmd_export, 1, 1), "log": (cmd_log, 1, 1)}
def main(argv):
    words, o = [], {}
    while argv:
        word = argv.pop(0)
        if word in ("--vkey", "--witness", "--pin", "--manifest", "--leaf") and argv:
            o[word[2:]] = "\n".join([o[word[2:]], argv.pop(0)] if word[2:] in o else [argv.pop(0)])
        else:
            words.append(word)
    run, least, most = COMMANDS.get(words[0] if words else "", (None, 0, 0))
    if not run or not least <= len(words) - 1 <= most or any(w.startswith("--") for w in words) or (run in (cmd_checkpoint, cmd_consistency, cmd_log) and "vkey" not in o):
        return print(__doc__, file=sys.stderr) or 2
    try:
        WITNESSES[:] = [read_key(k, 4) for k in key_lines(o.get("witness", ""))]
        run(o, *words[1:])
        return 0
    except Damaged as e: print(f"DAMAGED: {e}")
    except OSError as e:
        return print(f"{e.filename}: {e.strerror}", file=sys.stderr) or 2
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError) as e:
        print(f"DAMAGED: the data is malformed ({type(e).__name__}: {e})")
    return 1
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
