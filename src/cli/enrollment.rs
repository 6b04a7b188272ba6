//! `liaison enrollment …`: runs of sequences.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::desk::{self, Desk};
use super::page::{MORE, PageArgs, listed};
use super::stop::Stop;
use super::terminal::{clean_line, short};
use super::{Global, who};
use crate::domain::ids::EnrollmentId;
use crate::domain::words::EnrollmentState;
use crate::hub::outreach::steer::{self, Act};
use crate::store::Tx;
use crate::store::reading::sequence::{EnrollmentFilter, EnrollmentStepView, EnrollmentView};
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Subcommand)]
pub(super) enum EnrollmentCommand {
    /// List, the one that began last first
    List {
        /// Only of this sequence
        #[arg(long, value_name = "ID")]
        sequence: Option<String>,
        /// Only in this state: active, held, paused, finished, exited
        #[arg(long)]
        state: Option<EnrollmentState>,
        /// Only at this step
        #[arg(long)]
        step: Option<String>,
        /// Only of this influencer: handle, mail address or id
        #[arg(long)]
        who: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one, with what became of its steps
    Show {
        /// The run
        id: EnrollmentId,
    },
    /// Let time stand still for a run
    Pause {
        /// The run
        id: EnrollmentId,
    },
    /// Let a paused run go on
    Resume {
        /// The run
        id: EnrollmentId,
    },
    /// Leave out the step that is next or under way
    Skip {
        /// The run
        id: EnrollmentId,
    },
    /// End a run
    Exit {
        /// The run
        id: EnrollmentId,
    },
}

pub(super) async fn run(global: &Global, command: EnrollmentCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let (id, act) = match command {
        EnrollmentCommand::List { sequence, state, step, who, page } => {
            let influencer = match who {
                Some(who) => Some(who::influencer(&mut desk.store.read().await?, &who).await?.id),
                None => None,
            };
            if let Some(sequence) = &sequence {
                who::sequence(&mut desk.store.read().await?, sequence).await?;
            }
            list(&desk, EnrollmentFilter { sequence, state, step, influencer, ..EnrollmentFilter::default() }, &page)
                .await?;
            return Ok(ExitCode::SUCCESS);
        }
        EnrollmentCommand::Show { id } => {
            show(&desk, id).await?;
            return Ok(ExitCode::SUCCESS);
        }
        EnrollmentCommand::Pause { id } => (id, Act::Pause),
        EnrollmentCommand::Resume { id } => (id, Act::Resume),
        EnrollmentCommand::Skip { id } => (id, Act::Skip),
        EnrollmentCommand::Exit { id } => (id, Act::Exit),
    };
    let work = async |tx: &mut Tx| Ok(steer::act(tx, &desk.clock, id, act, &desk::by()).await?);
    desk.change("cli.enrollment", work).await?;
    desk.wake().await;
    show(&desk, id).await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, filter: EnrollmentFilter, page: &PageArgs) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let slice = page.gather(Page::newest(PAGE_MAX), async |page| tx.list_enrollment_views(&filter, page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("Nothing there.");
    }
    let row = |run: &EnrollmentView| {
        vec![
            run.influencer_handle.clone(),
            run.sequence.clone(),
            run.state.to_string(),
            run.step.clone().unwrap_or_default(),
            desk.out.time_or_dash(run.next_at),
            short(&clean_line(reason(run)), 60),
            run.id.to_string(),
        ]
    };
    let head = ["who", "sequence", "state", "step", "next", "waits for", "id"];
    desk.out.table(&head, slice.data.iter().map(row).collect())?;
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(())
}

fn reason(run: &EnrollmentView) -> &str {
    run.exit_reason.as_deref().or(run.waiting_for.as_deref()).unwrap_or_default()
}

async fn show(desk: &Desk, id: EnrollmentId) -> anyhow::Result<()> {
    let mut tx = desk.store.read().await?;
    let missing = || Stop::failed(format!("there is no enrollment `{id}`; `liaison enrollment list` shows them"));
    let run = tx.get_enrollment_view(id).await?.ok_or_else(missing)?;
    let steps = tx.list_step_views(id).await?;
    if desk.out.is_json() {
        let mut shown = serde_json::to_value(&run)?;
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("steps".to_owned(), json!(steps));
        }
        return desk.out.json(&shown);
    }
    desk.out.title(&format!("{} in {}  {}", run.influencer_handle, run.sequence, run.state))?;
    let facts = [
        ("id", Some(run.id.to_string())),
        ("account", Some(run.account.clone())),
        ("version", Some(short(&run.version, 13))),
        ("step", run.step.clone()),
        ("waits for", run.waiting_for.clone()),
        ("next", run.next_at.map(|at| desk.out.time(at))),
        ("held since", run.held_at.map(|at| desk.out.time(at))),
        ("ended", run.ended_at.map(|at| desk.out.time(at))),
        ("because", run.exit_reason.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            desk.out.say(&format!("  {name:<11} {}", clean_line(&value)))?;
        }
    }
    if steps.is_empty() {
        return desk.out.aside("No step was planned yet.");
    }
    let row = |step: &EnrollmentStepView| {
        vec![
            step.step.clone(),
            step.variant.clone().unwrap_or_else(|| step.kind.clone()),
            step.state.to_string(),
            desk.out.time_or_dash(step.completed_at.or(step.planned_at)),
            marks(step),
            short(&clean_line(step.reason.as_deref().unwrap_or_default()), 60),
        ]
    };
    desk.out.table(&["step", "what", "state", "at", "they", "why"], steps.iter().map(row).collect())
}

/// What people did with a message.
fn marks(step: &EnrollmentStepView) -> String {
    let marks = [
        ("opened", step.opened_at),
        ("clicked", step.clicked_at),
        ("replied", step.replied_at),
        ("bounced", step.bounced_at),
        ("complained", step.complained_at),
        ("opted out", step.opted_out_at),
    ];
    marks.iter().filter(|(_, at)| at.is_some()).map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}
