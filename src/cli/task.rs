//! `liaison task …`: what people are to do.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::desk::{self, Desk};
use super::page::{MORE, PageArgs, listed};
use super::stop::Stop;
use super::terminal::{clean_line, short};
use super::{Global, date, who};
use crate::domain::ids::TaskId;
use crate::domain::time::Micros;
use crate::domain::words::{TaskKind, TaskState};
use crate::hub::task::{self, NewTask};
use crate::store::Tx;
use crate::store::reading::task::{TaskFilter, TaskView};
use crate::store::reading::{PAGE_MAX, Page};

#[derive(Debug, Subcommand)]
pub(super) enum TaskCommand {
    /// List them, what is due first
    List(ListArgs),
    /// Say that one is done
    Done {
        /// The task, as `task list` shows it
        task: TaskId,
        /// The answer it asks for. Where it asks whether something was a no: `said_no` (after a complaint of one of several: "`said_no`
        /// ADDRESS"), and nothing goes to them any more; or `go_on`, and their hold ends
        #[arg(long)]
        answer: Option<String>,
    },
    /// Make one
    Add(AddArgs),
    /// Take one away that is not to be done any more
    Cancel {
        /// The task, as `task list` shows it
        task: TaskId,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// How they stand: open, done, `timed_out` or cancelled
    #[arg(long, default_value = "open")]
    state: TaskState,
    /// For this teammate
    #[arg(long)]
    assignee: Option<String>,
    /// Why they are there: step, `by_hand`, answer, refusal, address, stage, sequence or mail
    #[arg(long)]
    kind: Option<TaskKind>,
    /// About this influencer: handle, mail address or id
    #[arg(long = "about", value_name = "WHO")]
    influencer: Option<String>,
    /// Only those that are late
    #[arg(long)]
    late: bool,
    #[command(flatten)]
    page: PageArgs,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What is to be done
    text: String,
    /// About this influencer: handle, mail address or id
    #[arg(long = "about", value_name = "WHO")]
    influencer: Option<String>,
    /// For this teammate
    #[arg(long)]
    assignee: Option<String>,
    /// Late after this day or instant
    #[arg(long, value_name = "DATE", value_parser = date::parse)]
    due: Option<Micros>,
}

pub(super) async fn run(global: &Global, command: TaskCommand) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    match command {
        TaskCommand::List(args) => list(&desk, args).await?,
        TaskCommand::Done { task, answer } => done(&desk, task, answer.as_deref()).await?,
        TaskCommand::Add(args) => add(&desk, args).await?,
        TaskCommand::Cancel { task } => cancel(&desk, task).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(desk: &Desk, args: ListArgs) -> anyhow::Result<()> {
    let now = desk.clock.now();
    let mut tx = desk.store.read().await?;
    let influencer = match &args.influencer {
        Some(given) => Some(who::influencer(&mut tx, given).await?.id),
        None => None,
    };
    let due_before = args.late.then_some(now);
    let filter = TaskFilter { state: args.state, assignee: args.assignee, kind: args.kind, influencer, due_before };
    let slice = args.page.gather(Page::oldest(PAGE_MAX), async |page| tx.list_tasks(&filter, now, page).await).await?;
    if desk.out.is_json() {
        return desk.out.json(&listed(&slice));
    }
    if slice.data.is_empty() {
        return desk.out.say("No tasks.");
    }
    let row = |t: &TaskView| {
        let due = desk.out.time_or_dash(t.due_at);
        vec![
            t.id.to_string(),
            if t.late { format!("{due} (late)") } else { due },
            t.assignee.clone().unwrap_or_default(),
            t.influencer_handle.clone().unwrap_or_default(),
            t.kind.to_string(),
            clean_line(&short(&t.text, 100)),
        ]
    };
    desk.out.table(&["task", "due", "for", "about", "kind", "what"], slice.data.iter().map(row).collect())?;
    if slice.next.is_some() {
        desk.out.aside(MORE)?;
    }
    Ok(())
}

async fn show(desk: &Desk, id: TaskId, words: &str) -> anyhow::Result<()> {
    desk.wake().await;
    if !desk.out.is_json() {
        return desk.out.say(words);
    }
    let view = desk.store.read().await?.get_task_view(id, desk.clock.now()).await?;
    desk.out.json(&view)
}

async fn done(desk: &Desk, id: TaskId, answer: Option<&str>) -> anyhow::Result<()> {
    let work = async |tx: &mut Tx| Ok(task::finish(tx, &desk.clock, (id, None), (answer, &desk::by())).await?);
    desk.change("cli.task_done", work).await?;
    show(desk, id, "done").await
}

async fn cancel(desk: &Desk, id: TaskId) -> anyhow::Result<()> {
    let work = async |tx: &mut Tx| Ok(task::cancel(tx, &desk.clock, (id, None), &desk::by()).await?);
    desk.change("cli.task_cancel", work).await?;
    show(desk, id, "cancelled").await
}

async fn add(desk: &Desk, args: AddArgs) -> anyhow::Result<()> {
    if let Some(name) = &args.assignee
        && !desk.config.teammates.is_empty()
        && !desk.config.teammates.contains_key(name)
    {
        let known: Vec<&str> = desk.config.teammates.keys().map(String::as_str).collect();
        let words = format!("there is no teammate `{name}`; there are: {}", known.join(", "));
        return Err(Stop::failed(words).into());
    }
    let new = NewTask { text: args.text, assignee: args.assignee, due_at: args.due, ..NewTask::default() };
    let work = async |tx: &mut Tx| {
        let influencer_id = match &args.influencer {
            Some(given) => Some(who::influencer(tx, given).await?.id),
            None => None,
        };
        Ok(task::add(tx, &desk.clock, NewTask { influencer_id, ..new.clone() }).await?)
    };
    let id = desk.change("cli.task_add", work).await?;
    show(desk, id, &format!("made {id}")).await
}
