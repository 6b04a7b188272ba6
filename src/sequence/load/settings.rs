//! What `sequence.toml` says beside its steps.

use super::draft::{Draft, DraftVariable, Script};
use super::{Known, codes, place, tell};
use crate::config::reader::{Found, Reader, Section};
use crate::config::suggest::nearest;
use crate::config::tree::{Node, Value};
use crate::domain::calendar::shipped_countries;
use crate::domain::day::Day;
use crate::domain::delay::{After as Moment, Delay};
use crate::domain::schedule::{Gap, Hours, HoursError};
use crate::domain::sequence::{After, PauseIf, Unsubscribe, Variable, ZoneRule};
use crate::domain::stage::StageId;
use crate::domain::words::Channel;
use jiff::tz::TimeZone;

/// Most variables.
const VARIABLES_MAX: usize = 100;
/// Most single dates and countries.
const HOLIDAYS_MAX: usize = 100;

pub(super) fn read(root: &mut Section<'_>, r: &mut Reader, known: &Known<'_>, draft: &mut Draft) {
    draft.name = root.text(r, "name").map(|name| name.value);
    read_accounts(root, r, known, draft);
    for (key, channel) in [("sms_account", Channel::Sms), ("slack_account", Channel::Slack)] {
        read_voice(root, r, known, draft, (key, channel));
    }
    draft.enter_from = root.texts(r, "enter_from").iter().filter_map(|text| stage(r, known, text)).collect();
    let exits = root.texts(r, "exit_on");
    draft.exit_on = exits.iter().filter_map(|text| exit(r, known, text)).collect();
    let allowed = [("footer", Unsubscribe::Footer), ("inline", Unsubscribe::Inline), ("header", Unsubscribe::Header)];
    if let Some(unsubscribe) = root.choice(r, "unsubscribe", &allowed) {
        draft.unsubscribe_at = Some(place(&unsubscribe));
        draft.unsubscribe = unsubscribe.value;
    }
    draft.allow_parallel = root.flag(r, "allow_parallel").is_some_and(|flag| flag.value);
    if let Some(name) = known.config.timezone.iana_name() {
        name.clone_into(&mut draft.schedule.fallback);
    }
    if let Some(section) = root.section(r, "schedule") {
        read_schedule(section, r, draft);
    }
    if let Some(section) = root.section(r, "limits") {
        read_limits(section, r, draft);
    }
    if let Some(section) = root.section(r, "variables") {
        read_variables(&section, r, draft);
    }
    if let Some(mut on) = root.section(r, "on") {
        if let Some(reply) = on.section(r, "reply") {
            draft.on_reply = Some(read_follow(reply, r, known, draft, false));
        }
        if let Some(finish) = on.section(r, "finish") {
            draft.on_finish = Some(read_follow(finish, r, known, draft, true));
        }
        on.finish(r);
    }
    read_pauses(root, r, draft);
}

fn read_accounts(root: &mut Section<'_>, r: &mut Reader, known: &Known<'_>, draft: &mut Draft) {
    let accounts = &known.config.accounts;
    let is_mailbox = |name: &str| accounts.get(name).is_some_and(|account| account.channel() == Channel::Email);
    let mailboxes: Vec<&str> = accounts.keys().map(String::as_str).filter(|name| is_mailbox(name)).collect();
    let given = root.texts(r, "account");
    if !root.has("account") {
        match mailboxes.as_slice() {
            [only] => {
                let value = (*only).to_owned();
                draft.accounts.push(Found { value, span: draft.here.span, key: "account".to_owned() });
            }
            [] => {
                let hint = "a run belongs to a mailbox, also where only texts go: write [accounts.NAME] of one into liaison.toml";
                root.require(r, "account", hint);
            }
            several => {
                let hint = format!(
                    "write account = \"NAME\": the mailbox that sends, or a list of them ({}); a run belongs to one also where \
                     only texts go",
                    several.iter().take(20).copied().collect::<Vec<_>>().join(", ")
                );
                root.require(r, "account", &hint);
            }
        }
        return;
    }
    for account in given {
        if is_mailbox(&account.value) {
            if draft.accounts.iter().any(|other| other.value == account.value) {
                tell(r, codes::BAD_VALUE, &place(&account), "the account is named twice", "name it once");
            }
            draft.accounts.push(account);
            continue;
        }
        if let Some(other) = accounts.get(&account.value) {
            let words = format!("`{}` is an account of the channel `{}`, and no mailbox", other.id, other.channel());
            tell(
                r,
                codes::NOBODY,
                &place(&account),
                words,
                "name a mailbox: a run belongs to one, also where only texts go; which number says them stands in sms_account",
            );
            continue;
        }
        let hint = did_you_mean(&account.value, &mailboxes, "accounts");
        tell(r, codes::NOBODY, &place(&account), format!("there is no account `{}`", cut(&account.value)), &hint);
    }
}

