#!/bin/sh
# npm-ci.sh DIR: installs the locked packages of DIR, unless that lock is installed already.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT/$1"
. "$ROOT/tools/env.sh"

lock=$(sha256sum package-lock.json package.json | sha256sum | cut -d' ' -f1)
[ "$(cat node_modules/.lock-digest 2>/dev/null)" = "$lock" ] && exit 0
echo "Installing the packages of $1/"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null || {
    echo "The packages of $1/ could not be fetched: does this machine reach the npm registry (npm config get registry)?" >&2
    exit 1
}
echo "$lock" > node_modules/.lock-digest
