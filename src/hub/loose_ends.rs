//! Loose ends: no relationship without a next step, no answer that is late, and no run that waits unseen for something to be
//! mended.

use crate::clock::Clock;
use crate::domain::delay::Delay;
use crate::domain::stage::{StageKind, Stages};
use crate::domain::time::Micros;
use crate::store::reading::loose::{LooseEnd, LooseRules};
use crate::store::reading::{Page, Slice};
use crate::store::{StoreError, Tx};

/// A page of loose ends by the stages in force, oldest first.
pub async fn list(tx: &mut Tx, clock: &Clock, page: Page) -> Result<Slice<LooseEnd>, StoreError> {
    let (stages, now) = (super::react::stages(tx).await?, clock.now());
    tx.list_loose_ends(&rules(&stages, now), now, page).await
}

/// Everyone on the path needs a next step, and whoever fell silent or said no does again after the stage's time.
fn rules(stages: &Stages, now: Micros) -> LooseRules {
    let mut rules = LooseRules::default();
    for stage in stages.all() {
        match (stage.kind, stage.reopen_after) {
            (StageKind::Path, _) => rules.needs_step.push((stage.id.0.clone(), Micros(i64::MAX))),
            (StageKind::Dormant | StageKind::Declined, Some(after)) => {
                rules.needs_step.push((stage.id.0.clone(), before(now, after)));
            }
            (StageKind::Dormant | StageKind::Declined | StageKind::Closed, _) => {}
        }
        if let Some(within) = stage.answer_within {
            rules.answer_late.push((stage.id.0.clone(), before(now, within)));
        }
    }
    rules
}

/// The instant that lies so long before now. Business days leave out weekends, in UTC.
fn before(now: Micros, length: Delay) -> Micros {
    const DAY: std::time::Duration = std::time::Duration::from_hours(24);
    match length {
        Delay::Minutes(n) => now.minus(std::time::Duration::from_mins(u64::from(n))),
        Delay::Hours(n) => now.minus(std::time::Duration::from_hours(u64::from(n))),
        Delay::Days(n) => now.minus(DAY.saturating_mul(n)),
        Delay::BusinessDays(n) => {
            let (mut at, mut left) = (now, n);
            while left > 0 {
                at = at.minus(DAY);
                // 1970-01-01 was a Thursday: 2 and 3 days later it was the weekend.
                let weekend = matches!(at.seconds().div_euclid(86_400).rem_euclid(7), 2 | 3);
                left -= u32::from(!weekend);
            }
            at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_business_day_before_monday_is_friday() {
        let at = |text: &str| Micros::parse(text).unwrap();
        let monday = at("2026-03-02T10:00:00Z");
        assert_eq!(before(monday, Delay::BusinessDays(1)), at("2026-02-27T10:00:00Z"));
        assert_eq!(before(monday, Delay::BusinessDays(5)), at("2026-02-23T10:00:00Z"));
        assert_eq!(before(monday, Delay::Days(1)), at("2026-03-01T10:00:00Z"));
        assert_eq!(before(monday, Delay::Hours(36)), at("2026-02-28T22:00:00Z"));
    }
}
