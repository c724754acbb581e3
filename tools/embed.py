#!/usr/bin/env python3
"""Makes the C table of schema scripts.

    embed.py SCHEMA_DIR OUTPUT.c DEPFILE

Reads SCHEMA_DIR/{sqlite,postgres}/NNNN_name.sql. Versions count up from 1 without a gap, and each
has a text for both stores under the same name. The dependency file lists the folders too, so a new
script is noticed without being named in a build file.
"""
import os
import re
import sys


def literal(text):
    out = []
    for line in text.splitlines(keepends=True):
        escaped = "".join(
            {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "?": "\\?"}.get(chr(b))
            or (chr(b) if 32 <= b < 127 else "\\%03o" % b)
            for b in line.encode("utf-8")
        )
        out.append('    "%s"' % escaped)
    return "\n".join(out) or '    ""'


def main():
    root, output, depfile = sys.argv[1:4]
    scripts, inputs = {}, [os.path.abspath(__file__)]
    for store in ("sqlite", "postgres"):
        folder = os.path.join(root, store)
        inputs.append(folder)
        for name in sorted(os.listdir(folder)):
            m = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", name)
            if not m:
                continue
            path = os.path.join(folder, name)
            inputs.append(path)
            with open(path, encoding="utf-8") as f:
                scripts.setdefault((int(m[1]), m[2]), {})[store] = f.read()
    out = ["/* Made by tools/embed.py from src/db/schema; not to be edited. */",
           '#include "db/db_priv.h"', "", "const struct migration schema_migrations[] = {"]
    for i, ((version, name), texts) in enumerate(sorted(scripts.items())):
        if version != i + 1:
            sys.exit("schema: version %d (%s) is out of order: numbers have no gaps, take %04d"
                     % (version, name, i + 1))
        for store in ("sqlite", "postgres"):
            if store not in texts:
                sys.exit("schema: %04d_%s.sql has no text for %s" % (version, name, store))
        out.append('    {%d, "%s",\n%s,\n%s},' % (version, name, literal(texts["sqlite"]),
                                                  literal(texts["postgres"])))
    out += ["    {0},", "};", "const int schema_migration_count = %d;" % len(scripts), ""]
    with open(output, "w", encoding="utf-8") as f:
        f.write("\n".join(out))
    with open(depfile, "w", encoding="utf-8") as f:
        f.write("%s: %s\n" % (output, " ".join(p.replace(" ", "\\ ") for p in inputs)))


main()
