#!/bin/sh
# Runs every benchmark of tests/bench beside its peers, on a release build; figures go to the screen.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. tools/env.sh

tools/build-web.sh
[ -f build-release/build.ninja ] || meson setup build-release --buildtype=release >/dev/null
ninja -C build-release
export RECOUNT_BIN="$ROOT/build-release/recount" RECOUNT_BENCH_BUILD="$ROOT/build-release"
echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), kernel $(uname -r)"
if [ -z "${RECOUNT_TEST_PG:-}" ] && [ "${BENCH_PG:-yes}" = yes ]; then
    exec tools/with-postgres.sh sh -c 'for b in tests/bench/*.sh tests/bench/*.mjs; do [ -f "$b" ] || continue; echo "== $b"; case $b in *.mjs) node "$b" ;; *) sh "$b" ;; esac; done'
fi
