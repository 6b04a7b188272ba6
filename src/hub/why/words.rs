//! The answers to "why" as people read them. Only puts words together.

use super::{Instant, MessageWhy, RunWhy, StepWhy, Why};
use crate::domain::words::StepState;

/// Steps of an ended run that are told.
const STEPS_MAX: usize = 50;

/// Of somebody, line by line.
pub fn of_influencer(why: &Why) -> Vec<String> {
    let mut out =
        vec![format!("{} is in the stage {}; their zone is {} ({}).", why.handle, why.stage, why.zone, why.zone_from)];
    if why.addresses.is_empty() {
        out.push("No email address of theirs is known.".to_owned());
    }
    for place in &why.addresses {
        let whose = if place.agent { " (their agent)" } else { "" };
        if let Some(stopped) = &place.stopped {
            out.push(format!("{}{whose}: {stopped}.", place.address));
        }
    }
    if let Some(held) = &why.held {
        let who = if held.by_hand { "A person holds them" } else { "They are held" };
        let reason = held.reason.as_deref().unwrap_or("no reason given");
        out.push(format!("{who} until {}: {reason}.", both(&held.until)));
    }
    for run in &why.runs {
        out.push(String::new());
        out.extend(of_run(run));
    }
    if !why.runs.iter().any(|r| r.ended.is_none()) {
        out.push(String::new());
        out.push("Nothing is planned for them: they are in no sequence.".to_owned());
    }
    if why.sequences.is_empty() && why.runs.is_empty() {
        out.push("  No sequence is published yet: the daemon does that when it starts, and at a reload.".to_owned());
    }
    for taking in &why.sequences {
        match &taking.refused {
            None => out.push(format!("  {} would take them.", taking.sequence)),
            Some(refused) => out.push(format!("  {} would not: {refused}.", taking.sequence)),
        }
    }
    out
}

/// Of a run.
pub fn of_run(run: &RunWhy) -> Vec<String> {
    let step = run.step.as_deref().map_or_else(String::new, |step| format!(", at {step}"));
    let mut out = vec![format!("{} ({}): {}{step}, from {}.", run.sequence, run.enrollment_id, run.state, run.account)];
    if let Some(end) = &run.ended {
        let cause = match (&end.event, &end.message_id) {
            (Some(event), Some(message)) => format!(" ({event} in {message})"),
            (Some(event), None) => format!(" ({event})"),
            _ => String::new(),
        };
        let reason = end.reason.as_deref().unwrap_or("all its steps are done");
        out.push(format!("  It ended {}: {reason}{cause}.", both(&end.when)));
    }
    if let Some(blocked) = &run.blocked {
        out.push(format!("  Time stands still for it: {blocked}."));
    } else if let Some(waits) = run.waits_for.as_ref().filter(|_| run.ended.is_none()) {
        out.push(format!("  It waits for {waits}."));
    }
    if let Some(next) = &run.next {
        let text = next.template.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let what = match (next.what, next.other) {
            ("send", false) => format!("The next mail{text} is planned for"),
            ("send", true) => format!("The mail under `else`{text} is planned for"),
            _ => "It is looked at next".to_owned(),
        };
        out.push(format!("  {what} {}.", both(&next.when)));
        out.extend(shifts(&next.shifts));
    }
    if let Some(withheld) = &run.withheld {
        out.push(format!("  Nothing leaves for now: {withheld}."));
    }
    if let Some(other) = &run.or_else {
        let text = other.template.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let what = if other.kind == "email" { "mail" } else { other.kind };
        let when = other.when.as_ref().map(|at| format!(", {}", both(at))).unwrap_or_default();
        out.push(format!("  Else: {}; then the {what}{text} under `else` follows{when}.", other.why));
        out.extend(shifts(&other.shifts));
    }
    for limit in run.limits.iter().filter(|l| l.taken >= l.limit) {
        let free = limit.free_at.map_or_else(String::new, |at| format!(" until {at}"));
        out.push(format!("  limit {}: {} of {} taken {}{free}", limit.what, limit.taken, limit.limit, limit.span));
    }
    out.extend(run.steps.iter().take(STEPS_MAX).filter(|s| s.state != StepState::Planned).map(of_step));
    out
}

fn of_step(step: &StepWhy) -> String {
    let when = step.completed.as_ref().map_or_else(String::new, |at| format!(" {}", both(at)));
    let variant = step.variant.as_ref().map_or_else(String::new, |v| format!(" ({v})"));
    let reason = step.reason.as_ref().map_or_else(String::new, |r| format!(": {r}"));
    let message = step.message_id.map_or_else(String::new, |id| format!(" [{id}]"));
    format!("  {}{variant} {}{when}{reason}{message}", step.step, step.state)
}

/// Of a message.
pub fn of_message(why: &MessageWhy) -> Vec<String> {
    let mut out = vec![format!("{} is {}, {}.", why.message_id, why.status, both(&why.due))];
    if let Some(held) = &why.held {
        out.push(format!("It does not leave: {held}."));
    }
    if let Some(withheld) = &why.withheld {
        out.push(format!("Nothing leaves for now: {withheld}."));
    }
    if let Some(detail) = &why.detail {
        out.push(format!("The last word on it: {detail}."));
    }
    if let Some(step) = &why.step {
        if let Some(planned) = &step.planned {
            out.push(format!("As the step {} it was planned for {}.", step.step, both(planned)));
        }
        out.extend(shifts(&step.shifts));
        if let Some(reason) = &step.reason {
            out.push(format!("Of the step: {reason}."));
        }
    }
    match &why.run {
        Some(run) => {
            out.push(String::new());
            out.extend(of_run(run));
        }
        None => out.push(
            "A person wrote it: it is no step of a sequence, counts against its limits and waits for none.".to_owned(),
        ),
    }
    out
}

fn both(at: &Instant) -> String {
    format!("{} where they are ({} here)", at.theirs, at.ours)
}

fn shifts(shifts: &serde_json::Value) -> Vec<String> {
    let all = shifts.as_array().map(Vec::as_slice).unwrap_or_default();
    let line =
        |s: &serde_json::Value| Some(format!("    moved to {}: {}", s.get("to")?.as_str()?, s.get("why")?.as_str()?));
    all.iter().filter_map(line).collect()
}
