#!/bin/sh
# dist.sh BINARY: makes dist/recount_VERSION_ARCH.deb with the binary, its unit, its documents.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$ROOT"

# A build of its own: optimised, stripped, with no path of this machine in it.
[ -f build-dist/build.ninja ] || meson setup build-dist --buildtype=release -Dwerror=false -Db_pie=true -Dstrip=true \
    -Dc_args="-ffile-prefix-map=$ROOT=/usr/src/recount" >/dev/null
ninja -C build-dist recount
version=$(sed -n "s/^project(.*[ (]version: '\([^']*\)'.*/\1/p" meson.build)
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

install -D -m 755 -s build-dist/recount "$stage/usr/bin/recount"
install -D -m 644 packaging/recount.service "$stage/lib/systemd/system/recount.service"
install -D -m 640 packaging/recount.conf "$stage/etc/recount/recount.conf"
for f in README.md LICENSE doc/operations.md doc/security.md doc/audit-log.md; do
    if [ -f "$f" ]; then install -D -m 644 "$f" "$stage/usr/share/doc/recount/$(basename "$f")"; fi
done
mkdir -p "$stage/DEBIAN"
for f in postinst prerm postrm; do
    install -m 755 "packaging/$f" "$stage/DEBIAN/$f"
done
echo /etc/recount/recount.conf > "$stage/DEBIAN/conffiles"

# The libraries the binary was linked with, as dpkg-shlibdeps finds them.
mkdir -p "$stage/debian"
printf 'Source: recount\n\nPackage: recount\nArchitecture: any\n' > "$stage/debian/control"
depends=$(cd "$stage" && dpkg-shlibdeps -O usr/bin/recount 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
rm -r "$stage/debian"

cat > "$stage/DEBIAN/control" <<END
Package: recount
Version: $version
Architecture: $arch
Maintainer: The Recount developers <recount@localhost>
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: $depends, adduser
Recommends: postgresql
Section: admin
Priority: optional
Description: penetration-test management with a verifiable audit log
 Clients, people, roles and the log of all they do, in one program and one
 folder. Speaks the PlexTrac interface; stores in SQLite or PostgreSQL.
END
mkdir -p dist
dpkg-deb --root-owner-group --build "$stage" "dist/recount_${version}_${arch}.deb"
echo "Install it with: sudo apt install ./dist/recount_${version}_${arch}.deb"
