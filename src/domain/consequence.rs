//! What follows from what was learned: stage moves, ends of runs, suppressions, holds and tasks.
//!
//! Decides from one fact, the stage it met and the declared stages; asks nobody and changes nothing. The hub carries the
//! consequences out in the transaction that learned the fact.

use std::time::Duration;

use serde_json::Value;

use super::ids::AgentId;
use super::stage::{By, Move, Pin, StageId, StageKind, StageSignal, Stages, StayReason, decide_move};
use super::time::Micros;
use super::words::{EventType, Kind, Role, TaskKind, Word as _};

#[cfg(test)]
mod tests;

/// A click counts as a person's from this confidence on.
pub const CONFIDENT: f64 = 0.8;
/// So many soft bounces of one address hold the person…
pub const SOFT_BOUNCES: usize = 3;
/// … where they come within this time (SEMANTICS: 3 in 14 days).
pub const SOFT_BOUNCES_WITHIN: Duration = Duration::from_hours(14 * 24);
/// How long a hold lasts where nothing says until when.
pub const HOLD_USUAL: Duration = Duration::from_hours(7 * 24);
/// Longest hold that an absence note may ask for.
pub const HOLD_MAX: Duration = Duration::from_hours(366 * 24);
/// How long an agent's message that nobody assigns holds those it may be about.
pub const HOLD_UNASSIGNED: Duration = Duration::from_hours(14 * 24);

/// What a human answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// They want nothing any more.
    OptOut,
    /// They say no.
    Refusal,
    /// The rules can't tell: a person reads it.
    Unsure,
    /// A person has read it and said whose it is.
    Read,
    /// Anything else: they talk to us.
    Talk,
}

/// How bad a bounce is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounce {
    /// Nothing arrives there any more.
    Hard,
    /// It may work later.
    Soft,
    /// They refuse us, not the address.
    Policy,
}

/// A fact from which something may follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// A server took a message of ours.
    Sent,
    /// A person followed a link.
    Clicked,
    /// A person answered: the influencer, or this agent for them.
    Answered(Answer, Option<AgentId>),
    /// Somebody wrote whom nothing ties to one influencer: an agent, or an unknown writer among several.
    Unassigned,
    /// An unknown address wrote in their thread.
    Stranger,
    /// They are away, until they said or not.
    Away(Option<Micros>),
    /// They left the place of an address (the writer's where none is named); perhaps another one was given.
    Gone {
        /// The address.
        address: Option<String>,
        /// Whom to write to instead.
        instead: Option<String>,
    },
    /// A bounce came back for an address.
    Bounced(Bounce, String),
    /// A server refused a message of ours for good.
    Refused,
    /// They called it spam.
    Complained,
    /// Somebody unsubscribed by a link: whoever has this address, where it is known.
    Unsubscribed(Option<String>),
    /// A mail came that a link of ours asked for; its author, or this agent for them, where a person wrote it.
    Token(String, Option<Option<AgentId>>),
}

impl Happened {
    /// Reads a signal. `None` where nothing can follow from it.
    pub fn read(what: EventType, data: Option<&Value>) -> Option<Self> {
        let text = |name: &str| data?.get(name)?.as_str().filter(|t| !t.is_empty());
        let agent = || text("by_agent").and_then(|id| id.parse().ok());
        #[allow(clippy::wildcard_enum_match_arm, reason = "from every other fact nothing follows")]
        match what {
            EventType::MessageSent => Some(Self::Sent),
            EventType::MessageClicked => {
                let data = data?;
                let human = data.get("machine").and_then(Value::as_bool) == Some(false);
                let confidence = data.get("confidence").and_then(Value::as_f64).unwrap_or(0.0);
                (human && confidence >= CONFIDENT).then_some(Self::Clicked)
            }
            EventType::ThreadReplied => {
                let verdict = data.and_then(|d| d.pointer("/answer/verdict")).and_then(Value::as_str);
                let answer = match verdict {
                    Some("opt_out") => Answer::OptOut,
                    Some("refusal") => Answer::Refusal,
                    Some("unsure") => Answer::Unsure,
                    Some("read") => Answer::Read,
                    _ => Answer::Talk,
                };
                Some(Self::Answered(answer, agent()))
            }
            EventType::MessageReceived => Self::received(&text, agent),
            EventType::MessageBounced => {
                let bounce = match text("severity")? {
                    "hard" => Bounce::Hard,
                    "soft" => Bounce::Soft,
                    "policy" => Bounce::Policy,
                    _ => return None,
                };
                Some(Self::Bounced(bounce, text("address").unwrap_or_default().to_owned()))
            }
            EventType::MessageRejected => Some(Self::Refused),
            EventType::MessageComplained => Some(Self::Complained),
            EventType::InfluencerUnsubscribed => Some(Self::Unsubscribed(text("address").map(str::to_owned))),
            _ => None,
        }
    }

