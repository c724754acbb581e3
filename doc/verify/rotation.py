#!/usr/bin/env python3
"""Follows rotations of a Recount log's signing key (README.md, 4) with verify.py, which lies beside this file.

  rotation.py FILE… --vkey KEY     the answers of …/auditlog/proof/ID for the SigningKeyRotated events, oldest first

Prints the key to remember. Each statement must be signed by a key that is known so far, and each event must be in the
log. Exit: 0 sound, 1 damaged (says what), 2 wrong usage.
"""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify as v

def cmd_rotation(o, *files):
    keys, proofs = v.keys_of(o, None), [v.load(f)["data"] for f in files]
    for path, p in zip(files, proofs):
        _, _, per = v.leaf_of(p, path)
        v.need(per, f"{path}: the record was erased")
        change = {field: after for field, _, after in per["changes"]}
        v.need("statement" in change, f"{path}: there is no statement in the record")
        text, name = v.open_note(change["statement"], keys)
        m = re.fullmatch(r"recount-key-rotation v1\norigin (\S+)\nnew (\S+)\n", text)
        v.need(m and m[1] == name == v.read_key(m[2])[0] and m[2] == change["key"], f"{path}: what is signed is not the rotation of this log's key")
        keys = [*keys, m[2]]
    for path, p in zip(files, proofs): # checkpoints of today, which the oldest key has not signed
        origin, size, root, pub, _ = v.prove(p, keys, path)
        v.need(pub["type"] == "SigningKeyRotated" and origin == name, f"{path}: the record is not a rotation of this log's key")
    print(f"sound: {origin} is signed by\n{keys[-1]}")

if __name__ == "__main__":
    v.COMMANDS, v.__doc__ = {"rotation": (cmd_rotation, 1, 999)}, __doc__
    words = sys.argv[1:]
    sys.exit(v.main(["rotation", *words]) if "--vkey" in words else print(__doc__, file=sys.stderr) or 2)
