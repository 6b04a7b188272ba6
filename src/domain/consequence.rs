//! What follows from what was learned: stage moves, ends of runs, suppressions, holds and tasks.
//!
//! Decides from one fact, the stage it met and the declared stages; asks nobody and changes nothing. The hub carries the
//! consequences out in the transaction that learned the fact.

use std::time::Duration;

use serde_json::Value;

use super::calendar::Calendar;
use super::day::{Day, Minute, Weekdays};
use super::ids::AgentId;
use super::stage::{By, Move, Pin, StageId, StageKind, StageSignal, Stages, StayReason, decide_move};
use super::time::Micros;
use super::words::{EventType, HoldSource, Kind, Role, TaskKind, Word as _};
use super::zone::{Wall, Zone};

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
/// How long a message that nobody assigns, or a complaint of one of several, holds those it may be about. What may be a no
/// holds until it is assigned.
pub const HOLD_UNASSIGNED: Duration = Duration::from_hours(14 * 24);
/// Days without a single business day after which nobody looks further for one.
const IDLE_DAYS_MAX: i32 = 60;

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

impl Answer {
    /// Reads what the data of a fact says of an answer.
    pub fn read(data: Option<&Value>) -> Self {
        match data.and_then(|d| d.pointer("/answer/verdict")).and_then(Value::as_str) {
            Some("opt_out") => Self::OptOut,
            Some("refusal") => Self::Refusal,
            Some("unsure") => Self::Unsure,
            Some("read") => Self::Read,
            _ => Self::Talk,
        }
    }

    /// Whether it is a no, or may be one.
    pub fn may_be_no(self) -> bool {
        self.is_no() || self == Self::Unsure
    }

    /// Whether it is a no.
    pub fn is_no(self) -> bool {
        matches!(self, Self::OptOut | Self::Refusal)
    }

