//! `[retention]`: for how long what is not needed any more is kept.

use std::time::Duration;

use super::reader::{Found, Reader, Section};

/// The longest time that can be written, days.
const DAYS_MAX: u64 = 36_500;

/// `[retention]`. `None` keeps for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Mail as it came, with its HTML and its attachments. The text of a message stays. Default: for ever.
    pub originals: Option<Duration>,
    /// What happened. Default: for ever.
    pub events: Option<Duration>,
    /// The evidence of opens and clicks. Default: for ever.
    pub hits: Option<Duration>,
    /// What webhooks were told, and what they answered. Default 30 days.
    pub webhook_log: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { originals: None, events: None, hits: None, webhook_log: Some(days(30)) }
    }
}

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

pub(super) fn read(mut s: Section<'_>, r: &mut Reader) -> Retention {
    let usual = Retention::default();
    // What a run or a count still goes by is younger than these.
    let all = Retention {
        originals: length(&mut s, r, ("originals", 30)).unwrap_or(usual.originals),
        events: length(&mut s, r, ("events", 90)).unwrap_or(usual.events),
        hits: length(&mut s, r, ("hits", 30)).unwrap_or(usual.hits),
        webhook_log: length(&mut s, r, ("webhook_log", 1)).unwrap_or(usual.webhook_log),
    };
    s.finish(r);
    all
}

/// `"keep"`, or a number of days from `least` on; `None` where nothing is said, or nothing that can be read.
#[allow(clippy::option_option, reason = "not said, for ever, and a length are three things")]
fn length(s: &mut Section<'_>, r: &mut Reader, (key, least): (&'static str, u64)) -> Option<Option<Duration>> {
    let text: Found<String> = s.text(r, key)?;
    if text.value == "keep" {
        return Some(None);
    }
    let number = text.value.strip_suffix("days").or_else(|| text.value.strip_suffix("day"));
    let found = number.and_then(|n| n.trim().parse().ok()).filter(|n| (least..=DAYS_MAX).contains(n));
    if found.is_none() {
        let shown: String = text.value.chars().take(60).collect();
        let hint = format!("write \"keep\", or a time from \"{least} days\" to \"{DAYS_MAX} days\"");
        r.error(&text, format!("`{}` can't be `{shown}`", text.key), &hint);
    }
    found.map(|n| Some(days(n)))
}

/// As it is written.
pub(super) fn written(length: Option<Duration>) -> String {
    length.map_or_else(|| "keep".to_owned(), |length| format!("{} days", length.as_secs() / 86_400))
}
