//! What the service manager is told (`sd_notify(3)`), and whether its watchdog deserves to be fed.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager, if there is one.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    /// Its socket, as `NOTIFY_SOCKET` names it: a path, or a name that begins with `@`.
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that `NOTIFY_SOCKET` and `WATCHDOG_USEC` name.
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let watchdog = if socket.is_some() { sd_notify::watchdog_enabled() } else { None };
        Self { socket, watchdog: None }.with_watchdog(watchdog)
    }

    /// One that listens on a socket and wants a sign of life within each `watchdog`.
    pub fn at(socket: &Path, watchdog: Duration) -> Self {
        Self { socket: Some(socket.into()), watchdog: None }.with_watchdog(Some(watchdog))
    }

    /// Fed in half of what it waits, as `sd_watchdog_enabled(3)` advises.
    fn with_watchdog(self, limit: Option<Duration>) -> Self {
        Self { watchdog: limit.map(|limit| limit / 2).filter(|every| !every.is_zero()), ..self }
    }

    /// No service manager: nothing is told to anyone.
    pub fn none() -> Self {
        Self::default()
    }

    /// How often the watchdog wants to be fed.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    pub(super) fn ready(&self, status: &str) {
        let status: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// From systemd 253 on, `RELOADING=1` counts only together with the time.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the monotonic clock can't be read"),
        }
    }

    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    pub(super) fn watchdog_fed(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let mut text = String::new();
        for state in states {
            text.extend([state.to_string().as_str(), "\n"]);
        }
        let octets = socket.as_bytes();
        let address = match octets.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(Path::new(socket)),
        };
        let told = address.and_then(|to| {
            let sender = UnixDatagram::unbound()?;
            // A service manager that does not listen must not stop us.
            sender.set_nonblocking(true)?;
            sender.send_to_addr(text.as_bytes(), &to)
        });
        if let Err(error) = told {
            tracing::warn!(%error, "the service manager can't be told");
        }
    }
}
