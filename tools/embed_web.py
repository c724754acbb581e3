#!/usr/bin/env python3
"""Writes a C file that embeds the built web application: each file gzipped, with its type.

usage: embed_web.py DIST_DIR OUT.c OUT.d
An absent DIST_DIR gives a table with one page that says how to build the application.
"""
import gzip, hashlib, io, os, sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
         ".ico": "image/x-icon", ".woff2": "font/woff2", ".woff": "font/woff",
         ".json": "application/json", ".webmanifest": "application/manifest+json",
         ".txt": "text/plain; charset=utf-8"}
PLACEHOLDER = (b"<!doctype html><meta charset=utf-8><title>Recount</title>"
               b"<p>The web application was not built into this binary: run <code>make</code>.")


def files(dist):
    for root, _, names in sorted(os.walk(dist)):
        for name in sorted(names):
            if os.path.splitext(name)[1] in TYPES:
                yield os.path.join(root, name)


def write_if_changed(path, data):
    if os.path.exists(path):
        with open(path, "rb") as f:
            if f.read() == data:
                return
    with open(path, "wb") as f:
        f.write(data)


def main():
    dist, out, dep = sys.argv[1:4]
    found = [(os.path.relpath(p, dist), open(p, "rb").read()) for p in files(dist)]
    inputs = list(files(dist))
    if not any(n == "index.html" for n, _ in found):
        found.append(("index.html", PLACEHOLDER))
    text = io.StringIO()
    f = text
    f.write("/* Made by tools/embed_web.py; do not edit. */\n#include \"api/assets.h\"\n\n")
    rows = []
    for i, (name, data) in enumerate(sorted(found)):
        packed = gzip.compress(data, 9, mtime=0)
        blob = f"{out}.{i}.gz"
        write_if_changed(blob, packed)
        f.write(f'__asm__(".section .rodata\\n.global asset_{i}\\nasset_{i}:\\n'
                f'.incbin \\"{os.path.abspath(blob)}\\"\\n.previous\\n");\n'
                f"extern const char asset_{i}[];\n")
        tag = hashlib.sha256(data).hexdigest()[:16]
        kind = TYPES[os.path.splitext(name)[1]]
        rows.append(f'    {{"/{name}", "{kind}", asset_{i}, {len(packed)}, "\\"{tag}\\""}},\n')
    f.write("\nconst struct asset assets[] = {\n" + "".join(rows) + "    {0},\n};\n")
    write_if_changed(out, text.getvalue().encode())
    with open(dep, "w") as f:
        # index.html is named even when missing: the first build of the application then counts.
        index = os.path.join(dist, "index.html")
        f.write(f"{out}: " + " ".join(dict.fromkeys([index, *inputs])) + "\n")


main()