    fn received<'a>(text: &impl Fn(&str) -> Option<&'a str>, agent: impl Fn() -> Option<AgentId>) -> Option<Self> {
        let author = text("role") == Some(Role::Author.as_str());
        let waiting = text("waiting");
        if let Some(token) = text("unsubscribe_token") {
            let known = author && waiting.is_none();
            return Some(Self::Token(token.to_owned(), known.then(agent)));
        }
        match (text("kind").and_then(Kind::from_word)?, waiting) {
            (Kind::Human, Some("alias_proposed")) => Some(Self::Stranger),
            (Kind::Human, Some("agent_unassigned" | "unknown_sender")) => Some(Self::Unassigned),
            (Kind::OutOfOffice, None) if author => Some(Self::Away(text("until").and_then(Micros::parse))),
            (Kind::Gone, None) if author => Some(Self::Gone {
                address: text("gone_address").map(str::to_owned),
                instead: text("instead").map(str::to_owned),
            }),
            _ => None,
        }
    }
}

/// Where someone stands when something happens.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The stage they are in.
    pub stage: &'a StageId,
    /// Whether a person fixed it.
    pub pin: Pin,
    /// The stages there are; without them nobody is moved.
    pub stages: Option<&'a Stages>,
}

/// Why runs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// A person answered.
    Replied,
    /// A person answered, and it is not known what that says, or who it was.
    Unclear,
    /// They said no.
    Refused,
    /// They want nothing any more.
    OptedOut,
    /// They called it spam.
    Complained,
    /// No address is left at which anything arrives.
    Unreachable,
}

/// Which addresses are not written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The one that wrote, alone.
    Writer,
    /// That one and every mail address of the influencer.
    Everything,
}

/// Of what a task is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// Of the person: one for each.
    Person,
    /// Of the message: one, however many it may concern.
    Message,
}

/// One thing that follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Consequence {
    /// They move to this stage.
    Move(StageId),
    /// Their runs end.
    End(Ending),
    /// Their runs end, if no living address is left to them.
    EndIfUnreachable,
    /// Addresses are suppressed.
    Suppress(Whose),
    /// An address of theirs, or of an agent of theirs, is dead; the writer's where none is named.
    Dead(Option<String>),
    /// Nothing is sent to the person by itself before then.
    Hold(Micros, &'static str),
    /// The same, if this was one soft bounce too many of this address.
    CountSoft(String),
    /// A person is to do something.
    Task(TaskKind, About, String),
    /// Our account stops sending.
    PauseAccount,
    /// Whoever the token of a link stands for is unsubscribed.
    Redeem(String),
}

/// What follows from a fact, in the order in which it is done.
pub fn decide(happened: &Happened, standing: Option<Standing<'_>>, now: Micros) -> Vec<Consequence> {
    let Some(standing) = standing else {
        #[allow(clippy::wildcard_enum_match_arm, reason = "of nobody nothing else follows")]
        return match happened {
            Happened::Bounced(Bounce::Policy, _) => vec![Consequence::PauseAccount],
            Happened::Token(token, _) => vec![Consequence::Redeem(token.clone())],
            _ => Vec::new(),
        };
    };
    match happened {
        Happened::Sent => enter(standing, StageSignal::Sent, By::Rule),
        Happened::Clicked => enter(standing, StageSignal::Clicked, By::Rule),
        Happened::Answered(answer, agent) => decide_answer(*answer, agent.is_some(), standing),
        Happened::Stranger => vec![Consequence::End(Ending::Unclear)],
        Happened::Unassigned => {
            let text =
                "Say whose message this is and about whom (liaison unmatched list): until then their runs are held";
            vec![
                Consequence::Hold(now.plus(HOLD_UNASSIGNED), UNASSIGNED),
                Consequence::Task(TaskKind::Answer, About::Message, text.to_owned()),
            ]
        }
        Happened::Away(until) => vec![Consequence::Hold(hold_until(*until, now), "out of office")],
        Happened::Gone { address, instead } => {
            let whose = address.as_deref().unwrap_or("The address that answered");
            let instead = match instead {
                Some(other) => format!("they name {other} instead: find out whether to write there"),
                None => "find out where they are now".to_owned(),
            };
            vec![
                Consequence::Dead(address.clone()),
                Consequence::EndIfUnreachable,
                Consequence::Task(TaskKind::Address, About::Person, format!("{whose} is no longer theirs; {instead}")),
            ]
        }
        Happened::Bounced(Bounce::Hard, _) | Happened::Refused => vec![Consequence::EndIfUnreachable],
        Happened::Bounced(Bounce::Soft, address) => vec![Consequence::CountSoft(address.clone())],
        Happened::Bounced(Bounce::Policy, _) => vec![Consequence::PauseAccount],
        Happened::Complained => vec![Consequence::End(Ending::Complained)],
        Happened::Token(token, author) => {
            let mut all = vec![Consequence::Redeem(token.clone())];
            all.extend(author.iter().flat_map(|agent| decide_answer(Answer::OptOut, agent.is_some(), standing)));
            all
        }
        Happened::Unsubscribed(_) => {
            let mut all = vec![Consequence::End(Ending::OptedOut), Consequence::Suppress(Whose::Everything)];
            all.extend(leave(standing, StageKind::Closed, "They unsubscribed"));
            all
        }
    }
}

