//! `liaison sequence stats`.

use std::process::ExitCode;

use super::steer::unknown;
use crate::cli::desk::Desk;
use crate::cli::terminal::clean_line;
use crate::domain::rate::Rate;
use crate::hub::outreach::funnel::{self, Counts, StepStats};

pub(super) async fn stats(desk: &Desk, id: &str) -> anyhow::Result<ExitCode> {
    let stats = funnel::measure(&mut desk.store.read().await?, id).await?.ok_or_else(|| unknown(id))?;
    if desk.out.is_json() {
        desk.out.json(&stats)?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = [
        "step",
        "wording",
        "planned",
        "sent",
        "opened",
        "clicked",
        "replied",
        "reply rate",
        "bounced",
        "opt-outs",
        "skipped",
    ];
    let mut rows = Vec::new();
    for step in &stats.steps {
        rows.push(row(&step.step, "", &step.counts, step.reply_rate));
        if step.variants.len() > 1 {
            rows.extend(step.variants.iter().map(|v| {
                let name = if v.older { format!("{} (older wording)", v.variant) } else { v.variant.clone() };
                row("", &name, &v.counts, v.reply_rate)
            }));
        }
    }
    desk.out.table(&head, rows)?;
    for step in &stats.steps {
        remarks(desk, step)?;
    }
    desk.out.aside(
        "Opens and clicks are those of people. Reply rates with the interval that holds the truth in 95 of 100 cases.",
    )?;
    Ok(ExitCode::SUCCESS)
}

fn row(step: &str, wording: &str, counts: &Counts, rate: Option<Rate>) -> Vec<String> {
    let per_cent = |share: f64| format!("{:.1}", share * 100.0);
    let rate = rate.map(|r| format!("{} % ({}–{})", per_cent(r.share), per_cent(r.low), per_cent(r.high)));
    let mut row = vec![step.to_owned(), wording.to_owned()];
    row.extend([counts.planned, counts.sent, counts.opened, counts.clicked, counts.replied].map(|n| n.to_string()));
    row.push(rate.unwrap_or_default());
    row.extend([counts.bounced, counts.opted_out, counts.skipped].map(|n| n.to_string()));
    row
}

fn remarks(desk: &Desk, step: &StepStats) -> anyhow::Result<()> {
    if let Some(verdict) = &step.verdict {
        desk.out.say(&format!("{}: {verdict}", step.step))?;
    }
    for skip in &step.skip_reasons {
        desk.out.say(&format!("{}: left out {} times: {}", step.step, skip.count, clean_line(&skip.reason)))?;
    }
    Ok(())
}
