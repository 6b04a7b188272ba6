//! The command line: arguments in, words for people or JSON for programs out, and an exit code.
//!
//! Decides nothing about the relationship: every change goes through the hub, in one transaction per command. It opens the
//! store itself, whether the daemon runs or not, never takes the daemon's lock, and wakes the daemon afterwards. What
//! strangers wrote never reaches the terminal as it came: see [`terminal`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod account;
mod address;
mod agent;
mod backup;
mod change;
mod completions;
mod config;
mod date;
pub mod demo;
mod desk;
mod doctor;
mod enrollment;
mod erasure;
mod events;
mod filter;
mod import;
mod influencer;
mod init;
mod length;
mod loose_ends;
mod merge;
mod migrate;
mod outbox;
mod owner;
mod page;
mod pause;
mod relay;
mod release;
mod reload;
mod saying;
mod send;
mod sequence;
mod serve;
mod stats;
mod stop;
mod suppression;
mod task;
mod teammate;
mod terminal;
mod thread;
mod token;
mod touch;
mod unmatched;
mod webhook;
mod who;
mod why;

use crate::config::Findings;
use crate::config::environment::of_process as environment;
use stop::Stop;

/// liaison: every message with every influencer on one timeline.
#[derive(Debug, Parser)]
#[command(name = "liaison", version, about, arg_required_else_help = true, infer_long_args = false)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration [default: /etc/liaison/liaison.toml if it is there, else ./liaison.toml]
    #[arg(long, global = true, env = "LIAISON_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a configuration to begin with
    Init(init::InitArgs),
    /// Run the daemon
    Serve,
    /// Show everything at work with simulated people; nothing leaves this machine
    Demo(demo::DemoArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Influencers: import, add, list, show, address, note, stage, hold, waiting, merge, export, erase
    #[command(subcommand)]
    Influencer(influencer::InfluencerCommand),
    /// Agents, who write for influencers: import, add, list, show, link
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Threads and the messages in them
    #[command(subcommand)]
    Thread(thread::ThreadCommand),
    /// Put a message into the outbox
    Send(send::SendArgs),
    /// Write down what was said elsewhere: on Instagram, by phone, in person
    Touch(touch::TouchArgs),
    /// What is to leave, and what became of it
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Messages that wait for you to say whose they are
    #[command(subcommand)]
    Unmatched(unmatched::UnmatchedCommand),
    /// What people are to do
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Who has no next step, and which answers of ours are late
    LooseEnds(loose_ends::LooseEndsArgs),
    /// Our own people, as the configuration declares them
    #[command(subcommand)]
    Teammate(teammate::TeammateCommand),
    /// Where the team hears of what influencers write
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Addresses that must not be written to
    #[command(subcommand)]
    Suppression(suppression::SuppressionCommand),
    /// Numbers
    #[command(subcommand)]
    Stats(stats::StatsCommand),
    /// What happened
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Our accounts: list, add (sign in), test, pause, resume
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Outreach sequences: new, check, preview, simulate, test, list, show, enroll, pause, resume, diff, migrate, rename, stats
    #[command(subcommand)]
    Sequence(sequence::SequenceCommand),
    /// Runs of sequences: list, show, pause, resume, skip, exit
    #[command(subcommand)]
    Enrollment(enrollment::EnrollmentCommand),
    /// Stop all sequences, or those that one account sends for
    Pause(pause::PauseArgs),
    /// Let them go on
    Resume(pause::ResumeArgs),
    /// What is planned for somebody and why, why nothing is, or why a message leaves when it does
    Why(why::WhyArgs),
    /// Tokens for the HTTP API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Programs that are told what happens: add, list, change, enable, disable, rotate, test, deliveries, resend, remove
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Let a copied, restored or moved database send again
    Release(release::ReleaseArgs),
    /// Write the database into one file, checked, also while the daemon runs
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the database; nothing is sent from it until `liaison release`
    Restore(backup::RestoreArgs),
    /// Move an SQLite database into an empty one of PostgreSQL; nothing is sent from it until `liaison release`
    Migrate(migrate::MigrateArgs),
    /// What a shell needs to complete commands
    Completions(completions::CompletionsArgs),
    /// Check the configuration, the database and the accounts
    Doctor(doctor::DoctorArgs),
    /// Make the daemon read its configuration again
    Reload,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(stop::USAGE);
            // Nothing can be done where not even that can be written.
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail(&Stop::failed("the TLS provider is installed already").into());
    }
    let mut needs_owner = !matches!(
        cli.command,
        Command::Init(_) | Command::Demo(_) | Command::Config(_) | Command::Completions(_) | Command::Teammate(_)
    );
    if let Command::Sequence(command) = &cli.command {
        needs_owner = command.opens_the_store();
    }
    if needs_owner && let Err(error) = owner::become_owner(&cli.global) {
        return fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(Cli { global, command }: Cli) -> anyhow::Result<ExitCode> {
    if !matches!(command, Command::Serve | Command::Demo(_)) {
        crate::telemetry::init("warn", crate::telemetry::Form::Text)?;
    }
    match command {
        Command::Init(args) => init::run(&global, &args),
        Command::Serve => serve::run(&global).await,
        Command::Demo(args) => Box::pin(demo::run(&global, args)).await,
        Command::Config(command) => config::run(&global, &command),
        Command::Influencer(command) => Box::pin(influencer::run(&global, command)).await,
        Command::Agent(command) => agent::run(&global, command).await,
        Command::Thread(command) => thread::run(&global, command).await,
        Command::Send(args) => send::run(&global, args).await,
        Command::Touch(args) => touch::run(&global, &args).await,
        Command::Outbox(command) => outbox::run(&global, command).await,
        Command::Unmatched(command) => unmatched::run(&global, command).await,
        Command::Task(command) => task::run(&global, command).await,
        Command::LooseEnds(args) => loose_ends::run(&global, args).await,
        Command::Teammate(command) => teammate::run(&global, &command),
        Command::Relay(command) => relay::run(&global, command).await,
        Command::Suppression(command) => suppression::run(&global, command).await,
        Command::Stats(command) => stats::run(&global, command).await,
        Command::Events(command) => events::run(&global, command).await,
        Command::Account(command) => account::run(&global, command).await,
        Command::Sequence(command) => Box::pin(sequence::run(&global, command)).await,
        Command::Enrollment(command) => enrollment::run(&global, command).await,
        Command::Pause(args) => pause::pause(&global, &args).await,
        Command::Resume(args) => pause::resume(&global, &args).await,
        Command::Why(args) => why::run(&global, &args).await,
        Command::Token(command) => token::run(&global, command).await,
        Command::Webhook(command) => Box::pin(webhook::run(&global, command)).await,
        Command::Release(args) => release::run(&global, &args).await,
        Command::Backup(args) => backup::backup(&global, &args).await,
        Command::Restore(args) => backup::restore(&global, &args).await,
        Command::Migrate(args) => migrate::run(&global, &args).await,
        Command::Completions(args) => completions::run(&global, &args),
        Command::Doctor(args) => doctor::run(&global, &args).await,
        Command::Reload => reload::run(&global).await,
    }
}

/// Says what went wrong on standard error; the exit code that goes with it.
fn fail(error: &anyhow::Error) -> ExitCode {
    let code = stop::code_of(error);
    if code != stop::QUIET {
        match error.downcast_ref::<Findings>() {
            // Each says itself whether it is an error.
            Some(findings) => terminal::remark(findings.to_string().trim_end()),
            None => terminal::complain(&stop::words(error)),
        }
        return ExitCode::from(code);
    }
    ExitCode::SUCCESS
}
