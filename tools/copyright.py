#!/usr/bin/env python3
"""Prints the package's copyright file: ours, then that of each npm package built into the web application.

usage: copyright.py > copyright      (after tools/build-web.sh: the texts come from web/node_modules)
"""
import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def licence_of(folder):
    names = sorted(n for n in os.listdir(folder) if n.lower().startswith(("licen", "copying")))
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read().strip()
    return None


def main():
    with open(os.path.join(ROOT, "LICENSE"), encoding="utf-8") as f:
        print("Recount\n\n" + f.read().strip())
    with open(os.path.join(ROOT, "web/package-lock.json"), encoding="utf-8") as f:
        packages = json.load(f)["packages"]
    seen = set()
    for where, p in sorted(packages.items()):
        folder = os.path.join(ROOT, "web", where)
        name = where.rpartition("node_modules/")[2]
        # Development tools and types leave nothing in what is built.
        if not where or p.get("dev") or not os.path.isdir(folder) or name.startswith("@types/"):
            continue
        if (name, p["version"]) in seen:
            continue
        seen.add((name, p["version"]))
        text = licence_of(folder)
        print(f"\n{'-' * 80}\n{name} {p['version']} ({p.get('license', 'licence not named')}), "
              f"built into the web application\n")
        print(text or "The package ships no text of its licence.")
    if not seen:
        sys.exit("web/node_modules is empty: tools/build-web.sh fills it")


main()
