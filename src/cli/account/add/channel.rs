//! `liaison account add` for numbers and workspaces: says step by step what is to be done at the provider and here, prints or writes the
//! entry of the configuration, and tries an account that is configured already.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::test;
use super::entry::{Entry, Keeping};
use super::{AddArgs, must_be_writable, tee, tell_daemon, write_block};
use crate::app;
use crate::cli::Global;
use crate::cli::desk::Desk;
use crate::cli::stop::{FAILED, Stop};
use crate::cli::terminal::Out;
use crate::config::accounts::{MANUAL, kind_names};
use crate::config::texting::{Texting, texting};
use crate::config::{Account, Config};
use crate::domain::oauth::Provider;

/// The page where apps of Slack are made.
const APPS: &str = "https://api.slack.com/apps";

/// The setting that checks what Slack posts.
const SIGNING_SECRET: &str = "signing_secret";

/// What is added that nobody signs in to.
pub(super) enum Sort {
    /// A number, or a pool of numbers.
    Text(&'static Texting),
    /// A workspace of Slack.
    Slack,
}

/// What an account is of these, or is to be; nothing for a mailbox that somebody signs in to.
///
/// # Errors
/// [`Stop`] where nothing can be added so.
pub(super) fn sort_of(config: &Config, kind: Option<&str>, name: &str) -> Result<Option<Sort>, Stop> {
    let there = config.accounts.get(name).map(Account::kind_name);
    let kinds = || kind_names().join(", ");
    if let Some(there) = there.filter(|there| kind.is_some_and(|kind| kind != *there)) {
        return Err(Stop::failed(format!("`{name}` is configured as {there}")));
    }
    let Some(kind) = there.or(kind) else {
        if kind_names().contains(&name) {
            return Err(Stop::usage(format!("say the name of the account as well: liaison account add {name} NAME")));
        }
        return Err(Stop::usage(format!(
            "`{name}` is not configured yet: say its kind with --kind; there are: {}",
            kinds()
        )));
    };
    if there.is_none() {
        check_name(name)?;
    }
    if let Some(provider) = texting(kind) {
        return Ok(Some(Sort::Text(provider)));
    }
    match kind {
        "slack" => Ok(Some(Sort::Slack)),
        // What signs in, and what else is there already, is for whoever signs people in to say.
        kind if there.is_some() || Provider::named(kind).is_some() => Ok(None),
        kind if kind_names().contains(&kind) => Err(Stop::usage(format!(
            "nobody signs in to an account of kind `{kind}`: write [accounts.{name}] into the configuration; docs/accounts.md shows it"
        ))),
        kind => Err(Stop::usage(format!("`{kind}` is no kind of account; there are: {}", kinds()))),
    }
}

fn check_name(name: &str) -> Result<(), Stop> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fine) {
        return Err(Stop::usage("the name of an account is made of letters, digits, - and _"));
    }
    if name == MANUAL {
        return Err(Stop::usage(format!(
            "no account is called `{MANUAL}`: under this name stands what was said elsewhere"
        )));
    }
    Ok(())
}

pub(super) async fn run(
    global: &Global,
    args: &AddArgs,
    (config, sort): (&Config, &Sort),
    name: &str,
) -> anyhow::Result<ExitCode> {
    refuse_sign_in(args)?;
    if config.accounts.contains_key(name) {
        return try_there(global, (config, sort), name).await;
    }
    let keeping = Keeping::of(config);
    let entry = match sort {
        Sort::Text(provider) => Entry::of_text(name, provider, &given(provider, &args.set)?, keeping),
        Sort::Slack => match args.set.first() {
            Some(setting) => {
                return Err(Stop::usage(format!(
                    "--set {setting}: a workspace has only secrets, which are kept in files"
                ))
                .into());
            }
            None => Entry::of_slack(name, keeping),
        },
    };
    let out = Out::new(global);
    if args.write {
        return write(&out, (config, sort), &entry).await;
    }
    show(&out, (config, sort), &entry)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what only a sign-in has.
fn refuse_sign_in(args: &AddArgs) -> Result<(), Stop> {
    let given = [
        ("--address", args.address.is_some()),
        ("--port", args.way.port.is_some()),
        ("--via-hub", args.way.via_hub),
        ("--paste", args.way.paste),
        ("--device", args.way.device),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Stop::usage(format!("{flag}: only mailboxes that somebody signs in to have this"))),
        None => Ok(()),
    }
}

/// The settings that were given, looked at.
fn given(provider: &Texting, set: &[String]) -> Result<BTreeMap<&'static str, String>, Stop> {
    let mut given = BTreeMap::new();
    for text in set {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        let Some(setting) = provider.setting(name) else {
            let names: Vec<&str> = provider.settings.iter().filter(|s| !s.is_secret()).map(|s| s.name).collect();
            let label = provider.label;
            return Err(Stop::usage(format!(
                "--set {name}: {label} has no such setting; there are: {}",
                names.join(", ")
            )));
        };
        if setting.is_secret() {
            let words =
                "it is a secret, which is never said here: keep it as `liaison account add` says without --write";
            return Err(Stop::usage(format!("--set {name}: {words}")));
        }
        let odd = |c: char| c.is_control() || matches!(c, '"' | '\\');
        let checked = if value.is_empty() || value.contains(odd) {
            Err("write a plain value".to_owned())
        } else {
            setting.form.check(value)
        };
        checked.map_err(|how| Stop::usage(format!("--set {name}: it can't be right: {how}")))?;
        given.insert(setting.name, value.to_owned());
    }
    if let Some((one, other)) =
        provider.apart.iter().find(|(one, other)| given.contains_key(one) && given.contains_key(other))
    {
        return Err(Stop::usage(format!("--set: {one} and {other} don't go together, take one of the two")));
    }
    Ok(given)
}

