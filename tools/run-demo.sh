#!/bin/sh
# run-demo.sh BINARY: serves the demonstration workspace from ./data-demo until Ctrl-C.
# PORT chooses another port, RECOUNT_ARGS further arguments of `recount serve`.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
port=${PORT:-8080}

# Asked before 160 days are recorded; the server says it too when another program was quicker.
taken() {
    python3 - "$port" <<'END'
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
except OSError:
    sys.exit(0)
sys.exit(1)
END
}
if taken; then
    echo "Another program uses port $port of this machine. Choose a free one: make run PORT=$((port + 10))" >&2
    exit 1
fi
exec "$1" serve --demo --data ./data-demo --listen "127.0.0.1:$port" ${RECOUNT_ARGS:-}
