//! Who fetched a pixel or followed a link: a person, or a program that looks at mail before or instead of them.
//!
//! Pure: what was kept of a hit goes in, a verdict with its confidence and its reasons comes out. Nothing here knows a
//! network address; of that only the name of the network it belongs to is kept.

use std::time::Duration;

use super::ids::HitId;
use super::time::Micros;
use super::words::{HitKind, Verdict};

pub mod agents;
pub mod networks;
mod session;

pub use agents::{Agents, Sort};
pub use networks::{Network, Networks};
pub use session::judge_session;

/// Which judge this is: hits judged by an older one may be judged again.
pub const JUDGE: i64 = 1;
/// From this confidence on a person is believed to be one.
pub const HUMAN_CONFIDENCE_MIN: f64 = 0.8;
/// A hit is judged so long after it came: what speaks of it has come by then. Hits within it are one session.
pub const SETTLE: Duration = Duration::from_secs(25);
/// Hits this near to one on the hidden link are its doing.
pub const HIDDEN_NEAR: Duration = Duration::from_secs(20);
/// Who follows every link of a mail within this time is no person.
pub const ALL_LINKS: Duration = Duration::from_secs(10);
/// An open so soon after delivery is a fetch ahead.
const OPEN_TOO_SOON: Duration = Duration::from_secs(5);
/// A click so soon after delivery is one.
const CLICK_TOO_SOON: Duration = Duration::from_secs(10);
/// Apple's and Google's fetches at delivery come within this time.
const NEAR_DELIVERY: Duration = Duration::from_mins(30);

/// How it was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// With its content.
    Get,
    /// Only its head.
    Head,
}

impl Method {
    /// As in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Self {
        if name.eq_ignore_ascii_case("HEAD") { Self::Head } else { Self::Get }
    }
}

/// What was kept of one fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: HitId,
    /// Of what.
    pub kind: HitKind,
    /// Of which link, from 1.
    pub link: Option<i64>,
    /// When.
    pub at: Micros,
    /// How.
    pub method: Method,
    /// What it said it was; may be empty.
    pub agent: String,
    /// The network it came from, where that says something.
    pub network: Option<String>,
    /// Headers that say it was fetched ahead, as `Sec-Purpose: prefetch`.
    pub hint: Option<String>,
}

/// What is known of the message that was fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// When its server took it; `None` while it has not left.
    pub delivered_at: Option<Micros>,
    /// How many counted links it has.
    pub links: usize,
}

/// What machines are known by.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// By their agents.
    pub agents: Agents,
    /// By their networks.
    pub networks: Networks,
}

impl Books {
    /// What is shipped.
    pub fn shipped() -> Self {
        Self { agents: Agents::shipped(), networks: Networks::shipped() }
    }
}

/// A verdict and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Who it was.
    pub verdict: Verdict,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Why, in words for people.
    pub reasons: Vec<String>,
}

impl Judgement {
    /// Whether it counts as a person's.
    pub fn is_human(&self) -> bool {
        self.verdict == Verdict::Human && self.confidence >= HUMAN_CONFIDENCE_MIN
    }
}

/// Evidence on the way to a verdict: how strongly each piece speaks for a machine, and how sure a person is without any.
#[derive(Debug, Clone, PartialEq)]
struct Evidence {
    machine: Vec<(f64, String)>,
    human: (f64, String),
}

impl Evidence {
    fn against(&mut self, strength: f64, why: impl Into<String>) {
        self.machine.push((strength, why.into()));
    }

    fn judge(mut self) -> Judgement {
        if self.machine.is_empty() {
            let (confidence, why) = self.human;
            return Judgement { verdict: Verdict::Human, confidence, reasons: vec![why] };
        }
        // The strongest first; pieces that agree make it surer.
        self.machine.sort_by(|a, b| b.0.total_cmp(&a.0));
        let doubt: f64 = self.machine.iter().map(|(strength, _)| 1.0 - strength).product();
        let confidence = ((1.0 - doubt) * 1000.0).round() / 1000.0;
        let reasons = self.machine.into_iter().map(|(_, why)| why).collect();
        Judgement { verdict: Verdict::Machine, confidence, reasons }
    }
}

