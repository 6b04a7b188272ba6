//! Somebody in the sandbox, and what they do about mail.

use std::collections::VecDeque;
use std::time::Duration;

use super::errand::Visit;
use crate::domain::mail::Mailbox;

/// How long somebody takes to answer when nothing else is said.
pub(super) const USUAL_AFTER: Duration = Duration::from_mins(11);

/// Somebody who lives in the sandbox. All of them are invented.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Their name and main address.
    pub mailbox: Mailbox,
    /// Other addresses at which mail reaches them.
    pub others: Vec<Mailbox>,
    /// Their IANA zone, for the `Date` of what they write; UTC where it is empty or unknown.
    pub zone: String,
    /// What they do about the mails they get, one after the other.
    pub script: VecDeque<Habit>,
    /// What they say when the script is over; with nothing here they only read.
    pub usual: Vec<String>,
}

/// What somebody does about a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Reads,
    /// Answers it, or lets somebody else answer.
    Answers(Answer),
    /// Is away; a machine says so.
    IsAway {
        /// How long that takes.
        after: Duration,
        /// The subject, which names none of ours.
        subject: String,
        /// The text.
        text: String,
    },
    /// Does not exist (any more): their server returns it.
    Bounces {
        /// How long that takes.
        after: Duration,
        /// The enhanced status (RFC 3463).
        status: String,
        /// The server's words.
        words: String,
    },
    /// Presses "this is spam".
    Complains {
        /// How long that takes.
        after: Duration,
    },
    /// Has its picture fetched, follows its link, or wants no more: in this order.
    Visits(Vec<Visit>),
    /// All of these, about one mail.
    Each(Vec<Habit>),
    /// Sends on what somebody else wrote to them, with a word of their own.
    Forwards {
        /// How long that takes.
        after: Duration,
        /// Their own word.
        text: String,
        /// Who wrote to them.
        of: Mailbox,
        /// What that one wrote.
        forwarded: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How long it takes.
    pub after: Duration,
    /// The text.
    pub text: String,
    /// Who writes it, where that is another address or another person.
    pub from: Option<Mailbox>,
    /// How it is made.
    pub style: Style,
}

/// How an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// As most programs do: In-Reply-To, References, the text above a quote.
    Threaded,
    /// As some versions of Outlook do behind some servers: the subject with `RE:`, the mail below, and no id at all.
    WithoutReferences,
}

impl Person {
    /// One of the things they usually say.
    pub(super) fn usual_answer(&self, mixed: u64, after: Duration) -> Answer {
        let text = super::pick(&self.usual, mixed >> 8).cloned().unwrap_or_default();
        Answer { after, text, from: None, style: Style::Threaded }
    }
}
