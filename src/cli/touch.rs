//! `liaison touch`: what was said on Instagram, by phone, in person, written on the timeline by whoever heard it.

use std::process::ExitCode;

use clap::Args;

use super::desk::{self, Desk};
use super::stop::Stop;
use super::{Global, date, who};
use crate::domain::time::Micros;
use crate::domain::words::{Direction, Meaning};
use crate::hub::touch::{TouchError, Touched, log_touch};
use crate::store::Tx;

#[derive(Debug, Args)]
pub(super) struct TouchArgs {
    /// With whom: handle, mail address or id
    who: String,
    /// What was said
    text: String,
    /// Where, as in Instagram or phone
    #[arg(long, value_name = "PLACE", default_value = "", hide_default_value = true)]
    place: String,
    /// We said it; else they did, and it counts as their reply
    #[arg(long, conflicts_with = "means")]
    we: bool,
    /// When, as in 2026-03-31T09:00:00+02:00; now where nothing is said
    #[arg(long, value_name = "WHEN", value_parser = date::parse)]
    at: Option<Micros>,
    /// What it means for going on; judged by its words where nothing is said
    #[arg(long, value_name = "opt_out|refusal|unsure|none")]
    means: Option<Meaning>,
}

pub(super) async fn run(global: &Global, args: &TouchArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let work = async |tx: &mut Tx| {
        let influencer = who::influencer(tx, &args.who).await?;
        let touched = Touched {
            influencer: influencer.id,
            direction: if args.we { Direction::Outbound } else { Direction::Inbound },
            place: args.place.clone(),
            text: args.text.clone(),
            at: args.at,
            meaning: args.means,
            by: desk::by(),
        };
        let (id, meaning) = log_touch(tx, &desk.clock, touched).await.map_err(refused)?;
        Ok((influencer.handle, id, meaning))
    };
    let (handle, id, meaning) = desk.change("cli.touch", work).await?;
    desk.wake().await;
    if desk.out.is_json() {
        let view = desk.store.read().await?.get_message_view(id).await?;
        desk.out.json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let read = match meaning {
        None => "what we said; the turn is theirs",
        Some(Meaning::OptOut) => "a reply, which wants no more messages: nothing goes to them any more",
        Some(Meaning::Refusal) => "a reply, which is a refusal",
        Some(Meaning::Unsure) => "a reply that may be a no: a task asks about it; --means says what it is",
        Some(Meaning::Neither) => "a reply; the turn is ours",
    };
    desk.out.say(&format!("{id}  on the timeline of {handle}: {read}"))?;
    Ok(ExitCode::SUCCESS)
}

/// What was typed wrongly is said so.
fn refused(error: TouchError) -> anyhow::Error {
    match error {
        TouchError::Store(error) => error.into(),
        TouchError::NoInfluencer(_)
        | TouchError::Empty
        | TouchError::TooLong(_)
        | TouchError::Place
        | TouchError::Future
        | TouchError::OurAnswer => Stop::usage(error.to_string()).into(),
    }
}
