//! Who may use whom: the table of rooms, and how a path into the crate is judged by it.

use super::tokens::CratePath;

/// How much of a room another may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Everything it makes public.
    All,
    /// What stands at its door: `crate::room::item`, not `crate::room::inside::item`.
    Entry,
    /// Nothing.
    Not,
}

const FOUNDATION: &[&str] = &["domain", "clock", "config"];
const ABOVE_THE_HUB: &[&str] = &["login", "inbound", "outbound", "sequence", "tracking", "webhooks", "relay"];
const BELOW_THE_HUB: &[&str] = &["domain", "clock", "config", "lifecycle", "store", "render", "worker"];
const FRONT: &[&str] = &["domain", "clock", "config", "store", "hub"];
/// Rooms with no rule: they put the others together.
const FREE: &[&str] = &["app", "main", "lib"];

/// Every room there may be.
pub(super) const ROOMS: &[&str] = &[
    "domain",
    "clock",
    "config",
    "lifecycle",
    "control",
    "store",
    "connector",
    "render",
    "worker",
    "hub",
    "login",
    "inbound",
    "outbound",
    "sequence",
    "tracking",
    "webhooks",
    "relay",
    "http",
    "cli",
    "telemetry",
    "app",
    "main",
    "lib",
];

/// What `room` may use of `other`.
pub(super) fn may_use(room: &str, other: &str) -> Use {
    let among = |rooms: &[&str]| if rooms.contains(&other) { Use::All } else { Use::Not };
    if room == other || FREE.contains(&room) || (other == "telemetry" && room != "domain") {
        return Use::All;
    }
    match room {
        "clock" | "config" => among(&["domain"]),
        "lifecycle" => among(&["clock"]),
        "control" => among(&["lifecycle"]),
        "store" | "connector" | "render" | "worker" | "telemetry" => among(FOUNDATION),
        "hub" => among(BELOW_THE_HUB),
        _ if ABOVE_THE_HUB.contains(&room) => match other {
            "connector" | "hub" => Use::All,
            _ => among(BELOW_THE_HUB),
        },
        "http" | "cli" => match other {
            _ if FRONT.contains(&other) => Use::All,
            _ if ABOVE_THE_HUB.contains(&other) || ["control", "lifecycle", "render", "worker"].contains(&other) => {
                Use::Entry
            }
            // The subcommand that serves starts the whole.
            "app" if room == "cli" => Use::Entry,
            _ => Use::Not,
        },
        _ => Use::Not,
    }
}

/// What is wrong with `room` using `path`, if anything is.
pub(super) fn judge(room: &str, path: &CratePath) -> Option<String> {
    let other = path.parts.first()?.as_str();
    // An item of lib.rs itself, or a macro, is no room.
    if !ROOMS.contains(&other) {
        return None;
    }
    let shown = path.parts.join("::");
    // What front rooms may know of connectors is their registry.
    if ["http", "cli"].contains(&room) && other == "connector" {
        // The demonstration plays with a world of its own, which is no way out of the machine.
        let registry = path.parts.get(1).is_some_and(|part| part == "registry" || (room == "cli" && part == "sandbox"));
        return (!registry).then(|| format!("{room} may use connectors only through connector::registry, not {shown}"));
    }
    match may_use(room, other) {
        Use::All => None,
        Use::Entry if path.parts.len() <= 2 => None,
        Use::Entry => Some(format!("{room} may use only what stands directly in {other}, not {shown}")),
        Use::Not => Some(format!("{room} may not use {other} ({shown})")),
    }
}
