#!/bin/sh
# run-demo.sh BINARY: serves the demonstration workspace from ./data-demo until Ctrl-C.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
exec "$1" serve --demo --data ./data-demo ${RECOUNT_ARGS:-}
