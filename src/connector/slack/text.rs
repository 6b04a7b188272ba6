//! The text of Slack's messages and plain words, both ways (<https://docs.slack.dev/messaging/formatting-message-text>). Pure.

use super::emoji::{self, Told};

/// Characters of the words of one message. Slack cuts what is longer without a word (chat.postMessage).
pub const TEXT_CHARS_MAX: usize = 40_000;

/// Plain words as Slack takes them: the three characters that mean something are written otherwise.
pub fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What Slack gives, as a person reads it: links, names and commands in angle brackets are resolved, and codes are emoji.
pub fn plain(text: &str) -> String {
    plain_with(text, &Told::new())
}

/// The same, where the message itself tells what its codes are.
pub(super) fn plain_with(text: &str, told: &Told) -> String {
    let text = emoji::shown(text, told);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        shown.push_str(&unescape(before));
        let Some((inner, behind)) = after.split_once('>') else {
            // Never written by Slack; what it is is kept.
            shown.push('<');
            rest = after;
            continue;
        };
        shown.push_str(&unescape(&reference(inner)));
        rest = behind;
    }
    shown.push_str(&unescape(rest));
    shown
}

/// In this order: what was written as `&amp;lt;` is the text `&lt;`.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands in angle brackets.
fn reference(inner: &str) -> String {
    let (target, label) = inner.split_once('|').map_or((inner, None), |(t, l)| (t, Some(l).filter(|l| !l.is_empty())));
    if let Some(user) = target.strip_prefix('@') {
        return format!("@{}", label.unwrap_or(user).trim_start_matches('@'));
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", label.unwrap_or(channel).trim_start_matches('#'));
    }
    if let Some(command) = target.strip_prefix('!') {
        return special(command, label);
    }
    link(target, label)
}

/// `!here`, `!subteam^S1|@team`, `!date^1392734382^{date}|18 February`.
fn special(command: &str, label: Option<&str>) -> String {
    if let Some(label) = label {
        return label.to_owned();
    }
    let name = command.split('^').next().unwrap_or_default();
    match name {
        "subteam" => format!("@{}", command.split('^').nth(1).unwrap_or_default()),
        "date" => command.split('^').nth(2).unwrap_or_default().to_owned(),
        _ => format!("@{name}"),
    }
}

/// A link reads as its label with the address behind it, and as one of them where they say the same.
fn link(target: &str, label: Option<&str>) -> String {
    let bare = target.strip_prefix("mailto:").or_else(|| target.strip_prefix("tel:")).unwrap_or(target);
    let short = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://")).unwrap_or(bare);
    match label {
        None => bare.to_owned(),
        Some(label) if [target, bare].contains(&label) => bare.to_owned(),
        Some(label) if label.trim_end_matches('/') == short.trim_end_matches('/') => target.to_owned(),
        Some(label) => format!("{label} ({bare})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_as_words() {
        for (given, read) in [
            ("Hi <@U012AB3CD>, see <#C024BE7LR|general>", "Hi @U012AB3CD, see #general"),
            ("<@U1|zoe> in <#C1>", "@zoe in #C1"),
            ("<http://example.com/>", "http://example.com/"),
            ("<http://example.com/|my page>", "my page (http://example.com/)"),
            ("<http://example.com|example.com>", "http://example.com"),
            ("<mailto:zoe@example.org|zoe@example.org>", "zoe@example.org"),
            ("<tel:+15550100|call me>", "call me (+15550100)"),
            ("<!here> <!channel> <!subteam^S1|@team> <!subteam^S1>", "@here @channel @team @S1"),
            ("<!date^1392734382^{date_num}|18 February>", "18 February"),
            ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
            ("&amp;lt;", "&lt;"),
            ("1 < 2", "1 < 2"),
            ("<http://x.test/?a=1&amp;b=2|a&lt;b>", "a<b (http://x.test/?a=1&b=2)"),
            ("", ""),
            ("<>", ""),
            ("<|>", ""),
        ] {
            assert_eq!(plain(given), read, "{given}");
        }
    }

    #[test]
    fn what_is_escaped_reads_back() {
        for words in ["a < b > c & d", "&lt;", "<@U1>", "<!channel>", "😀 <http://x|y>", "&amp;amp;"] {
            assert_eq!(plain(&escape(words)), words);
            assert!(!escape(words).contains(['<', '>']));
        }
    }
}
