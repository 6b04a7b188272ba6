//! `liaison sequence enroll`.

use std::process::ExitCode;

use clap::Args;

use super::steer::unknown;
use crate::cli::desk::Desk;
use crate::cli::filter::FilterArgs;
use crate::cli::stop::Stop;
use crate::cli::who;
use crate::hub::outreach::admission::{Admitted, NAMED_MAX, Run, Whom, Wish, admit};
use crate::hub::outreach::enroll::{Again, EnrollError};

/// Rows of those who are named on a terminal.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct EnrollArgs {
    /// The sequence
    id: String,
    /// Handles, mail addresses or ids
    #[arg(conflicts_with = "filter")]
    who: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// How many runs begin at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only tell who would be enrolled and who not
    #[arg(long)]
    dry_run: bool,
    /// Also those who had this sequence before
    #[arg(long)]
    again: bool,
}

pub(super) async fn enroll(desk: &Desk, args: EnrollArgs) -> anyhow::Result<ExitCode> {
    let filter = args.filter.read(desk).await?;
    let whom = if args.who.is_empty() {
        let words = "say who: handles, addresses or ids, or filters like --stage and --tag (see --help)";
        Whom::Filter(filter.ok_or_else(|| Stop::usage(words))?)
    } else {
        let mut tx = desk.store.read().await?;
        let mut ids = Vec::new();
        for who in &args.who {
            ids.push(who::influencer(&mut tx, who).await?.id);
        }
        Whom::These(ids)
    };
    let wish = Wish {
        sequence: args.id,
        whom,
        again: if args.again { Again::Allowed } else { Again::Refused },
        limit: args.limit.and_then(|n| usize::try_from(n).ok()),
        run: if args.dry_run { Run::Dry } else { Run::Real },
    };
    let admitted = match admit(&desk.store, &desk.clock, &wish).await {
        Err(EnrollError::NoSequence(id)) => return Err(unknown(&id).into()),
        other => other?,
    };
    if !args.dry_run {
        desk.wake().await;
    }
    tell(desk, &admitted)?;
    // Nobody of those who were named could be enrolled: a script is to notice.
    Ok(if admitted.enrolled == 0 && admitted.refused > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(desk: &Desk, admitted: &Admitted) -> anyhow::Result<()> {
    if desk.out.is_json() {
        return desk.out.json(admitted);
    }
    let would = if admitted.dry_run { "would begin" } else { "began" };
    desk.out
        .say(&format!("{} runs of {} {would}; {} refused", admitted.enrolled, admitted.sequence, admitted.refused))?;
    for (reason, n) in &admitted.reasons {
        desk.out.say(&format!("  {n:>6}  {reason}"))?;
    }
    let named: Vec<Vec<String>> = admitted
        .runs
        .iter()
        .map(|run| (run.influencer_handle.clone(), run.enrollment_id.map(|id| id.to_string()).unwrap_or_default()))
        .chain(admitted.refusals.iter().map(|r| (r.influencer_handle.clone(), format!("not: {}", r.reason))))
        .take(SHOWN)
        .map(|(who, what)| vec![who, what])
        .collect();
    if !named.is_empty() {
        desk.out.table(&["who", "run"], named)?;
    }
    if admitted.enrolled + admitted.refused > SHOWN {
        desk.out.aside(&format!("There are more: --json names up to {NAMED_MAX} of each."))?;
    }
    if admitted.dry_run {
        desk.out.aside("Nothing was written.")?;
    }
    Ok(())
}
