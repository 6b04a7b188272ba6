#!/bin/bash
# A throw-away PostgreSQL on loopback.
#   postgres.sh start DIR    starts it in DIR and prints LIAISON_TEST_POSTGRES=postgres://…
#   postgres.sh stop DIR     stops it and deletes what start made
# FSYNC=on keeps every promise of durability (for figures and kill tests); without it a crash of the machine loses data,
# which is fine for tests and quicker. PostgreSQL refuses to run as root: started by root it runs as its own user or nobody.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/peers/ports.sh
. "$here/ports.sh"

usage() { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
command=$1 dir=$2

bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin -type d 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] && PATH=$bin:$PATH
command -v initdb >/dev/null || { echo "initdb not found: apt-get install postgresql" >&2; exit 1; }

as=()
owner=$(id -un)
if [ "$(id -u)" = 0 ]; then
  owner=nobody
  if id -u postgres >/dev/null 2>&1; then owner=postgres; fi
  as=(setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups)
fi

start() {
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  local home=$dir/postgres
  [ ${#home} -le 80 ] || { echo "$dir is too long a path for a Unix socket" >&2; exit 1; }
  [ ! -e "$home" ] || { echo "$home is there already: postgres.sh stop $dir first" >&2; exit 1; }
  chmod a+x "$dir"
  trap 'stop' EXIT
  mkdir "$home"
  if [ "$(id -u)" = 0 ]; then
    chown "$owner" "$home"
    reachable_by "$owner" "$home"
  fi
  cd "$home"
  "${as[@]}" initdb -D "$home/data" -U liaison -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$home/../postgres.initdb" 2>&1 ||
    { cat "$home/../postgres.initdb" >&2; exit 1; }
  rm -f "$home/../postgres.initdb"
  local fsync=${FSYNC:-off} port
  cat >>"$home/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$home'
max_connections = 300
fsync = $fsync
synchronous_commit = $fsync
full_page_writes = $fsync
timezone = 'UTC'
CONF
  for _ in 1 2 3; do
    port=$(free_ports 1)
    if "${as[@]}" pg_ctl -D "$home/data" -w -t 60 -s -l "$home/log" -o "-p $port" start >/dev/null 2>&1; then
      trap - EXIT
      echo "LIAISON_TEST_POSTGRES=postgres://liaison@127.0.0.1:$port/postgres"
      return
    fi
  done
  echo "PostgreSQL does not start; the end of its log:" >&2
  tail -n 30 "$home/log" >&2 || true
  exit 1
}

stop() {
  local home=$dir/postgres
  [ -d "$home" ] || return 0
  cd "$home"
  if [ -f data/postmaster.pid ]; then "${as[@]}" pg_ctl -D data -m immediate -w -s stop || true; fi
  cd /
  rm -rf "$home"
}

case $command in start) start ;; stop) dir=$(cd "$dir" 2>/dev/null && pwd || echo "$dir"); stop ;; *) usage ;; esac
