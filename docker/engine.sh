#!/bin/sh
# Make sure a Docker Engine answers: use the one there is, else install Debian's and start it. Safe to call every time.
# Exit code 0: an engine answers. 2: it does not, and the last line says what to do.
set -eu

answers() { timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }
say() { echo "engine: $*"; }
give_up() { echo "engine: $*" >&2; exit 2; }

if version=$(answers) && [ -n "$version" ]; then
    say "Docker Engine $version answers"
    exit 0
fi
[ -z "${DOCKER_HOST:-}" ] || give_up "DOCKER_HOST=$DOCKER_HOST is set but no engine answers there; start it or unset DOCKER_HOST"
[ "$(id -u)" = 0 ] || give_up "no Docker Engine answers for $(id -un); start Docker, join the group 'docker', or run this as root"

if ! command -v dockerd >/dev/null 2>&1; then
    command -v apt-get >/dev/null 2>&1 || give_up "no dockerd and no apt-get; install Docker Engine from https://docs.docker.com/engine/install/"
    say "installing Debian's docker.io (about 70 MB)"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update && apt-get install -y --no-install-recommends docker.io iptables ca-certificates; } >"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        give_up "apt-get could not install docker.io (whole log: $log)"
    fi
    rm -f "$log"
fi

# Where systemd runs the machine, the service is the right way to start it.
if [ -d /run/systemd/system ] && systemctl start docker 2>/dev/null && version=$(answers); then
    say "Docker Engine $version started by systemd"
    exit 0
fi

log=/var/log/rlef-dockerd.log
pidfile=/var/run/rlef-dockerd.pid

start() {
    say "starting dockerd $* (log: $log)"
    echo "== dockerd $*" >>"$log"
    setsid nohup dockerd "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$pidfile"
    tries=0
    while [ "$tries" -lt 150 ]; do
        if version=$(answers) && [ -n "$version" ]; then
            say "Docker Engine $version answers"
            exit 0
        fi
        kill -0 "$pid" 2>/dev/null || return 1
        tries=$((tries + 1))
        sleep 0.2
    done
    kill "$pid" 2>/dev/null || true
    sleep 1
    return 1
}

# The sandbox needs no network, so an engine that cannot set up a bridge or overlayfs is good enough.
start || start --iptables=false --bridge=none || start --iptables=false --bridge=none --storage-driver=vfs || true
grep -E 'level=(fatal|error)|failed to' "$log" | tail -n 3 >&2 || true
give_up "dockerd does not start on this machine; its log is $log"
