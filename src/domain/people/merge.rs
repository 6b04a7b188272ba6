//! Which stage somebody is in whose two records are joined into one.
//!
//! Pure; who moves rows is the hub.

use crate::domain::stage::{By, Move, Pin, StageId, StageKind, Stages, decide_move};

/// The stage of one of the two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Where they are.
    pub stage: &'a StageId,
    /// Whether a person fixed that.
    pub pin: Pin,
}

/// The stage that the record that goes brings along; none where that of the record that is kept stands.
///
/// What is pinned stands, the record that is kept first. Else the further along the path of the two; a no counts as far as
/// it would count if it came by itself, and silence of one record says nothing against the other.
pub fn choose_stage(stages: &Stages, kept: Standing<'_>, gone: Standing<'_>) -> Option<StageId> {
    if kept.pin == Pin::Pinned || kept.stage == gone.stage {
        return None;
    }
    let kind = stages.get(gone.stage)?.kind;
    if gone.pin == Pin::Pinned {
        return Some(gone.stage.clone());
    }
    if kind == StageKind::Dormant {
        return None;
    }
    match decide_move(stages, kept.stage, kept.pin, gone.stage, By::Reply) {
        Move::To(stage) => Some(stage),
        Move::Stay(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stage::Stage;

    fn stages() -> Stages {
        let stage = |(id, kind): (&str, StageKind)| Stage {
            id: id.into(),
            name: id.to_owned(),
            kind,
            start: id == "prospect",
            enter_on: Vec::new(),
            answer_within: None,
            reopen_after: None,
        };
        let list = [
            ("prospect", StageKind::Path),
            ("in_talks", StageKind::Path),
            ("no_response", StageKind::Dormant),
            ("declined", StageKind::Declined),
        ];
        Stages::new(list.map(stage).to_vec(), Vec::new()).unwrap()
    }

    fn chosen(kept: (&str, Pin), gone: (&str, Pin)) -> Option<String> {
        let stages = stages();
        let (kept_stage, gone_stage) = (StageId::from(kept.0), StageId::from(gone.0));
        let kept = Standing { stage: &kept_stage, pin: kept.1 };
        choose_stage(&stages, kept, Standing { stage: &gone_stage, pin: gone.1 }).map(|s| s.0)
    }

    #[test]
    fn the_further_along_wins_unless_a_person_pinned_the_other() {
        let further = || Some("in_talks".to_owned());
        assert_eq!(chosen(("prospect", Pin::Free), ("in_talks", Pin::Free)), further());
        assert_eq!(chosen(("in_talks", Pin::Free), ("prospect", Pin::Free)), None);
        assert_eq!(chosen(("prospect", Pin::Pinned), ("in_talks", Pin::Free)), None);
        assert_eq!(chosen(("prospect", Pin::Pinned), ("in_talks", Pin::Pinned)), None);
        assert_eq!(chosen(("in_talks", Pin::Free), ("prospect", Pin::Pinned)), Some("prospect".to_owned()));
    }

    #[test]
    fn a_no_counts_and_silence_does_not() {
        assert_eq!(chosen(("prospect", Pin::Free), ("declined", Pin::Free)), Some("declined".to_owned()));
        assert_eq!(chosen(("declined", Pin::Free), ("in_talks", Pin::Free)), None);
        assert_eq!(chosen(("prospect", Pin::Free), ("no_response", Pin::Free)), None);
        assert_eq!(chosen(("no_response", Pin::Free), ("in_talks", Pin::Free)), Some("in_talks".to_owned()));
        assert_eq!(chosen(("prospect", Pin::Free), ("nowhere", Pin::Pinned)), None);
    }
}
