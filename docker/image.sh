#!/bin/sh
# Build the sandbox image once: tags rlef-sandbox:<hash of the inputs> and rlef-sandbox:latest (the tag the package uses).
# From the Dockerfile where a registry answers, else from Debian packages with mmdebstrap (or debootstrap) and `docker import`.
# Exit code 0: the image is there. 2: it is not, and the last line says what to do.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
packages="python3 g++"
suite=bookworm
hash=$(cat "$here/Dockerfile" "$here/image.sh" | sha256sum | cut -c1-16)
image="rlef-sandbox:$hash"
cache="${RLEF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rlef}"
tarball="$cache/sandbox-$hash.tar"

say() { echo "image: $*"; }
give_up() { echo "image: $*" >&2; exit 2; }

finish() {
    docker tag "$image" rlef-sandbox:latest
    say "$image is ready"
    exit 0
}

timeout 20 docker version >/dev/null 2>&1 || give_up "no Docker Engine answers; run: sh docker/engine.sh"
if docker image inspect "$image" >/dev/null 2>&1; then finish; fi

import() {
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'CMD ["/usr/bin/python3"]' "$1" "$image" >/dev/null
}

if [ -f "$tarball" ] && say "importing $tarball" && import "$tarball"; then finish; fi

if timeout 20 docker pull -q debian:bookworm-slim >/dev/null 2>&1; then
    say "building from debian:bookworm-slim"
    # Only the Dockerfile goes to the engine: the build needs no other file.
    if docker build -q -t "$image" - <"$here/Dockerfile" >/dev/null; then finish; fi
    say "docker build failed; trying Debian packages"
else
    say "no registry answers; building from Debian packages (about half a minute)"
fi

[ "$(id -u)" = 0 ] || give_up "making the image from Debian packages needs root; run: sudo sh docker/image.sh"
if ! command -v mmdebstrap >/dev/null 2>&1 && ! command -v debootstrap >/dev/null 2>&1; then
    command -v apt-get >/dev/null 2>&1 || give_up "needs mmdebstrap or debootstrap; install one of them"
    say "installing mmdebstrap"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && { apt-get install -y --no-install-recommends mmdebstrap ||
        apt-get install -y --no-install-recommends debootstrap; }; } >/dev/null 2>&1 </dev/null ||
        give_up "apt-get could not install mmdebstrap or debootstrap"
fi

mkdir -p "$cache" || give_up "cannot write $cache; set RLEF_CACHE to a folder that can be written"
work=$(mktemp -d)
trap 'rm -rf "$work" "$tarball.part"' EXIT
precompile='for header in /usr/include/*/c++/*/bits/stdc++.h; do
    g++ -std=c++17 -O2 -x c++-header "$header" -o "$header.gch" || exit 1
done'
strip_setid='find "$1" -xdev -type f ( -perm -4000 -o -perm -2000 ) -exec chmod a-s {} +'

if command -v mmdebstrap >/dev/null 2>&1; then
    say "mmdebstrap $suite: $packages"
    mmdebstrap --quiet --format=tar --variant=minbase --mode=root --include="$(echo "$packages" | tr ' ' ',')" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="chroot \"\$1\" sh -c '$precompile'" \
        --customize-hook="$(echo "$strip_setid" | sed 's/( /\\( /; s/ )/ \\)/')" \
        --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname' \
        "$suite" "$tarball.part" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; give_up "mmdebstrap failed; is a Debian mirror reachable?"; }
else
    say "debootstrap $suite: $packages"
    debootstrap --variant=minbase --include="$(echo "$packages" | tr ' ' ',')" "$suite" "$work/root" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; give_up "debootstrap failed; is a Debian mirror reachable?"; }
    chroot "$work/root" sh -c "$precompile" >>"$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; give_up "bits/stdc++.h cannot be compiled ahead"; }
    find "$work/root" -xdev -type f \( -perm -4000 -o -perm -2000 \) -exec chmod a-s {} +
    rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/doc/* \
        "$work"/root/usr/share/man/* "$work"/root/usr/share/locale/*
    tar -C "$work/root" --numeric-owner -cf "$tarball.part" .
fi
mv "$tarball.part" "$tarball"
say "importing $(($(wc -c <"$tarball") / 1048576)) MB"
import "$tarball" || give_up "docker import failed; is there room in Docker's data folder?"
finish
