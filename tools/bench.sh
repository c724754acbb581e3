#!/bin/bash
# Runs the benchmarks of tests/bench beside their peers, on a release build, in about ten minutes,
# and ends with a table of the goals. Nothing here fails because a figure is low.
#
#     BENCH_FULL=1     the sizes of doc/performance.md: a million events, 1,000 sign-ins, 60 s idle
#     BENCH_ONLY=...   some of: record tree search proof verify month size checkpoint http
#     BENCH_PG=no      without PostgreSQL
#     BENCH_DIR=DIR    where the stores are made (default: the build folder, so not on a tmpfs)
#     BENCH_SEED=N     seed of the search queries (default: a new one, printed)
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. tools/env.sh
build="$ROOT/build-release"

if [ -z "${RECOUNT_TEST_PG:-}" ] && [ "${BENCH_PG:-yes}" = yes ]; then
    exec tools/with-postgres.sh "$ROOT/tools/bench.sh"
fi
if [ -z "${RECOUNT_BIN:-}" ]; then
    tools/build-web.sh
    # A warning of another compiler must not keep anybody from measuring.
    [ -f "$build/build.ninja" ] || meson setup "$build" --buildtype=release -Dwerror=false >/dev/null
    ninja -C "$build" recount bench-programs | tail -n 1
    export RECOUNT_BIN="$build/recount" RECOUNT_BENCH_BUILD="$build"
fi
programs="${RECOUNT_BENCH_BUILD:-$build}/tests/bench"
dir=${BENCH_DIR:-${RECOUNT_BENCH_BUILD:-$build}}
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
export TMPDIR="$dir" # the stores of the HTTP part

if [ -n "${BENCH_FULL:-}" ]; then
    record="--rounds 15 --ms 1000 --pg-seconds 8"
    tree="--rounds 15 --ms 1000"
    search="--events 1000000 --queries 1000 --compare 60"
    verify="--events 1000000 --rounds 5"
    proof="--proofs 20000 --appends 20000000"
    month="--events 10000000 --recorded 500000 --seconds 10"
    size="--events 600000"
    checkpoint="--events 200"
    http="--seconds 8 --rounds 5 --signins 1000 --idle 60 --tries 1000"
else
    record="--rounds 5 --ms 400 --pg-seconds 2"
    tree="--rounds 7 --ms 400"
    search="--events 100000 --queries 400 --compare 40"
    verify="--events 150000 --rounds 2"
    proof="--proofs 2000 --appends 2000000"
    month="--events 100000 --seconds 3"
    size="--events 120000"
    checkpoint="--events 20"
    http="--seconds 3 --rounds 3 --signins 200 --idle 10 --tries 200"
fi
[ -z "${BENCH_SEED:-}" ] || search="$search --seed $BENCH_SEED"
only=" ${BENCH_ONLY:-record tree search proof verify month size checkpoint http} "

say() {
    printf '\n== %s\n' "$*"
}
# Words of the sizes are meant to be split.
# shellcheck disable=SC2086
measure() {
    case $only in *" $1 "*) ;; *) return 0 ;; esac
    say "$2"
    shift 2
    "$@" | tee -a "$figures" | awk -F' [|] ' '/^#/ {print; next} NF >= 3 {
        printf "%-66s %12s %-7s %s%s\n", $1, $2, $3, $5, ($4 != "" ? " x " $4 : "") }' ||
        echo "this part ended early"
}

echo "machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), kernel $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)"
measure record "recording" "$programs/bench_record" --dir "$dir" $record
measure tree "recording with the tree and without it" "$programs/bench_tree" --dir "$dir" $tree
measure search "listing and searching" "$programs/bench_search" --dir "$dir" $search
measure proof "trees and proofs" "$programs/bench_proof" $proof
measure verify "verifying the log" "$programs/bench_verify" --dir "$dir" $verify
[ -z "${RECOUNT_TEST_PG:-}" ] || measure verify "verifying the log on PostgreSQL" "$programs/bench_verify" --dir "$dir" --store postgres $verify
measure month "a month leaves the log" "$programs/bench_month" --dir "$dir" $month
measure size "bytes an event" "$programs/bench_size" --dir "$dir" $size
measure checkpoint "from a change to its checkpoint" node tests/bench/bench_checkpoint.mjs $checkpoint
command -v wrk >/dev/null || say "no wrk here (Debian package wrk): no requests a second"
measure http "over HTTP" node tests/bench/bench_http.mjs $http

say "goals"
awk -F' [|] ' '
    function number(text) { sub(/^[<>=]+ */, "", text); return text + 0 }
    /^#/ || NF < 6 || $6 == "" { next }
    {
        met = ""
        if ($6 ~ /^>=.*[a-z]/ && $4 != "") met = $2 >= number($6) # a goal with a unit is not about the peer
        else if ($6 ~ /^>=/) met = $4 != "" ? $5 >= number($6) : $5 >= 1
        else if ($6 ~ /^<=/) met = $5 != "" ? $5 <= 1 : $2 <= number($6)
        else if ($6 ~ /^</) met = $2 < number($6)
        else if ($6 == "0") met = $2 == 0
        printf "%-66s %12s %-6s %8s  %-16s %s\n", $1, $2, $3, ($4 != "" ? $5 "x" : ""), $6, (met == "" ? "" : met ? "met" : "NOT MET")
    }' "$figures"
