#!/bin/bash
# A throw-away mail server on loopback: Dovecot (IMAP, LMTP, SASL), Postfix (submission), smtp-sink, and a provider that signs
# people in with OAuth (token_server.py).
#   mail.sh start DIR    starts it in DIR and prints LIAISON_TEST_MAIL='host=… imap=… …'
#   mail.sh stop DIR     stops it and deletes what start made
#
# Users: everybody. Any <name>@example.test signs in with the password "secret" and has a mailbox of their own with the
# folders Sent, Junk and Drafts; <name>+Sent@ is delivered into that folder. Tokens of the provider sign in by XOAUTH2. What the local part begins with decides:
#   filed-…       the server files a copy of what they submit in their Sent folder, as some providers do; it does so for nobody else
#   unknown…      taken by Postfix and then refused by Dovecot, so that a delivery report comes back to the sender
#   refused…      refused at RCPT TO with 550 5.1.1
#   greylisted…   refused at RCPT TO with 450 4.7.1
# Nothing leaves the machine: other domains are refused at RCPT TO with 550 5.4.4.
# Ports: imap and submission speak STARTTLS, imaps and smtps TLS from the first octet; sink takes all and keeps nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/peers/ports.sh
. "$here/ports.sh"

usage() { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
command=$1 dir=$2

# Postfix's master has to be root; everything else runs as nobody.
if [ "$(id -u)" != 0 ]; then
  if sudo -n true 2>/dev/null; then exec sudo -n "$0" "$@"; fi
  echo "Postfix must be started by root: run this as root, or let this user sudo without a password" >&2
  exit 1
fi
PATH=$PATH:/usr/sbin:/sbin
owner=nobody
uid=$(id -u "$owner") gid=$(id -g "$owner") group=$(id -gn "$owner")
as=(setpriv --reuid "$uid" --regid "$gid" --clear-groups)

# One authority and one leaf: rustls refuses a leaf that is its own authority, and one without a subjectAltName.
make_certificates() {
  local tls=$dir/tls key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  mkdir "$tls"
  {
    openssl req -x509 "${key[@]}" -days 30 -subj "/CN=liaison test authority" -keyout "$tls/ca.key" -out "$tls/ca.pem" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
    openssl req "${key[@]}" -subj "/CN=localhost" -keyout "$tls/key.pem" -out "$tls/request.pem"
    printf '%s\n' "subjectAltName=DNS:localhost,IP:127.0.0.1" basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >"$tls/leaf"
    openssl x509 -req -in "$tls/request.pem" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days 30 \
      -extfile "$tls/leaf" -out "$tls/cert.pem"
  } 2>"$tls/log" || { cat "$tls/log" >&2; exit 1; }
  chmod a+r "$tls"/*
}

configure_dovecot() {
  local home=$dir/dovecot
  mkdir -p "$home"/run "$home"/state "$home"/mail
  cat >"$home/dovecot.conf" <<CONF
base_dir = $home/run
state_dir = $home/state
log_path = $home/log
instance_name = liaison-test-$imap
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = $owner
default_internal_group = $group
default_login_user = $owner
default_process_limit = 1000
default_client_limit = 8000
default_vsz_limit = 1 G
mail_uid = $uid
mail_gid = $gid
first_valid_uid = 1
first_valid_gid = 1
mail_home = $home/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
mail_max_userip_connections = 1000
mailbox_idle_check_interval = 2 secs
imap_idle_notify_interval = 5 secs
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_verbose = yes
auth_failure_delay = 0
ssl = yes
ssl_cert = <$dir/tls/cert.pem
ssl_key = <$dir/tls/key.pem
ssl_min_protocol = TLSv1.2
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $home/oauth2.conf
}
passdb {
  driver = static
  mechanisms = plain login none
  args = password=secret
  username_filter = *@example.test !unknown*
}
# Empty: who reaches it is unknown. Without it Dovecot would call a user it skipped an internal error.
passdb {
  driver = passwd-file
  mechanisms = plain login none
  args = username_format=%u $home/nobody-else
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$home/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    auto = create
    special_use = \\Drafts
  }
  mailbox Sent {
    auto = create
    special_use = \\Sent
  }
  mailbox Junk {
    auto = create
    special_use = \\Junk
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  service_count = 0
  client_limit = 4000
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
service imap {
  process_limit = 1000
}
service lmtp {
  user = $owner
  process_limit = 200
  inet_listener lmtp {
    address = 127.0.0.1
    port = $lmtp
  }
}
service auth {
  inet_listener sasl {
    address = 127.0.0.1
    port = $sasl
  }
}
CONF
  cat >"$home/oauth2.conf" <<CONF
introspection_url = http://127.0.0.1:$oauth/introspect
introspection_mode = post
client_id = dovecot
client_secret = dovecot
username_attribute = username
active_attribute = active
active_value = true
force_introspection = yes
use_grant_password = no
timeout_msecs = 10000
CONF
  touch "$home/log" "$home/nobody-else"
  chown -R "$uid:$gid" "$home"
}

configure_postfix() {
  local home=$dir/postfix etc=$dir/postfix/etc
  mkdir -p "$etc" "$home/queue" "$home/data"
  chown postfix "$home/data"
  cat >"$etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $home/queue
data_directory = $home/data
maillog_file = $home/log
maillog_file_prefixes = $home
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.test
mydomain = example.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_maps =
virtual_transport = lmtp:inet:127.0.0.1:$lmtp
default_transport = error:5.4.4 the test server sends nothing to other domains
relay_transport = error:5.4.4 the test server sends nothing to other domains
recipient_delimiter = +
sender_bcc_maps = regexp:$etc/filed
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:$sasl
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = $dir/tls/cert.pem
smtpd_tls_key_file = $dir/tls/key.pem
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access regexp:$etc/recipients
message_size_limit = 104857600
mailbox_size_limit = 0
virtual_mailbox_limit = 0
queue_minfree = 0
default_process_limit = 500
in_flow_delay = 0
initial_destination_concurrency = 20
smtpd_client_event_limit_exceptions = static:all
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_auth_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
queue_run_delay = 5s
minimal_backoff_time = 5s
maximal_backoff_time = 20s
CONF
  # shellcheck disable=SC2016 # the ${1} is Postfix's
  echo '/^(filed-[^@+]*)(\+[^@]*)?@example\.test$/  ${1}+Sent@example.test' >"$etc/filed"
  printf '%s\n' '/^refused[^@]*@example\.test$/  550 5.1.1 User unknown' \
    '/^greylisted[^@]*@example\.test$/  450 4.7.1 Greylisted, please try again later' >"$etc/recipients"
  cat >"$etc/master.cf" <<CONF
127.0.0.1:$submission inet n - n - - smtpd
127.0.0.1:$smtps inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
CONF
}

start() {
  local tool
  for tool in dovecot postfix smtp-sink openssl perl python3 setpriv; do
    command -v "$tool" >/dev/null || {
      echo "$tool not found: apt-get install dovecot-core dovecot-imapd dovecot-lmtpd postfix openssl python3" >&2
      exit 1
    }
  done
  case $(dovecot --version) in
    2.3.*) ;;
    *) echo "Dovecot $(dovecot --version): these settings are for 2.3" >&2; exit 1 ;;
  esac
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [ ! -e "$dir/dovecot" ] || { echo "$dir has a mail server already: mail.sh stop $dir first" >&2; exit 1; }
  chmod a+rx "$dir"
  reachable_by "$owner" "$dir"
  reachable_by postfix "$dir"
  cd "$dir"
  trap 'stop' ERR EXIT

  read -r imap imaps lmtp sasl submission smtps sink oauth <<<"$(free_ports 8)"
  make_certificates
  configure_dovecot
  configure_postfix
  # As whoever starts this: Python may live where nobody else may look.
  setsid python3 "$here/token_server.py" "$oauth" >"$dir/oauth.log" 2>&1 </dev/null &
  echo $! >"$dir/oauth.pid"
  # Its output goes to a file: a server that stays must not hold the pipe of whoever started it.
  "${as[@]}" dovecot -c "$dir/dovecot/dovecot.conf" </dev/null >"$dir/dovecot/start.log" 2>&1 ||
    { cat "$dir/dovecot/start.log" >&2; exit 1; }
  postfix -c "$dir/postfix/etc" start >"$dir/postfix/start.log" 2>&1 || { cat "$dir/postfix/start.log" >&2; exit 1; }
  setsid "${as[@]}" smtp-sink 127.0.0.1:"$sink" 500 >"$dir/sink.log" 2>&1 </dev/null &
  echo $! >"$dir/sink.pid"
  local port
  for port in "$imap" "$imaps" "$lmtp" "$sasl"; do await_port "$port" Dovecot "$dir/dovecot/log"; done
  for port in "$submission" "$smtps"; do await_port "$port" Postfix "$dir/postfix/log"; done
  await_port "$sink" smtp-sink "$dir/sink.log"
  await_port "$oauth" token_server.py "$dir/oauth.log"
  trap - ERR EXIT
  echo "LIAISON_TEST_MAIL='host=127.0.0.1 imap=$imap imaps=$imaps lmtp=$lmtp submission=$submission smtps=$smtps sink=$sink oauth=http://127.0.0.1:$oauth ca=$dir/tls/ca.pem dir=$dir'"
}

# gone PID: waits until the process has ended, 10 s at most.
gone() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
}

stop() {
  trap - ERR EXIT
  local pid
  if [ -f "$dir/postfix/queue/pid/master.pid" ]; then
    postfix -c "$dir/postfix/etc" stop >/dev/null 2>&1 || true
  fi
  for pid in "$dir/dovecot/run/master.pid" "$dir/sink.pid" "$dir/oauth.pid"; do
    [ -f "$pid" ] || continue
    pid=$(cat "$pid")
    if kill "$pid" 2>/dev/null; then gone "$pid"; fi
  done
  cd /
  rm -rf "$dir/tls" "$dir/dovecot" "$dir/postfix" "$dir/sink.pid" "$dir/sink.log" "$dir/oauth.pid" "$dir/oauth.log"
}

case $command in start) start ;; stop) dir=$(cd "$dir" 2>/dev/null && pwd || echo "$dir"); stop ;; *) usage ;; esac
