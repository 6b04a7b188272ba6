//! A sequence in numbers: what became of each step and wording, judged by the answers of people.

use std::collections::HashSet;

use serde::Serialize;

use super::readable;
use crate::domain::rate::{Rate, judge_variants, wilson};
use crate::domain::sequence::Definition;
use crate::store::reading::sequence::{FunnelRow, SkipRow};
use crate::store::{StoreError, Tx};

/// What became of a sequence.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SequenceStats {
    /// The sequence.
    pub sequence: String,
    /// All steps together.
    pub total: Counts,
    /// Each step, top to bottom; those of older versions last.
    pub steps: Vec<StepStats>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct StepStats {
    /// Its id.
    pub step: String,
    /// `email`, `task`, `wait_for`.
    pub kind: String,
    /// All wordings together.
    #[serde(flatten)]
    pub counts: Counts,
    /// Of its messages, the share that a person answered; none while none was sent.
    pub reply_rate: Option<Rate>,
    /// Why it was left out, the most frequent reason first.
    pub skip_reasons: Vec<SkipRow>,
    /// Its wordings.
    pub variants: Vec<VariantStats>,
    /// What can be said of the wordings, where there are several: judged by answers.
    pub verdict: Option<String>,
}

/// What became of one wording.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct VariantStats {
    /// The template.
    pub variant: String,
    /// Whether it was sent in another wording than the one in force: it has no part in the verdict.
    pub older: bool,
    /// Its counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// The share of its messages that a person answered.
    pub reply_rate: Option<Rate>,
}

/// The funnel. Opens and clicks are those of people, each message counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Runs that wait for it now.
    pub planned: i64,
    /// Messages sent.
    pub sent: i64,
    /// Tasks done, and waits for what happened.
    pub done: i64,
    /// Tasks and waits that ran out.
    pub timed_out: i64,
    /// Runs that left it out.
    pub skipped: i64,
    /// Messages opened.
    pub opened: i64,
    /// Messages clicked in.
    pub clicked: i64,
    /// Messages answered. An answer that wants no more is none: it counts below alone.
    pub replied: i64,
    /// Messages that came back or were refused.
    pub bounced: i64,
    /// Messages called spam.
    pub complained: i64,
    /// Messages after which they wanted no more.
    pub opted_out: i64,
}

impl Counts {
    fn add(&mut self, row: &FunnelRow) {
        let pairs = [
            (&mut self.planned, row.planned),
            (&mut self.sent, row.sent),
            (&mut self.done, row.done),
            (&mut self.timed_out, row.timed_out),
            (&mut self.skipped, row.skipped),
            (&mut self.opened, row.opened),
            (&mut self.clicked, row.clicked),
            (&mut self.replied, row.replied),
            (&mut self.bounced, row.bounced),
            (&mut self.complained, row.complained),
            (&mut self.opted_out, row.opted_out),
        ];
        for (sum, n) in pairs {
            *sum += n;
        }
    }

    fn reply_rate(&self) -> Option<Rate> {
        wilson(small(self.replied), small(self.sent))
    }
}

fn small(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

/// The numbers of every sequence that is not deleted.
pub async fn measure_all(tx: &mut Tx) -> Result<Vec<SequenceStats>, StoreError> {
    let mut all = Vec::new();
    for row in tx.list_sequences().await?.into_iter().filter(|row| row.active_hash.is_some()) {
        all.extend(measure(tx, &row.id).await?);
    }
    Ok(all)
}

/// The numbers of one sequence; `None` where there is none of this name.
pub async fn measure(tx: &mut Tx, id: &str) -> Result<Option<SequenceStats>, StoreError> {
    let Some(row) = tx.get_sequence(id).await? else { return Ok(None) };
    let definition = match &row.active_hash {
        // One that can't be read is told in the log and on its runs; the numbers are there all the same.
        Some(hash) => readable(tx, hash).await?.ok(),
        None => None,
    };
    let rows = tx.count_funnel(id).await?;
    let skips = tx.count_skips(id).await?;
    let mut total = Counts::default();
    for row in &rows {
        total.add(row);
    }
    let older = match &definition {
        Some(definition) => older_wordings(tx, definition, &rows).await?,
        None => HashSet::new(),
    };
    let steps = order(definition.as_deref(), &rows).into_iter();
    let steps = steps.map(|step| step_stats(&step, &rows, (&skips, &older))).collect();
    Ok(Some(SequenceStats { sequence: row.id, total, steps }))
}

/// Version and template of a wording.
type Wording = (String, String);

/// The wordings of these rows that read otherwise in the version in force, or are not in it: answers to a text that was changed
/// say nothing of the new one.
async fn older_wordings(
    tx: &mut Tx,
    definition: &Definition,
    rows: &[FunnelRow],
) -> Result<HashSet<Wording>, StoreError> {
    let mut older = HashSet::new();
    for row in rows {
        let Some(name) = &row.variant else { continue };
        let key = (row.version.clone(), name.clone());
        if older.contains(&key) {
            continue;
        }
        let was = readable(tx, &row.version).await?.ok();
        let same = was.is_some_and(|was| was.templates.get(name) == definition.templates.get(name));
        if !same {
            older.insert(key);
        }
    }
    Ok(older)
}

/// The steps of the version in force as they stand, then those that were dropped from it.
fn order(definition: Option<&Definition>, rows: &[FunnelRow]) -> Vec<String> {
    let mut order: Vec<String> = definition.map(|d| d.steps.iter().map(|s| s.id.clone()).collect()).unwrap_or_default();
    let mut dropped: Vec<String> = rows.iter().map(|r| r.step.clone()).filter(|id| !order.contains(id)).collect();
    dropped.sort();
    dropped.dedup();
    order.extend(dropped);
    order
}

fn step_stats(step: &str, rows: &[FunnelRow], (skips, older): (&[SkipRow], &HashSet<Wording>)) -> StepStats {
    let rows: Vec<&FunnelRow> = rows.iter().filter(|r| r.step == step).collect();
    let mut counts = Counts::default();
    for row in &rows {
        counts.add(row);
    }
    let mut variants: Vec<VariantStats> = Vec::new();
    for row in &rows {
        let Some(name) = &row.variant else { continue };
        let is_older = older.contains(&(row.version.clone(), name.clone()));
        if let Some(known) = variants.iter_mut().find(|v| v.variant == *name && v.older == is_older) {
            known.counts.add(row);
        } else {
            let mut counts = Counts::default();
            counts.add(row);
            variants.push(VariantStats { variant: name.clone(), older: is_older, counts, reply_rate: None });
        }
    }
    for variant in &mut variants {
        variant.reply_rate = variant.counts.reply_rate();
    }
    variants.sort_by(|a, b| (a.older, &a.variant).cmp(&(b.older, &b.variant)));
    let judged = variants.iter().filter(|v| !v.older);
    let judged: Vec<(&str, u32, u32)> =
        judged.map(|v| (v.variant.as_str(), small(v.counts.replied), small(v.counts.sent))).collect();
    StepStats {
        step: step.to_owned(),
        // A step that was one thing and is another now counts as what it did most.
        kind: rows.iter().max_by_key(|r| r.sent + r.done + r.planned).map(|r| r.kind.clone()).unwrap_or_default(),
        reply_rate: counts.reply_rate(),
        skip_reasons: skips.iter().filter(|s| s.step == step).cloned().collect(),
        verdict: judge_variants(&judged).words(),
        variants,
        counts,
    }
}
