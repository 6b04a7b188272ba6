//! What shall happen in a simulation, as people write it: `+1d click intro`, `intro+2h reply`, `2026-03-04 10:00 unsubscribe`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::read_instant;
use crate::config::suggest::nearest;
use crate::domain::day::{Day, Minute};
use crate::domain::sequence::Definition;
use crate::domain::time::Micros;
use crate::domain::zone::{Wall, Zone};

/// One event that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// To whom (a handle or an address); to everybody in the simulation where it is not said.
    pub who: Option<String>,
    /// When.
    pub when: When,
    /// What.
    pub act: Act,
    /// As it was written.
    pub text: String,
}

/// When it shall happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long after the simulation began, or after a step was sent or begun.
    After {
        /// The step; none: the beginning.
        step: Option<String>,
        /// Wall-clock days.
        days: i32,
        /// And so long beside.
        length: Duration,
        /// Then at this time of the day, where they are.
        at: Option<Minute>,
    },
    /// At this day and time, where they are.
    At(String),
}

/// What they answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// They talk to us.
    Talk,
    /// They say no.
    Refusal,
    /// They want no more mail.
    OptOut,
    /// No rule can tell.
    Unsure,
}

impl Meaning {
    /// The word of the signal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Talk => "none",
            Self::Refusal => "refusal",
            Self::OptOut => "opt_out",
            Self::Unsure => "unsure",
        }
    }
}

/// What shall happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// They open the mail of a step, or the last one.
    Open(Option<String>),
    /// They click in it.
    Click(Option<String>),
    /// They answer.
    Reply(Meaning),
    /// The mail of a step (or the last one) bounces for good.
    Bounce(Option<String>),
    /// They call it spam.
    Complain(Option<String>),
    /// They unsubscribe.
    Unsubscribe,
    /// They are away until a day, or do not say until when.
    Away(Option<Day>),
    /// A person does the task of a step, with an answer.
    Task {
        /// The step.
        step: String,
        /// The answer.
        answer: String,
    },
    /// A person approves the mail of a step.
    Approve(Option<String>),
    /// A person writes a mail to them from an account.
    Manual(String),
    /// A person holds them until a day.
    Hold(Day),
}

/// What can't be read of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event `{text}` can't be read: {why}")]
pub struct GivenError {
    /// As it was written.
    pub text: String,
    /// What to change.
    pub why: String,
}

/// What can be written, for messages.
const ACTS: &str = "open [STEP], click [STEP], reply, refuse, opt_out, unsure, bounce [STEP], complain [STEP], unsubscribe, \
    out_of_office [until DATE], task STEP \"answer\", approve [STEP], manual mail from ACCOUNT, hold until DATE";
/// The first words of them.
const NAMES: [&str; 14] = [
    "open",
    "click",
    "reply",
    "refuse",
    "opt_out",
    "unsure",
    "bounce",
    "complain",
    "unsubscribe",
    "out_of_office",
    "task",
    "approve",
    "manual",
    "hold",
];
const WHENS: &str = "+1d, +2h30m, +1d 10:00, STEP+2h, 2026-03-04 or 2026-03-04 10:00";

impl FromStr for Given {
    type Err = GivenError;

    fn from_str(text: &str) -> Result<Self, GivenError> {
        let fail = |why: String| GivenError { text: text.chars().take(120).collect(), why };
        let mut rest = text.trim();
        let who = if rest.starts_with('@') { Some(word(&mut rest).to_owned()) } else { None };
        let first = word(&mut rest);
        let time = peek(rest).filter(|w| Minute::parse(w).is_some());
        let when = match (first.split_once('+'), Day::parse(first), Micros::parse(first)) {
            (Some((step, length)), _, None) => {
                let (days, length) = span(length).ok_or_else(|| fail(format!("when is one of {WHENS}")))?;
                let at = time.and_then(Minute::parse);
                When::After { step: Some(step.to_owned()).filter(|s| !s.is_empty()), days, length, at }
            }
            (_, Some(_), _) => When::At(time.map_or_else(|| first.to_owned(), |time| format!("{first} {time}"))),
            (_, None, Some(_)) => When::At(first.to_owned()),
            (None, None, None) => return Err(fail(format!("it begins with when: {WHENS}"))),
        };
        if time.is_some() && Micros::parse(first).is_none() {
            word(&mut rest);
        }
        let act = act(rest).map_err(|why| fail(why.unwrap_or_else(|| format!("what happens is one of {ACTS}"))))?;
        Ok(Self { who, when, act, text: text.trim().to_owned() })
    }
}

