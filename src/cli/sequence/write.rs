//! `liaison sequence …`: write a sequence, say what is wrong with one, show the message someone would get.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::check::{self, CheckArgs};
use crate::cli::desk::{self, Desk};
use crate::cli::init::write_new;
use crate::cli::stop::Stop;
use crate::cli::terminal::{Out, clean_line};
use crate::cli::{Global, environment, who};
use crate::config::{self, Config, Secrets, Severity};
use crate::domain::people::InfluencerView;
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::render::template;
use crate::sequence::{self, Known, first, preview};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WriteCommand {
    /// Write a sequence to begin with
    New {
        /// Its id, which is the name of its folder
        id: String,
        /// The account that sends; else the first one
        #[arg(long)]
        account: Option<String>,
    },
    /// Say everything that is wrong or doubtful, with its place
    Check(CheckArgs),
    /// Show the exact message an influencer would get; nothing is sent
    Preview(PreviewArgs),
}

impl WriteCommand {
    /// Whether it looks at what is kept.
    pub(in crate::cli) fn opens_the_store(&self) -> bool {
        matches!(self, Self::Preview(_))
    }
}

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
    /// Which of the variants of an email, from 1
    #[arg(long, default_value_t = 1)]
    variant: usize,
    /// Write the HTML of the message to this file; with --step where several are sent
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, command: WriteCommand) -> anyhow::Result<ExitCode> {
    match command {
        WriteCommand::New { id, account } => new(global, &id, account.as_deref()),
        WriteCommand::Check(args) => check::check(global, &args).await,
        WriteCommand::Preview(args) => show(global, &args).await,
    }
}

/// The configuration as far as files can tell; passwords are not looked at.
pub(super) fn configuration(global: &Global) -> anyhow::Result<Config> {
    Ok(config::load_with(&desk::config_file(global), environment(), Secrets::Skip)?.config)
}

