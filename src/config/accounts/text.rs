//! Accounts of text messages: a number of ours, or a pool of numbers, at a provider.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::{Account, AccountKind, BACKFILL, Backfill, POLL, SETTLE, manner, ranges, refuse_letters, rhythm};
use crate::config::reader::{Found, Reader, Section};
use crate::config::secret;
use crate::config::source::Span;
use crate::config::teammates::once;
use crate::config::texting::{Form, Setting, Settings, Texting};
use crate::domain::schedule::Range;

/// What an account of kind `twilio` or `telnyx` has.
#[derive(Debug, Clone)]
pub struct TextAccount {
    /// Whose number it is.
    pub provider: &'static Texting,
    /// What the provider is told. Secrets are missing where the configuration was loaded without them.
    pub settings: Settings,
    /// How far back the first reading goes. Default 30 days.
    pub backfill: Backfill,
    /// How often the provider is asked for what is new. Default 60 s.
    pub poll: Duration,
    /// When sequences may write, where whoever gets it is. Default 08:00 to 21:00: the hours in which the law of the United States lets
    /// businesses call (47 CFR 64.1200(c)(1)).
    pub send_hours: Vec<Range>,
    /// How long after a lost answer it counts as proof that the provider does not list the message. Default 15 minutes.
    pub settle: Duration,
}

pub(super) fn read(
    s: &mut Section<'_>,
    r: &mut Reader,
    (id, provider): (&str, &'static Texting),
    seen: &mut BTreeMap<String, Span>,
) -> Option<Account> {
    let mut texts = Vec::new();
    let mut given = Vec::new();
    for setting in provider.settings {
        if setting.is_secret() {
            given.extend(secret::read(s, r, setting.name).map(|secret| (setting.name.to_owned(), secret.value)));
        } else if let Some(text) = s.text(r, setting.name).filter(|text| fits(r, setting, text)) {
            given.push((setting.name.to_owned(), SecretString::from(text.value.as_str())));
            texts.push((setting.name, text));
        }
    }
    let manner = manner(s, r);
    let rhythm = rhythm(s, r);
    let send_hours = ranges(s, r, "send_hours").unwrap_or_else(usual_hours);
    hold_together(s, r, provider);
    let instead = format!("it writes from this: {}", examples(provider, provider.senders()));
    refuse_letters(s, r, provider.name, &instead);
    let from = provider.senders().iter().find_map(|sender| texts.iter().find(|(name, _)| name == sender));
    let (_, from) = from?;
    let hint = "a number or a pool of numbers belongs to one account: take it out of one";
    once(r, seen, (&from.value.to_ascii_lowercase(), from), hint);
    let account = TextAccount {
        provider,
        settings: Settings::new(given),
        backfill: rhythm.backfill.unwrap_or(BACKFILL),
        poll: rhythm.poll.unwrap_or(POLL),
        send_hours,
        settle: rhythm.settle.unwrap_or(SETTLE),
    };
    Some(manner.into_account(id, from.value.clone(), AccountKind::Text(Box::new(account))))
}

fn usual_hours() -> Vec<Range> {
    Range::parse("08:00-21:00").into_iter().collect()
}

/// Whether a value is written as its setting is.
fn fits(r: &mut Reader, setting: &Setting, text: &Found<String>) -> bool {
    let Err(how) = setting.form.check(&text.value) else { return true };
    // Where an id or a key belongs, people paste a secret.
    if !matches!(setting.form, Form::Number | Form::Url) {
        r.sources.mask(text.span);
    }
    r.error(text, format!("`{}` can't be right", text.key), &how);
    false
}

/// Looks at which settings there are, whatever they hold.
fn hold_together(s: &Section<'_>, r: &mut Reader, provider: &Texting) {
    let mut told = Vec::new();
    for (one, other) in provider.together.iter().flat_map(|(one, other)| [(*one, *other), (*other, *one)]) {
        if s.has(one) && !s.has(other) {
            s.require(r, other, &format!("`{one}` needs it: write {}", examples(provider, &[other])));
            told.push(other);
        }
    }
    for group in provider.any_of.iter().filter(|group| !group.iter().any(|name| told.contains(name))) {
        s.require_any(r, group, &format!("write {}", examples(provider, group)));
    }
    for (one, other) in provider.apart {
        if let (Some(first), Some(second)) = (s.place(one), s.place(other)) {
            let message = format!("`{one}` and `{other}` don't go together");
            r.error(&second, message, "an account is one number or one pool of numbers: take one of the two out");
            r.relate("the other one", first.span);
        }
    }
}

/// How settings are written, and what they are.
fn examples(provider: &Texting, names: &[&str]) -> String {
    let settings = names.iter().filter_map(|name| provider.setting(name));
    settings.map(|setting| format!("{} ({})", setting.example(), setting.about)).collect::<Vec<_>>().join(", or ")
}