fn peek(rest: &str) -> Option<&str> {
    rest.split_whitespace().next()
}

/// Takes the next word.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let (word, left) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    *rest = left.trim_start();
    word
}

fn act(mut rest: &str) -> Result<Act, Option<String>> {
    let what = word(&mut rest).to_lowercase();
    let all = rest;
    let step = || Some(all.trim().to_owned()).filter(|s| !s.is_empty());
    let day = |text: &str| {
        let text = text.trim().strip_prefix("until").unwrap_or(text).trim();
        Day::parse(text).ok_or_else(|| Some(format!("`{text}` is no day: write 2026-03-09")))
    };
    Ok(match what.as_str() {
        "open" | "opens" => Act::Open(step()),
        "click" | "clicks" => Act::Click(step()),
        "reply" | "replies" => Act::Reply(Meaning::Talk),
        "refuse" | "refuses" => Act::Reply(Meaning::Refusal),
        "opt_out" => Act::Reply(Meaning::OptOut),
        "unsure" => Act::Reply(Meaning::Unsure),
        "bounce" | "bounces" => Act::Bounce(step()),
        "complain" | "complains" => Act::Complain(step()),
        "unsubscribe" | "unsubscribes" => Act::Unsubscribe,
        "out_of_office" if all.trim().is_empty() => Act::Away(None),
        "out_of_office" => Act::Away(Some(day(all)?)),
        "hold" => Act::Hold(day(all)?),
        "task" => {
            let step = word(&mut rest).to_owned();
            if step.is_empty() {
                return Err(Some("say which step's task: task STEP \"answer\"".to_owned()));
            }
            Act::Task { step, answer: rest.trim().trim_matches('"').to_owned() }
        }
        "approve" => Act::Approve(step()),
        "manual" => {
            let account = all.rsplit(char::is_whitespace).next().unwrap_or_default();
            if account.is_empty() {
                return Err(Some("say from which account: manual mail from ACCOUNT".to_owned()));
            }
            Act::Manual(account.to_owned())
        }
        other => {
            let near = nearest(other, &NAMES);
            return Err(near.map(|near| format!("there is no `{other}`; did you mean `{near}`?")));
        }
    })
}

impl Given {
    /// The steps it names.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        let of_act = match &self.act {
            Act::Open(step) | Act::Click(step) | Act::Bounce(step) | Act::Complain(step) | Act::Approve(step) => {
                step.as_deref()
            }
            Act::Task { step, .. } => Some(step.as_str()),
            Act::Reply(_) | Act::Unsubscribe | Act::Away(_) | Act::Manual(_) | Act::Hold(_) => None,
        };
        self.when.step().into_iter().chain(of_act)
    }

    /// Whether a sequence has the steps it names; else what is wrong, and what was meant perhaps.
    pub fn judge(&self, definition: &Definition) -> Result<(), String> {
        self.steps().try_for_each(|step| judge_step(step, definition))
    }
}

/// Whether a sequence has a step; else what is wrong, and what was meant perhaps.
pub(super) fn judge_step(step: &str, definition: &Definition) -> Result<(), String> {
    if definition.step(step).is_some() {
        return Ok(());
    }
    let ids: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
    let shown: String = step.chars().take(60).collect();
    Err(nearest(step, &ids).map_or_else(
        || format!("there is no step `{shown}`; there are: {}", ids.join(", ")),
        |near| format!("there is no step `{shown}`; did you mean `{near}`?"),
    ))
}

