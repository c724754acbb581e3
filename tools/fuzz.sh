#!/bin/sh
# fuzz.sh [SECONDS [TARGET…]]: runs the targets of tests/fuzz with libFuzzer (Clang, AddressSanitizer,
# UndefinedBehaviorSanitizer), one after the other on one core, that long each. Inputs that reach new
# code gather in build-fuzz/found/TARGET/corpus and are used by the next run; an input that breaks
# something lies in build-fuzz/found/TARGET; shortened, it belongs in tests/fuzz/corpus/TARGET.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
seconds=${1:-${FUZZ_SECONDS:-60}}
[ $# -eq 0 ] || shift
BUILD=build-fuzz

[ -f $BUILD/build.ninja ] || CC=clang meson setup $BUILD -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
# The files of today: a target removed or renamed since leaves its program behind.
targets=${*:-$(ls tests/fuzz/fuzz_*.c | sed 's,.*/fuzz_\(.*\)\.c,\1,')}
# shellcheck disable=SC2046
ninja -C $BUILD --quiet -j "${JOBS:-$(nproc)}" $(printf 'tests/fuzz/fuzz_%s ' $targets)

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
broken=
for name in $targets; do
    found=$BUILD/found/$name
    mkdir -p "$found/corpus"
    echo "== $name, $seconds s"
    if "$BUILD/tests/fuzz/fuzz_$name" -fork=0 -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$found/" "$found/corpus" "tests/fuzz/corpus/$name" 2>"$found/log"; then
        grep -E '^#[0-9]+.*DONE' "$found/log"
    else
        broken="$broken $name"
        grep -v '^#' "$found/log" | tail -60
    fi
done
[ -z "$broken" ] || { echo "broken:$broken (the inputs lie in $BUILD/found)"; exit 1; }
