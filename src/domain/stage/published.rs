//! The stages as they are kept in the store: one text that every node reads back alike, whatever its own file says.

use serde::{Deserialize, Serialize};

use super::{Property, PropertyType, Stage, StageId, StageKind, StageSignal, Stages};
use crate::domain::delay::Delay;
use crate::domain::words::Word;

/// Why a kept text can't be read: another version wrote it, or it was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the published stages can't be read: {0}")]
pub struct PublishedError(pub String);

#[derive(Serialize, Deserialize)]
struct Kept {
    stages: Vec<KeptStage>,
    properties: Vec<KeptProperty>,
}

#[derive(Serialize, Deserialize)]
struct KeptStage {
    id: StageId,
    name: String,
    kind: String,
    start: bool,
    enter_on: Vec<String>,
    answer_within: Option<String>,
    reopen_after: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptProperty {
    id: String,
    kind: String,
    label: String,
    choices: Vec<String>,
}

/// The text for the store.
pub fn write(stages: &Stages) -> String {
    let delay = |delay: Option<Delay>| delay.map(|d| d.to_string());
    let kept = Kept {
        stages: stages
            .all()
            .iter()
            .map(|s| KeptStage {
                id: s.id.clone(),
                name: s.name.clone(),
                kind: s.kind.to_string(),
                start: s.start,
                enter_on: s.enter_on.iter().map(ToString::to_string).collect(),
                answer_within: delay(s.answer_within),
                reopen_after: delay(s.reopen_after),
            })
            .collect(),
        properties: stages
            .properties()
            .iter()
            .map(|p| KeptProperty {
                id: p.id.clone(),
                kind: p.kind.to_string(),
                label: p.label.clone(),
                choices: p.choices.clone(),
            })
            .collect(),
    };
    serde_json::to_string(&kept).unwrap_or_default()
}

/// The stages of a kept text.
///
/// # Errors
/// [`PublishedError`] where it is no such text.
pub fn read(text: &str) -> Result<Stages, PublishedError> {
    let kept: Kept = serde_json::from_str(text).map_err(|e| PublishedError(e.to_string()))?;
    let stages = kept.stages.into_iter().map(stage).collect::<Result<_, _>>()?;
    let properties = kept.properties.into_iter().map(property).collect::<Result<_, _>>()?;
    Stages::new(stages, properties).map_err(|e| PublishedError(e.to_string()))
}

fn word<W: Word>(text: &str) -> Result<W, PublishedError> {
    W::from_word(text).ok_or_else(|| PublishedError(format!("unknown word `{text}`")))
}

fn delay(text: Option<String>) -> Result<Option<Delay>, PublishedError> {
    let read = |text: String| {
        Delay::parse(&text).ok_or_else(|| PublishedError(format!("`{text}` is no length of time")))
    };
    text.map(read).transpose()
}

fn stage(kept: KeptStage) -> Result<Stage, PublishedError> {
    Ok(Stage {
        id: kept.id,
        name: kept.name,
        kind: word::<StageKind>(&kept.kind)?,
        start: kept.start,
        enter_on: kept.enter_on.iter().map(|text| word::<StageSignal>(text)).collect::<Result<_, _>>()?,
        answer_within: delay(kept.answer_within)?,
        reopen_after: delay(kept.reopen_after)?,
    })
}

fn property(kept: KeptProperty) -> Result<Property, PublishedError> {
    Ok(Property {
        id: kept.id,
        kind: word::<PropertyType>(&kept.kind)?,
        label: kept.label,
        choices: kept.choices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_stages_read_back_as_they_were() {
        let list = vec![
            Stage {
                id: "prospect".into(),
                name: "Prospect".into(),
                kind: StageKind::Path,
                start: true,
                enter_on: vec![],
                answer_within: Some(Delay::BusinessDays(1)),
                reopen_after: None,
            },
            Stage {
                id: "no_response".into(),
                name: "No \"response\"".into(),
                kind: StageKind::Dormant,
                start: false,
                enter_on: vec![StageSignal::Sent],
                answer_within: None,
                reopen_after: Some(Delay::Days(90)),
            },
        ];
        let fit = Property {
            id: "fit".into(),
            kind: PropertyType::Choice,
            label: "Fit".into(),
            choices: vec!["a".into(), "b".into()],
        };
        let stages = Stages::new(list, vec![fit]).unwrap();
        assert_eq!(read(&write(&stages)), Ok(stages));
        for wrong in ["", "{}", "Stages { list: [] }"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
