#!/usr/bin/env python3
"""Sums the results of every suite and ends with one line: N passed, N failed, N skipped.

usage: tally.py RESULTS_DIR        prints a line a suite and the sum; exit status 1 when anything failed
       tally.py --suite NAME DIR   prints the line of one suite; exit status 1 when it failed

A suite is a file in the folder, written by tools/check.sh's steps:
  NAME.tap     output of Node's test runner (TAP)
  NAME.meson   a copy of meson's testlog.json; cmocka's own counts are taken from each program's output
  NAME.json    {"passed":N,"failed":N,"skipped":N}
"""
import json, os, re, sys

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def from_tap(path):
    got = {}
    for line in open(path, errors="replace"):
        m = re.match(r"# (pass|fail|skipped|cancelled|todo) (\d+)$", line.strip())
        if m:
            got[m.group(1)] = int(m.group(2))
    if "pass" not in got:
        return 0, 1, 0  # the run was cut off
    return got["pass"], got.get("fail", 0) + got.get("cancelled", 0), got.get("skipped", 0) + got.get("todo", 0)


def count_cmocka(text):
    """Passed, failed and skipped as cmocka printed them, or None when the program is not cmocka's."""
    text = ANSI.sub("", text)
    found = {}
    for key, word in (("p", "PASSED"), ("f", "FAILED"), ("s", "SKIPPED")):
        n = [int(x) for x in re.findall(r"\[ +%s +\] .*?(\d+) test\(s\)" % word, text)]
        found[key] = sum(n)
    if not re.search(r"\[=+\].*\d+ test\(s\) run", text):
        return None
    return found["p"], found["f"], found["s"]


def from_meson(path):
    passed = failed = skipped = 0
    for line in open(path, errors="replace"):
        t = json.loads(line)
        if t["result"] == "SKIP":
            skipped += 1
            continue
        inner = count_cmocka((t.get("stdout") or "") + (t.get("stderr") or ""))
        good = t["result"] in ("OK", "EXPECTEDFAIL")
        if inner is None:
            passed, failed = passed + good, failed + (not good)
            continue
        p, f, s = inner
        if not good and not f:
            f = 1  # a crash, a sanitizer's report, a time-out
        passed, failed, skipped = passed + p, failed + f, skipped + s
    if passed + failed + skipped == 0:
        failed = 1
    return passed, failed, skipped


def from_json(path):
    o = json.load(open(path))
    return o["passed"], o["failed"], o.get("skipped", 0)


def failures_of(path, most=5, lines=14):
    """What failed: name, place and the first lines of the complaint, so that the end of a run tells enough."""
    told, at = [], None
    for line in open(path, errors="replace") if path.endswith(".meson") else []:
        t = json.loads(line)
        text = ANSI.sub("", (t.get("stdout") or "") + (t.get("stderr") or ""))
        if t["result"] not in ("OK", "EXPECTEDFAIL", "SKIP"):
            told.append([f"{t['name']}: {t['result']}"] + [x[:400] for x in text.split("\n") if re.match(r"\[ +(FAILED|ERROR) +\]|.*(Sanitizer|defect at)", x)][:lines])
    for line in open(path, errors="replace") if path.endswith(".tap") else []:
        m = re.match(r"( *)not ok \d+ - (.*)", line)
        if m:
            at = len(m.group(1))
            told.append([m.group(2)])
        elif at is not None and (line.strip() == "..." or line.strip().startswith("stack:")):
            at = None
        elif at is not None and len(told[-1]) < lines and not re.match(r" *(---|(duration_ms|failureType|code|name)\b)", line):
            told[-1].append(line.strip()[:400])
    return ["\n    ".join(t) for t in told if "subtestsFailed" not in "".join(t)][:most]


READERS = {".tap": from_tap, ".meson": from_meson, ".json": from_json}


def read(path):
    try:
        return READERS[os.path.splitext(path)[1]](path)
    except (OSError, ValueError, KeyError) as e:
        print(f"{path}: unreadable result: {e}", file=sys.stderr)
        return 0, 1, 0


def main():
    only = None
    args = sys.argv[1:]
    if args and args[0] == "--suite":
        only, args = args[1], args[2:]
    folder = args[0]
    total = [0, 0, 0]
    names = sorted(n for n in os.listdir(folder) if os.path.splitext(n)[1] in READERS)
    for name in names:
        suite = os.path.splitext(name)[0]
        if only and suite != only:
            continue
        got = read(os.path.join(folder, name))
        total = [a + b for a, b in zip(total, got)]
        print(f"  {suite:<34} {got[0]:>5} passed {got[1]:>3} failed {got[2]:>3} skipped")
    if not only:
        for name in names:
            for text in failures_of(os.path.join(folder, name)):
                print(f"FAILED in {os.path.splitext(name)[0]}: {text}")
        print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    sys.exit(1 if total[1] or total[0] == 0 else 0)


if __name__ == "__main__":
    main()