/// The account that says something on a channel that is no mail.
fn read_voice(
    root: &mut Section<'_>,
    r: &mut Reader,
    known: &Known<'_>,
    draft: &mut Draft,
    (key, channel): (&'static str, Channel),
) {
    let Some(given) = root.text(r, key) else {
        if root.has(key) {
            draft.lost_voices.insert(channel.to_string());
        }
        return;
    };
    let of_channel = known.config.accounts.values().filter(|account| account.channel() == channel);
    let names: Vec<&str> = of_channel.map(|account| account.id.as_str()).collect();
    if names.contains(&given.value.as_str()) {
        draft.voices.insert(channel.to_string(), given.value);
        return;
    }
    draft.lost_voices.insert(channel.to_string());
    let message = format!("there is no account `{}` of the channel `{channel}`", cut(&given.value));
    let hint = did_you_mean(&given.value, &names, "accounts");
    tell(r, codes::NOBODY, &place(&given), message, &hint);
}

/// At most so much of a text as a message can hold.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

pub(super) fn did_you_mean(given: &str, known: &[&str], what: &str) -> String {
    match nearest(given, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("there are no {what} yet"),
        None => format!("there are the {what} {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", ")),
    }
}

/// A stage that is declared.
pub(super) fn stage(r: &mut Reader, known: &Known<'_>, text: &Found<String>) -> Option<StageId> {
    let id = StageId(text.value.clone());
    if known.config.stages.get(&id).is_some() {
        return Some(id);
    }
    let names: Vec<&str> = known.config.stages.all().iter().map(|stage| stage.id.as_str()).collect();
    let hint = did_you_mean(&text.value, &names, "stages");
    tell(r, codes::UNKNOWN_STAGE, &place(text), format!("there is no stage `{}`", cut(&text.value)), &hint);
    None
}

fn exit(r: &mut Reader, known: &Known<'_>, text: &Found<String>) -> Option<StageId> {
    let Some(name) = text.value.strip_prefix("stage:") else {
        let message = format!("`{}` can't end a run", cut(&text.value));
        tell(
            r,
            codes::BAD_VALUE,
            &place(text),
            message,
            "write it as in \"stage:agreed\"; replies and opt-outs always do",
        );
        return None;
    };
    stage(r, known, &Found { value: name.to_owned(), span: text.span, key: text.key.clone() })
}

fn read_schedule(mut s: Section<'_>, r: &mut Reader, draft: &mut Draft) {
    if let Some(zone) = s.text(r, "timezone")
        && zone.value != "influencer"
        && is_zone(r, &zone)
    {
        draft.schedule.zone = ZoneRule::Fixed;
        draft.schedule.fallback.clone_from(&zone.value);
    }
    if let Some(zone) = s.text(r, "fallback") {
        if draft.schedule.zone == ZoneRule::Fixed {
            let message = "`fallback` has no use where `timezone` names one zone for all";
            tell(r, codes::BAD_VALUE, &place(&zone), message, "take the line out, or write timezone = \"influencer\"");
        } else if is_zone(r, &zone) {
            draft.schedule.fallback = zone.value;
        }
    }
    let listed = |s: &mut Section<'_>, r: &mut Reader, key: &'static str| {
        let at = s.node(key).map(|node| place(&node));
        let texts = s.texts(r, key);
        at.map(|at| (at, texts))
    };
    let days = listed(&mut s, r, "days");
    let hours = listed(&mut s, r, "hours");
    draft.hours_at = hours.as_ref().or(days.as_ref()).map(|(at, _)| at.clone());
    let values = |given: &Option<(Found<()>, Vec<Found<String>>)>, default: &[String]| -> Vec<String> {
        given.as_ref().map_or_else(|| default.to_vec(), |(_, texts)| texts.iter().map(|t| t.value.clone()).collect())
    };
    let named_days = values(&days, &draft.schedule.days);
    let named_hours = values(&hours, &draft.schedule.hours);
    if let Err(error) = Hours::parse(&named_days, &named_hours) {
        let about_days = matches!(error, HoursError::NotADay(_) | HoursError::NoDays);
        let given = if about_days { &days } else { &hours };
        let at = given.as_ref().map_or_else(|| draft.here.clone(), |(at, texts)| wrong_one(at, texts, &error));
        let code =
            if matches!(error, HoursError::NoDays | HoursError::NoRanges) { codes::NEVER_OPENS } else { codes::HOURS };
        tell(r, code, &at, error.to_string(), "days = [\"mon\", \"fri\"], hours = [\"09:00-12:00\"]");
    }
    draft.schedule.days = named_days.iter().map(|day| day.to_ascii_lowercase()).collect();
    draft.schedule.hours = named_hours;
    let holidays = s.texts(r, "holidays");
    if let Some(last) = holidays.get(HOLIDAYS_MAX) {
        tell(r, codes::TOO_MUCH, &place(last), format!("more than {HOLIDAYS_MAX} holidays"), "name a country instead");
    }
    draft.schedule.holidays = holidays.iter().filter_map(|text| holiday(r, text)).collect();
    if let Some(late) = s.text(r, "max_late")
        && is_delay(r, &late)
    {
        draft.schedule.max_late = late.value;
    }
    s.finish(r);
}

/// The text of a list that an error is about.
fn wrong_one(list: &Found<()>, texts: &[Found<String>], error: &HoursError) -> Found<()> {
    let meant = match error {
        HoursError::NotARange(text) | HoursError::Empty(text) | HoursError::NotADay(text) => Some(text.clone()),
        HoursError::PastMidnight { start, end } => Some(format!("{start}-{end}")),
        HoursError::Overlap(..) | HoursError::NoDays | HoursError::NoRanges | HoursError::TooMany => None,
    };
    let found = meant.and_then(|meant| texts.iter().find(|text| text.value.replace(' ', "") == meant.replace(' ', "")));
    found.map_or_else(|| list.clone(), place)
}

fn is_zone(r: &mut Reader, zone: &Found<String>) -> bool {
    if TimeZone::get(&zone.value).is_ok() {
        return true;
    }
    let all: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let hint = nearest(&zone.value, &names).map_or_else(
        || "a name of the IANA list, as in \"Europe/Madrid\"".to_owned(),
        |near| format!("did you mean \"{near}\"?"),
    );
    tell(r, codes::ZONE, &place(zone), format!("there is no time zone `{}`", cut(&zone.value)), &hint);
    false
}

fn holiday(r: &mut Reader, text: &Found<String>) -> Option<String> {
    let lower = text.value.to_ascii_lowercase();
    if Day::parse(&lower).is_some() || shipped_countries().any(|code| code == lower) {
        return Some(lower);
    }
    let known: Vec<&str> = shipped_countries().collect();
    let hint = format!("a date as in \"2026-12-24\", or one of {}", known.join(", "));
    tell(r, codes::HOURS, &place(text), format!("`{}` is no holiday", cut(&text.value)), &hint);
    None
}

/// Whether a text is a length of time; tells where it is not.
pub(super) fn is_delay(r: &mut Reader, text: &Found<String>) -> bool {
    let fine = Delay::parse(&text.value).is_some();
    if !fine {
        let message = format!("`{}` is no length of time", cut(&text.value));
        tell(r, codes::DELAY, &place(text), message, "write it as in \"36h\", \"3 days\" or \"2 business days\"");
    }
    fine
}

/// The same for `after`, which may also name a weekday.
pub(super) fn is_after(r: &mut Reader, text: &Found<String>) -> bool {
    let fine = Moment::parse(&text.value).is_some();
    if !fine {
        let message = format!("`{}` is no length of time", cut(&text.value));
        let hint = "write it as in \"36h\", \"3 days\", \"2 business days\" or \"next tue 10:00\"";
        tell(r, codes::DELAY, &place(text), message, hint);
    }
    fine
}

fn read_limits(mut s: Section<'_>, r: &mut Reader, draft: &mut Draft) {
    let mut number = |s: &mut Section<'_>, r: &mut Reader, key: &'static str| {
        let found = s.integer(r, key, 1..=1_000_000)?;
        let value = u32::try_from(found.value).ok()?;
        draft.limits_at.push((key, Found { value, span: found.span, key: found.key }));
        Some(value)
    };
    let new_per_day = number(&mut s, r, "new_per_day");
    let per_day = number(&mut s, r, "per_day");
    let per_domain = number(&mut s, r, "per_domain");
    let gap = s.text(r, "gap");
    if let Some(gap) = gap.as_ref().filter(|gap| Gap::parse(&gap.value).is_none()) {
        let message = format!("`{}` is no pause", cut(&gap.value));
        tell(r, codes::DELAY, &place(gap), message, "write it as in \"2m to 7m\", the shorter first, at most 24h");
    }
    s.finish(r);
    draft.limits.new_per_day = new_per_day;
    draft.limits.per_day = per_day;
    draft.limits.per_domain = per_domain;
    draft.limits.gap = gap.map(|gap| gap.value);
}

/// Text, a number, or true or false, as JSON.
fn plain(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Text(text) => Some(text.clone().into()),
        Value::Integer(n) => Some((*n).into()),
        Value::Float(n) => serde_json::Number::from_f64(*n).map(Into::into),
        Value::Flag(flag) => Some((*flag).into()),
        Value::Moment | Value::List(_) | Value::Table(_) | Value::Raw(_) => None,
    }
}

fn plain_of(r: &mut Reader, node: &Found<&Node>) -> Option<serde_json::Value> {
    let value = plain(&node.value.value);
    if value.is_none() {
        let message =
            format!("`{}` takes text, a number, true or false, not {}", node.key, node.value.value.describe());
        tell(r, codes::BAD_VALUE, &place(node), message, "write it as in { value = \"Trail Tee\" }");
    }
    value
}

fn read_variables(s: &Section<'_>, r: &mut Reader, draft: &mut Draft) {
    for (count, entry) in s.table.entries.iter().enumerate() {
        let name = Found { value: (), span: entry.key_span, key: s.full(&entry.key) };
        if count == VARIABLES_MAX {
            tell(r, codes::TOO_MUCH, &name, format!("more than {VARIABLES_MAX} variables"), "take some out");
            break;
        }
        if !is_name(&entry.key) {
            let message = format!("`{}` can't be the name of a variable", cut(&entry.key));
            tell(r, codes::VARIABLE, &name, message, "lower-case letters, digits and _, a letter first, at most 40");
            continue;
        }
        let node = Found { value: &entry.node, span: entry.node.span, key: name.key.clone() };
        let mut variable = Variable { name: entry.key.clone(), value: None, from: None, default: None };
        let mut from_at = None;
        if let Value::Table(table) = &entry.node.value {
            let mut section = Section::new(table, &name.key);
            variable.value = section.node("value").and_then(|node| plain_of(r, &node));
            let from = section.text(r, "from");
            from_at = from.as_ref().map(place);
            variable.from = from.map(|from| from.value);
            variable.default = section.node("default").and_then(|node| plain_of(r, &node));
            let (has_value, has_from) = (section.has("value"), section.has("from"));
            let has_default = section.has("default");
            section.finish(r);
            if has_value && (has_from || has_default) {
                let message = format!("`{}` has a value, so nothing else has any effect", entry.key);
                tell(r, codes::VARIABLE, &name, message, "keep `value`, or `from` and `default`");
            } else if !has_value && !has_from {
                let message = format!("`{}` comes from nowhere", entry.key);
                tell(r, codes::VARIABLE, &name, message, "write { value = \"…\" } or { from = \"influencer.…\" }");
            }
        } else {
            variable.value = plain_of(r, &node);
        }
        draft.variables.push(DraftVariable { variable, name, from: from_at });
    }
}

/// Whether a text can be a name of the template language.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 40
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A text as written, with its place, letter by letter where that can be.
pub(super) fn script(r: &Reader, node: &Found<&Node>) -> Option<Script> {
    let text = node.value.value.text()?.to_owned();
    let raw = r.sources.text(node.span);
    let begin = raw.find(&text).filter(|_| !text.is_empty()).map(|at| node.span.start + at);
    Some(Script { text, key: node.key.clone(), begin, whole: node.span })
}

/// What is planned but not there.
pub(super) fn tell_absent(s: &mut Section<'_>, r: &mut Reader, keys: &[&'static str]) -> bool {
    let mut told = false;
    for key in keys {
        if let Some(entry) = s.table.get(key) {
            let at = Found { value: (), span: entry.key_span, key: s.full(key) };
            tell(r, codes::UNKNOWN_KEY, &at, format!("`{key}` is not there yet"), "use stage or task");
            told = true;
            s.know(&[key]);
        }
    }
    told
}

