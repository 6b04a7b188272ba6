//! What happened by stage: counted from events, each against the stage it met.

use std::collections::HashMap;

use serde::Serialize;

use crate::domain::stage::{StageKind, Stages};
use crate::domain::time::Micros;
use crate::domain::words::EventType;
use crate::store::reading::stats::{StageCount, StageExit, StageStay};
use crate::store::{StoreError, Tx};

/// What is counted.
const COUNTED: [EventType; 4] =
    [EventType::MessageSent, EventType::MessageOpened, EventType::MessageClicked, EventType::ThreadReplied];

/// One stage in a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct StageStats {
    /// Its id.
    pub stage: String,
    /// `path`, `dormant`, `declined` or `closed`; `null` where it is not declared any more.
    pub kind: Option<StageKind>,
    /// Messages of ours that were accepted.
    pub sends: i64,
    /// Messages that a person opened; those of which that is not sure are in none of these numbers.
    pub opens: i64,
    /// Messages that a machine opened.
    pub machine_opens: i64,
    /// Clicks by people.
    pub clicks: i64,
    /// Human replies.
    pub replies: i64,
    /// People who are in it now.
    pub people: i64,
    /// People who left it in this time and did not come back within it. Who was brought back by hand to where they had come from was
    /// never there: a move that was taken back is none.
    pub left: i64,
    /// Those of them who went further along the path.
    pub moved_on: i64,
    /// The share of those who were in it (they left, or are there now) that went further along the path; `null` where
    /// nobody was, and beside the path.
    pub conversion: Option<f64>,
    /// How long those stayed who left, on average, seconds.
    pub mean_stay: Option<f64>,
    /// The middle one of these times, seconds.
    pub median_stay: Option<i64>,
}

/// The numbers of every stage, in the order in which they are declared; stages that are declared no more come last.
pub async fn stage_stats(tx: &mut Tx, within: (Micros, Micros)) -> Result<Vec<StageStats>, StoreError> {
    let stages = super::react::stages(tx).await?;
    let counts = tx.count_by_stage(&COUNTED, within).await?;
    let exits = tx.count_stage_exits(within).await?;
    let stays = tx.measure_stage_stays(within).await?;
    let people = tx.count_people_by_stage().await?;
    Ok(put_together(&stages, &counts, (&exits, &stays), people))
}

fn put_together(
    stages: &Stages,
    counts: &[StageCount],
    (exits, stays): (&[StageExit], &[StageStay]),
    people: Vec<(String, i64)>,
) -> Vec<StageStats> {
    let mut list: Vec<StageStats> = stages
        .all()
        .iter()
        .map(|s| StageStats { stage: s.id.0.clone(), kind: Some(s.kind), ..StageStats::default() })
        .collect();
    let mut at: HashMap<String, usize> = list.iter().enumerate().map(|(n, s)| (s.stage.clone(), n)).collect();
    let mut with = |stage: &str, change: &dyn Fn(&mut StageStats)| {
        let n = *at.entry(stage.to_owned()).or_insert_with(|| {
            list.push(StageStats { stage: stage.to_owned(), ..StageStats::default() });
            list.len().saturating_sub(1)
        });
        if let Some(entry) = list.get_mut(n) {
            change(entry);
        }
    };
    for count in counts {
        let n = count.events;
        with(&count.stage, &|s| {
            #[allow(clippy::wildcard_enum_match_arm, reason = "only what is counted was asked for")]
            match (count.kind, count.machine) {
                (EventType::MessageSent, _) => s.sends += n,
                (EventType::MessageOpened, Some(false)) => s.opens += n,
                (EventType::MessageOpened, Some(true)) => s.machine_opens += n,
                (EventType::MessageClicked, Some(false)) => s.clicks += n,
                (EventType::ThreadReplied, _) => s.replies += n,
                _ => {}
            }
        });
    }
    for exit in exits {
        let order = |id: &str| stages.order(&id.into());
        let on = order(&exit.stage).is_some() && order(&exit.next) > order(&exit.stage);
        let taken_back = exit.back && order(&exit.next).is_some() && order(&exit.next) < order(&exit.stage);
        if taken_back {
            continue;
        }
        with(&exit.stage, &|s| {
            s.left += exit.people;
            s.moved_on += if on { exit.people } else { 0 };
        });
    }
    for stay in stays {
        with(&stay.stage, &|s| {
            s.mean_stay = Some(stay.mean);
            s.median_stay = Some(stay.median);
        });
    }
    for (stage, n) in people {
        with(&stage, &|s| s.people = n);
    }
    for s in &mut list {
        let were = s.left.saturating_add(s.people);
        if s.kind == Some(StageKind::Path) && were > 0 {
            s.conversion = Some(share(s.moved_on, were));
        }
    }
    list
}

#[allow(clippy::cast_precision_loss, reason = "counts of people are far below 2^52")]
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}
