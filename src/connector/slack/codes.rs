//! What Slack's error codes mean for a message of ours, and what is to be done about them: one table. Pure.
//!
//! The words of a [`Reply`] are ours; of Slack's answer only its code is repeated, so that nothing private gets into a log.

use crate::connector::Reply;

/// What a code says about what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Our token is not taken, or may not do this: a person has to do something about the app.
    Login,
    /// Not now; it was not done.
    Later,
    /// Not at all; it was not done.
    Never,
    /// Not at all, because whom it is for is not there any more.
    Gone,
    /// Slack itself does not know whether it was done.
    Unknown,
}

const REINSTALL: &str = "install the app in the workspace again and give liaison its new token";
const INVITE: &str = "invite the app to the conversation (/invite), then send again";
const RIGHTS: &str = "add the scope to the app, install it again, and run the check of the account";

/// Code, meaning, what to do. From the pages of chat.postMessage, conversations.open and the errors all methods share.
const CODES: &[(&str, Meaning, &str)] = &[
    ("not_authed", Meaning::Login, REINSTALL),
    ("invalid_auth", Meaning::Login, REINSTALL),
    ("account_inactive", Meaning::Login, REINSTALL),
    ("token_revoked", Meaning::Login, REINSTALL),
    ("token_expired", Meaning::Login, REINSTALL),
    (
        "not_allowed_token_type",
        Meaning::Login,
        "give liaison the bot token (xoxb-), and the app token (xapp-) for the socket",
    ),
    ("missing_scope", Meaning::Login, RIGHTS),
    ("no_permission", Meaning::Login, RIGHTS),
    ("team_access_not_granted", Meaning::Login, "let an administrator of the workspace approve the app"),
    ("access_denied", Meaning::Login, "let an administrator of the workspace approve the app"),
    ("ekm_access_denied", Meaning::Login, "an administrator has suspended messages: ask them when it ends"),
    ("org_login_required", Meaning::Later, "the workspace moves to another organisation; nothing is to be done"),
    ("team_added_to_org", Meaning::Later, "the workspace moves to another organisation; nothing is to be done"),
    ("ratelimited", Meaning::Later, "it is tried again by itself"),
    ("rate_limited", Meaning::Later, "it is tried again by itself"),
    ("accesslimited", Meaning::Later, "it is tried again by itself"),
    ("message_limit_exceeded", Meaning::Later, "the workspace is over its number of messages; it is tried again"),
    ("service_unavailable", Meaning::Later, "Slack has a failure; it is tried again"),
    ("team_not_found", Meaning::Login, REINSTALL),
    ("channel_not_found", Meaning::Never, INVITE),
    ("not_in_channel", Meaning::Never, INVITE),
    ("is_archived", Meaning::Never, "the conversation is archived: bring it back in Slack, or write elsewhere"),
    ("msg_too_long", Meaning::Never, "make the text shorter"),
    ("no_text", Meaning::Never, "write some text"),
    ("restricted_action", Meaning::Never, "a setting of the workspace forbids it: ask its administrator"),
    ("restricted_action_read_only_channel", Meaning::Never, "only some may write there: ask the channel's owner"),
    ("restricted_action_thread_only_channel", Meaning::Never, "only answers in threads are allowed there"),
    ("restricted_action_thread_locked", Meaning::Never, "the thread is locked: begin another one"),
    ("restricted_action_non_threadable_channel", Meaning::Never, "there are no threads there: write without one"),
    ("as_user_not_supported", Meaning::Never, "tell those who make liaison"),
    ("cannot_reply_to_message", Meaning::Never, "that message can't be answered: write without a thread"),
    ("thread_not_found", Meaning::Never, "the thread is gone: write without one"),
    ("message_not_found", Meaning::Never, "the message is gone"),
    ("metadata_too_large", Meaning::Never, "tell those who make liaison"),
    ("invalid_metadata_format", Meaning::Never, "tell those who make liaison"),
    ("slack_connect_canvas_sharing_blocked", Meaning::Never, "the other workspace forbids it"),
    ("external_channel_migrating", Meaning::Later, "the channel is being moved; it is tried again"),
    (
        "user_not_found",
        Meaning::Gone,
        "look the person up again: the id is none of this workspace or of those it shares with",
    ),
    (
        "users_not_found",
        Meaning::Gone,
        "look the person up again: the id is none of this workspace or of those it shares with",
    ),
    ("user_disabled", Meaning::Gone, "the person left the workspace: write by another channel"),
    ("user_not_visible", Meaning::Never, "the app may not see the person: ask an administrator of the workspace"),
    ("not_visible", Meaning::Never, "the app may not see the person: ask an administrator of the workspace"),
    ("cannot_dm_bot", Meaning::Never, "programs can't be written to"),
    ("messages_tab_disabled", Meaning::Login, "switch on the messages tab in the app's home settings"),
    ("fatal_error", Meaning::Unknown, "liaison looks whether it was posted"),
    ("internal_error", Meaning::Unknown, "liaison looks whether it was posted"),
    ("request_timeout", Meaning::Unknown, "liaison looks whether it was posted"),
    ("duplicate_message_not_found", Meaning::Unknown, "liaison looks whether it was posted"),
];