/// The reason of a hold that lasts until an agent's message is assigned.
pub const UNASSIGNED: &str = "a message that may be about them is not assigned";

fn decide_answer(answer: Answer, by_agent: bool, standing: Standing<'_>) -> Vec<Consequence> {
    let mut all = Vec::new();
    match answer {
        Answer::OptOut if by_agent => {
            let text = "Their agent wants no more mail, and gets none: decide how to go on with the influencer";
            all.push(Consequence::End(Ending::Refused));
            all.push(Consequence::Suppress(Whose::Writer));
            all.push(Consequence::Task(TaskKind::Answer, About::Person, text.to_owned()));
        }
        Answer::OptOut => {
            all.push(Consequence::End(Ending::OptedOut));
            all.push(Consequence::Suppress(Whose::Everything));
            all.extend(leave(standing, StageKind::Closed, "They want no more mail, and get none"));
        }
        Answer::Refusal => {
            all.push(Consequence::End(Ending::Refused));
            all.extend(leave(standing, StageKind::Declined, "They said no"));
        }
        Answer::Unsure => {
            let text = "Read this answer: it may be a no, and no rule could tell";
            all.push(Consequence::End(Ending::Unclear));
            all.push(Consequence::Task(TaskKind::Answer, About::Person, text.to_owned()));
        }
        Answer::Read => all.push(Consequence::End(Ending::Unclear)),
        Answer::Talk => {
            all.push(Consequence::End(Ending::Replied));
            all.extend(enter(standing, StageSignal::Replied, By::Reply));
        }
    }
    all
}

/// The move into the stage that a signal enters.
fn enter(standing: Standing<'_>, signal: StageSignal, by: By) -> Vec<Consequence> {
    let wanted = standing.stages.and_then(|stages| Some((stages, stages.entered_on(signal)?)));
    let Some((stages, wanted)) = wanted else { return Vec::new() };
    match decide_move(stages, standing.stage, standing.pin, &wanted.id, by) {
        Move::To(stage) => vec![Consequence::Move(stage)],
        Move::Stay(_) => Vec::new(),
    }
}

/// The move beside the path, or a task where automation may not make it.
fn leave(standing: Standing<'_>, kind: StageKind, what: &str) -> Option<Consequence> {
    let stages = standing.stages?;
    let task = |why: &str| {
        let text = format!("{what}; {why}, so they stay in stage `{}`: decide", standing.stage);
        Some(Consequence::Task(TaskKind::Stage, About::Person, text))
    };
    let Some(wanted) = stages.all().iter().find(|s| s.kind == kind) else {
        return task(&format!("no stage of the kind `{kind}` is declared"));
    };
    // Whoever is in one of that kind has been there before this.
    if stages.get(standing.stage).is_some_and(|s| s.kind == kind) {
        return None;
    }
    match decide_move(stages, standing.stage, standing.pin, &wanted.id, By::Reply) {
        Move::To(stage) => Some(Consequence::Move(stage)),
        Move::Stay(StayReason::AlreadyThere | StayReason::BesidePath | StayReason::NotHigher) => None,
        Move::Stay(why @ (StayReason::UnknownStage | StayReason::Pinned | StayReason::TooLate)) => {
            task(&why.to_string())
        }
    }
}

/// Until when someone who is away is held: a business day after their return, seven days where that is not known or over,
/// a year at most.
fn hold_until(back: Option<Micros>, now: Micros) -> Micros {
    back.map(business_day_after)
        .filter(|until| *until > now)
        .unwrap_or_else(|| now.plus(HOLD_USUAL))
        .min(now.plus(HOLD_MAX))
}

/// The same hour on the next day that is not a weekend, in UTC.
pub fn business_day_after(at: Micros) -> Micros {
    let mut day = at;
    loop {
        day = day.plus(Duration::from_hours(24));
        // 1970-01-01 was a Thursday: 2 and 3 days later it was the weekend.
        let weekend = matches!(day.seconds().div_euclid(86_400).rem_euclid(7), 2 | 3);
        if !weekend || day.0 == i64::MAX {
            return day;
        }
    }
}
