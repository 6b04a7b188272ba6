//! Importing influencers and agents from CSV.
//!
//! Rows that are wrong or that contradict what is known are reported and left out; the others go on. Nothing is ever
//! merged, taken back or moved by an import: it adds, and it fills in or replaces the plain fields it names. One
//! transaction per batch, so that a long import neither blocks the others nor loses what it did.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::ids::AgentId;
use crate::domain::stage::Stages;
use crate::hub::people::KnownStages;
use crate::hub::react;
use crate::store::{Store, StoreError};

mod agents;
mod batch;
mod columns;
mod file;
mod plan;
mod row;

use columns::{Columns, Sort};
use file::{Record, Records};
pub(super) use row::wants_guard;

/// Rows of one transaction.
const BATCH_ROWS: usize = 500;
/// Octets of one file.
pub const FILE_MAX: usize = 512 * 1024 * 1024;
/// Rows that are left out, until the file as a whole is taken for another than it should be.
const FAILED_MAX: usize = 10_000;
/// How often a batch is done again where somebody else changed the same people meanwhile.
const RETRIES_MAX: u32 = 5;

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What the file is called, for evidence and events.
    pub source: String,
    /// `Their Column` → `email`: columns that are called otherwise.
    pub mapping: Vec<(String, String)>,
    /// Only say what would happen.
    pub dry_run: bool,
    /// The declared stages.
    pub stages: KnownStages,
    /// The declared teammates, where an owner must be one of them.
    pub owners: Option<Vec<String>>,
    /// Who is told how columns are mapped.
    pub asker: Asker,
    /// Where phone numbers without a country's code are from (ISO 3166-1).
    pub phone_region: Option<String>,
}

/// Who imports: each says in its own way what a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// Somebody at a terminal: `--map "THEIR COLUMN=field"`.
    Terminal,
    /// A program: `"mapping": {"THEIR COLUMN": "field"}`.
    Program,
}

impl Asker {
    /// How a column is mapped.
    fn mapped(self, column: &str, field: &str) -> String {
        match self {
            Self::Terminal => format!("--map \"{column}={field}\""),
            Self::Program => format!("\"mapping\": {{\"{column}\": \"{field}\"}}"),
        }
    }

    /// What a mistake in the mapping is told under.
    pub fn mapping(self) -> &'static str {
        match self {
            Self::Terminal => "--map",
            Self::Program => "mapping",
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows done.
    pub rows: u64,
    /// Octets of the file behind them.
    pub octets: u64,
    /// Octets of the whole file.
    pub octets_total: u64,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FailedRow {
    /// The line in the file where it begins; the header is line 1.
    pub line: u64,
    /// What is wrong with it.
    pub reasons: Vec<String>,
    /// The row as it was.
    pub row: Vec<String>,
}

/// What was not taken of a row that was imported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Remark {
    /// The line in the file where the row begins.
    pub line: u64,
    /// What, and why.
    pub remark: String,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ImportReport {
    /// Nothing was written.
    pub dry_run: bool,
    /// Rows read, failed ones included.
    pub rows: u64,
    /// People added.
    pub created: u64,
    /// People that were there and got something new.
    pub updated: u64,
    /// People that were there just so.
    pub unchanged: u64,
    /// Agents added beside the influencers they write for.
    pub agents_created: u64,
    /// Rows left out.
    pub failed: Vec<FailedRow>,
    /// What was not taken of rows that were imported.
    pub remarks: Vec<Remark>,
    /// What else there is to know: columns left out, stages left alone.
    pub notes: Vec<String>,
    /// The names of the file's columns.
    pub header: Vec<String>,
}

impl ImportReport {
    /// The failed rows as CSV, with the columns `line` and `error` before the file's own. It can be put right and
    /// imported again.
    pub fn failed_csv(&self) -> String {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let own = |name: &&String| *name != "line" && *name != "error";
        let kept: Vec<bool> = self.header.iter().map(|name| own(&name)).collect();
        let head = ["line", "error"].into_iter().chain(self.header.iter().filter(own).map(String::as_str));
        let mut result = writer.write_record(head);
        for failed in &self.failed {
            let cells = failed.row.iter().enumerate();
            let cells = cells.filter(|(n, _)| kept.get(*n).copied().unwrap_or(true)).map(|(_, cell)| cell.clone());
            let record = [failed.line.to_string(), failed.reasons.join("; ")].into_iter().chain(cells);
            result = result.and_then(|()| writer.write_record(record));
        }
        // Writing to memory fails for nothing but a lack of it.
        debug_assert!(result.is_ok());
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }
}

/// Why a file could not be imported at all. Nothing was written, but for [`ImportError::Store`]: batches before stay.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file can't be read as CSV in UTF-8.
    #[error("line {line}: {reason}")]
    File {
        /// Where.
        line: u64,
        /// What, and what to do.
        reason: String,
    },
    /// The header does not say where the needed values are, or a mapping is wrong.
    #[error("{}", .0.join("\n"))]
    Columns(Vec<String>),
    /// The store could not. What was imported before stays; the same file can be imported again.
    #[error("after {rows} rows: {source}; what was imported stays, and the same file can be imported again")]
    Store {
        /// Rows that are kept.
        rows: u64,
        /// What the store said.
        source: StoreError,
    },
}

/// What an address of the file is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Own,
    Agent,
}