/// What a code means, and what is to be done. What is on no list is a refusal that a person reads.
pub fn look_up(code: &str) -> (Meaning, &'static str) {
    let found = CODES.iter().find(|(known, ..)| *known == code);
    found.map_or((Meaning::Never, "look the code up in Slack's documentation"), |(_, meaning, hint)| (*meaning, *hint))
}

/// A code with what is to be done, and the scope that is missing where Slack named one.
pub fn words_of(code: &str, needed: Option<&str>) -> String {
    let (_, hint) = look_up(code);
    let code = tame(code);
    needed.map_or_else(|| format!("{code}: {hint}"), |scope| format!("{code} ({}): {hint}", tame(scope)))
}

/// Letters that a code or a scope is made of, and not too many of them.
fn tame(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_.:,-".contains(*c)).take(100).collect()
}

/// A refusal as senders say it. Four hundreds may work later.
pub fn reply_of(code: &str, needed: Option<&str>) -> Reply {
    let (number, enhanced) = match look_up(code).0 {
        Meaning::Login => (535, "5.7.8"),
        Meaning::Later => (450, "4.3.2"),
        Meaning::Gone => (550, "5.1.1"),
        Meaning::Never | Meaning::Unknown => (554, "5.0.0"),
    };
    Reply { code: number, enhanced: Some(enhanced.to_owned()), text: words_of(code, needed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::{not_before, wait_reply};
    use crate::domain::bounce::Severity;
    use crate::domain::retry::{AccountTrouble, Judgement, Refusal, Step, judge_refusal};
    use crate::domain::time::Micros;

    fn judged(reply: &Reply, step: Step) -> Judgement {
        let (code, enhanced) = (reply.code, reply.enhanced.as_deref());
        judge_refusal(Refusal { step, code, enhanced, text: &reply.text })
    }

    #[test]
    fn codes_are_judged_as_they_mean() {
        for (code, step, judgement) in [
            ("token_revoked", Step::Content, Judgement::Account(AccountTrouble::Login)),
            ("missing_scope", Step::Content, Judgement::Account(AccountTrouble::Login)),
            ("ratelimited", Step::Content, Judgement::Transient),
            ("channel_not_found", Step::Content, Judgement::Permanent(Severity::Unknown)),
            ("is_archived", Step::Content, Judgement::Permanent(Severity::Unknown)),
            ("msg_too_long", Step::Content, Judgement::Permanent(Severity::Unknown)),
            ("user_not_found", Step::Recipient, Judgement::Permanent(Severity::Hard)),
            ("something_new", Step::Content, Judgement::Permanent(Severity::Unknown)),
        ] {
            assert_eq!(judged(&reply_of(code, None), step), judgement, "{code}");
        }
        assert_eq!(look_up("fatal_error").0, Meaning::Unknown);
    }

    #[test]
    fn no_code_is_listed_twice_and_each_says_what_to_do() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
        assert!(CODES.iter().all(|(.., hint)| !hint.is_empty()));
    }

    #[test]
    fn the_time_to_wait_stands_in_the_reply() {
        let until = Micros(1_772_355_600_250_000);
        let reply = wait_reply(until, "one message a second", false);
        assert_eq!((not_before(&reply), reply.is_transient()), (Some((until, false)), true));
        assert_eq!(not_before(&wait_reply(until, "too many", true)), Some((until, true)));
        assert_eq!(judged(&reply, Step::Recipient), Judgement::Transient);
        assert_eq!(not_before(&reply_of("ratelimited", None)), None);
    }

    #[test]
    fn what_slack_says_is_made_tame() {
        assert_eq!(words_of("a\nb<x>", Some("chat:write")), format!("abx (chat:write): {}", look_up("zzz").1));
    }
}
