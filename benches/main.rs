//! The workloads of docs/benchmarks.md, each run by `benches/run NAME`: liaison and its reference in turn, in the same run,
//! on the same data. Prints a table, and writes the same as JSON where asked to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::pedantic,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a benchmark that can't go on ends by panicking, with words; it waits, prints and reads the clock as it needs"
)]

mod cadence;
mod hub;
mod ingest;
mod letters;
mod load;
mod mailbox;
mod measure;
mod nodes;
mod one_mail;
mod peers;
mod quality;
mod reading;
mod rows;
mod send;
mod tracking;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Benchmarks of liaison beside what does the same work.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
    /// Write the figures here as JSON, too
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where everything is put while it runs
    #[arg(long, global = true, value_name = "FOLDER", default_value = "/tmp")]
    work: PathBuf,
    /// Begin the made-up mailbox with this number
    #[arg(long, global = true, default_value_t = 7)]
    seed: u64,
    /// Keep what was made
    #[arg(long, global = true)]
    keep: bool,
    /// What cargo adds
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// A full mailbox until it is on timelines; beside notmuch, the bare IMAP stream, and the truth
    Ingest(ingest::IngestArgs),
    /// One mail from the server's 250 until the API shows it; beside the server's own notification
    OneMail(one_mail::OneMailArgs),
    /// Rendered messages from the outbox into a sink; beside smtp-source and aiosmtplib
    Send(send::SendArgs),
    /// The sending half of `send`, in a process of its own
    #[command(hide = true)]
    SendPart(send::SendPartArgs),
    /// Runs that are due, planned and put into the outbox; beside the bare claim and insert
    Cadence(cadence::CadenceArgs),
    /// One half of `cadence`, in a process of its own
    #[command(hide = true)]
    CadencePart(cadence::CadencePartArgs),
    /// Opens and clicks, durable before the answer; beside a constant answer
    Tracking(tracking::TrackingArgs),
    /// Pages of a thread and a timeline, searches, and memory, of a database of a million messages; beside bare queries
    Reading(reading::ReadingArgs),
    /// The bare page of `reading`, in a process of its own
    #[command(hide = true)]
    ReadingPart(reading::ReadingPartArgs),
    /// Several nodes on one PostgreSQL database: claims beside a plain loop, and sends by one, two and four of them
    Nodes(nodes::NodesArgs),
    /// One node of `nodes`, in a process of its own
    #[command(hide = true)]
    NodesPart(nodes::NodesPartArgs),
    /// The server of `tracking`, in a process of its own
    #[command(hide = true)]
    TrackingPart(tracking::TrackingPartArgs),
}

/// What every workload is given.
pub struct Bench {
    pub dir: PathBuf,
    pub seed: u64,
    pub runtime: tokio::runtime::Runtime,
}

fn main() {
    let arguments = Arguments::parse();
    rustls::crypto::ring::default_provider().install_default().expect("TLS provider");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    if let Workload::SendPart(part) = arguments.workload {
        return runtime.block_on(send::part(part));
    }
    if let Workload::TrackingPart(part) = arguments.workload {
        return runtime.block_on(tracking::part(part));
    }
    if let Workload::CadencePart(part) = arguments.workload {
        return runtime.block_on(cadence::part(part));
    }
    if let Workload::ReadingPart(part) = arguments.workload {
        return runtime.block_on(reading::part(part));
    }
    if let Workload::NodesPart(part) = arguments.workload {
        return runtime.block_on(nodes::part(part));
    }
    // The test servers run as another user, who must be able to enter.
    let dir = tempfile::Builder::new()
        .prefix("liaison-bench-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(&arguments.work)
        .expect("work folder");
    let bench = Bench { dir: dir.path().to_owned(), seed: arguments.seed, runtime };
    let figures = match arguments.workload {
        Workload::Ingest(args) => ingest::run(&bench, &args),
        Workload::OneMail(args) => one_mail::run(&bench, &args),
        Workload::Send(args) => send::run(&bench, &args),
        Workload::Tracking(args) => tracking::run(&bench, &args),
        Workload::Cadence(args) => cadence::run(&bench, &args),
        Workload::Reading(args) => reading::run(&bench, &args),
        Workload::Nodes(args) => nodes::run(&bench, &args),
        Workload::SendPart(_)
        | Workload::TrackingPart(_)
        | Workload::CadencePart(_)
        | Workload::ReadingPart(_)
        | Workload::NodesPart(_) => serde_json::Value::Null,
    };
    if let Some(file) = arguments.json {
        std::fs::write(&file, format!("{figures:#}\n")).expect("JSON file");
    }
    if arguments.keep {
        println!("kept: {}", dir.keep().display());
    }
}