/// What was seen in the file so far: line numbers by key.
#[derive(Debug, Default)]
struct Seen {
    handles: HashMap<String, u64>,
    addresses: HashMap<String, (u64, Use)>,
    agents: HashMap<String, AgentId>,
}

/// One import on its way.
struct Import<'a> {
    store: &'a Store,
    clock: &'a Clock,
    options: &'a ImportOptions,
    /// The stages and properties in force.
    declared: Arc<Stages>,
    columns: Columns,
    seen: Seen,
    report: ImportReport,
    stages_left_alone: u64,
}

/// Imports influencers (columns: see docs; `handle` is needed), telling `progress` after each batch.
///
/// # Errors
/// [`ImportError`] where nothing can be done with the file; wrong rows are no error, they are in the report.
pub async fn import_influencers(
    store: &Store,
    clock: &Clock,
    text: &[u8],
    options: &ImportOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, ImportError> {
    import(store, clock, text, (options, Sort::Influencers), progress).await
}

/// Imports agents (columns `email`, `first_name`, `last_name`, `influencers`: handles with `;` between them).
///
/// # Errors
/// As [`import_influencers`].
pub async fn import_agents(
    store: &Store,
    clock: &Clock,
    text: &[u8],
    options: &ImportOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, ImportError> {
    import(store, clock, text, (options, Sort::Agents), progress).await
}

async fn import(
    store: &Store,
    clock: &Clock,
    text: &[u8],
    (options, sort): (&ImportOptions, Sort),
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, ImportError> {
    let (mut records, header) = Records::open(text)?;
    let columns = Columns::read(&header, (&options.mapping, options.asker), sort).map_err(ImportError::Columns)?;
    let report = ImportReport {
        dry_run: options.dry_run,
        notes: columns.notes.clone(),
        header: header.clone(),
        ..ImportReport::default()
    };
    let declared = async { react::stages(&mut store.read().await?).await };
    let declared = declared.await.map_err(|source| ImportError::Store { rows: 0, source })?;
    let seen = Seen::default();
    let mut import = Import { store, clock, options, declared, columns, seen, report, stages_left_alone: 0 };
    loop {
        let batch = records.take(BATCH_ROWS)?;
        if batch.is_empty() {
            break;
        }
        import.report.rows += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match sort {
            Sort::Influencers => import.influencers(batch).await?,
            Sort::Agents => import.agents(batch).await?,
        }
        if let Some(last) = import.report.failed.get(FAILED_MAX) {
            let reason = format!(
                "{} of {} rows up to here were left out, this one because: {}; look whether the columns and the delimiter are what you \
                 mean (what was imported stays)",
                import.report.failed.len(),
                import.report.rows,
                last.reasons.join("; ")
            );
            return Err(ImportError::File { line: last.line, reason });
        }
        // A batch in which every row is wrong waits for nothing by itself.
        tokio::task::yield_now().await;
        let octets_total = u64::try_from(text.len()).unwrap_or(u64::MAX);
        progress(Progress { rows: import.report.rows, octets: records.octets(), octets_total });
    }
    let mut report = import.report;
    report.failed.sort_by_key(|failed| failed.line);
    report.remarks.sort_by_key(|remark| remark.line);
    if records.empty_rows > 0 {
        report.notes.push(format!("{} empty rows were passed over", records.empty_rows));
    }
    if import.stages_left_alone > 0 {
        report.notes.push(format!(
            "{} rows name another stage than the influencer is in; an import moves nobody who is there already",
            import.stages_left_alone
        ));
    }
    Ok(report)
}

impl Import<'_> {
    fn fail(&mut self, record: Record, reasons: Vec<String>) {
        self.report.failed.push(FailedRow { line: record.line, reasons, row: record.cells });
    }

    fn store_error(&self, source: StoreError) -> ImportError {
        let done = self.report.created + self.report.updated + self.report.unchanged;
        ImportError::Store { rows: done, source }
    }

    /// Whether a batch is worth another try after this error.
    fn try_again(error: &StoreError, tries: u32) -> bool {
        tries < RETRIES_MAX && matches!(error, StoreError::Conflict(_) | StoreError::Exists(_))
    }
}
