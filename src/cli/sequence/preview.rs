//! `liaison sequence preview`: the exact message someone would get, headers included; and that message once, to oneself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::cli::desk::Desk;
use crate::cli::send;
use crate::cli::stop::Stop;
use crate::cli::terminal::clean_line;
use crate::cli::{Global, who};
use crate::config::{Account, Config, Severity};
use crate::domain::address;
use crate::domain::mail::Mailbox;
use crate::domain::people::{AddressView, InfluencerView};
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::subject::reply_subject;
use crate::domain::words::Channel;
use crate::hub::enqueue;
use crate::hub::outreach;
use crate::render::template;
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
    /// Write the HTML of the message to this file; with --step where several are sent
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Send the message once, really: to this address, or to `me`, the account it goes out from. Nothing of it is counted, it
    /// belongs to no run, and its link to unsubscribe does nothing
    #[arg(long, value_name = "ADDRESS")]
    send_to: Option<String>,
}

/// What a message is shown for.
struct Scene<'a> {
    config: &'a Config,
    definition: &'a Definition,
    view: &'a InfluencerView,
    /// The account they would hear from.
    account: Option<&'a Account>,
    /// Where mail would go; nothing where no address of theirs may be written to.
    to: Option<&'a AddressView>,
    context: template::Context,
}