/// Reads `1d`, `2h30m`, `1w2d`: wall-clock days, and what comes beside. `0d` is nothing.
fn span(text: &str) -> Option<(i32, Duration)> {
    let (mut days, mut minutes, mut digits) = (0_i32, 0_u64, String::new());
    if text.is_empty() {
        return None;
    }
    for letter in text.chars() {
        if letter.is_ascii_digit() && digits.len() < 5 {
            digits.push(letter);
            continue;
        }
        let number: u32 = std::mem::take(&mut digits).parse().ok()?;
        match letter {
            'w' => days = days.checked_add(i32::try_from(number.checked_mul(7)?).ok()?)?,
            'd' => days = days.checked_add(i32::try_from(number).ok()?)?,
            'h' => minutes = minutes.checked_add(u64::from(number) * 60)?,
            'm' => minutes = minutes.checked_add(u64::from(number))?,
            _ => return None,
        }
    }
    digits.is_empty().then(|| (days, Duration::from_secs(minutes * 60)))
}

impl When {
    /// The instant, counted from `base`, in somebody's zone.
    pub fn resolve(&self, base: Micros, zone: &Zone) -> Option<Micros> {
        match self {
            Self::At(text) => read_instant(text, zone),
            Self::After { days, length, at, .. } => {
                let wall = zone.wall(base);
                let day = wall.day().plus(*days);
                let moved = match at {
                    Some(minute) => zone.instant(Wall::new(day, *minute)),
                    None if *days == 0 => base,
                    None => zone.instant(wall.on(day)),
                };
                Some(moved.plus(*length))
            }
        }
    }

    /// The step it is counted from.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::After { step, .. } => step.as_deref(),
            Self::At(_) => None,
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Given {
        text.parse().unwrap()
    }

    #[test]
    fn events_are_read_as_people_write_them() {
        let given = read("+1d click intro");
        assert_eq!(given.act, Act::Click(Some("intro".to_owned())));
        let zone = Zone::named("America/New_York").unwrap();
        let base = Micros::parse("2026-03-07T14:00:00Z").unwrap();
        // The clock is put forward in between: the same time of the day, 23 hours later.
        assert_eq!(given.when.resolve(base, &zone), Micros::parse("2026-03-08T13:00:00Z"));
        assert_eq!(read("+1d 10:00 reply").when.resolve(base, &zone), Micros::parse("2026-03-08T14:00:00Z"));
        assert_eq!(read("+2h30m open").when.resolve(base, &zone), Micros::parse("2026-03-07T16:30:00Z"));
        assert_eq!(read("intro+2h reply").when.step(), Some("intro"));
        assert_eq!(read("2026-03-09 10:00 refuse").when.resolve(base, &zone), Micros::parse("2026-03-09T14:00:00Z"));
        assert_eq!(read("2026-03-09T10:00:00Z refuse").act, Act::Reply(Meaning::Refusal));
        let task = Act::Task { step: "look".to_owned(), answer: "loved the last one".to_owned() };
        assert_eq!(read("+3h task look \"loved the last one\"").act, task);
        assert_eq!(read("@ana +1d manual mail from hello").who.as_deref(), Some("@ana"));
        assert_eq!(read("+1d out_of_office until 2026-03-20").act, Act::Away(Day::parse("2026-03-20")));
    }

    #[test]
    fn what_can_not_be_read_says_what_can() {
        for (text, says) in [
            ("click", "begins with when"),
            ("+1d dance", "unsubscribe"),
            ("+1d clik intro", "did you mean `click`?"),
            ("+1d aprove intro", "did you mean `approve`?"),
            ("+1x open", "+2h30m"),
            ("+1d hold until x", "no day"),
        ] {
            let error = text.parse::<Given>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
