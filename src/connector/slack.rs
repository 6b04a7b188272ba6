//! A Slack workspace: what is said in its conversations, and what we say there.
//!
//! One app of the workspace is one account. Its bot reads only conversations it is a member of. Ids are the workspace's, so that one
//! thing said has one id by whatever way it comes: `TEAM/CHANNEL/TS`, where the team is the one the app is installed in. Authors are
//! `TEAM/USER` with the team the author belongs to, which for a guest over Slack Connect is another one.

use crate::domain::time::Micros;

pub use crate::domain::chat::workspace_parts as parts_of;

pub mod api;
pub mod codes;
pub mod cursor;
mod emoji;
pub mod event;
mod face;
pub mod feed;
pub mod hook;
pub mod ledger;
mod line;
pub mod manifest;
pub mod member;
pub mod message;
mod room;
pub mod sender;
pub mod socket;
pub mod text;
mod walk;
mod wire;
pub mod workspace;

/// The type of the metadata that our messages carry.
pub const METADATA_TYPE: &str = "liaison_message";

/// Who we are in a workspace: what tells our own messages from those of others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// The workspace the app is installed in.
    pub team: String,
    /// The user that is our bot.
    pub user: String,
    /// The bot, where Slack says it.
    pub bot: Option<String>,
    /// The app, where Slack says it.
    pub app: Option<String>,
}

impl Own {
    /// The address of our bot.
    pub fn address(&self) -> String {
        format!("{}/{}", self.team, self.user)
    }

    /// The id of a message.
    pub fn message_id(&self, channel: &str, ts: &str) -> String {
        format!("{}/{channel}/{ts}", self.team)
    }
}

/// Whether an id names a direct message between two.
pub fn is_direct(channel: &str) -> bool {
    channel.starts_with('D')
}

/// Whether an id names a user: people have `U`, those of a grid may have `W`.
pub fn is_user(id: &str) -> bool {
    id.starts_with(['U', 'W'])
}

/// The instant that a time stamp of Slack's says: seconds, a dot, six digits that make it unique.
pub fn instant_of(ts: &str) -> Option<Micros> {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, "0"));
    let digits = |part: &str| !part.is_empty() && part.len() <= 12 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(rest) {
        return None;
    }
    let micros: String = rest.chars().chain("000000".chars()).take(6).collect();
    Some(Micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)?))
}

/// An instant as a time stamp of Slack's.
pub fn ts_of(at: Micros) -> String {
    let at = at.0.max(0);
    format!("{}.{:06}", at.div_euclid(1_000_000), at.rem_euclid(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_read_and_write() {
        assert_eq!(instant_of("1531420618.000100"), Some(Micros(1_531_420_618_000_100)));
        assert_eq!(instant_of("1531420618"), Some(Micros(1_531_420_618_000_000)));
        assert_eq!(instant_of("1.5"), Some(Micros(1_500_000)));
        assert_eq!(ts_of(Micros(1_531_420_618_000_100)), "1531420618.000100");
        for bad in ["", ".", "1.", "x", "-1.0", "1.2.3", "99999999999999999999.1"] {
            assert_eq!(instant_of(bad), None, "{bad}");
        }
    }
}
