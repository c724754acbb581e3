#!/bin/bash
# Runs a command beside a throw-away PostgreSQL cluster:
#
#     tools/with-postgres.sh COMMAND [ARGUMENT...]
#
# The cluster lives in a temporary folder, listens on a socket there and on a free port of
# 127.0.0.1, and is stopped and removed when the command ends, however it ends. The command finds a
# libpq URL in RECOUNT_TEST_PG; its exit status is ours. As root, the server runs as user postgres.
# Inside another with-postgres.sh the cluster that runs already is used. RECOUNT_PG_IN names another folder than /tmp
# for it, such as one in memory.
set -u

if [ $# -eq 0 ]; then
    echo "usage: with-postgres.sh COMMAND [ARGUMENT...]" >&2
    exit 2
fi
if [ -n "${RECOUNT_TEST_PG:-}" ]; then
    exec "$@"
fi

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ] || [ ! -x "$bin/initdb" ]; then
    bin=$(dirname "$(command -v initdb || echo /missing/initdb)")
fi
if [ ! -x "$bin/initdb" ]; then
    echo "with-postgres.sh: no PostgreSQL server is installed" >&2
    exit 77
fi

as=()
if [ "$(id -u)" -eq 0 ]; then
    as=(runuser -u postgres --)
fi

# Not below TMPDIR: user postgres may not be able to enter it, and a socket's path must be short.
dir=$(mktemp -d "${RECOUNT_PG_IN:-/tmp}/recount-pg.XXXXXX") || exit 1
# In memory the write-ahead log is kept short.
wal=1GB
[ -z "${RECOUNT_PG_IN:-}" ] || wal=192MB
if [ "$(id -u)" -eq 0 ]; then
    chown postgres: "$dir" || exit 1
fi
server=
child=

stop() {
    trap - EXIT INT TERM HUP
    if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
        kill -TERM "$child" 2>/dev/null
        wait "$child" 2>/dev/null
    fi
    if [ -n "$server" ] && [ -f "$dir/data/postmaster.pid" ]; then
        "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 20 stop >/dev/null 2>&1
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM HUP

free_port() {
    python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

cd "$dir" || exit 1
# initdb's own sync is not needed; the server keeps fsync on, as the tests count on it.
if ! "${as[@]}" "$bin/initdb" -D "$dir/data" -U recount -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync >"$dir/initdb.log" 2>&1; then
    cat "$dir/initdb.log" >&2
    exit 1
fi
# Between choosing a port and listening on it another program may take it: hence the attempts.
for attempt in 1 2 3 4 5; do
    port=$(free_port)
    if "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/server.log" -o \
        "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c fsync=on -c max_connections=200 -c shared_buffers=64MB -c max_wal_size=$wal" \
        start >"$dir/start.log" 2>&1; then
        server=$port
        break
    fi
done
if [ -z "$server" ]; then
    cat "$dir/start.log" "$dir/data/server.log" >&2
    exit 1
fi
if ! "${as[@]}" "$bin/createdb" -h "$dir" -p "$port" -U recount recount; then
    exit 1
fi
cd "$OLDPWD" || exit 1

export RECOUNT_TEST_PG="postgres://recount@127.0.0.1:$port/recount"
# In the background, so that a signal to this script is handled at once and not after the command;
# <&0 keeps standard input, which the shell would take away from a background command.
"$@" <&0 &
child=$!
wait "$child"
status=$?
child=
exit $status
