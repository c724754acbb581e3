#!/bin/sh
# dist.sh [BINARY [FOLDER]]: makes FOLDER/recount_VERSION_ARCH.deb (default dist/) with the server, its
# unit, settings and documents. Without BINARY it builds one of its own: optimised, with no path of
# this machine in it. The same sources give the same package, byte for byte (SOURCE_DATE_EPOCH).
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"
binary=${1:-build-dist/recount}
out=${2:-dist}

if [ $# -eq 0 ]; then
    [ -f build-dist/build.ninja ] || meson setup build-dist --buildtype=release -Db_pie=true \
        -Dc_args="-ffile-prefix-map=$ROOT=/usr/src/recount" >/dev/null
    ninja -C build-dist recount
fi

version=$(sed -n "s/^project(.*[ (]version: '\([^']*\)'.*/\1/p" meson.build)
arch=$(dpkg --print-architecture)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
umask 022

install -D -m 755 -s "$binary" "$root/usr/bin/recount"
install -D -m 644 packaging/recount.service "$root/usr/lib/systemd/system/recount.service"
install -D -m 640 packaging/recount.conf "$root/etc/recount/recount.conf"
doc=$root/usr/share/doc/recount
for f in doc/operations.md doc/security.md doc/audit-log.md doc/log.md doc/decisions/*.md doc/verify/README.md doc/verify/*.py; do
    install -D -m 644 "$f" "$root/usr/share/doc/recount/${f#doc/}"
done
python3 tools/copyright.py >"$doc/copyright"

# The libraries the binary was linked with, as dpkg-shlibdeps finds them.
mkdir -p "$root/DEBIAN" "$stage/debian"
printf 'Source: recount\n\nPackage: recount\nArchitecture: any\n' >"$stage/debian/control"
(cd "$stage" && dpkg-shlibdeps -O root/usr/bin/recount >depends 2>warnings) || {
    cat "$stage/warnings" >&2
    exit 1
}
depends=$(sed -n 's/^shlibs:Depends=//p' "$stage/depends")

install -m 755 packaging/postinst packaging/prerm packaging/postrm "$root/DEBIAN/"
echo /etc/recount/recount.conf >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<END
Package: recount
Version: $version
Architecture: $arch
Maintainer: The Recount developers <recount@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends, adduser
Recommends: ca-certificates
Suggests: postgresql
Section: admin
Priority: optional
Description: penetration-test management with a verifiable audit log
 Clients, people, roles and the log of all they do, in one program and one
 folder. Speaks the PlexTrac interface; stores in SQLite or PostgreSQL.
END
(cd "$root" && find . \( -path ./DEBIAN -o -path ./etc \) -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

mkdir -p "$out"
deb=$out/recount_${version}_${arch}.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
case $deb in /*) path=$deb ;; *) path=./$deb ;; esac
echo "Made $deb ($(du -k "$deb" | cut -f1) kB). Install it with: sudo apt install $path"
