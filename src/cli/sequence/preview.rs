//! `liaison sequence preview`: the exact message someone would get, headers included; and that message once, to oneself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::cli::desk::Desk;
use crate::cli::send;
use crate::cli::stop::Stop;
use crate::cli::terminal::clean_line;
use crate::cli::{Global, who};
use crate::config::Severity;
use crate::hub::enqueue;
use crate::sequence::{self, Known, preview};
use crate::store::Tx;

#[derive(Debug, Args)]
pub(in crate::cli) struct PreviewArgs {
    /// The sequence
    id: String,
    /// For whom: handle, mail address or id
    #[arg(long = "as", value_name = "WHO")]
    who: String,
    /// Only this step
    #[arg(long)]
    step: Option<String>,
    /// Another of the variants of an email than the one they would get, from 1
    #[arg(long)]
    variant: Option<usize>,
    /// Which text: that of the files as they are now, in force or not; that in force, with which new runs begin; or that of
    /// the version their live run is pinned to
    #[arg(long, value_enum, value_name = "TEXT", default_value = "files")]
    of: OfArg,
    /// Write the HTML of the message to this file; with --step where several are sent
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Send the message once, really: to this address, or to `me`, the account it goes out from. Nothing of it is counted, it
    /// belongs to no run, and its link to unsubscribe does nothing, which the mail says
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OfArg {
    Files,
    InForce,
    Pinned,
}

impl From<OfArg> for preview::Of {
    fn from(of: OfArg) -> Self {
        match of {
            OfArg::Files => Self::Files,
            OfArg::InForce => Self::InForce,
            OfArg::Pinned => Self::Pinned,
        }
    }
}

fn stop(error: preview::PreviewError) -> anyhow::Error {
    let words = error.to_string();
    match error {
        preview::PreviewError::Store(error) => error.into(),
        preview::PreviewError::NoVariant { .. } => Stop::usage(words).into(),
        preview::PreviewError::NoRun { .. } => {
            Stop::failed(format!("{words}; without `--of pinned` you see what they would get")).into()
        }
        preview::PreviewError::NotInForce(_) => {
            Stop::failed(format!("{words}; a new folder comes into force with `liaison reload`")).into()
        }
        preview::PreviewError::Unreadable(_)
        | preview::PreviewError::NoStep { .. }
        | preview::PreviewError::NotWritten { .. }
        | preview::PreviewError::NoSubject(_) => Stop::failed(words).into(),
    }
}

pub(super) async fn run(global: &Global, args: &PreviewArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let files = if args.of == OfArg::Files { Some(read(&desk, &args.id)?) } else { None };
    let mut tx = desk.store.read().await?;
    let influencer = who::influencer(&mut tx, &args.who).await?;
    let view = who::view(&mut tx, influencer).await?;
    let text = match files {
        Some(text) => text,
        None => preview::kept(&mut tx, &args.id, &view, args.of.into()).await.map_err(stop)?,
    };
    let scene = preview::Scene::set(&mut tx, &desk.config, text, view).await?;
    drop(tx);
    let shown = scene.show(args.step.as_deref(), args.variant).map_err(stop)?;
    if let Some(path) = &args.html {
        write_html(path, &shown.steps)?;
    }
    if let Some(to) = &args.send_to {
        send_one(&desk, &scene, (&shown, to)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if desk.out.is_json() {
        desk.out.json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let of = match shown.of {
        preview::Of::Files => "the files as they are now",
        preview::Of::InForce => "the version in force",
        preview::Of::Pinned => "the version their live run is pinned to",
    };
    desk.out.aside(&format!("This is what {} would get by {of}.", shown.influencer))?;
    for step in &shown.steps {
        print(&desk, step)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of the files.
fn read(desk: &Desk, id: &str) -> anyhow::Result<preview::Text> {
    let loaded = sequence::load_one(&Known { config: &desk.config, live: None, audience: None }, id);
    if let Some((definition, version)) = loaded.definitions.into_iter().next() {
        return Ok(preview::Text { of: preview::Of::Files, definition: Arc::new(definition), version });
    }
    for finding in loaded.findings.iter().filter(|f| f.severity == Severity::Error) {
        desk.out.own(&format!("{}\n\n", finding.render(desk.out.colour())))?;
    }
    Err(Stop::failed(format!("the sequence `{id}` can't be used as it is")).into())
}

/// The headers in the order in which people read them.
const HEADERS: [&str; 5] = ["From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"];

fn print(desk: &Desk, shown: &preview::Shown) -> anyhow::Result<()> {
    let out = &desk.out;
    let (preview::Shown::Email { step, after, condition, why, .. }
    | preview::Shown::Say { step, after, condition, why, .. }
    | preview::Shown::Task { step, after, condition, why, .. }
    | preview::Shown::Notify { step, after, condition, why, .. }
    | preview::Shown::WaitFor { step, after, condition, why, .. }) = shown;
    if let Some(why) = why {
        // What stands under `else` waits for nothing else.
        out.title(step)?;
        out.aside(&format!("what stands under `else`: {}", clean_line(why)))?;
    } else {
        let after = after.as_deref().map_or_else(String::new, |after| format!(", after {after}"));
        let condition = condition.as_deref().map_or_else(String::new, |text| format!(", if {text}"));
        out.title(&format!("{step}{after}{condition}"))?;
    }
    match shown {
        preview::Shown::Email { template, variants, review, headers, text, .. } => {
            let of = if *variants > 1 { format!(" (one of {variants} variants)") } else { String::new() };
            out.aside(&format!("email {template}{of}"))?;
            if *review {
                out.aside("waits for a person to approve it")?;
            }
            for name in HEADERS {
                let value = headers.get(name).map(String::as_str).unwrap_or_default();
                out.say(&format!("{name}: {}", clean_line(value)))?;
            }
            out.say(&format!("\n{text}"))?;
        }
        preview::Shown::Say { channel, to, text, segments, review, .. } => {
            let to = to.as_deref().unwrap_or("(no address)");
            let parts =
                segments.filter(|parts| *parts > 1).map(|parts| format!(", in {parts} parts")).unwrap_or_default();
            let read = if *review { ", once somebody has read it" } else { "" };
            out.aside(&format!("{channel} to {to}{parts}{read}"))?;
            out.say(&format!("{text}\n"))?;
        }
        preview::Shown::Task { text, assign, .. } => {
            out.aside(&format!("task for {assign}"))?;
            out.say(&format!("{text}\n"))?;
        }
        preview::Shown::Notify { text, .. } => {
            out.aside("told to the team")?;
            out.say(&format!("{text}\n"))?;
        }
        preview::Shown::WaitFor { at_most, .. } => out.aside(&format!("waits, {at_most} at most"))?,
    }
    Ok(())
}

/// What is said of a flag that takes one message.
fn one_message(error: preview::OnceError, flag: &str) -> anyhow::Error {
    let words = error.to_string();
    match error {
        preview::OnceError::Several => Stop::usage(format!("{flag} takes one message: name it with --step")).into(),
        preview::OnceError::Address(_) => Stop::usage(words).into(),
        preview::OnceError::Preview(error) => stop(error),
        preview::OnceError::Store(error) => error.into(),
        preview::OnceError::NoMail
        | preview::OnceError::NoAccount
        | preview::OnceError::Theirs(_)
        | preview::OnceError::File(_) => Stop::failed(words).into(),
    }
}

fn write_html(path: &Path, shown: &[preview::Shown]) -> anyhow::Result<()> {
    let preview::Shown::Email { html, .. } =
        preview::once::only_mail(shown).map_err(|error| one_message(error, "--html"))?
    else {
        return Ok(());
    };
    let page = html.as_ref().ok_or_else(|| Stop::failed("no HTML is sent here"))?;
    std::fs::write(path, page).with_context(|| format!("{} can't be written", path.display()))
}

/// Puts the message into the outbox as mail that a person writes, to somebody of ours: no run, no counting.
async fn send_one(
    desk: &Desk,
    scene: &preview::Scene<'_>,
    (shown, to): (&preview::Preview, &str),
) -> anyhow::Result<()> {
    let told = |error| one_message(error, "--send-to");
    let order = preview::once::once(scene, (shown, to), desk.clock.now()).map_err(told)?;
    let work = async |tx: &mut Tx| {
        preview::once::refuse_theirs(tx, &order).await.map_err(told)?;
        Ok(enqueue::enqueue(tx, &desk.clock, order.clone()).await?)
    };
    let queued = desk.change("cli.preview", work).await?;
    let running = desk.wake().await;
    send::tell(desk, &queued, &order.account.name, running).await
}
