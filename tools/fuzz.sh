#!/bin/sh
# fuzz.sh [SECONDS [TARGET…]]: runs the targets of tests/fuzz with libFuzzer (Clang, AddressSanitizer,
# UndefinedBehaviorSanitizer), one after the other on one core, that long each. Inputs that reach new
# code gather in build-fuzz/found/TARGET/corpus and are used by the next run; an input that breaks
# something lies in build-fuzz/found/TARGET and ends the run: shortened, it belongs in
# tests/fuzz/corpus/TARGET.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
seconds=${1:-${FUZZ_SECONDS:-60}}
[ $# -eq 0 ] || shift
BUILD=build-fuzz

[ -f $BUILD/build.ninja ] || CC=clang meson setup $BUILD -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
# The files of today: a target removed or renamed since leaves its program behind.
all=$(ls tests/fuzz/fuzz_*.c | sed 's,.*/fuzz_\(.*\)\.c,\1,')
targets=${*:-$all}

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
for name in $targets; do
    ninja -C $BUILD -j "${JOBS:-$(nproc)}" "tests/fuzz/fuzz_$name" | grep -v '^\[\|^ninja: Entering' || true
    found=$BUILD/found/$name
    mkdir -p "$found/corpus"
    echo "== $name, $seconds s"
    "$BUILD/tests/fuzz/fuzz_$name" -fork=0 -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$found/" "$found/corpus" "tests/fuzz/corpus/$name" 2>"$found/log" || {
        grep -v '^#' "$found/log" | tail -60
        exit 1
    }
    grep -E '^#[0-9]+.*DONE|number_of_executed_units|peak_rss' "$found/log"
done
