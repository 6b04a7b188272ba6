//! Beginning runs: who may, who may not and why. A dry run is the same work in a transaction that is dropped.

use std::collections::HashMap;
use std::fmt;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{event_of, is_live, readable};
use crate::clock::Clock;
use crate::domain::ids::{EnrollmentId, InfluencerId};
use crate::domain::sequence::Definition;
use crate::domain::stage::{StageKind, Stages};
use crate::domain::words::{EnrollmentState, EventType, Phase};
use crate::hub::{react, signal};
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::outreach::person::ReachRow;
use crate::store::{StoreError, Tx};

/// Influencers enrolled in one transaction.
pub const ENROLL_MAX: usize = 1_000;

/// Why somebody was not enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such influencer.
    Unknown,
    /// They are in this sequence already.
    AlreadyIn,
    /// They are in another one.
    InAnother(String),
    /// The sequence does not take people from their stage.
    Stage(String),
    /// They said no, or want no mail.
    StageClosed(String),
    /// They are where the sequence ends, or further.
    StageReached(String),
    /// There is no address to write to.
    NoAddress,
    /// Their only address must not be written to.
    Suppressed(String),
    /// They finished it before; a person may ask for it again.
    RanBefore,
    /// The definition in force can't be read.
    Unreadable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such influencer"),
            Self::AlreadyIn => f.write_str("they are in this sequence already"),
            Self::InAnother(other) => {
                write!(f, "they are in the sequence {other}; one at a time, unless allow_parallel = true")
            }
            Self::Stage(stage) => write!(f, "their stage is {stage}, which enter_from does not name"),
            Self::StageClosed(stage) => write!(f, "their stage is {stage}: sequences may not enroll from there"),
            Self::StageReached(stage) => write!(f, "their stage is {stage}: exit_on ends the sequence there or before"),
            Self::NoAddress => f.write_str("no email address is known that mail arrives at"),
            Self::Suppressed(reason) => write!(f, "they must not be written to ({reason})"),
            Self::Unreadable(why) => write!(f, "{why}: publish the sequence again"),
            Self::RanBefore => f.write_str("they had this sequence before; say so again with --again"),
        }
    }
}

/// Whether people who had the sequence before may have it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// They may.
    Allowed,
    /// They are refused.
    Refused,
}

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Who.
    pub influencer_id: InfluencerId,
    /// The run that began, or why none did.
    pub result: Result<EnrollmentId, Refusal>,
}

/// Why nobody could be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// There is no such sequence, or it was deleted.
    #[error("there is no sequence `{0}`")]
    NoSequence(String),
    /// Too many at once.
    #[error("{0} influencers at once; at most {ENROLL_MAX}")]
    TooMany(usize),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a run for each of these influencers, in their order, where nothing stands against it.
pub async fn enroll(
    tx: &mut Tx,
    clock: &Clock,
    sequence: &str,
    influencers: &[InfluencerId],
    again: Again,
) -> Result<Vec<Outcome>, EnrollError> {
    if influencers.len() > ENROLL_MAX {
        return Err(EnrollError::TooMany(influencers.len()));
    }
    let row = tx.get_sequence(sequence).await?;
    let hash = row.and_then(|s| s.active_hash).ok_or_else(|| EnrollError::NoSequence(sequence.to_owned()))?;
    let definition = match readable(tx, &hash).await? {
        Ok(definition) => definition,
        // It takes nobody, and is no reason to fail whatever else is asked.
        Err(why) => {
            let refuse =
                |id: &InfluencerId| Outcome { influencer_id: *id, result: Err(Refusal::Unreadable(why.clone())) };
            return Ok(influencers.iter().map(refuse).collect());
        }
    };
    let stages = react::stages(tx).await?;
    // Of two who enroll somebody at once, the second waits here and is told that they are in it.
    tx.lock_influencers(influencers.to_vec()).await?;
    let people = tx.list_reachable(influencers.to_vec()).await?;
    let mut before: HashMap<InfluencerId, Vec<EnrollmentRow>> = HashMap::new();
    for run in tx.list_enrollments_of(influencers.to_vec()).await? {
        before.entry(run.influencer_id).or_default().push(run);
    }
    let known: HashMap<InfluencerId, String> = tx.newest_accounts(influencers.to_vec()).await?.into_iter().collect();
    let now = clock.now();
    let (mut outcomes, mut rows) = (Vec::new(), Vec::new());
    for id in influencers {
        let who = people.iter().find(|p| p.id == *id);
        let runs = before.get(id).map(Vec::as_slice).unwrap_or_default();
        let taken = rows.iter().any(|r: &EnrollmentRow| r.influencer_id == *id);
        let refused = match who {
            None => Some(Refusal::Unknown),
            Some(_) if taken => Some(Refusal::AlreadyIn),
            Some(who) => refuse(&definition, &stages, who, (runs, again)),
        };
        if let Some(refusal) = refused {
            outcomes.push(Outcome { influencer_id: *id, result: Err(refusal) });
            continue;
        }
        let row = EnrollmentRow {
            id: EnrollmentId(clock.new_id()),
            sequence: sequence.to_owned(),
            version: hash.clone(),
            influencer_id: *id,
            run: runs.iter().filter(|r| r.sequence == sequence).map(|r| r.run).max().unwrap_or(0) + 1,
            account: choose_account(&definition, *id, (known.get(id), runs)),
            state: EnrollmentState::Active,
            step: definition.steps.first().map(|s| s.id.clone()),
            phase: if definition.steps.is_empty() { Phase::Finish } else { Phase::Delay },
            anchor_at: now,
            next_at: Some(now),
            first: true,
            waiting_for: None,
            held_at: None,
            exit_reason: None,
            filled: serde_json::Map::new(),
            started_at: now,
            ended_at: None,
        };
        outcomes.push(Outcome { influencer_id: *id, result: Ok(row.id) });
        rows.push(row);
    }
    let started =
        rows.iter().map(|r| event_of(EventType::EnrollmentStarted, r, now, json!({"version": hash}))).collect();
    tx.insert_enrollments(rows, now).await?;
    signal::record(tx, clock, started).await?;
    Ok(outcomes)
}

