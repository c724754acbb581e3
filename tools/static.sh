#!/bin/sh
# static.sh cppcheck | clang-tidy: the analysers over src/, using build/compile_commands.json.
#
# RECOUNT_LONG=1: Clang's analyser follows calls and many paths, which takes some twelve minutes of processor
# time; without it each function is looked at by itself, in a tenth of that.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"

case $1 in
cppcheck)
    mkdir -p build/cppcheck
    exec cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -j "$(nproc)" \
        --cppcheck-build-dir=build/cppcheck --enable=warning,portability --inline-suppr \
        --library=tools/cppcheck.cfg --suppressions-list=tools/cppcheck.supp -I src -D_GNU_SOURCE=1 -D__GNUC__=12 '-D__VA_OPT__(...)=,' src
    ;;
clang-tidy)
    # The compilation database is GCC's; flags that Clang does not know are taken out.
    mkdir -p build/tidy
    sed -e 's/-fcf-protection[^ ]*//g' build/compile_commands.json > build/tidy/compile_commands.json
    depth=shallow
    [ -z "${RECOUNT_LONG:-}" ] || depth=deep
    find src -name '*.c' -newer "build/tidy/.$depth" 2>/dev/null > build/tidy/list || find src -name '*.c' > build/tidy/list
    [ -s build/tidy/list ] || exit 0
    sort build/tidy/list | xargs -P "$(nproc)" -n 4 clang-tidy -p build/tidy --quiet \
        --config-file=tools/clang-tidy.yaml --extra-arg=-Xclang --extra-arg=-analyzer-config \
        --extra-arg=-Xclang --extra-arg=mode=$depth 2>/dev/null
    touch "build/tidy/.$depth"
    ;;
*)
    echo "usage: static.sh cppcheck | clang-tidy" >&2
    exit 2
    ;;
esac
