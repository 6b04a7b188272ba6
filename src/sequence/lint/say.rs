//! Steps on channels that are no mail: whether there is an account that says it, how many parts a text goes in, and whether it says how
//! to end them.

use super::super::codes;
use super::super::load::{Draft, DraftStep, Known, Script, tell};
use crate::config::reader::Reader;
use crate::domain::sequence::StepKind;
use crate::domain::sms::{self, Encoding};
use crate::domain::words::{Channel, Word as _};

/// Judges what a sequence says beside its mail.
pub(super) fn judge(r: &mut Reader, known: &Known<'_>, draft: &Draft) {
    for channel in [Channel::Sms, Channel::Slack] {
        let first = draft.steps.iter().flat_map(|step| &step.says).find(|(of, _)| *of == channel);
        if let Some((_, script)) = first {
            judge_voice(r, known, draft, (channel, script));
        }
    }
    let mut is_first = true;
    for step in &draft.steps {
        for (_, text) in step.says.iter().filter(|(channel, _)| *channel == Channel::Sms) {
            judge_size(r, text);
            if is_first {
                judge_stop(r, text);
            }
            is_first = false;
        }
        judge_else(r, step);
    }
}

/// Without a word about it, it is said by the account they know, or by the only one there is: nobody who hears from us for the first
/// time could be written to where there are several. A name that is none of an account is told where it stands.
fn judge_voice(r: &mut Reader, known: &Known<'_>, draft: &Draft, (channel, script): (Channel, &Script)) {
    if draft.voices.contains_key(channel.as_str()) || draft.lost_voices.contains(channel.as_str()) {
        return;
    }
    let all = known.config.accounts.values().filter(|account| account.channel() == channel);
    let names: Vec<&str> = all.map(|account| account.id.as_str()).collect();
    match names.as_slice() {
        [_] => {}
        [] => {
            let hint = "write [accounts.NAME] with its kind into liaison.toml";
            tell(r, codes::NOBODY, &script.at(None), format!("there is no account of the channel `{channel}`"), hint);
        }
        several => {
            let message = format!("several accounts are of the channel `{channel}`, and nothing says which");
            let hint =
                format!("write {channel}_account = \"NAME\", for who knows none of them yet: {}", several.join(", "));
            tell(r, codes::NOBODY, &script.at(None), message, &hint);
        }
    }
}

fn judge_else(r: &mut Reader, step: &DraftStep) {
    let is_text = matches!(step.step.kind, StepKind::Say { channel: Channel::Sms, .. });
    if is_text && step.step.otherwise.is_none() {
        let hint = "who has no number, or did not agree to texts, is left out: write else = { email = \"…\" } or { task = \"…\" }";
        tell(r, codes::NO_ELSE, &step.here, "a text message without an `else`", hint);
    }
}

/// As it is written, without what its variables bring: it is no shorter than that.
fn judge_size(r: &mut Reader, script: &Script) {
    let fixed = without_tags(&script.text);
    let size = sms::size(&fixed);
    let odd = (size.encoding == Encoding::Ucs2).then(|| fixed.chars().find(|c| !sms::is_plain(*c))).flatten();
    if size.segments > 1 {
        let because = odd.map_or_else(String::new, |c| format!(", for `{c}` is no letter of the short alphabet"));
        let message = format!("the text goes in {} parts ({} units{because})", size.segments, size.units);
        let hint = format!("each part is paid for; one holds {} units", size.encoding.units_alone());
        tell(r, codes::SEGMENTS, &script.at(None), message, &hint);
    } else if let Some(odd) = odd {
        let message = format!("`{odd}` makes one part hold 70 units in place of 160");
        tell(
            r,
            codes::SEGMENTS,
            &script.at(None),
            message,
            "write it otherwise, or leave it as it is if the text stays short",
        );
    }
}

/// What stands outside of `{{ … }}` and `{% … %}`.
fn without_tags(text: &str) -> String {
    let mut rest = text;
    let mut fixed = String::new();
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        fixed.push_str(rest.get(..start).unwrap_or_default());
        let tail = rest.get(start..).unwrap_or_default();
        let end = tail.find("}}").into_iter().chain(tail.find("%}")).min();
        rest = end.and_then(|end| tail.get(end + 2..)).unwrap_or_default();
    }
    fixed.push_str(rest);
    fixed
}

fn judge_stop(r: &mut Reader, script: &Script) {
    if !script.text.to_uppercase().contains("STOP") {
        let hint = "carriers ask for it: end the first one with \"Reply STOP to opt out\"";
        tell(r, codes::NO_STOP, &script.at(None), "the first text message does not say how to end them", hint);
    }
}

#[cfg(test)]
mod tests {
    use super::without_tags;

    #[test]
    fn tags_are_left_out() {
        assert_eq!(without_tags("Hi {{ a }}{% if b %}, {% endif %}!"), "Hi , !");
        assert_eq!(without_tags("Hi {{ a"), "Hi ");
    }
}
