#!/usr/bin/env python3
"""Writes the table of common passwords: sorted 64-bit FNV-1a hashes as C.

usage: commonpw.py OUTPUT [WORDLIST ...]

Words come from the lists named and from the short one below; each is folded to lower case and
reduced to its letters, as password_is_common() does with what a person typed. Words of fewer than
four letters say nothing about a password.
A list that is missing is an error: which passwords are refused must not depend on the machine
that built the binary.
"""
import os
import sys

ALWAYS = """
password passwort passw passwd motdepasse contrasena senha parola wachtwoord qwerty qwertyuiop qwertz
qwertzuiop azerty azertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm letmein letmeinnow welcome willkommen
bienvenue changeme changeit changethis default secret topsecret trustno iloveyou ilovey sunshine princess
dragon monkey football baseball basketball superman batman master shadow michael jennifer
jordan charlie admin administrator root toor guest test testing tester user username login signin
access passkey passphrase mypassword yourpassword newpassword oldpassword thepassword passwordpassword
adminadmin welcomewelcome company corporate pentest pentester security hacker recount plextrac server
summer winter spring autumn january february march april june july august september october november
december monday tuesday wednesday thursday friday saturday sunday starwars whatever freedom
abcdef abcdefg abcdefgh abcdefghi abcdefghij abcdefghijkl abcd abcabc qazwsx qazwsxedc wsxedc poiuytrewq
correcthorsebatterystaple hunter samsung google facebook internet computer pokemon naruto liverpool
arsenal chelsea barcelona flower hello helloworld goodbye cheese pepper ginger cookie
""".split()

MASK = (1 << 64) - 1


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def main():
    out, lists = sys.argv[1], sys.argv[2:]
    words = set(ALWAYS)
    for path in lists:
        if not os.path.exists(path):
            sys.exit(f"{path} is missing: install Debian's package wamerican (tools/setup.sh does)")
        with open(path, encoding="utf-8", errors="ignore") as f:
            for line in f:
                word = "".join(c for c in line.strip().lower() if "a" <= c <= "z")
                if 4 <= len(word) <= 32:
                    words.add(word)
    hashes = sorted({fnv(w.encode()) for w in words})
    with open(out, "w", encoding="ascii") as f:
        f.write("/* Made by tools/commonpw.py. */\n#include \"core/commonpw.h\"\n\n")
        f.write("const size_t commonpw_count = %d;\n" % len(hashes))
        f.write("const uint64_t commonpw_hashes[] = {\n")
        for h in hashes:
            f.write("UINT64_C(0x%016x),\n" % h)
        f.write("};\n")


main()
