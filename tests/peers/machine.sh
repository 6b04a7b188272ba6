#!/bin/bash
# A machine of its own for one test: a copy of this one's system that only the test sees, in namespaces of its own. What is installed,
# changed or started there is gone with it; nothing of this machine is touched, and nothing stays mounted.
#   tests/peers/machine.sh DIR plain    a root to install into; its first process does nothing
#   tests/peers/machine.sh DIR booted   systemd is the first process, with nothing but its journal to run
# Prints "pid N" (its first process: nsenter reaches it) once it is up, or "no WHY" where this machine does not allow it. It lasts until
# the standard input ends. DIR/share is /mnt there. The network is that of this machine; home folders, /usr/local and whatever else is no
# part of the system are empty. Needs root; of this machine's packages: util-linux, and systemd for "booted".
set -uo pipefail
self=$(realpath "$0") dir=$1 kind=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin

no() { echo "$*" >"$dir/why"; exit 3; }
quiet() { "$@" 2>>"$dir/log"; }

# The first step, in a mount namespace: a control group below this one's, which systemd takes for the root of all.
first() {
  if [ "$kind" = booted ]; then
    quiet mount -t cgroup2 cgroup2 "$dir/cgroup" || no "right to mount control groups"
    local here
    here=$(sed -n 's/^0:://p' /proc/self/cgroup)
    local own="$dir/cgroup/$here/liaison-machine-$$"
    quiet mkdir "$own" || no "right to make a control group"
    echo "$here/liaison-machine-$$" >"$dir/own-group"
    echo $$ 2>>"$dir/log" >"$own/cgroup.procs" || no "right to enter a control group"
  fi
  exec unshare --cgroup --pid --fork --kill-child --ipc --uts --mount --propagation private -- "$self" "$dir" "$kind" second
}

