//! `liaison sequence simulate`: what a sequence would do, when and why, before it does it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::super::desk::Desk;
use super::super::filter::FilterArgs;
use super::super::stop::Stop;
use super::super::terminal::clean;
use super::super::{Global, length, who};
use super::steer::unknown;
use crate::app::{self, simulate as engine};
use crate::config::Severity;
use crate::domain::ids::InfluencerId;
use crate::domain::sequence::Definition;
use crate::domain::time::Micros;
use crate::hub::outreach::enroll::Again;
use crate::hub::people;
use crate::sequence::{self, Known, simulate};

#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    /// The sequence, as it stands in the files; without it all that is under way is looked at
    id: Option<String>,
    /// As if this influencer were enrolled: handle, mail address or id; several times for several
    #[arg(long = "as", value_name = "WHO", requires = "id")]
    who: Vec<String>,
    /// As if everybody were enrolled whom the filters leave
    #[arg(long, requires = "id", conflicts_with = "who")]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// When they are enrolled: 2026-03-02, 2026-03-02 09:00 (in our zone) or RFC 3339; else now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many days are looked at
    #[arg(long, default_value_t = simulate::DAYS_USUAL, value_parser = clap::value_parser!(u32).range(1..=i64::from(simulate::DAYS_MAX)))]
    days: u32,
    /// What shall happen: "+1d click intro", "intro+2h reply", "@ana +3d bounce intro"; several times
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// Let the tasks of steps be done this long after they were made; else they are left undone
    #[arg(long, value_name = "LENGTH", value_parser = length::parse)]
    tasks_after: Option<Duration>,
    /// Those who had the sequence before may have it again
    #[arg(long)]
    again: bool,
    /// Every line as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, args: &mut SimulateArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let order = order(&desk, args).await?;
    let house = app::house_of(&desk.config);
    let now = desk.clock.now();
    let report = Box::pin(engine::simulate((&desk.store, now), house, Some(&desk.config.stages), order)).await;
    let report = report.map_err(|error| match error {
        engine::SimulateError::NoSequence(id) => unknown(&id).into(),
        engine::SimulateError::Order(_) => anyhow::Error::from(Stop::failed(error.to_string())),
        other @ (engine::SimulateError::Place(_) | engine::SimulateError::Store(_)) => other.into(),
    })?;
    if desk.out.is_json() && args.output.is_none() {
        desk.out.json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = if desk.out.is_json() {
        serde_json::to_string_pretty(&report)? + "\n"
    } else if args.csv {
        simulate::csv(&report)
    } else {
        // What people wrote about influencers goes to a terminal only in a form that does nothing there.
        clean(&simulate::text(&report))
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))?,
        None => desk.out.own(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn order(desk: &Desk, args: &mut SimulateArgs) -> anyhow::Result<engine::Order> {
    let local = match &args.id {
        Some(id) => local(desk, id)?,
        None => None,
    };
    let house = app::house_of(&desk.config);
    let read = |text: &String| {
        let at = simulate::read_instant(text, &house.zone);
        at.ok_or_else(|| {
            Stop::usage(format!("--from: `{text}` is no time: write 2026-03-02, 2026-03-02 09:00 or RFC 3339"))
        })
    };
    let from: Option<Micros> = args.from.as_ref().map(read).transpose()?;
    let people = people(desk, args).await?;
    let enroll = match &args.id {
        Some(id) if !people.is_empty() => vec![(id.clone(), people)],
        _ => Vec::new(),
    };
    if args.all && enroll.is_empty() {
        return Err(Stop::failed("nobody is left by the filters").into());
    }
    let mut given = Vec::new();
    for text in &args.events {
        let event: simulate::Given =
            text.parse().map_err(|error: simulate::GivenError| Stop::usage(error.to_string()))?;
        let whose = match &event.who {
            Some(who) => Some(who::influencer(&mut desk.store.read().await?, who).await?.id),
            None => None,
        };
        given.push((whose, event));
    }
    Ok(engine::Order {
        sequence: args.id.clone(),
        enroll,
        from,
        days: args.days,
        given,
        again: if args.again { Again::Allowed } else { Again::Refused },
        local,
        tasks_after: args.tasks_after,
    })
}

/// The definition in the files; none where there is no such folder, so that what is published counts.
fn local(desk: &Desk, id: &str) -> anyhow::Result<Option<(Definition, String)>> {
    if !desk.config.outreach.sequences.join(id).is_dir() {
        return Ok(None);
    }
    let known = Known { config: &desk.config, live: None, audience: None };
    let mut loaded = sequence::load_one(&known, id);
    if let Some(found) = loaded.definitions.pop() {
        return Ok(Some(found));
    }
    for finding in loaded.findings.iter().filter(|f| f.severity == Severity::Error) {
        desk.out.own(&format!("{}\n\n", finding.render(desk.out.colour())))?;
    }
    Err(Stop::failed(format!("the sequence `{id}` can't be used as it is")).into())
}

async fn people(desk: &Desk, args: &mut SimulateArgs) -> anyhow::Result<Vec<InfluencerId>> {
    let filter = std::mem::take(&mut args.filter).read(desk).await?;
    if !args.all {
        if filter.is_some() {
            return Err(Stop::usage("filters leave some of --all: say --all, too").into());
        }
        let mut tx = desk.store.read().await?;
        let mut ids = Vec::new();
        for name in &args.who {
            ids.push(who::influencer(&mut tx, name).await?.id);
        }
        return Ok(ids);
    }
    let mut tx = desk.store.survey().await?;
    let ids = people::list_ids(&mut tx, &filter.unwrap_or_default(), simulate::PEOPLE_MAX + 1).await?;
    if ids.len() > simulate::PEOPLE_MAX {
        let why = format!("more than {} people; narrow them with filters (see --help)", simulate::PEOPLE_MAX);
        return Err(Stop::failed(why).into());
    }
    Ok(ids)
}
