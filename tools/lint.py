#!/usr/bin/env python3
"""The rules of the house that a program can check; see DOC below each check.

usage: lint.py [--results FILE]     prints every breach as file:line: text; exit status 1 when there is one
"""
import json, os, re, shutil, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)

# What each folder may include. One direction only: main → cmd → api → (core import export out) →
# audit → run → db → codec → base; http is seen by api and cmd alone.
LAYERS = {
    "base": set(),
    "codec": {"base"},
    "db": {"codec", "base"},
    "run": {"db", "codec", "base"},
    "audit": {"run", "db", "codec", "base"},
    "core": {"audit", "run", "db", "codec", "base"},
    "import": {"codec", "base"},
    "export": {"audit", "run", "db", "codec", "base"},
    "out": {"audit", "run", "db", "codec", "base"},
    "http": {"codec", "base"},
    "api": {"http", "core", "import", "export", "out", "audit", "run", "db", "codec", "base"},
    "cmd": {"api", "http", "core", "import", "export", "out", "audit", "run", "db", "codec", "base"},
    "main": {"cmd", "base"},
}
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|gmtime|localtime|atoi|atol|popen|alloca|gets)\s*\("
BANNED_CALLS = r"(?<![\w.>])(rand|system)\s*\("
FILE_LINES = 800
FORMATTERS = r"\b(snprintf|vsnprintf|buf_fmt|arena_fmt|str_fmt|asprintf)\s*\("
SQL_WORDS = r'"[^"\n]*\b(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|DROP\s+TABLE|WHERE\s)'
# Formatting into SQL is allowed where no value is formatted, each with its reason.
SQL_FORMAT_ALLOWED = {
    # file: reason
    "src/audit/drop.c": "names of month partitions: constants and numbers; an identifier can not be bound",
    "src/audit/scrub.c": "names of month partitions: constants and numbers; an identifier can not be bound",
    "src/audit/segment.c": "names of month partitions: constants and numbers; an identifier can not be bound",
}

breaches, warnings = [], []
checks = 0


def breach(path, line, text):
    breaches.append(f"{path}:{line}: {text}")


def sources(folder, *ends):
    for root, dirs, names in os.walk(folder):
        dirs[:] = sorted(d for d in dirs if d not in ("node_modules", "dist", "__pycache__"))
        for n in sorted(names):
            if n.endswith(ends):
                yield os.path.join(root, n)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def without_comments(text, strings=False):
    """Comments blanked, lines kept; string contents too when asked."""
    def blank(m):
        s = m.group(0)
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return '""' + " " * (len(s) - 2) if strings and s[0] == '"' else s
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


def check_layers():
    """A folder includes only folders below it."""
    for path in sources("src", ".c", ".h", ".def"):
        parts = path.split(os.sep)
        here = parts[1] if len(parts) > 2 else "main"
        text = without_comments(read(path))
        for m in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            there = m.group(1).split("/")[0] if "/" in m.group(1) else here
            if m.group(1).endswith(".inc") or there == here or there not in LAYERS:
                continue
            if there not in LAYERS.get(here, set()):
                breach(path, line_of(text, m.start()), f'"{here}" may not include "{there}" ({m.group(1)})')


def check_private_headers():
    """x_priv.h and priv.h stay inside their folder."""
    for path in sources("src", ".c", ".h"):
        here = path.split(os.sep)[1]
        text = without_comments(read(path))
        for m in re.finditer(r'#\s*include\s+"(\w+)/(\w*priv\.h)"', text):
            if m.group(1) != here:
                breach(path, line_of(text, m.start()), f"{m.group(1)}/{m.group(2)} is private to its folder")


def check_banned():
    """Functions that are easy to use wrongly."""
    for path in sources("src", ".c", ".h"):
        if path.endswith("banned.h"):
            continue
        text = without_comments(read(path), strings=True)
        for m in re.finditer(f"{BANNED}|{BANNED_CALLS}", text):
            breach(path, line_of(text, m.start()), f"banned function: {m.group(0).rstrip(' (')}")


def check_sql():
    """Values are bound: no formatting function writes SQL."""
    for path in sources("src", ".c", ".h"):
        if path in SQL_FORMAT_ALLOWED:
            continue
        text = without_comments(read(path))
        for m in re.finditer(FORMATTERS, text):
            depth, end = 0, m.end() - 1
            for end in range(m.end() - 1, min(len(text), m.end() + 2000)):
                depth += (text[end] == "(") - (text[end] == ")")
                if depth == 0:
                    break
            if re.search(SQL_WORDS, text[m.start():end]):
                breach(path, line_of(text, m.start()), "formats SQL; bind values and choose constant fragments")


def macros(text):
    """Name and value of each #define, continuation lines joined."""
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        m = re.match(r"#define (\w+)(?:\([^)]*\))?[ ]+(.*)", line)
        if m:
            yield m.group(1), m.group(2)


def check_routes():
    """Each row of a route table says who may call, and which permission where one is needed."""
    for path in sources("src/api", ".c"):
        text = without_comments(read(path))
        for name, value in macros(text):
            if "WHO_" not in value:
                continue
            text = re.sub(rf"(?<!#define )\b{name}\b", lambda _m, v=value: v.replace("perm)", "PERM_)").replace("= perm", "= PERM_").replace("\n", " "), text)
        for table in re.finditer(r"const struct route \w+\[\]\s*=\s*\{", text):
            depth, start = 1, None
            for i in range(table.end(), len(text)):
                c = text[i]
                if c == "{":
                    depth += 1
                    if depth == 2:
                        start = i
                elif c == "}":
                    depth -= 1
                    if depth == 1:
                        row = text[start:i]
                        if "/" not in row:
                            continue
                        if "WHO_" not in row:
                            breach(path, line_of(text, start), "route without a permission column (WHO_…)")
                        elif re.search(r"WHO_(PERMISSION|CLIENT)\b", row) and "PERM_" not in row:
                            breach(path, line_of(text, start), "route names no permission (PERM_…)")
                    elif depth == 0:
                        break


def check_doubled_routes():
    """No two rows serve the same method and path."""
    seen = {}
    for path in sources("src/api", ".c"):
        text = without_comments(read(path))
        words = {name: value for name, value in macros(text) if not re.sub(r'"[^"]*"|\w+|\s', "", value)}

        def spell(expression):
            out = ""
            for literal, name in re.findall(r'"([^"]*)"|(\w+)', expression):
                out += literal if not name else spell(words.get(name, ""))
            return out
        outside = re.sub(r"#define(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)
        for m in re.finditer(r"\.method\s*=\s*(\w+),\s*\.path\s*=\s*([^,]+),", outside):
            key = f"{m.group(1)} {spell(m.group(2))}"
            if key in seen:
                breach(path, line_of(text, m.start()), f"{key} stands in {seen[key]} already")
            seen.setdefault(key, f"{path}:{line_of(text, m.start())}")


def check_lines():
    """No tabs, no trailing blanks, ends with a newline, at most 130 columns; long files are warned of."""
    for path in list(sources("src", ".c", ".h", ".def")) + list(sources("tests", ".c", ".h")):
        text = read(path)
        if text and not text.endswith("\n"):
            breach(path, text.count("\n") + 1, "no newline at the end")
        lines = text.split("\n")
        for i, line in enumerate(lines, 1):
            if "\t" in line:
                breach(path, i, "a tab")
            if line != line.rstrip():
                breach(path, i, "trailing blanks")
        if len(lines) > FILE_LINES and not path.endswith(".def"):
            warnings.append(f"{path}: {len(lines)} lines: look for the second subject in it")


def check_opening():
    """Each file opens with a comment: what it is."""
    for path in sources("src", ".c", ".h"):
        if not read(path).lstrip().startswith("/*"):
            breach(path, 1, "does not open with a comment saying what the file is")


def check_readmes():
    """Each folder under src/ has a README of at most a page."""
    for name in sorted(os.listdir("src")):
        folder = os.path.join("src", name)
        if not os.path.isdir(folder) or not any(n.endswith(".c") for n in os.listdir(folder)):
            continue
        path = os.path.join(folder, "README.md")
        if not os.path.exists(path):
            breach(path, 1, "is missing")
        elif read(path).count("\n") > 70:
            breach(path, 71, "is longer than a page")


def check_schema():
    """Both stores have the same numbered migrations."""
    found = {s: set(os.listdir(f"src/db/schema/{s}")) for s in ("sqlite", "postgres") if os.path.isdir(f"src/db/schema/{s}")}
    if len(found) == 2:
        for name in sorted(found["sqlite"] ^ found["postgres"]):
            breach("src/db/schema", 1, f"{name} is there for one store only")


def check_names():
    """Nothing in the tree points at a machine's own registry."""
    for path in ("web/package-lock.json", "tests/package-lock.json"):
        if os.path.exists(path):
            for m in re.finditer(r'"resolved":\s*"([^"]+)"', read(path)):
                breach(path, line_of(read(path), m.start()), "the lock file names a download address")
                break


def anchors(path):
    """The anchors a Markdown page has, as GitHub names them."""
    for m in re.finditer(r"^#+ (.*)$", read(path), re.M):
        yield re.sub(r"[^\w -]", "", m.group(1).lower()).replace(" ", "-")


def check_links():
    """A link of a document leads to a file, and to a heading in it, that is there."""
    for path in ["README.md", *sources("doc", ".md"), *sources("src", ".md"), *sources("tests", ".md")]:
        text = read(path)
        for m in re.finditer(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
            if ":" in m.group(1):
                continue
            there = os.path.normpath(os.path.join(os.path.dirname(path), m.group(1))) if m.group(1) else path
            if not os.path.exists(there):
                breach(path, line_of(text, m.start()), f"a link to {m.group(1)}, which is not there")
            elif m.group(2) and m.group(2) not in anchors(there):
                breach(path, line_of(text, m.start()), f"a link to #{m.group(2)}, which {there} has not")


# What somebody from outside is to read stays short: lines, columns.
PAGES = {"doc/audit-log.md": (110, 100), "doc/verify/README.md": (150, 150)}


def check_pages():
    """The auditor's two pages, and the stranger's three."""
    for path, (lines, columns) in PAGES.items():
        all_lines = read(path).splitlines()
        if len(all_lines) > lines:
            breach(path, len(all_lines), f"more than {lines} lines")
        for i, line in enumerate(all_lines, 1):
            if len(line) > columns:
                breach(path, i, f"more than {columns} columns")


def check_format():
    """Every C file is as clang-format 14 (Debian 12's) lays it out; other versions differ in places and are not asked."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool or not re.search(r"version 14\.", subprocess.run([tool, "--version"], capture_output=True, text=True).stdout):
        warnings.append("clang-format 14 is not here: the layout was not checked")
        return
    names = list(sources("src", ".c", ".h")) + list(sources("tests", ".c", ".h"))
    out = subprocess.run([tool, "-n", "--Werror", *names], capture_output=True, text=True)
    for line in out.stderr.splitlines():
        m = re.match(r"(.+?):(\d+):\d+: error: (.*)", line)
        if m:
            breach(m.group(1), m.group(2), "layout: run clang-format -i")


CHECKS = [check_layers, check_private_headers, check_banned, check_sql, check_routes, check_doubled_routes, check_lines, check_opening,
          check_readmes, check_schema, check_names, check_links, check_pages, check_format]


def main():
    failed = 0
    for check in CHECKS:
        before = len(breaches)
        check()
        failed += len(breaches) > before
    for w in warnings:
        print(f"warning: {w}")
    for b in breaches:
        print(b)
    print(f"lint: {len(CHECKS) - failed} rules hold, {failed} broken ({len(breaches)} places)")
    if len(sys.argv) > 2 and sys.argv[1] == "--results":
        with open(sys.argv[2], "w") as f:
            json.dump({"passed": len(CHECKS) - failed, "failed": failed, "skipped": 0}, f)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
