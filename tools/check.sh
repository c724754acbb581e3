#!/bin/bash
# Every test, suite by suite, and one line at the end: N passed, N failed, N skipped.
#
#   check.sh            everything (seeded samples of the long tests)
#   check.sh SUITE…     only these: lint static unit asan tsan sqlite postgres browser torture
#   RECOUNT_LONG=1      full counts, and the analysers at full depth
#
# Each suite leaves one file in build-results/, which tools/tally.py sums.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT" || exit 1
. tools/env.sh
exec </dev/null

# A folder in memory where there is room, else on the disk. PostgreSQL runs there, and unit programs make their
# stores there: on a disk they wait for fsync most of the time. The files of scenarios, whose processes are killed, stay on the disk.
memory() {
    local room
    room=$({ df -Pk /dev/shm | awk 'NR == 2 { print $4 }' && awk '/^MemAvailable:/ { print $2 }' /proc/meminfo; } 2>/dev/null | sort -n | head -1)
    if [ -w /dev/shm ] && [ "${room:-0}" -ge $((3 << 20)) ]; then echo /dev/shm; else echo /tmp; fi
}

# The whole run has one throw-away PostgreSQL of its own, stopped at the end.
if [ -z "${RECOUNT_TEST_PG:-}" ] && [ -x tools/with-postgres.sh ] && [ "${RECOUNT_NO_PG:-}" = '' ]; then
    in=$(memory)
    RECOUNT_PG_IN=${in#/tmp} exec tools/with-postgres.sh "$0" "$@"
fi

RESULTS=build-results
LOGS=$RESULTS/logs
JOBS=${JOBS:-$(nproc)}
BEGAN=$(date +%s)
export RECOUNT_KILLS=${RECOUNT_KILLS:-30}
export ASAN_OPTIONS='detect_leaks=1:exitcode=99:strict_string_checks=1:detect_stack_use_after_return=0'
export UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1:exitcode=99'
export TSAN_OPTIONS='exitcode=99:halt_on_error=0:second_deadlock_stack=1:suppressions='"$ROOT/tools/tsan.supp"

suites=${*:-lint static unit asan tsan sqlite postgres browser}
rm -rf "$RESULTS"
mkdir -p "$LOGS"

say() {
    printf '\n== %s  (%d s)\n' "$1" $(($(date +%s) - BEGAN))
}

# one NAME COMMAND…: a suite that is one pass or one failure; shows its output when it fails.
one() {
    local name=$1
    shift
    if "$@" >"$LOGS/$name.log" 2>&1; then
        echo '{"passed":1,"failed":0,"skipped":0}' >"$RESULTS/$name.json"
    else
        echo '{"passed":0,"failed":1,"skipped":0}' >"$RESULTS/$name.json"
        tail -40 "$LOGS/$name.log"
        echo "FAILED: $name (whole output in $LOGS/$name.log)"
        return 1
    fi
}

skip() {
    echo "{\"passed\":0,\"failed\":0,\"skipped\":1}" >"$RESULTS/$1.json"
    echo "skipped: $2"
}

# configure DIR CC [OPTION…]
configure() {
    local dir=$1 cc=$2
    shift 2
    [ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" "$@"
}

compile() {
    ninja -C "$1" -j "$JOBS" | grep -v '^\[' || true
    ninja -C "$1" -j "$JOBS" -n | grep -q 'no work to do'
}

# build NAME DIR CC [OPTION…]: configures and compiles as one result.
build() {
    local name=$1 dir=$2 cc=$3
    shift 3
    one "$name" eval "configure $dir $cc $* && compile $dir"
}

# unit NAME DIR: the unit tests of a build.
unit() {
    TMPDIR=$(memory) meson test -C "$2" --no-rebuild --suite unit --print-errorlogs --timeout-multiplier "${3:-1}" \
        --num-processes "$JOBS" >"$LOGS/$1.log" 2>&1 || grep -E 'FAIL|TIMEOUT|ERROR|Assertion|Error:' "$LOGS/$1.log" | head -60
    cp "$2/meson-logs/testlog.json" "$RESULTS/$1.meson"
}

# Scenarios wait more than they compute (for moments, for mails, for a disk to fill): two files more than there are
# cores keep these busy. Pages in Chromium and what runs under sanitizers do compute.
SCENARIO_JOBS=${TEST_JOBS:-$((JOBS + 2))}

# node_tests NAME FILE…: Node's test runner; the log keeps all, the screen shows the failures.
node_tests() {
    local name=$1
    shift
    node tools/node-tests.mjs "${TEST_JOBS:-$JOBS}" "$RESULTS/$name.tap" "$LOGS/$name.log" "$@" >/dev/null 2>&1 ||
        sed -n '/failing tests:/,$p' "$LOGS/$name.log" | head -150
}

summary() {
    python3 tools/tally.py --suite "$1" "$RESULTS" || true
}

wanted() {
    case " $suites " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# What is run again under the sanitizers and on both stores, and what only once.
subset='signin sessions mfa users clients audit-search audit-stream badinput graceful'
# What runs over TLS as well: bodies both ways, streams, cookies, malformed bytes, the end of the process.
over_tls='audit-export signin sessions mfa password users audit-search audit-stream badinput graceful'
# What takes longest begins first, so that no file runs alone at the end.
long_api='fulldisk verify-py tamper proofs planted audit-export older-schema epochs selfcheck cosign custody witness-state flood erasure verify-erased'
long_browser='paint witnesses pages audit tabs memory admin gate audit-filters'
files() {
    for f in $1; do [ -f "tests/api/$f.test.mjs" ] && echo "tests/api/$f.test.mjs"; done
}

# all FOLDER NAME…: every test file of the folder, those named first.
all() {
    local dir=tests/$1 f
    shift
    {
        for f in "$@"; do [ -f "$dir/$f.test.mjs" ] && echo "$dir/$f.test.mjs"; done
        ls "$dir"/*.test.mjs
    } | awk '!seen[$0]++'
}

if wanted lint; then
    say lint
    python3 tools/lint.py --results "$RESULTS/01-lint.json" | tee "$LOGS/01-lint.log" | tail -40
    summary 01-lint
fi

say 'web application and server (GCC)'
one 02-build-web tools/build-web.sh
build 03-build-gcc build gcc

if wanted lint; then
    say 'types of the scenarios'
    one 02-types-tests web/node_modules/.bin/tsc -p tests/tsconfig.json
fi

# What only computes takes what suites that wait leave of the cores: the analysers, and the builds that come later.
sanitized() {
    build "$1" "$2" clang "-Db_sanitize=$3" -Db_lundef=false
}
aside() {
    one 03-build-bench ninja -C build -j "$JOBS" bench-programs # not run here: that they build is a test
    if wanted static; then
        one 04-cppcheck tools/static.sh cppcheck
        one 05-clang-tidy tools/static.sh clang-tidy
    fi
    ! wanted asan || sanitized 20-build-asan build-asan address,undefined
    ! wanted tsan || sanitized 30-build-tsan build-tsan thread
}
say 'cppcheck, clang-tidy, builds with sanitizers: begun, beside what follows'
set -m # a process group of its own, to be ended whole
(renice -n 19 -p "$BASHPID" >/dev/null && aside) >"$LOGS/aside.out" 2>&1 &
aside=$!
set +m
trap 'kill -- "-$aside" 2>/dev/null' EXIT

if wanted unit; then
    say 'unit tests (GCC)'
    unit 06-unit-gcc build
    summary 06-unit-gcc
fi

if wanted sqlite || wanted torture; then
    say 'scenarios on SQLite'
    if wanted torture; then
        RECOUNT_TEST_STORE=sqlite node_tests 10-kills-sqlite tests/api/kill9.test.mjs
        summary 10-kills-sqlite
    else
        # shellcheck disable=SC2046
        TEST_JOBS=$SCENARIO_JOBS RECOUNT_TEST_STORE=sqlite node_tests 10-api-sqlite $(all api $long_api)
        summary 10-api-sqlite
        # shellcheck disable=SC2046
        TEST_JOBS=$SCENARIO_JOBS RECOUNT_TEST_TLS=1 RECOUNT_TEST_STORE=sqlite node_tests 10-tls-sqlite $(files "$over_tls")
        summary 10-tls-sqlite
    fi
fi

if wanted postgres || wanted torture; then
    say 'scenarios on PostgreSQL'
    if [ -z "${RECOUNT_TEST_PG:-}" ]; then
        skip 11-api-postgres 'no PostgreSQL'
    elif wanted torture; then
        RECOUNT_TEST_STORE=postgres node_tests 11-kills-postgres tests/api/kill9.test.mjs
        summary 11-kills-postgres
    else
        # shellcheck disable=SC2046
        TEST_JOBS=$SCENARIO_JOBS RECOUNT_TEST_STORE=postgres node_tests 11-api-postgres $(all api $long_api)
        summary 11-api-postgres
        # shellcheck disable=SC2046
        TEST_JOBS=$SCENARIO_JOBS RECOUNT_TEST_TLS=1 RECOUNT_TEST_STORE=postgres node_tests 11-tls-postgres $(files "$over_tls")
        summary 11-tls-postgres
    fi
fi

if wanted browser && ls tests/browser/*.test.mjs >/dev/null 2>&1; then
    say 'pages in Chromium'
    # shellcheck disable=SC2046
    node_tests 12-browser $(all browser $long_browser)
    summary 12-browser
fi

say 'cppcheck, clang-tidy, builds with sanitizers: their end'
wait "$aside"
trap - EXIT
cat "$LOGS/aside.out"

# passed NAME: that suite of one is there and has passed.
passed() {
    grep -q '"passed":1' "$RESULTS/$1.json" 2>/dev/null
}

if wanted asan && passed 20-build-asan; then
    say 'Clang with AddressSanitizer and UndefinedBehaviorSanitizer'
    unit 21-unit-asan build-asan 3
    summary 21-unit-asan
    # shellcheck disable=SC2046
    RECOUNT_BIN=build-asan/recount RECOUNT_SLOW=1 RECOUNT_TEST_STORE=sqlite \
        node_tests 22-api-asan $(files "$subset")
    summary 22-api-asan
fi

if wanted tsan && passed 30-build-tsan; then
    say 'Clang with ThreadSanitizer'
    # shellcheck disable=SC2046
    RECOUNT_BIN=build-tsan/recount RECOUNT_SLOW=1 RECOUNT_TEST_STORE=sqlite \
        node_tests 31-api-tsan $(files 'signin clients audit-stream graceful')
    summary 31-api-tsan
fi

say 'all suites'
exec python3 tools/tally.py "$RESULTS"