    /// Until when whoever it may be about is held while nobody says whose it is; nobody goes on after what may be a no because
    /// nobody has read it.
    pub fn unassigned_until(self, since: Micros) -> Option<Micros> {
        (!self.may_be_no()).then(|| since.plus(HOLD_UNASSIGNED))
    }
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
    /// They, or this agent for them, texted a keyword that ends text messages, and nothing else.
    TextedStop(Option<AgentId>),
    /// A text of theirs seems to ask for an end of text messages, in words of its own.
    MayHaveTextedStop,
    /// Somebody wrote whom nothing ties to one influencer: an agent, or an unknown writer among several; and what that says.
    Unassigned(Answer),
    /// An unknown address wrote in their thread, and what that says.
    Stranger(Answer),
    /// A machine answered for them, and what it says.
    Machine(Answer),
    /// They are away; the first day on which they are back, where they said so.
    Away(Option<Day>),
    /// They left the place of an address (the writer's where none is named); perhaps another one was given.
    Gone {
        /// The address.
        address: Option<String>,
        /// Whom to write to instead.
        instead: Option<String>,
        /// Whether that is sure; otherwise it may be about somebody else.
        sure: bool,
    },
    /// A bounce came back for an address.
    Bounced(Bounce, String),
    /// A server refused a message of ours for good.
    Refused,
    /// They called it spam.
    Complained,
    /// Somebody called it spam, and which of several they were is not known.
    ComplainedAmong,
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
            EventType::ThreadReplied => Some(match text("consent") {
                Some("stop") => Self::TextedStop(agent()),
                Some("perhaps_stop") => Self::MayHaveTextedStop,
                _ => Self::Answered(Answer::read(data), agent()),
            }),
            EventType::MessageReceived => Self::received(data, &text, Answer::read(data), agent),
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
            EventType::MessageComplained if data.and_then(|d| d.get("among")).is_some_and(Value::is_array) => {
                Some(Self::ComplainedAmong)
            }
            EventType::MessageComplained => Some(Self::Complained),
            // What they told their provider ends texts, as if they had told us.
            EventType::InfluencerUnsubscribed if text("how") == Some("provider") => Some(Self::TextedStop(None)),
            EventType::InfluencerUnsubscribed => Some(Self::Unsubscribed(text("address").map(str::to_owned))),
            _ => None,
        }
    }

    fn received<'a>(
        data: Option<&'a Value>,
        text: &impl Fn(&str) -> Option<&'a str>,
        answer: Answer,
        agent: impl Fn() -> Option<AgentId>,
    ) -> Option<Self> {
        let author = text("role") == Some(Role::Author.as_str());
        let waiting = text("waiting");
        if let Some(token) = text("unsubscribe_token") {
            let known = author && waiting.is_none();
            return Some(Self::Token(token.to_owned(), known.then(agent)));
        }
        match (text("kind").and_then(Kind::from_word)?, waiting) {
            (Kind::Human, Some("alias_proposed")) => Some(Self::Stranger(answer)),
            (Kind::Human, Some("agent_unassigned" | "unknown_sender")) => Some(Self::Unassigned(answer)),
            (Kind::Automatic, None) if author && answer.may_be_no() => Some(Self::Machine(answer)),
            // Whose it is comes first; a machine's word alone suppresses nobody.
            (Kind::Automatic, Some("alias_proposed" | "unknown_sender")) if answer.may_be_no() => {
                Some(Self::Unassigned(Answer::Unsure))
            }
            // Of all whom an agent stands for only where it is clear: an acknowledgement is no reason to hold a whole agency's.
            (Kind::Automatic, Some("agent_unassigned")) if answer.is_no() => Some(Self::Unassigned(Answer::Unsure)),
            (Kind::OutOfOffice, None) if author => Some(Self::Away(text("back_on").and_then(Day::parse))),
            (Kind::Gone, None) if author => Some(Self::Gone {
                address: text("gone_address").map(str::to_owned),
                instead: text("instead").map(str::to_owned),
                sure: data.and_then(|d| d.get("sure")).and_then(Value::as_bool) == Some(true),
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
    /// The one that wrote, and where that is an agent's, every address of that agent. Nobody else's.
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
    /// Nothing is sent to the person by itself before then, says this source; without an end until it is lifted.
    Hold(HoldSource, Option<Micros>, &'static str),
    /// The same until they are back, by their own clock and holidays ([`hold_until`]).
    HoldAway(Option<Day>),
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
            // Whoever they are, they said so.
            Happened::Unassigned(Answer::OptOut) | Happened::Stranger(Answer::OptOut) => {
                vec![Consequence::Suppress(Whose::Writer)]
            }
            _ => Vec::new(),
        };
    };
    match happened {
        Happened::Sent => enter(standing, StageSignal::Sent, By::Rule),
        Happened::Clicked => enter(standing, StageSignal::Clicked, By::Rule),
        Happened::Answered(answer, agent) => decide_answer(*answer, agent.is_some(), standing),
        Happened::TextedStop(agent) => decide_stop(agent.is_some()),
        Happened::MayHaveTextedStop => vec![
            Consequence::End(Ending::Unclear),
            Consequence::Hold(HoldSource::Machine, None, TEXTED),
            Consequence::Task(TaskKind::Refusal, About::Person, TEXTED_QUESTION.to_owned()),
        ],
        Happened::Stranger(answer) => decide_stranger(*answer),
        Happened::Unassigned(answer) => {
            let why = if answer.may_be_no() { ", for it may be a no" } else { "" };
            let text = format!(
                "Say whose message this is and about whom (liaison unmatched list): until then their runs are held{why}"
            );
            let mut all = vec![
                Consequence::Hold(HoldSource::Unassigned, answer.unassigned_until(now), UNASSIGNED),
                Consequence::Task(TaskKind::Answer, About::Message, text),
            ];
            all.extend((*answer == Answer::OptOut).then_some(Consequence::Suppress(Whose::Writer)));
            all
        }
        Happened::Machine(answer) => decide_machine(*answer),
        Happened::Away(back_on) => vec![Consequence::HoldAway(*back_on)],
        Happened::Gone { address, instead, sure } => decide_gone((address.as_ref(), instead.as_deref()), *sure, now),
        Happened::Bounced(Bounce::Hard, _) | Happened::Refused => vec![Consequence::EndIfUnreachable],
        Happened::Bounced(Bounce::Soft, address) => vec![Consequence::CountSoft(address.clone())],
        Happened::Bounced(Bounce::Policy, _) => vec![Consequence::PauseAccount],
        Happened::Complained => {
            vec![Consequence::End(Ending::Complained), Consequence::Suppress(Whose::Everything)]
        }
        Happened::ComplainedAmong => {
            let text = "One of those who got this mail called it spam, and the report does not say who: find out, and say so \
                        (liaison task done TASK --answer \"said_no ADDRESS\"), which lets the others go; where it was none of them: \
                        --answer go_on. Until then nothing goes to any of them by itself";
            vec![
                Consequence::Hold(HoldSource::Complaint, None, COMPLAINED),
                Consequence::Task(TaskKind::Refusal, About::Message, text.to_owned()),
            ]
        }
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

/// What a machine's answer that may be a no leads to: nothing goes to them by itself until a person has read it.
fn decide_machine(answer: Answer) -> Vec<Consequence> {
    vec![
        // Without an end: nobody goes on after what may be a no because nobody has read it.
        Consequence::Hold(HoldSource::Machine, None, MACHINE),
        Consequence::Task(TaskKind::Refusal, About::Person, machine_question(answer).to_owned()),
    ]
}

/// What a keyword leads to. It is of text messages alone: whether to go on otherwise is for a person to say.
fn decide_stop(by_agent: bool) -> Vec<Consequence> {
    let (ending, whose, who) = if by_agent {
        (Ending::Refused, Whose::Writer, "Their agent wants no more text messages, and gets none")
    } else {
        (Ending::OptedOut, Whose::Everything, "They want no more text messages, and get none")
    };
    let text = format!("{who}: decide whether to go on in other ways");
    vec![
        Consequence::End(ending),
        Consequence::Suppress(whose),
        Consequence::Task(TaskKind::Answer, About::Person, text),
    ]
}

/// What is asked about a text that may be a no.
const TEXTED_QUESTION: &str = "They seem to want no more text messages: read it, and say whether that is so (liaison task done TASK --answer said_no, which is of \
     everything) or not (--answer go_on, which lets them go). Until then nothing goes to them by itself";

/// What is asked about a machine's answer.
pub fn machine_question(answer: Answer) -> &'static str {
    if answer == Answer::OptOut {
        "A machine answers for them that they want no more mail: read it, and say whether that is so (liaison task done TASK --answer \
         said_no) or not (--answer go_on, which lets them go). Until then nothing goes to them by itself"
    } else {
        "A machine answers for them with what may be a no: read it, and say whether it is one (liaison task done TASK --answer said_no) \
         or none (--answer go_on, which lets them go). Until then nothing goes to them by itself"
    }
}

/// What a note of somebody gone leads to. Words alone may be a person's, about somebody else: until somebody has read them, nothing goes
/// where perhaps nobody is.
fn decide_gone((address, instead): (Option<&String>, Option<&str>), sure: bool, now: Micros) -> Vec<Consequence> {
    let whose = address.map_or("The address that answered", String::as_str);
    let instead = match instead {
        Some(other) => format!("they name {other} instead: find out whether to write there"),
        None => "find out where they are now".to_owned(),
    };
    if !sure {
        let text = format!("{whose} may no longer be theirs: read what it answered; if so, {instead}");
        return vec![
            Consequence::Hold(HoldSource::Gone, Some(now.plus(HOLD_UNASSIGNED)), GONE),
            Consequence::Task(TaskKind::Address, About::Person, text),
        ];
    }
    vec![
        Consequence::Dead(address.cloned()),
        Consequence::EndIfUnreachable,
        Consequence::Task(TaskKind::Address, About::Person, format!("{whose} is no longer theirs; {instead}")),
    ]
}

/// What an unknown address in somebody's thread leads to. It may be theirs: where it wants no more mail, it gets none, and
/// they get none either until a person has said whose it is.
fn decide_stranger(answer: Answer) -> Vec<Consequence> {
    let mut all = vec![Consequence::End(Ending::Unclear)];
    if answer == Answer::OptOut {
        let text = "An unknown address in their thread wants no more mail, and gets none: say whose it is (liaison \
                    unmatched list); until then nothing goes to them by itself";
        all.push(Consequence::Suppress(Whose::Writer));
        all.push(Consequence::Hold(HoldSource::Unassigned, None, UNASSIGNED));
        all.push(Consequence::Task(TaskKind::Answer, About::Message, text.to_owned()));
    }
    all
}

/// The reason of a hold after a machine's answer that may be a no.
pub const MACHINE: &str = "a machine's answer may be a no";
/// The reason of a hold after a text that may be a no.
pub const TEXTED: &str = "a text message may be a no";
/// Why somebody is held: they may have complained.
pub const COMPLAINED: &str = "one of several complained";
/// The reason of a hold after words of somebody gone that may be about somebody else.
pub const GONE: &str = "they may have left";
/// The reason of a hold that lasts until a message is assigned.
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

/// What a person is asked where a sequence would move somebody and a rule may not; nothing where that is no news. A stage that
/// is pinned stays without a word along the path, as it does for every mail: what leads off it is for a person to know. With it,
/// how every asking of the same begins.
pub fn undecided(
    stages: &Stages,
    (at, wanted): (&StageId, &StageId),
    why: StayReason,
    cause: &str,
) -> Option<(String, String)> {
    let is_on_path = stages.get(wanted).is_some_and(|stage| stage.kind == StageKind::Path);
    let asks = match why {
        StayReason::TooLate => true,
        StayReason::Pinned | StayReason::UnknownStage => !is_on_path,
        StayReason::AlreadyThere | StayReason::NotHigher | StayReason::BesidePath => false,
    };
    asks.then(|| {
        let question = format!("They were to move to `{wanted}` (");
        let text = format!("{question}{cause}): {why}, so they stay in stage `{at}`: decide");
        (question, text)
    })
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

/// The reason of a hold of someone who is away.
pub const AWAY: &str = "out of office";

/// Until when someone who is away is held, by their own clock and the holidays of their country: the beginning of the first
/// business day after the day on which they are back, seven days where that is not known, a year at most. `None` where that
/// is over: whoever is back is not held.
pub fn hold_until(back_on: Option<Day>, now: Micros, zone: &Zone, holidays: &Calendar) -> Option<Micros> {
    let is_working = |day: Day| Weekdays::WORKING.contains(day.weekday()) && holidays.holiday(day).is_none();
    let next_working = |from: Day| (0..IDLE_DAYS_MAX).map(|n| from.plus(n)).find(|day| is_working(*day));
    let until = back_on
        // Nobody is back at work on a Sunday: they are on the Monday.
        .and_then(next_working)
        .and_then(|back| next_working(back.plus(1)))
        .map_or_else(|| now.plus(HOLD_USUAL), |day| zone.instant(Wall::new(day, Minute(0))));
    (until > now).then(|| until.min(now.plus(HOLD_MAX)))
}
