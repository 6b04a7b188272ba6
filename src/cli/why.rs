//! `liaison why`: what is planned for somebody, when and why; why nothing is; or why a message leaves when it does.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::desk::Desk;
use super::stop::Stop;
use super::{Global, who};
use crate::app;
use crate::domain::ids::{EnrollmentId, MessageId};
use crate::hub::why::{of_enrollment, of_influencer, of_message, words};

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// An influencer (handle, mail address or id), the id of a message or that of a run
    who: String,
}

pub(super) async fn run(global: &Global, args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let house = Arc::new(app::house_of(&desk.config));
    let now = desk.clock.now();
    let mut tx = desk.store.read().await?;
    let missing = |sort: &str| Stop::failed(format!("there is no {sort} `{}`", args.who));
    let (json, lines) = if let Ok(id) = args.who.parse::<MessageId>() {
        let why = of_message(&mut tx, (&house, now), id).await?;
        let why = why.ok_or_else(|| missing("message of ours"))?;
        (serde_json::to_value(&why)?, words::of_message(&why))
    } else if let Ok(id) = args.who.parse::<EnrollmentId>() {
        let why = of_enrollment(&mut tx, (&house, now), id).await?;
        let why = why.ok_or_else(|| missing("run"))?;
        (serde_json::to_value(&why)?, words::of_run(&why))
    } else {
        let id = who::influencer(&mut tx, &args.who).await?.id;
        let why = of_influencer(&mut tx, (&house, now), id).await?;
        let why = why.ok_or_else(|| missing("influencer"))?;
        (serde_json::to_value(&why)?, words::of_influencer(&why))
    };
    if desk.out.is_json() {
        desk.out.json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines {
        desk.out.say(&line.replace('\n', " "))?;
    }
    Ok(ExitCode::SUCCESS)
}