/// Whether a sequence would take somebody now; why not. Nothing is written.
pub async fn would_take(
    tx: &mut Tx,
    sequence: &str,
    influencer: InfluencerId,
    again: Again,
) -> Result<Option<Refusal>, StoreError> {
    let Some(hash) = tx.get_sequence(sequence).await?.and_then(|s| s.active_hash) else {
        return Ok(Some(Refusal::Unknown));
    };
    let definition = match readable(tx, &hash).await? {
        Ok(definition) => definition,
        Err(why) => return Ok(Some(Refusal::Unreadable(why))),
    };
    let stages = react::stages(tx).await?;
    let Some(who) = tx.list_reachable(vec![influencer]).await?.pop() else { return Ok(Some(Refusal::Unknown)) };
    let runs = tx.list_enrollments_of(vec![influencer]).await?;
    Ok(refuse(&definition, &stages, &who, (&runs, again)))
}

fn refuse(
    definition: &Definition,
    stages: &Stages,
    who: &ReachRow,
    (runs, again): (&[EnrollmentRow], Again),
) -> Option<Refusal> {
    let id = &definition.id;
    if runs.iter().any(|r| r.sequence == *id && is_live(r)) {
        return Some(Refusal::AlreadyIn);
    }
    if again == Again::Refused && runs.iter().any(|r| r.sequence == *id) {
        return Some(Refusal::RanBefore);
    }
    if !definition.allow_parallel
        && let Some(other) = runs.iter().find(|r| is_live(r))
    {
        return Some(Refusal::InAnother(other.sequence.clone()));
    }
    let stage = who.stage.as_str();
    let kind = stages.get(&stage.into()).map_or(StageKind::Path, |s| s.kind);
    if matches!(kind, StageKind::Declined | StageKind::Closed) {
        return Some(Refusal::StageClosed(stage.to_owned()));
    }
    if !definition.enter_from.is_empty() && !definition.enter_from.iter().any(|s| s.as_str() == stage) {
        return Some(Refusal::Stage(stage.to_owned()));
    }
    if definition.reached(stages, &stage.into()).is_some() {
        return Some(Refusal::StageReached(stage.to_owned()));
    }
    if !who.has_address {
        return Some(Refusal::NoAddress);
    }
    (!who.has_open_address).then(|| Refusal::Suppressed("every address of theirs is on the list".to_owned()))
}

/// The account that somebody hears from: that of their newest thread, or else that they heard from in any run before, where this sequence may use it; else
/// shared out by a hash, so that a dry run tells the same.
pub fn choose_account(
    definition: &Definition,
    influencer: InfluencerId,
    (known, runs): (Option<&String>, &[EnrollmentRow]),
) -> String {
    if let Some(known) = known.filter(|account| definition.accounts.contains(account)) {
        return known.clone();
    }
    if let Some(known) = runs.iter().find(|r| definition.accounts.contains(&r.account)) {
        return known.account.clone();
    }
    let digest = Sha256::new().chain_update(b"account").chain_update(influencer.0.as_bytes()).finalize();
    let mut head = [0_u8; 8];
    head.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    let accounts = u64::try_from(definition.accounts.len()).unwrap_or(1).max(1);
    let at = usize::try_from(u64::from_be_bytes(head) % accounts).unwrap_or(0);
    definition.accounts.get(at).cloned().unwrap_or_default()
}
