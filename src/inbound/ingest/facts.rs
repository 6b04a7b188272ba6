//! What a mail that came in says about writing to its author again, as the data of its signals. Facts only: nothing is
//! suppressed, held or ended here.

use serde_json::{Map, Value, json};

use super::{Context, Draft};
use crate::domain::automatic::{self, named_successor};
use crate::domain::day::Day;
use crate::domain::mail::ParsedMail;
use crate::domain::refusal::{self, Answer, judge_answer};
use crate::domain::reply::above_forward;
use crate::domain::time::Micros;
use crate::domain::words::{Direction, Kind, Meaning, Role, Word as _};
use crate::hub::unsubscribe;

/// What `message.received` carries.
pub(super) fn received(context: &Context, draft: &Draft<'_>, sort: &automatic::Verdict, role: Option<Role>) -> Value {
    let mut data = Map::new();
    data.insert("account".into(), json!(context.account));
    data.insert("kind".into(), json!(sort.kind));
    if let Some(role) = role {
        data.insert("role".into(), json!(role));
    }
    match sort.kind {
        Kind::OutOfOffice => {
            data.insert("until".into(), json!(sort.until.and_then(end_of_day)));
            data.insert("back_on".into(), json!(sort.back_on.map(|day| Day::from_date(day).to_string())));
        }
        Kind::Gone => {
            let author = draft.author.clone().unwrap_or_default();
            let text = &draft.arrival.mail.reply_text;
            let successor = named_successor(text, &author).filter(|key| !context.identity.is_ours(key));
            data.insert("gone_address".into(), json!(draft.author));
            data.insert("sure".into(), json!(sort.sure));
            data.insert("instead".into(), json!(successor));
        }
        Kind::Human | Kind::Automatic | Kind::Bounce | Kind::Complaint | Kind::Reaction => {}
    }
    if let Some(token) = unsubscribe_token(context, draft) {
        data.insert("unsubscribe_token".into(), json!(token));
    }
    Value::Object(data)
}

/// What an answer to a message with this subject means.
pub(super) fn judge(context: &Context, draft: &Draft<'_>, answered: Option<&str>) -> refusal::Verdict {
    let mail = &draft.arrival.mail;
    if draft.arrival.withheld.is_some() && unsubscribe_token(context, draft).is_none() {
        // Whatever it says, a person has to read it.
        let reasons = vec!["it could not be read"];
        return refusal::Verdict { meaning: Meaning::Unsure, confidence: 50, phrase: None, language: None, reasons };
    }
    if unsubscribe_token(context, draft).is_some() {
        // what stands below such a subject is the mail program's own
        judge_answer(&Answer { subject: "unsubscribe", answers: None, reply_text: "" })
    } else if mail.forward {
        judge_answer(&Answer { subject: "", answers: None, reply_text: &above_forward(&mail.reply_text) })
    } else {
        judge_own(mail, answered)
    }
}

/// Judges by what its writer wrote. Where nothing stands above copied headers, what stands below them is kept to be read, as
/// some write there; but most of it is another mail, perhaps ours, which itself says how to say no. A no in it is doubtful.
fn judge_own(mail: &ParsedMail, answered: Option<&str>) -> refusal::Verdict {
    let by = |text: &str| judge_answer(&Answer { subject: &mail.subject, answers: answered, reply_text: text });
    let written = |text: &str| text.chars().any(char::is_alphanumeric);
    if written(&above_forward(&mail.reply_text)) || !written(&mail.reply_text) {
        return by(&mail.reply_text);
    }
    let alone = by("");
    if matches!(alone.meaning, Meaning::OptOut | Meaning::Refusal) {
        return alone;
    }
    let all = by(&mail.reply_text);
    match all.meaning {
        Meaning::OptOut | Meaning::Refusal => refusal::Verdict { meaning: Meaning::Unsure, confidence: 50, ..all },
        Meaning::Unsure | Meaning::Neither => all,
    }
}

/// Whether an answer wants no more mail.
pub(super) fn is_opt_out(answer: Option<&Value>) -> bool {
    answer.and_then(|answer| answer.get("verdict")).and_then(Value::as_str) == Some(Meaning::OptOut.as_str())
}

/// The token of a mail to one of our accounts whose subject is `unsubscribe <token>`: what a mail program sends for the
/// address in our List-Unsubscribe.
pub(super) fn unsubscribe_token<'d>(context: &Context, draft: &'d Draft<'_>) -> Option<&'d str> {
    if draft.direction != Direction::Inbound
        || !draft.to.iter().chain(&draft.cc).any(|key| context.identity.is_ours(key))
    {
        return None;
    }
    unsubscribe::token_in_subject(&draft.arrival.mail.subject)
}

/// The last second of a day in UTC.
fn end_of_day(day: jiff::civil::Date) -> Option<Micros> {
    let end = day.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Micros::from_seconds(end.timestamp().as_second()))
}
