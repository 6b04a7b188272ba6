//! What a bounce or a complaint says, as far as it is about mail of ours. A report that names another mail, or an address
//! that ours did not go to, is kept and shown and changes nothing: anybody can write one.

use serde_json::{Value, json};

use super::know::{self, Known};
use super::{Context, Draft};
use crate::domain::address;
use crate::domain::bounce::{Action, BouncedRecipient, ComplaintReport, Report, Severity};
use crate::domain::ids::MessageId;
use crate::domain::words::EventType;

/// What a report says of one address that mail of ours went to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) what: EventType,
    /// The address.
    pub(super) key: String,
    /// Our message.
    pub(super) message: MessageId,
    /// What its event carries.
    pub(super) data: Value,
    /// Why nothing arrives there any more, where that is so.
    pub(super) dead: Option<String>,
}

/// Everything that a report comes to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) told: Vec<Told>,
    /// One of these complained, and which is not known: our message, the addresses and what its events carry.
    pub(super) among: Option<(MessageId, Vec<String>, Value)>,
}

impl Heard {
    /// Every address it speaks of, each once.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.told.iter().map(|told| told.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Reads the report that a mail is; nothing where it is none, or none about us.
pub(super) fn hear(context: &Context, draft: &Draft<'_>, known: &Known) -> Heard {
    match &draft.arrival.mail.report {
        Some(Report::Bounce(bounce)) => {
            let failed = bounce.recipients.iter().filter(|r| r.action == Action::Failed);
            Heard { told: failed.filter_map(|r| bounced(context, draft, known, r)).collect(), among: None }
        }
        Some(Report::Complaint(complaint)) if complaint.is_complaint() => complained(context, draft, known, complaint),
        Some(Report::Complaint(_)) | None => Heard::default(),
    }
}

fn bounced(context: &Context, draft: &Draft<'_>, known: &Known, recipient: &BouncedRecipient) -> Option<Told> {
    let (key, message) = find(draft, known, &recipient.address)?;
    let dead = (recipient.severity == Severity::Hard)
        .then(|| format!("hard bounce {}", recipient.status.clone().unwrap_or_default()).trim_end().to_owned());
    let data = json!({
        "address": key, "status": recipient.status, "severity": severity_word(recipient.severity),
        "account": context.account,
    });
    Some(Told { what: EventType::MessageBounced, key, message, data, dead })
}

fn complained(context: &Context, draft: &Draft<'_>, known: &Known, complaint: &ComplaintReport) -> Heard {
    let kind = &complaint.feedback_type;
    let told = |(key, message): (String, MessageId)| Told {
        what: EventType::MessageComplained,
        data: json!({"feedback_type": kind, "address": key, "account": context.account}),
        key,
        message,
        dead: None,
    };
    let mut heard = Heard::default();
    let named = if complaint.redacted { &[][..] } else { complaint.recipients.as_slice() };
    heard.told = named.iter().filter_map(|address| find(draft, known, address)).map(told).collect();
    // Who complained is not said, or not as we know them: whoever our mail went to, if that was one alone.
    if heard.told.is_empty()
        && let Some(own) = know::reported_on(draft, known)
    {
        match known.envelope(own.id) {
            [only] => heard.told.push(told((only.clone(), own.id))),
            [] => {}
            several => {
                let data =
                    json!({"feedback_type": kind, "address": null, "among": several, "account": context.account});
                heard.among = Some((own.id, several.to_vec(), data));
            }
        }
    }
    heard
}

/// An address of a report as ours went to, and in which message: of the message that the report names; where it names none at
/// all, of what left for that address not long ago.
fn find(draft: &Draft<'_>, known: &Known, reported: &str) -> Option<(String, MessageId)> {
    let key = address::key(reported)?;
    let Some(own) = know::reported_on(draft, known) else {
        if know::names_a_message(draft) {
            return None;
        }
        return known.sent_to.get(&key).map(|message| (key, *message));
    };
    let envelope = known.envelope(own.id);
    if envelope.contains(&key) {
        return Some((key, own.id));
    }
    match envelope {
        // Where an alias led, ours did not go; but nobody else can be meant.
        [only] => Some((only.clone(), own.id)),
        _ => None,
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Hard => "hard",
        Severity::Soft => "soft",
        Severity::Policy => "policy",
        Severity::Unknown => "unknown",
    }
}