pub(super) async fn run(global: &Global, args: &PreviewArgs) -> anyhow::Result<ExitCode> {
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
    let account = account_for(&mut tx, definition, &view).await?;
    drop(tx);
    let steps: Vec<&Step> = match &args.step {
        None => definition.steps.iter().collect(),
        Some(id) => vec![definition.step(id).map(|(_, step)| step).ok_or_else(|| {
            let ids: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
            Stop::failed(format!("there is no step `{id}`; there are: {}", ids.join(", ")))
        })?],
    };
    let scene = Scene {
        config: &desk.config,
        definition,
        view: &view,
        account: desk.config.accounts.get(&account),
        to: mail_address(&view),
        context: context(&desk.config, definition, &view, &account),
    };
    let shown: Vec<Shown<'_>> =
        steps.into_iter().map(|step| scene.show(step, args.variant)).collect::<Result<_, _>>()?;
    if let Some(path) = &args.html {
        write_html(path, &shown)?;
    }
    if let Some(to) = &args.send_to {
        send_one(&desk, &scene, only_mail(&shown, "--send-to")?, to).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if desk.out.is_json() {
        let all: Vec<_> = shown.iter().map(|shown| scene.to_json(shown)).collect();
        desk.out.json(&json!({"sequence": definition.id, "influencer": view.handle, "steps": all}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for shown in &shown {
        print(&desk, &scene, shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The account they hear from: that of their live run, of their newest thread, else the first one.
async fn account_for(tx: &mut Tx, definition: &Definition, view: &InfluencerView) -> anyhow::Result<String> {
    let runs = tx.list_enrollments_of(vec![view.id]).await?;
    let live = runs.into_iter().find(|run| run.sequence == definition.id && outreach::is_live(run));
    if let Some(run) = live {
        return Ok(run.account);
    }
    let known = tx.newest_accounts(vec![view.id]).await?.pop().map(|(_, account)| account);
    let known = known.filter(|account| definition.accounts.contains(account));
    Ok(known.or_else(|| definition.accounts.first().cloned()).unwrap_or_default())
}

/// Where mail to them goes, as the engine chooses it.
fn mail_address(view: &InfluencerView) -> Option<&AddressView> {
    let writable = |a: &&AddressView| a.channel == Channel::Email && a.dead_at.is_none() && a.suppressed.is_none();
    let mut all = view.addresses.iter().filter(writable);
    let first = all.next()?;
    Some(if first.primary { first } else { all.find(|a| a.primary).unwrap_or(first) })
}

fn context(config: &Config, definition: &Definition, view: &InfluencerView, account: &str) -> template::Context {
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
    /// Whether what stands under `else` is shown.
    other: bool,
    what: What,
}

enum What {
    Mail { template: String, variants: usize, message: template::Rendered },
    Task { text: String, assign: String },
    Wait { at_most: String },
}

impl Scene<'_> {
    fn show<'a>(&self, step: &'a Step, variant: Option<usize>) -> Result<Shown<'a>, Stop> {
        let failed = |error: template::TemplateError| {
            Stop::failed(format!("step `{}`: {error}; the run would be held here", step.id))
        };
        let is_mail = matches!(step.kind, StepKind::Email { .. });
        let other = step.otherwise.as_ref().filter(|_| is_mail && self.to.is_none());
        let what = match other.unwrap_or(&step.kind) {
            StepKind::Email { templates, split } => {
                let drawn = preview::choose_variant((&self.definition.id, self.view.id), &step.id, templates, split);
                let chosen = match variant.filter(|_| templates.len() > 1) {
                    Some(n) => n.checked_sub(1).and_then(|at| templates.get(at)),
                    None => drawn,
                };
                let name = chosen.ok_or_else(|| {
                    Stop::usage(format!("step `{}` has {} variants: --variant 1 to {0}", step.id, templates.len()))
                })?;
                let message = template::render(self.definition, name, &self.context).map_err(failed)?;
                What::Mail { template: name.clone(), variants: templates.len(), message }
            }
            StepKind::Task { text, assign, .. } => {
                let text = template::render_inline(text, &self.context).map_err(failed)?;
                What::Task { text, assign: assign.clone() }
            }
            StepKind::WaitFor { at_most, .. } => What::Wait { at_most: at_most.clone() },
        };
        Ok(Shown { step, other: other.is_some(), what })
    }

    /// The headers as far as they are known before anything is planned.
    fn headers(&self, message: &template::Rendered) -> Vec<(String, String)> {
        let from = self.account.map_or_else(String::new, |account| match &account.display_name {
            Some(name) => format!("{name} <{}>", account.address),
            None => account.address.clone(),
        });
        let to = self.to.map_or_else(|| "(no address)".to_owned(), |address| address.value.clone());
        let subject =
            message.subject.clone().unwrap_or_else(|| "(that of the mail above: stays in its thread)".to_owned());
        let mailto = self.account.map_or_else(String::new, |account| {
            format!(", <mailto:{}?subject=unsubscribe%20preview>", account.address)
        });
        [
            ("From", from),
            ("To", to),
            ("Subject", subject),
            ("List-Unsubscribe", format!("<{}/u/preview>{mailto}", site(self.config))),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The subject a mail goes out with: its own, or that of the nearest mail above that has one.
    fn subject(&self, shown: &Shown<'_>, message: &template::Rendered) -> anyhow::Result<String> {
        if let Some(subject) = &message.subject {
            return Ok(subject.clone());
        }
        let at = self.definition.step(&shown.step.id).map_or(0, |(at, _)| at);
        for above in self.definition.steps.iter().take(at).rev() {
            if let What::Mail { message, .. } = self.show(above, None)?.what
                && let Some(subject) = message.subject
            {
                return Ok(reply_subject(&subject));
            }
        }
        Err(Stop::failed(format!("step `{}` has no subject, and no mail stands above it", shown.step.id)).into())
    }

    fn to_json(&self, shown: &Shown<'_>) -> serde_json::Value {
        let step = &shown.step.id;
        match &shown.what {
            What::Mail { template, message, .. } => json!({
                "step": step, "kind": "email", "template": template, "else": shown.other, "review": shown.step.review,
                "account": self.account.map(|account| &account.id),
                "headers": self.headers(message).into_iter().collect::<BTreeMap<_, _>>(),
                "text": message.text, "html": message.html, "links": message.links,
            }),
            What::Task { text, assign } => {
                json!({"step": step, "kind": "task", "else": shown.other, "text": text, "assign": assign})
            }
            What::Wait { at_most } => {
                json!({"step": step, "kind": "wait_for", "else": shown.other, "at_most": at_most})
            }
        }
    }
}

fn print(desk: &Desk, scene: &Scene<'_>, shown: &Shown<'_>) -> anyhow::Result<()> {
    let out = &desk.out;
    let after = shown.step.after.as_deref().map_or_else(String::new, |after| format!(", after {after}"));
    let condition = shown.step.condition.as_deref().map_or_else(String::new, |text| format!(", if {text}"));
    out.title(&format!("{}{after}{condition}", shown.step.id))?;
    if shown.other {
        out.aside("what stands under `else`: no mail may be sent to them")?;
    }
    match &shown.what {
        What::Mail { template, variants, message } => {
            let of = if *variants > 1 { format!(" (the one of {variants} variants they get)") } else { String::new() };
            out.aside(&format!("email {template}{of}"))?;
            if shown.step.review {
                out.aside("waits for a person to approve it")?;
            }
            for (name, value) in scene.headers(message) {
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

/// The one mail among what is shown.
fn only_mail<'s, 'a>(shown: &'s [Shown<'a>], flag: &str) -> Result<&'s Shown<'a>, Stop> {
    let mut mails = shown.iter().filter(|shown| matches!(shown.what, What::Mail { .. }));
    match (mails.next(), mails.next()) {
        (Some(mail), None) => Ok(mail),
        (Some(_), Some(_)) => Err(Stop::usage(format!("{flag} takes one message: name it with --step"))),
        (None, _) => Err(Stop::failed("no mail is sent here")),
    }
}

fn write_html(path: &Path, shown: &[Shown<'_>]) -> anyhow::Result<()> {
    let What::Mail { message, .. } = &only_mail(shown, "--html")?.what else { return Ok(()) };
    let page = message.html.as_ref().ok_or_else(|| Stop::failed("no HTML is sent here"))?;
    std::fs::write(path, page).with_context(|| format!("{} can't be written", path.display()))
}

/// Puts the message into the outbox as mail that a person writes, to somebody of ours: no run, no counting.
async fn send_one(desk: &Desk, scene: &Scene<'_>, shown: &Shown<'_>, to: &str) -> anyhow::Result<()> {
    let What::Mail { template, message, .. } = &shown.what else { return Ok(()) };
    let account = scene.account.ok_or_else(|| Stop::failed("there is no account that it could go out from"))?;
    let to = if to == "me" { account.address.as_str() } else { to };
    let key = address::key(to).ok_or_else(|| Stop::usage(format!("`{to}` is no mail address, nor `me`")))?;
    let attachments = preview::attachments_of(scene.definition, template).map_err(Stop::failed)?;
    let subject = scene.subject(shown, message)?;
    let mut tx = desk.store.begin("cli.preview").await?;
    if !tx.find_addresses(Channel::Email, vec![key]).await?.is_empty() {
        let words = format!("{to} is the address of an influencer or agent: a preview goes to one of your own");
        return Err(Stop::failed(words).into());
    }
    let order = enqueue::Order {
        account: send::sender_of(account),
        to: vec![Mailbox { name: String::new(), address: to.to_owned() }],
        cc: Vec::new(),
        subject: Some(subject),
        text: message.text.clone(),
        html: message.html.clone(),
        attachments,
        answers: None,
        due_at: desk.clock.now(),
        file_copy: false,
        message_id_domain: address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned()),
        outreach: None,
    };
    let queued = enqueue::enqueue(&mut tx, &desk.clock, order).await?;
    tx.commit().await?;
    let running = desk.wake().await;
    send::tell(desk, &queued, &account.id, running).await
}
