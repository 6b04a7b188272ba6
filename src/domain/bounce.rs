//! Bounces (RFC 3464 and others) and complaints (RFC 5965): what a report says, and how bad it is.

/// What a mail that reports on another mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A delivery status notification, standard or not.
    Bounce(BounceReport),
    /// A feedback report: someone pressed "this is spam".
    Complaint(ComplaintReport),
}

/// What happened to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Still being tried; not a bounce.
    Delayed,
    /// Delivered, relayed or expanded; not a bounce.
    Delivered,
}

/// How bad a bounce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The address does not exist: 5.1.x, 5.4.4.
    Hard,
    /// May work later: 4.x.x, 5.2.2.
    Soft,
    /// The server refuses us, not them: 5.7.x, reputation. Pauses our account, keeps the address.
    Policy,
    /// Failed, and nothing says why.
    Unknown,
}

/// One recipient of a bounce report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BouncedRecipient {
    /// The address, as reported.
    pub address: String,
    /// What happened.
    pub action: Action,
    /// The enhanced status code (RFC 3463), for instance `5.1.1`.
    pub status: Option<String>,
    /// The other server's words, cut to 500 octets.
    pub diagnostic: String,
    /// How bad it is.
    pub severity: Severity,
}

/// A bounce: its recipients, and which of our mails it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BounceReport {
    /// Per recipient; never empty.
    pub recipients: Vec<BouncedRecipient>,
    /// The Message-ID of the returned mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Our token in the returned mail.
    pub token: Option<String>,
}

/// A complaint: whom to leave alone, and which of our mails it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComplaintReport {
    /// `Original-Rcpt-To`, or else the recipients named in the returned mail.
    pub recipients: Vec<String>,
    /// Whether the report does not say itself who complained: then the recipients are those of the returned mail, and any of
    /// them may be meant.
    pub redacted: bool,
    /// `Feedback-Type`, lower case: `abuse`, `fraud`, `not-spam`, …
    pub feedback_type: String,
    /// The Message-ID of the returned mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Our token in the returned mail.
    pub token: Option<String>,
}

impl BounceReport {
    /// Whether any recipient was given up; a report of mere delays or deliveries is not a bounce.
    pub fn is_bounce(&self) -> bool {
        self.recipients.iter().any(|r| r.action == Action::Failed)
    }
}

impl ComplaintReport {
    /// Whether a person wants no more mail: `abuse`, or the opt-outs of older reports. All other types (`auth-failure`,
    /// `fraud`, `virus`, `not-spam`, `other`: RFC 5965 §7.3, RFC 6591) say something else, or nothing of the reader.
    pub fn is_complaint(&self) -> bool {
        matches!(self.feedback_type.as_str(), "abuse" | "opt-out" | "opt-out-list")
    }
}

/// Words that say the mailbox holds no more, or the server wants another try.
const SOFT_WORDS: &[&str] = &[
    "mailbox full",
    "mailbox is full",
    "mailfolder is full",
    "quota",
    "over quota",
    "overquota",
    "insufficient system storage",
    "storage allocation",
    "out of storage",
    "timed out",
    "timeout",
    "try again",
    "try later",
    "temporar",
    "deferred",
    "greylist",
    "graylist",
    "not enough space",
    "disk full",
    "disk space",
    "message too large",
    "exceeds size",
    "size limit",
    "too big",
    "exceeds the maximum",
    "retry timeout",
    "connection refused",
    "connection lost",
    "network is unreachable",
    "no route to host",
    "multiple retries",
    "message delayed",
    "mailbox has exceeded",
    "maximum storage",
    "has exceeded its",
    "lost connection",
    "loops back to myself",
    "too many hops",
];
/// Words that say there is no such address.
const HARD_WORDS: &[&str] = &[
    "user unknown",
    "unknown user",
    "unknown local",
    "unknown recipient",
    "recipient unknown",
    "unknown or illegal",
    "unknown address",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "no such account",
    "no such address",
    "no such person",
    "not such user",
    "no mailbox here",
    "no mailbox by that name",
    "user not known",
    "user not found",
    "recipient not found",
    "mailbox not found",
    "address not found",
    "account not found",
    "recipnotfound",
    "recipientnotfound",
    "doesn't have a",
    "does not have a",
    "does not exist",
    "doesn't exist",
    "not exist",
    "invalid recipient",
    "invalid mailbox",
    "invalid address",
    "invalid user",
    "invalid final delivery",
    "not a valid user",
    "not a valid mailbox",
    "not a known user",
    "bad address",
    "bad destination",
    "unrouteable",
    "unroutable",
    "host unknown",
    "unknown host",
    "domain not found",
    "host not found",
    "domain does not exist",
    "no mx record",
    "null mx",
    "nullmx",
    "does not accept mail",
    "do not accept mail",
    "no user by that name",
    "not listed in",
    "no matches to nameserver",
    "is not a user",
    "nobody by that name",
    "mailbox unavailable or access denied",
    "unable to route",
    "couldn't find any host",
    "couldn't find a mail exchanger",
    "name or service not known",
    "no valid recipients",
    "user doesn't",
    "nosuchuser",
    "user is unknown",
    "is unknown",
    "this user doesn't",
    "no longer valid",
    "is no longer available",
    "has moved",
    "user has no longer",
    "address unknown",
    "mailaddress is administratively disabled",
    "unknown in virtual",
    "unknown in local",
    "unknown in relay",
    "unknown in virtual mailbox table",
    "not our customer",
    "does not like recipient",
    "delivery error: dd this user",
    "имя пользователя",
    "cannot accept mail",
    "does not accept email",
    "non-existent",
    "not present in directory",
];
/// Words that say it is about us: our host, our reputation, our content.
const POLICY_WORDS: &[&str] = &[
    "spam",
    "blocked",
    "block list",
    "blocklist",
    "blacklist",
    "black list",
    "denylist",
    "reputation",
    "spamhaus",
    "spamcop",
    "rbl",
    "dnsbl",
    "dmarc",
    "spf ",
    "dkim",
    "unauthenticated",
    "not authorized",
    "policy",
    "relay access denied",
    "relaying denied",
    "relay not permitted",
    "unable to relay",
    "relaying",
    "open relay",
    "access denied",
    "sender address rejected",
    "sender rejected",
    "sender denied",
    "reverse dns",
    "ptr record",
    "no ptr",
    "rate limit",
    "too many",
    "virus",
    "malware",
    "poor reputation",
    "not allowed to send",
    "banned",
    "suspicious",
    "bounce address",
    "helo",
    "ip address",
    "fix reverse",
    "authentication",
    "rejecting",
    "content rejected",
];

