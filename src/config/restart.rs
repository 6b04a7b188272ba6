//! What of a configuration is read once, when the daemon starts: a reload that changes it says so.

use secrecy::ExposeSecret as _;

use super::Config;
use super::server::Server;
use super::storage::Storage;

/// The keys that differ between the configuration a daemon started with and another, and count from a restart on only.
pub fn waiting_for_restart(started: &Config, now: &Config) -> Vec<&'static str> {
    let (server, other) = (&started.server, &now.server);
    let (storage, kept) = (&started.storage, &now.storage);
    // Every key by name: a new one has to be thought of here. Those that a reload follows have none.
    let Server { listen, public_listen, metrics_listen, base_url: _, dns: _, rates, trusted_proxies, socket } = server;
    let Storage { state_dir, database, password: _, lease } = storage;
    let password = |config: &Config| config.storage.password.as_ref().map(|p| p.value.expose_secret().to_owned());
    let (books, lists) = (&started.tracking.books, &now.tracking.books);
    let differs = [
        ("server.listen", *listen != other.listen),
        ("server.public_listen", *public_listen != other.public_listen),
        ("server.metrics_listen", *metrics_listen != other.metrics_listen),
        ("server.requests_per_minute", rates.per_token != other.rates.per_token),
        ("server.refused_per_minute", rates.refused != other.rates.refused),
        ("server.public_requests_per_minute", rates.public != other.rates.public),
        ("server.socket", *socket != other.socket),
        ("server.trusted_proxies", *trusted_proxies != other.trusted_proxies),
        ("storage.lease_seconds", *lease != kept.lease),
        ("storage.state_dir", *state_dir != kept.state_dir),
        ("storage.url", *database != kept.database),
        ("storage.password", password(started) != password(now)),
        ("tracking.agents", books.agents != lists.agents),
        ("tracking.networks", books.networks != lists.networks),
        ("log.level", started.log.level != now.log.level),
        ("log.format", started.log.format != now.log.format),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}
