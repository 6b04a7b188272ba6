# Sourced by the scripts beside it: which loopback ports are free, and waiting until a server answers.

# free_ports N: prints N free TCP ports. They lie below the range the kernel takes for outgoing connections, so that
# nothing grabs one between now and the moment the server binds it.
free_ports() {
  perl -MIO::Socket::INET -e '
    my ($want, @held) = shift;
    for (1 .. 10000) {
      last if @held == $want;
      my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 12000 + int(rand(20000)), Proto => "tcp",
        Listen => 1) or next;
      push @held, $s;
    }
    die "no free ports\n" if @held < $want;
    print join(" ", map { $_->sockport } @held), "\n";' "$1"
}

# answers PORT: whether something listens there.
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# await_port PORT NAME LOG: waits until PORT answers, 20 s at most; then shows the log and fails.
await_port() {
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    if answers "$1"; then return 0; fi
    sleep 0.1
  done
  echo "$2 does not answer on 127.0.0.1:$1; the end of its log:" >&2
  tail -n 30 "$3" >&2 || true
  return 1
}

# reachable_by USER DIR: fails with words where USER may not enter DIR (a folder below a private home).
reachable_by() {
  setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups test -x "$2" && return 0
  echo "$2 can't be entered by the user $1, as whom the server runs: choose a folder below /tmp" >&2
  return 1
}
