# Sourced by the other scripts: a Node.js that tools/setup.sh put into .node/ goes first in PATH.
if [ -d "$ROOT/.node" ]; then
    for d in "$ROOT"/.node/node_modules/node-linux-*/bin "$ROOT"/.node/node_modules/.bin; do
        [ -d "$d" ] && PATH="$d:$PATH"
    done
    export PATH
fi
export LC_ALL=C.UTF-8
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false npm_config_progress=false