fn read_follow(mut s: Section<'_>, r: &mut Reader, known: &Known<'_>, draft: &mut Draft, waits: bool) -> After {
    let mut follow = After { after: None, condition: None, stage: None, task: None };
    tell_absent(&mut s, r, &["notify", "slack", "sms"]);
    if waits {
        follow.after = s.text(r, "after").filter(|text| is_after(r, text)).map(|text| text.value);
        if let Some(node) = s.node("if") {
            follow.condition = super::steps::condition(r, &node).map(|script| {
                draft.follow_conditions.push(script.clone());
                script.text
            });
        }
    }
    follow.stage = s.text(r, "stage").and_then(|text| stage(r, known, &text));
    if s.text(r, "task").is_some()
        && let Some(script) = s.node("task").and_then(|node| script(r, &node))
    {
        follow.task = Some(script.text.clone());
        draft.follow_tasks.push(script);
    }
    if !s.has("stage") && !s.has("task") {
        let here = s.here();
        tell(r, codes::MISSING_KEY, &here, "nothing follows", "write stage = \"…\" or task = \"…\"");
    }
    s.finish(r);
    follow
}

fn read_pauses(root: &mut Section<'_>, r: &mut Reader, draft: &mut Draft) {
    let Some(list) = root.node("pause_if") else { return };
    let Value::List(items) = &list.value.value else {
        tell(r, codes::BAD_VALUE, &place(&list), "`pause_if` is a list", "write [[pause_if]] with two brackets");
        return;
    };
    for item in items.iter().take(20) {
        let Value::Table(table) = &item.value else { continue };
        let mut s = Section::new(table, "pause_if");
        let mut rate = |r: &mut Reader, key: &'static str| {
            let node = s.node(key)?;
            let rate = node.value.value.number().filter(|rate| *rate > 0.0 && *rate <= 1.0);
            if rate.is_none() {
                let message = format!("`{}` is a share above 0 and up to 1", node.key);
                tell(r, codes::BAD_VALUE, &place(&node), message, "0.05 is one in twenty");
            }
            rate
        };
        let bounce_rate = rate(r, "bounce_rate");
        let complaint_rate = rate(r, "complaint_rate");
        let unsubscribe_rate = rate(r, "unsubscribe_rate");
        if table.entries.is_empty() {
            tell(r, codes::MISSING_KEY, &s.here(), "nothing to pause for", "write bounce_rate = 0.05");
        }
        s.finish(r);
        draft.pause_if.push(PauseIf { bounce_rate, complaint_rate, unsubscribe_rate });
    }
}