fn new(global: &Global, id: &str, account: Option<&str>) -> anyhow::Result<ExitCode> {
    let config = configuration(global)?;
    if !sequence::load::is_id(id) {
        let words = "lower-case letters, digits, - and _, a letter or digit first, at most 60";
        return Err(Stop::usage(format!("`{id}` can't be the id of a sequence: {words}")).into());
    }
    let account = match account {
        Some(name) if !config.accounts.contains_key(name) => {
            return Err(Stop::failed(format!("there is no account `{name}`")).into());
        }
        Some(name) => name.to_owned(),
        None => config.accounts.keys().next().cloned().unwrap_or_else(|| "hello".to_owned()),
    };
    let folder = config.outreach.sequences.join(id);
    if folder.symlink_metadata().is_ok() {
        return Err(Stop::failed(format!("{} is there already; nothing was written", folder.display())).into());
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let out = Out::new(global);
    let mut written = Vec::new();
    for (name, text) in first::files(&title(id), &account) {
        let path = folder.join(name);
        write_new(&path, &text)?;
        written.push(path.display().to_string());
    }
    if out.is_json() {
        out.json(&json!({"written": written}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for path in &written {
        out.say(&format!("wrote {path}"))?;
    }
    out.say(&format!(
        "\nNext:\n  1. Make it yours.\n  2. liaison sequence check {id}\n  3. liaison sequence preview {id} --as HANDLE"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `spring-gifting` is "Spring gifting".
fn title(id: &str) -> String {
    let words = id.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

async fn show(global: &Global, args: &PreviewArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let known = Known { config: &desk.config, live: None, audience: None };
    let loaded = sequence::load_one(&known, &args.id);
    let Some((definition, _)) = loaded.definitions.first() else {
        for finding in loaded.findings.iter().filter(|f| f.severity == Severity::Error) {
            desk.out.own(&format!("{}\n\n", finding.render(desk.out.colour())))?;
        }
        return Err(Stop::failed(format!("the sequence `{}` can't be used as it is", args.id)).into());
    };
    let mut tx = desk.store.read().await?;
    let influencer = who::influencer(&mut tx, &args.who).await?;
    let view = who::view(&mut tx, influencer).await?;
    drop(tx);
    let steps: Vec<&Step> = match &args.step {
        None => definition.steps.iter().collect(),
        Some(id) => vec![definition.step(id).map(|(_, step)| step).ok_or_else(|| {
            let ids: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
            Stop::failed(format!("there is no step `{id}`; there are: {}", ids.join(", ")))
        })?],
    };
    let context = context(&desk.config, definition, &view);
    let shown: Vec<Shown<'_>> =
        steps.into_iter().map(|step| show_step(definition, step, &context, args.variant)).collect::<Result<_, _>>()?;
    if let Some(path) = &args.html {
        write_html(path, &shown)?;
    }
    if desk.out.is_json() {
        let all: Vec<_> = shown.iter().map(|shown| shown.to_json(&desk.config, definition, &view)).collect();
        desk.out.json(&json!({"sequence": definition.id, "influencer": view.handle, "steps": all}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for shown in &shown {
        print(&desk, definition, &view, shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The account this influencer would hear from is chosen when they are enrolled; a preview takes the first.
fn context(config: &Config, definition: &Definition, view: &InfluencerView) -> template::Context {
    let account = definition.accounts.first().map_or("", String::as_str);
    let mut given = preview::given(config, view, account);
    given.unsubscribe_url = Some(format!("{}/u/preview", site(config)));
    given.filled = preview::stand_ins(definition);
    template::Context::new(given, &definition.variables)
}

/// Where the page to unsubscribe is reached; a stand-in where the configuration names none.
fn site(config: &Config) -> String {
    config.site().unwrap_or_else(|| "https://unsubscribe.invalid".to_owned())
}

/// A step as it would be.
struct Shown<'a> {
    step: &'a Step,
    what: What,
}

enum What {
    Mail { template: String, variants: usize, message: template::Rendered },
    Task { text: String, assign: String },
    Wait { at_most: String },
}

fn show_step<'a>(
    definition: &Definition,
    step: &'a Step,
    context: &template::Context,
    variant: usize,
) -> Result<Shown<'a>, Stop> {
    let failed = |error: template::TemplateError| {
        Stop::failed(format!("step `{}`: {error}; the run would be held here", step.id))
    };
    let what = match &step.kind {
        StepKind::Email { templates, .. } => {
            let at = if templates.len() > 1 { variant.saturating_sub(1) } else { 0 };
            let name = templates.get(at).ok_or_else(|| {
                Stop::usage(format!("step `{}` has {} variants: --variant 1 to {0}", step.id, templates.len()))
            })?;
            let message = template::render(definition, name, context).map_err(failed)?;
            What::Mail { template: name.clone(), variants: templates.len(), message }
        }
        StepKind::Task { text, assign, .. } => {
            What::Task { text: template::render_inline(text, context).map_err(failed)?, assign: assign.clone() }
        }
        StepKind::WaitFor { at_most, .. } => What::Wait { at_most: at_most.clone() },
    };
    Ok(Shown { step, what })
}

/// The headers as far as they are known before anything is planned.
fn headers(
    config: &Config,
    definition: &Definition,
    view: &InfluencerView,
    message: &template::Rendered,
) -> Vec<(String, String)> {
    let account = definition.accounts.first().and_then(|name| config.accounts.get(name));
    let from = account.map_or_else(String::new, |account| match &account.display_name {
        Some(name) => format!("{name} <{}>", account.address),
        None => account.address.clone(),
    });
    let to = view.addresses.first().map_or_else(|| "(no address)".to_owned(), |address| address.value.clone());
    let subject = message.subject.clone().unwrap_or_else(|| "(that of the mail above: stays in its thread)".to_owned());
    [
        ("From", from),
        ("To", to),
        ("Subject", subject),
        ("List-Unsubscribe", format!("<{}/u/preview>", site(config))),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

impl Shown<'_> {
    fn to_json(&self, config: &Config, definition: &Definition, view: &InfluencerView) -> serde_json::Value {
        match &self.what {
            What::Mail { template, message, .. } => json!({
                "step": self.step.id, "kind": "email", "template": template,
                "headers": headers(config, definition, view, message).into_iter().collect::<BTreeMap<_, _>>(),
                "text": message.text, "html": message.html, "links": message.links,
            }),
            What::Task { text, assign } => {
                json!({"step": self.step.id, "kind": "task", "text": text, "assign": assign})
            }
            What::Wait { at_most } => json!({"step": self.step.id, "kind": "wait_for", "at_most": at_most}),
        }
    }
}

fn print(desk: &Desk, definition: &Definition, view: &InfluencerView, shown: &Shown<'_>) -> anyhow::Result<()> {
    let out = &desk.out;
    let after = shown.step.after.as_deref().map_or_else(String::new, |after| format!(", after {after}"));
    let condition = shown.step.condition.as_deref().map_or_else(String::new, |text| format!(", if {text}"));
    out.title(&format!("{}{after}{condition}", shown.step.id))?;
    match &shown.what {
        What::Mail { template, variants, message } => {
            let of = if *variants > 1 { format!(" (one of {variants} variants)") } else { String::new() };
            out.aside(&format!("email {template}{of}"))?;
            for (name, value) in headers(&desk.config, definition, view, message) {
                out.say(&format!("{name}: {}", clean_line(&value)))?;
            }
            out.say(&format!("\n{}", message.text))?;
        }
        What::Task { text, assign } => {
            out.aside(&format!("task for {assign}"))?;
            out.say(&format!("{text}\n"))?;
        }
        What::Wait { at_most } => out.aside(&format!("waits, {at_most} at most"))?,
    }
    Ok(())
}

fn write_html(path: &PathBuf, shown: &[Shown<'_>]) -> anyhow::Result<()> {
    let mut pages = shown.iter().filter_map(|shown| match &shown.what {
        What::Mail { message, .. } => message.html.as_ref(),
        What::Task { .. } | What::Wait { .. } => None,
    });
    match (pages.next(), pages.next()) {
        (Some(page), None) => {
            std::fs::write(path, page).with_context(|| format!("{} can't be written", path.display()))
        }
        (Some(_), Some(_)) => Err(Stop::usage("--html takes one message: name it with --step").into()),
        (None, _) => Err(Stop::failed("no HTML is sent here").into()),
    }
}