/// The address to which the provider posts, where it can reach us.
fn webhook(config: &Config, name: &str) -> Option<String> {
    config.server.base_url.as_deref().map(|base| format!("{}/hooks/{name}", base.trim_end_matches('/')))
}

/// The description of our app; people in the workspace see its name.
fn manifest(config: &Config, name: &str) -> String {
    let sender = config.outreach.sender.as_ref().map(|sender| sender.name.as_str());
    app::slack_manifest(sender.unwrap_or(name))
}

fn manifest_json(config: &Config, sort: &Sort, name: &str) -> Value {
    match sort {
        Sort::Slack => serde_json::from_str(&manifest(config, name)).unwrap_or_default(),
        Sort::Text(_) => Value::Null,
    }
}

fn show(out: &Out, (config, sort): (&Config, &Sort), entry: &Entry) -> anyhow::Result<()> {
    let name = entry.account.as_str();
    if out.is_json() {
        let secret = |(key, command): (&str, String)| json!({"key": key, "command": command});
        let secrets: Vec<Value> = entry.secrets().into_iter().map(secret).collect();
        return out.json_line(
            &json!({"account": name, "kind": entry.kind, "manifest": manifest_json(config, sort, name),
            "secrets": secrets, "toml": entry.toml(false), "written": null,
            "webhook": webhook(config, name).filter(|_| takes_posts(sort, entry, false))}),
        );
    }
    let steps = match sort {
        Sort::Text(provider) => of_number(config, provider, entry),
        Sort::Slack => of_workspace(config, entry),
    };
    for (number, step) in steps.iter().enumerate() {
        out.say(&format!("{}. {}\n", number + 1, step.trim_end()))?;
    }
    Ok(())
}

fn of_number(config: &Config, provider: &Texting, entry: &Entry) -> Vec<String> {
    let mut steps = vec![format!("{}: {}.", provider.label, provider.found)];
    steps.extend(here(entry));
    steps.push(if entry.has(provider.checks, false) {
        posting(config, provider, &entry.account)
    } else {
        not_posting(provider, &entry.account)
    });
    steps.push(format!("Then try it: liaison account add {}", entry.account));
    steps
}

/// Whether what the provider posts can be taken, with an entry as it is; what Slack needs for that is said beside the address.
fn takes_posts(sort: &Sort, entry: &Entry, at_once: bool) -> bool {
    match sort {
        Sort::Text(provider) => entry.has(provider.checks, at_once),
        Sort::Slack => true,
    }
}

/// What is missing so that the provider can post to us.
fn not_posting(provider: &Texting, name: &str) -> String {
    let Texting { label, checks, .. } = provider;
    let about = provider.setting(checks).map_or("", |setting| setting.about);
    format!(
        "{label} can't post to us as it is: messages are only asked for, every poll_seconds (60), and so is how ours fare. What is posted \
         needs `{checks}` in the entry ({about}). Once it is there and the daemon has it, `liaison account add {name}` says which address \
         to enter at {label}."
    )
}

/// Where it is entered to which address the provider posts.
fn posting(config: &Config, provider: &Texting, name: &str) -> String {
    let Texting { label, posts, .. } = provider;
    match webhook(config, name) {
        Some(url) => format!(
            "So that what comes in is here at once, enter this address at {label} ({posts}):\n\n  {url}\n\n   The address to which it \
             tells how our messages fare goes along with each of them."
        ),
        None => format!(
            "[server] base_url is not set, so {label} can't post to us: messages are only asked for, every poll_seconds (60), and so is \
             how ours fare. Once it is set, `liaison account add {name}` says which address to enter at {label}."
        ),
    }
}

fn of_workspace(config: &Config, entry: &Entry) -> Vec<String> {
    let name = entry.account.as_str();
    let mut steps = vec![
        format!(
            "Open {APPS}, \"Create New App\", \"From a manifest\", choose the workspace, and paste this as JSON:\n\n{}",
            manifest(config, name)
        ),
        "\"Install App\": install it into the workspace. The token of its bot, which begins with xoxb-, stands on \"OAuth & \
         Permissions\" then."
            .to_owned(),
        "\"Basic Information\", \"App-Level Tokens\", \"Generate Token and Scopes\": add the scope connections:write. The token of \
         the app begins with xapp- and opens the socket over which Slack tells what happens."
            .to_owned(),
    ];
    steps.extend(here(entry));
    steps.push(slack_posting(config, entry));
    steps.push(format!(
        "Invite the app to the channels that it is to read (/invite in Slack); who writes to it directly needs no invitation. Then see \
         whether anything is missing: liaison account add {name}"
    ));
    steps
}

