#!/bin/sh
# fuzz.sh [SECONDS]: runs each target of tests/fuzz/*.c with libFuzzer (Clang), that long each.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
seconds=${1:-${FUZZ_SECONDS:-60}}

ls tests/fuzz/*.c >/dev/null 2>&1 || { echo "no fuzz targets"; exit 0; }
[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false \
    -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
ninja -C build-fuzz librecount.a
for target in tests/fuzz/*.c; do
    name=$(basename "$target" .c)
    corpus=tests/fuzz/corpus/$name
    mkdir -p "$corpus" "build-fuzz/found/$name"
    clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc -o "build-fuzz/$name" "$target" \
        build-fuzz/librecount.a $(pkg-config --libs libmicrohttpd sqlite3 libpq libsodium libcrypto libcurl liboath) -lm -lpthread
    echo "== $name, $seconds s"
    "build-fuzz/$name" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="build-fuzz/found/$name/" \
        "build-fuzz/found/$name" "$corpus"
done