/// Judges one hit by itself.
pub fn judge_single(hit: &Hit, delivery: &Delivery, books: &Books) -> Judgement {
    weigh(hit, delivery, books).judge()
}

fn weigh(hit: &Hit, delivery: &Delivery, books: &Books) -> Evidence {
    let mut evidence =
        Evidence { machine: Vec::new(), human: (0.9, "the agent of a browser or a mail program".into()) };
    if hit.kind == HitKind::Hidden {
        evidence.against(0.98, "followed the link that people can't see");
    }
    if hit.method == Method::Head {
        evidence.against(0.99, "asked only for the head of the page, as link checkers do");
    }
    if let Some(hint) = &hit.hint {
        evidence.against(0.98, format!("said that it fetches ahead ({hint})"));
    }
    weigh_agent(hit, delivery, books, &mut evidence);
    weigh_network(hit, books, &mut evidence);
    weigh_time(hit, delivery, &mut evidence);
    evidence
}

fn weigh_agent(hit: &Hit, delivery: &Delivery, books: &Books, evidence: &mut Evidence) {
    let near = delivery.delivered_at.is_none_or(|at| hit.at.since(at) <= NEAR_DELIVERY);
    match books.agents.sort(&hit.agent) {
        Sort::None => evidence.against(0.97, "gave no user agent"),
        Sort::Machine(by) => evidence.against(0.98, format!("the agent of a known program (`{by}`)")),
        Sort::Odd(what) => evidence.against(0.88, format!("no agent of a browser or a mail program ({what})")),
        Sort::Bare if hit.kind == HitKind::Open => {
            let apple = "Apple's mail privacy protection fetches everything near delivery";
            if near {
                evidence.against(0.9, apple);
            } else {
                evidence.human = (0.5, "Apple's proxy, long after delivery: perhaps a person".into());
            }
        }
        Sort::Bare => evidence.against(0.9, "no agent of a browser (only `Mozilla/5.0`)"),
        Sort::Apple if near => {
            evidence.against(0.85, "near delivery, with the agent that Apple's mail privacy protection uses");
        }
        Sort::Apple => evidence.human = (0.85, "Apple Mail, long after delivery".into()),
        Sort::GmailAtDelivery if near => evidence.against(0.92, "Gmail's own fetch at delivery (Edge/12.246)"),
        Sort::GmailAtDelivery => {
            evidence.human = (0.6, "Gmail's own agent, long after delivery: perhaps a person".into());
        }
        Sort::Proxy(by) => {
            evidence.human = (0.9, format!("{by}, which fetches when a person opens the mail"));
        }
        Sort::Person => {}
    }
}

fn weigh_network(hit: &Hit, books: &Books, evidence: &mut Evidence) {
    let Some(network) = hit.network.as_deref().and_then(|name| books.networks.get(name)) else { return };
    let is_machine = match hit.kind {
        HitKind::Open => network.opens_are_machine,
        HitKind::Click | HitKind::Hidden | HitKind::Unsubscribe => network.clicks_are_machine,
    };
    if is_machine {
        evidence.against(0.9, format!("from a network of {}, which follows links to check them", network.title));
    } else {
        evidence.human.0 = evidence.human.0.min(0.85);
        evidence.human.1 = format!("{}; from a network of {}", evidence.human.1, network.title);
    }
}

fn weigh_time(hit: &Hit, delivery: &Delivery, evidence: &mut Evidence) {
    let too_soon = match hit.kind {
        HitKind::Open => OPEN_TOO_SOON,
        HitKind::Click | HitKind::Hidden | HitKind::Unsubscribe => CLICK_TOO_SOON,
    };
    match delivery.delivered_at {
        None => evidence.against(0.9, "before the mail had arrived"),
        Some(at) if hit.at < at => evidence.against(0.9, "before the mail had arrived"),
        Some(at) if hit.at.since(at) < too_soon => {
            evidence.against(0.85, format!("{} s after delivery", hit.at.since(at).as_secs()));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests;
