#!/bin/sh
# Builds the web application into web/dist when its sources changed since the last time.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
. tools/env.sh

[ -f web/package.json ] || exit 0
tools/npm-ci.sh web
digest=$(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print |
    LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
if [ -f web/dist/index.html ] && [ "$(cat web/dist/.digest 2>/dev/null)" = "$digest" ]; then
    exit 0
fi
echo "Building the web application"
(cd web && npm run --silent build -- --logLevel warn </dev/null)
echo "$digest" > web/dist/.digest
