//! The filters of people as flags, alike wherever many of them are meant: those of the API.

use clap::Args;

use super::desk::Desk;
use super::stop::Stop;
use super::who;
use crate::domain::words::{Awaiting, EnrollmentState};
use crate::hub::people;
use crate::hub::people::filter::FilterOrder;
use crate::store::people::filter::InfluencerFilter;

/// Which people are meant.
#[derive(Debug, Default, Args)]
#[group(id = "filter", multiple = true)]
#[command(next_help_heading = "Filters of people")]
pub(super) struct FilterArgs {
    /// What this saved view asks for; what is said beside it counts instead
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// In this stage
    #[arg(long)]
    stage: Option<String>,
    /// Looked after by this teammate
    #[arg(long)]
    owner: Option<String>,
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// Whose handle or a part of whose name begins so
    #[arg(long, short = 'q', value_name = "TEXT")]
    query: Option<String>,
    /// Whose turn it is: us or them
    #[arg(long)]
    awaiting: Option<Awaiting>,
    /// On this network
    #[arg(long)]
    network: Option<String>,
    /// For whom this agent writes: mail address or id
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// With whom there is a thread of this account of ours
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// With at least so many followers over all networks
    #[arg(long, value_name = "N")]
    reach_from: Option<i64>,
    /// With fewer than so many
    #[arg(long, value_name = "N")]
    reach_below: Option<i64>,
    /// In this tier: nano, micro, macro or mega
    #[arg(long)]
    tier: Option<String>,
    /// With a run of this sequence
    #[arg(long, value_name = "ID")]
    sequence: Option<String>,
    /// With a run at this step
    #[arg(long, value_name = "STEP")]
    sequence_step: Option<String>,
    /// With a run in this state: active, held, paused, finished or exited
    #[arg(long, value_name = "STATE")]
    sequence_state: Option<EnrollmentState>,
    /// Whose last reply was before this day or instant, or is longer ago than a length like 30d
    #[arg(long, value_name = "WHEN")]
    last_reply_before: Option<String>,
    /// Who replied since this day or instant, or within a length like 30d
    #[arg(long, value_name = "WHEN")]
    last_reply_since: Option<String>,
    /// A property is exactly this; or is compared: 'contract[lt]=2026-06-01', with [lt], [lte], [gt] or [gte]; several times
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// At least this share of the followers: 'country[us]=0.4', 'age[18-24]=0.3', 'gender[f]=0.5'; several times
    #[arg(long, value_name = "OF=SHARE")]
    audience: Vec<String>,
}

impl FilterArgs {
    /// Takes what a list asks of its own rows rather than of people: whose turn it is, and our account.
    pub(super) fn take_own(&mut self) -> (Option<Awaiting>, Option<String>) {
        (self.awaiting.take(), self.account.take())
    }

    /// The filter; `None` where no flag is said.
    ///
    /// # Errors
    /// [`Stop`] names the flag that can't be taken.
    pub(super) async fn read(self, desk: &Desk) -> anyhow::Result<Option<InfluencerFilter>> {
        if let Some(stage) = &self.stage {
            desk.stages.check(stage)?;
        }
        if let Some(account) = &self.account {
            desk.account(account)?;
        }
        if let Some(sequence) = &self.sequence {
            who::sequence(&mut desk.store.read().await?, sequence).await?;
        }
        let agent = match &self.agent {
            Some(given) => Some(people::find_agent(&mut desk.store.read().await?, given).await?),
            None => None,
        };
        let mut order = FilterOrder {
            view: self.view,
            stage: self.stage,
            owner: self.owner,
            tag: self.tag,
            q: self.query,
            awaiting: self.awaiting,
            network: self.network,
            agent,
            account: self.account,
            reach_from: self.reach_from,
            reach_below: self.reach_below,
            tier: self.tier,
            sequence: self.sequence,
            sequence_step: self.sequence_step,
            sequence_state: self.sequence_state,
            last_reply_before: self.last_reply_before,
            last_reply_from: self.last_reply_since,
            ..FilterOrder::default()
        };
        for given in &self.property {
            let (name, value) = pair(given, "--property", "niche=running, or 'contract[lt]=2026-06-01'")?;
            order.property.insert(name, value);
        }
        for given in &self.audience {
            let (of, share) = pair(given, "--audience", "'country[us]=0.4'")?;
            let share = share.parse().map_err(|_| {
                Stop::usage(format!(
                    "--audience: `{share}` is no share: write one from 0 to 1, as in 'country[us]=0.4'"
                ))
            })?;
            order.audience.insert(format!("{}[gte]", of.trim_end_matches("[gte]")), share);
        }
        if order == FilterOrder::default() {
            return Ok(None);
        }
        let wrong = |(name, what): (String, String)| Stop::usage(format!("--{}: {what}", flag(&name)));
        let order = order.with_view(&mut desk.store.read().await?).await?.map_err(wrong)?;
        Ok(Some(order.filter(desk.clock.now()).map_err(wrong)?))
    }
}

/// `NAME=VALUE`.
fn pair(given: &str, flag: &str, example: &str) -> Result<(String, String), Stop> {
    let pair = given.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
    pair.filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Stop::usage(format!("{flag}: `{given}` compares nothing: write {example}")))
}

/// The flag of a filter, by its name in the API.
fn flag(name: &str) -> String {
    match name {
        "last_reply[lt]" => "last-reply-before".to_owned(),
        "last_reply[gte]" => "last-reply-since".to_owned(),
        other => other.replacen('.', " ", 1).replace("][gte]", "]"),
    }
}