/// How Slack posts to us in place of the socket. It asks an address at once where it is entered, and nothing answers there before the
/// daemon has the secret.
fn slack_posting(config: &Config, entry: &Entry) -> String {
    let Some(url) = webhook(config, &entry.account) else {
        return "In place of the socket Slack can post to us, for which [server] base_url has to be set first; docs/channels.md says what \
                to do then."
            .to_owned();
    };
    format!(
        "Only where Slack is to post to us in place of the socket: keep the signing secret (\"Basic Information\", \"App Credentials\"),\n\n  \
         {}   # {SIGNING_SECRET}\n\n   take the # off its line in the entry, {}. The daemon has to run with it before the next: Slack \
         asks an address as soon as it is entered. Then enter {url} at \"Event Subscriptions\" and at \"Interactivity & Shortcuts\", and \
         turn \"Socket Mode\" off.",
        entry.command(SIGNING_SECRET),
        again(entry)
    )
}

/// What lets the daemon have what was changed.
fn again(entry: &Entry) -> &'static str {
    match entry.keeping {
        Keeping::Files(_) => "then `liaison reload`",
        Keeping::Credentials => {
            "then `sudo systemctl restart liaison`, for the unit hands over new secrets when it starts"
        }
    }
}

/// What is done on this side: the secrets, and the entry.
fn here(entry: &Entry) -> [String; 2] {
    let commands: String = entry
        .secrets()
        .into_iter()
        .flat_map(|(key, command)| ["\n  ".to_owned(), command, format!("   # {key}")])
        .collect();
    let then = again(entry);
    [
        format!(
            "Keep each secret where the daemon finds it: type the line, paste the secret, then Enter and Ctrl-D.\n{commands}"
        ),
        format!("Put this into the configuration, {then}:\n\n{}", entry.toml(false)),
    ]
}

/// Writes the entry into a file of its own, where nothing is missing for it.
async fn write(out: &Out, (config, sort): (&Config, &Sort), entry: &Entry) -> anyhow::Result<ExitCode> {
    let name = entry.account.as_str();
    let lacks = entry.lacks();
    if !lacks.is_empty() {
        let words = format!("--write needs more, and nothing was written:\n\n  {}\n", lacks.join("\n  "));
        return Err(Stop::usage(words).into());
    }
    let toml = entry.toml(true);
    let then = format!(
        "go on:\n\n{}sudo systemctl restart liaison\nsudo liaison account add {name}",
        tee(config, name, &toml)
    );
    must_be_writable(config, name, &then)?;
    let file = write_block(config, name, ("", &toml))?;
    let next = match entry.keeping {
        Keeping::Files(_) => {
            tell_daemon(config).await;
            format!("Then try it: liaison account add {name}")
        }
        Keeping::Credentials => {
            let commands: Vec<String> = entry.secrets().into_iter().map(|(_, command)| command).collect();
            format!(
                "The daemon does not start without its secrets:\n\n  {}\n\nThen `sudo systemctl restart liaison`, and try it: liaison \
                 account add {name}",
                commands.join("\n  ")
            )
        }
    };
    if out.is_json() {
        out.json_line(
            &json!({"account": name, "kind": entry.kind, "toml": toml, "written": file.display().to_string(),
            "webhook": webhook(config, name).filter(|_| takes_posts(sort, entry, true))}),
        )?;
    } else {
        out.say(&format!("Wrote {}\n{next}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries an account that is configured, and says what it lacks.
async fn try_there(global: &Global, (config, sort): (&Config, &Sort), name: &str) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(global).await?;
    let tried = test::try_it(global, &desk, name).await?;
    let ok = tried.is_well();
    let kind = config.accounts.get(name).map(Account::kind_name);
    if desk.out.is_json() {
        let takes = match sort {
            Sort::Text(_) => tried.has("hook"),
            Sort::Slack => true,
        };
        desk.out.json_line(&json!({"account": name, "kind": kind, "ok": ok, "steps": tried.steps,
            "manifest": manifest_json(config, sort, name), "webhook": webhook(config, name).filter(|_| takes)}))?;
    } else {
        tried.say(&desk.out)?;
        match sort {
            Sort::Slack if tried.lacks("scope ") => desk.out.say(&format!(
                "\nGive the app what it lacks: {APPS}, the app, \"App Manifest\", paste this as JSON and save; then \"Install App\", \
                 \"Reinstall to Workspace\":\n\n{}",
                manifest(config, name)
            ))?,
            Sort::Text(provider) if tried.has("hook") => {
                desk.out.say(&format!("\n{}", posting(config, provider, name)))?;
            }
            Sort::Text(provider) if tried.has("no hook") => {
                desk.out.say(&format!("\n{}", not_posting(provider, name)))?;
            }
            Sort::Slack | Sort::Text(_) => {}
        }
        if ok {
            let so_far = if tried.is_unsure() { ", as far as could be seen" } else { "" };
            desk.out.say(&format!("\n{name} can be used{so_far}."))?;
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