# The second: the root and what hangs in it, then the first process.
second() {
  local pid root=$dir/root entry name device
  # /proc is still this machine's, so this is the number it has outside.
  read -r pid _ </proc/self/stat
  quiet mount -t tmpfs -o size=4g,mode=755 tmpfs "$dir/changes" || no "right to mount"
  mkdir "$dir/changes/upper" "$dir/changes/work"
  quiet mount -t overlay -o "lowerdir=/,upperdir=$dir/changes/upper,workdir=$dir/changes/work" overlay "$root" ||
    no "copy-on-write root (overlayfs)"
  # Nothing that this machine has of liaison is started there, and its packages are unpacked whole: images for containers leave pages out.
  rm -rf "$root/etc/liaison" "$root/var/lib/liaison" "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/fstab" "$root/etc/machine-id"
  mkdir "$root/etc/dpkg/dpkg.cfg.d"
  for entry in /*; do
    name=${entry#/}
    case $name in
      usr | bin | sbin | lib* | etc | var) continue ;;
      *) [ -d "$entry" ] && [ ! -L "$entry" ] && { quiet mount -t tmpfs -o mode=755 tmpfs "$root/$name" || no "right to mount"; } ;;
    esac
  done
  quiet mount -t tmpfs -o mode=755 tmpfs "$root/usr/local" || no "right to mount"
  chmod 1777 "$root/tmp"
  quiet mount -t proc proc "$root/proc" || no "right to mount /proc"
  # What is set there would be set for this machine.
  quiet mount --bind "$root/proc/sys" "$root/proc/sys" && quiet mount -o remount,bind,ro "$root/proc/sys" || no "right to mount /proc"
  quiet mount -t sysfs -o ro sysfs "$root/sys" || no "right to mount /sys"
  mkdir "$root/dev/pts" "$root/dev/shm"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    quiet mount --bind "/dev/$device" "$root/dev/$device" || no "right to mount devices"
  done
  quiet mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts" || no "right to mount devices"
  quiet mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" || no "right to mount"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  : >"$root/dev/console"
  quiet mount --bind /dev/null "$root/dev/console" || no "right to mount devices"
  quiet mount --bind "$dir/share" "$root/mnt" || no "right to mount"
  : >"$root/etc/fstab"
  : >"$root/run/machine-of-its-own"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  hostname machine.test
  local init=(/bin/sh -c 'while :; do sleep 1000; done')
  if [ "$kind" = booted ]; then
    quiet mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || no "right to mount control groups"
    # Of all that this machine would start at a boot, nothing.
    find "$root/etc/systemd/system" -mindepth 1 -delete
    rm -rf "$root"/usr/lib/systemd/system/*.wants "$root"/usr/lib/systemd/system-generators
    # The audit of the kernel is this machine's.
    ln -s /dev/null "$root/etc/systemd/system/systemd-journald-audit.socket"
    printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'AllowIsolate=yes' 'Wants=systemd-journald.service systemd-journald.socket' \
      >"$root/etc/systemd/system/machine.target"
    init=(/usr/lib/systemd/systemd --unit=machine.target)
  fi
  echo "$pid" >"$dir/pid"
  cd "$root" && pivot_root . . && umount -l . || no "right to change the root"
  # As a boot leaves it: credentials are mounted in a namespace of their own, and seen from there.
  mount --make-rshared /
  exec chroot . /usr/bin/env -i container=liaison PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "${init[@]}"
}

case ${3:-} in first) first ;; second) second ;; esac

refuse() { echo "no $*"; exit 0; }
[ "$(id -u)" = 0 ] || refuse "right to make namespaces (root)"
[ -z "$(dpkg-query --show --showformat='${db:Status-Status}' liaison 2>/dev/null)" ] || refuse "root without the package liaison"
if [ "$kind" = booted ]; then
  [ -x /usr/lib/systemd/systemd ] || refuse "systemd to boot"
  # What the unit sets must be within what is allowed here.
  [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 8192 ] || refuse "8192 open files allowed"
fi
mkdir -p "$dir"/{share,cgroup,root,changes} || exit 1
holder=
finish() {
  trap - EXIT
  # The end of the first process is the end of all that is in there, and of its mounts.
  if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
    if [ -s "$dir/pid" ]; then kill -KILL "$(cat "$dir/pid")"; else kill -KILL "$holder"; fi
    wait "$holder"
  fi 2>/dev/null
  if [ -s "$dir/own-group" ]; then
    # shellcheck disable=SC2016
    unshare --mount --propagation private -- sh -c 'mount -t cgroup2 cgroup2 "$1/cgroup" &&
      for n in 1 2 3 4 5 6 7 8 9 10; do
        find "$1/cgroup/$(cat "$1/own-group")" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.1
      done' sh "$dir"
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Whatever ends this process ends the machine.
setpriv --pdeathsig KILL -- unshare --mount --propagation private -- "$self" "$dir" "$kind" first </dev/null >>"$dir/log" 2>&1 &
holder=$!

inside() {
  timeout 10 nsenter --target "$(cat "$dir/pid")" --mount --pid --ipc --uts --cgroup --root --wd -- "$@"
}
is_up() {
  # Until its root is changed it is in that of this machine.
  [ -s "$dir/pid" ] && inside test -e /run/machine-of-its-own || return 1
  [ "$kind" = plain ] && return
  inside systemctl is-active --quiet machine.target && inside systemctl is-active --quiet systemd-journald.service
}
while [ "$SECONDS" -lt 120 ]; do
  if is_up 2>>"$dir/log"; then
    if [ "$kind" = booted ]; then
      # What the unit wants of the kernel.
      inside unshare --user true 2>>"$dir/log" || refuse "right to make user namespaces"
      grep -q '^Seccomp:' /proc/self/status || refuse "filter for system calls (seccomp)"
    fi
    echo "pid $(cat "$dir/pid")"
    # Until whoever asked for it goes, or says so.
    read -r _
    exit 0
  fi
  kill -0 "$holder" 2>/dev/null || break
  sleep 0.2
done
refuse "$(cat "$dir/why" 2>/dev/null || echo "machine of its own ($kind, in namespaces): $(tail -n 3 "$dir/log" | tr '\n' ' ')")"