/// How bad a failed delivery is, from its enhanced status (RFC 3463) and the server's words.
///
/// A status that says something specific decides. Servers send `5.0.0`, `5.5.0` or `5.7.1` for anything; then their words do.
pub fn judge_severity(status: Option<&str>, words: &str) -> Severity {
    let words: String = words.chars().take(4_000).collect::<String>().to_lowercase();
    let inner = enhanced_status(&words);
    let says = |list: &[&str]| list.iter().any(|w| words.contains(w));
    let status = match status {
        Some(given) if !is_generic(given) => Some(given.to_owned()),
        given => inner.or_else(|| given.map(str::to_owned)),
    };
    let status = status.unwrap_or_default();
    let (class, detail) = status.split_once('.').unwrap_or(("", ""));
    match (class, detail) {
        // the sender's address, or the sending host, is at fault: ours (RFC 3463 §3.2)
        ("5", "1.7" | "1.8" | "1.9") => Severity::Policy,
        ("4", _) | ("5", "2.2" | "2.3" | "3.4" | "4.7" | "4.1") => Severity::Soft,
        ("5", d) if d.starts_with("1.") && !is_generic(&status) => {
            if says(SOFT_WORDS) && !says(HARD_WORDS) {
                Severity::Soft
            } else {
                Severity::Hard
            }
        }
        ("5", "4.4") => Severity::Hard,
        ("5", d) if d.starts_with("7.") => {
            if says(HARD_WORDS) && !says(POLICY_WORDS) {
                Severity::Hard
            } else {
                Severity::Policy
            }
        }
        _ => by_words(class, &words, says),
    }
}

fn by_words(class: &str, words: &str, says: impl Fn(&[&str]) -> bool) -> Severity {
    if says(HARD_WORDS) {
        Severity::Hard
    } else if says(SOFT_WORDS) {
        Severity::Soft
    } else if says(POLICY_WORDS) {
        Severity::Policy
    } else if class.is_empty() && reply_code(words).is_some_and(|c| (400..500).contains(&c)) {
        Severity::Soft
    } else {
        Severity::Unknown
    }
}

/// Statuses that mean no more than "failed".
fn is_generic(status: &str) -> bool {
    matches!(
        status,
        "5.0.0" | "5.5.0" | "5.3.0" | "5.1.0" | "5.2.0" | "5.4.0" | "5.6.0" | "5.5.1" | "5.5.4" | "5.0.1" | "5.2.1"
    )
}

/// The first enhanced status code in a text: three numbers with dots, the first 2, 4 or 5.
pub fn enhanced_status(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).take(500).find_map(|word| {
        let word = word.trim_matches('.');
        let mut numbers = word.split('.');
        let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let fits = matches!(class, "2" | "4" | "5")
            && (1..=3).contains(&detail.len())
            && (1..=3).contains(&subject.len())
            && subject.parse::<u16>().is_ok_and(|n| n <= 7)
            && numbers.next().is_none();
        fits.then(|| word.to_owned())
    })
}

/// The first SMTP reply code in a text.
fn reply_code(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').take(300).find_map(|word| {
        let code: u16 = word.parse().ok().filter(|_| word.len() == 3)?;
        (421..=599).contains(&code).then_some(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_follows_the_status_and_then_the_words() {
        for (status, words, severity) in [
            (Some("5.1.1"), "", Severity::Hard),
            (Some("5.4.4"), "", Severity::Hard),
            (Some("4.2.2"), "mailbox full", Severity::Soft),
            (Some("5.2.2"), "", Severity::Soft),
            (Some("5.7.1"), "message rejected as spam", Severity::Policy),
            (Some("5.7.1"), "550 user unknown", Severity::Hard),
            (Some("5.1.8"), "", Severity::Policy),
            (Some("5.0.0"), "550 5.1.1 <a@b.test>", Severity::Hard),
            (Some("5.0.0"), "quota exceeded", Severity::Soft),
            (None, "451 later", Severity::Soft),
            (None, "552", Severity::Unknown),
        ] {
            assert_eq!(judge_severity(status, words), severity, "{status:?} {words}");
        }
        assert_eq!(enhanced_status("host 10.1.2.3 said: 550-5.7.26 no"), Some("5.7.26".to_owned()));
    }
}
