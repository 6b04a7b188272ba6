//! Enrolling many: those who are named, or all whom a filter finds, a batch per transaction. A dry run is the same work in
//! transactions that are dropped.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::enroll::{Again, ENROLL_MAX, EnrollError, Outcome, enroll};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::store::again::{again, is_overtaken};
use crate::store::people::list::{InfluencerCursor, InfluencerFilter, InfluencerOrder};
use crate::store::{Store, StoreError, Tx};

/// Of those who were enrolled, and of those who were not, so many are named; all are counted.
pub const NAMED_MAX: usize = 1_000;

/// Who is wanted.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Whom {
    /// These, in this order.
    These(Vec<InfluencerId>),
    /// All whom this finds, in the order in which they were added.
    Filter(InfluencerFilter),
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is.
    Real,
    /// Nothing is: it only tells.
    Dry,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Into which sequence.
    pub sequence: String,
    /// Who.
    pub whom: Whom,
    /// Whether those who had it before may have it again.
    pub again: Again,
    /// How many runs begin at most.
    pub limit: Option<usize>,
    /// Whether anything is written.
    pub run: Run,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Admitted {
    /// The sequence.
    pub sequence: String,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How many runs began (or would have).
    pub enrolled: usize,
    /// How many people were refused.
    pub refused: usize,
    /// Why, and how often.
    pub reasons: BTreeMap<String, usize>,
    /// The first [`NAMED_MAX`] of those who were enrolled.
    pub runs: Vec<NewRun>,
    /// The first [`NAMED_MAX`] of those who were not.
    pub refusals: Vec<Refused>,
}

/// A run that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct NewRun {
    /// The run; none in a dry run.
    pub enrollment_id: Option<EnrollmentId>,
    /// Whose.
    pub influencer_id: InfluencerId,
    /// What the team calls them.
    pub influencer_handle: String,
}

/// Somebody who was not enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Refused {
    /// Who.
    pub influencer_id: InfluencerId,
    /// What the team calls them; empty where there is no such influencer.
    pub influencer_handle: String,
    /// Why not.
    pub reason: String,
}

/// Begins a run for everybody who is wanted and may have one.
///
/// # Errors
/// Batches before the one that failed stay.
pub async fn admit(store: &Store, clock: &Clock, wish: &Wish) -> Result<Admitted, EnrollError> {
    let dry_run = wish.run == Run::Dry;
    let mut admitted = Admitted { sequence: wish.sequence.clone(), dry_run, ..Admitted::default() };
    let mut source = Source::of(&wish.whom);
    loop {
        let room = wish.limit.map_or(ENROLL_MAX, |limit| limit.saturating_sub(admitted.enrolled).min(ENROLL_MAX));
        if room == 0 {
            return Ok(admitted);
        }
        let mut batch = source.next(&mut store.read().await?, ENROLL_MAX).await?;
        if room < batch.len() {
            // Who may be enrolled is tried first, so that no more begin than are wanted.
            let (tried, _) = enroll_batch(store, clock, wish, (&batch, Run::Dry)).await?;
            batch.truncate(up_to(&tried, room));
        }
        // The first look is made even for nobody: it says whether there is such a sequence.
        let first = admitted.enrolled + admitted.refused == 0;
        if batch.is_empty() && !first {
            return Ok(admitted);
        }
        let (outcomes, handles) = match enroll_batch(store, clock, wish, (&batch, wish.run)).await {
            Ok(done) => done,
            // Batches before this one stay: whoever asked must look, and not ask for all of it once more.
            Err(EnrollError::Store(StoreError::Conflict(error))) if admitted.enrolled > 0 && !dry_run => {
                let words = format!("{} were enrolled before it: {error}", admitted.enrolled);
                return Err(EnrollError::Store(StoreError::Commit(words)));
            }
            Err(error) => return Err(error),
        };
        admitted.take(outcomes, &handles);
        if batch.is_empty() {
            return Ok(admitted);
        }
    }
}

type Taken = (Vec<Outcome>, HashMap<InfluencerId, String>);

/// Enrolls a batch, in a transaction of its own: again where another change overtook it, for then nothing of it was written.
async fn enroll_batch(
    store: &Store,
    clock: &Clock,
    wish: &Wish,
    (batch, run): (&[InfluencerId], Run),
) -> Result<Taken, EnrollError> {
    let overtaken = |error: &EnrollError| matches!(error, EnrollError::Store(error) if is_overtaken(error));
    let work = || async {
        let mut tx = store.begin("outreach.enroll").await?;
        let outcomes = enroll(&mut tx, clock, &wish.sequence, batch, wish.again).await?;
        let people = tx.get_influencers(batch.to_vec()).await?;
        if run == Run::Real {
            tx.commit().await?;
        }
        Ok::<Taken, EnrollError>((outcomes, people.into_iter().map(|i| (i.id, i.handle)).collect()))
    };
    again(overtaken, work).await
}

/// How many of these to take so that `wanted` of them begin.
fn up_to(tried: &[Outcome], wanted: usize) -> usize {
    let begun = tried.iter().enumerate().filter(|(_, outcome)| outcome.result.is_ok());
    begun.map(|(at, _)| at + 1).nth(wanted.saturating_sub(1)).unwrap_or(tried.len())
}

impl Admitted {
    fn take(&mut self, outcomes: Vec<Outcome>, handles: &HashMap<InfluencerId, String>) {
        for Outcome { influencer_id, result } in outcomes {
            let influencer_handle = handles.get(&influencer_id).cloned().unwrap_or_default();
            match result {
                Ok(id) => {
                    self.enrolled += 1;
                    if self.runs.len() < NAMED_MAX {
                        let enrollment_id = (!self.dry_run).then_some(id);
                        self.runs.push(NewRun { enrollment_id, influencer_id, influencer_handle });
                    }
                }
                Err(refusal) => {
                    self.refused += 1;
                    let reason = refusal.to_string();
                    *self.reasons.entry(reason.clone()).or_default() += 1;
                    if self.refusals.len() < NAMED_MAX {
                        self.refusals.push(Refused { influencer_id, influencer_handle, reason });
                    }
                }
            }
        }
    }
}

/// Where those who are wanted come from, a batch at a time.
enum Source<'a> {
    These(std::vec::IntoIter<InfluencerId>),
    Filter(&'a InfluencerFilter, Option<InfluencerCursor>),
}

impl<'a> Source<'a> {
    fn of(whom: &'a Whom) -> Self {
        match whom {
            Whom::These(ids) => {
                let mut seen = HashSet::new();
                let ids: Vec<InfluencerId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
                Self::These(ids.into_iter())
            }
            Whom::Filter(filter) => Self::Filter(filter, None),
        }
    }

    async fn next(&mut self, tx: &mut Tx, at_most: usize) -> Result<Vec<InfluencerId>, StoreError> {
        match self {
            Self::These(ids) => Ok(ids.take(at_most).collect()),
            Self::Filter(filter, after) => {
                let limit = i64::try_from(at_most).unwrap_or(1);
                let page = tx.list_influencers(filter, InfluencerOrder::Added, *after, limit).await?;
                *after = page.last().map(InfluencerCursor::after).or(*after);
                Ok(page.into_iter().map(|i| i.id).collect())
            }
        }
    }
}
