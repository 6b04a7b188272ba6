//! What somebody would get of each step of a sequence: the text, the account and the address as the engine chooses them.
//! Nothing is planned or written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{choose_variant, given, stand_ins};
use crate::config::{Account, Config};
use crate::domain::ids::InfluencerId;
use crate::domain::people::InfluencerView;
use crate::domain::sequence::{Definition, Step, StepKind};
use crate::domain::sms;
use crate::domain::subject::reply_subject;
use crate::domain::words::Channel;
use crate::hub::outreach::enroll::choose_account;
use crate::hub::outreach::instead::ends_after;
use crate::hub::outreach::{self, dossier};
use crate::render::template::{self, TemplateError};
use crate::store::outreach::enrollment::EnrollmentRow;
use crate::store::outreach::person::PlaceRow;
use crate::store::{StoreError, Tx};

/// Which text of a sequence is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PreviewOf")]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The files as they are now, whether they are in force or not.
    #[default]
    Files,
    /// The version that new runs begin with.
    InForce,
    /// The version that their live run is pinned to.
    Pinned,
}

/// A text of a sequence.
#[derive(Debug, Clone)]
pub struct Text {
    /// Which.
    pub of: Of,
    /// What it says.
    pub definition: Arc<Definition>,
    /// Its version: the hash of what it says.
    pub version: String,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// Nothing of this sequence is in force.
    #[error("there is no sequence `{0}` in force")]
    NotInForce(String),
    /// They are not in it.
    #[error("{handle} has no live run of `{sequence}`, so no version is pinned for them")]
    NoRun {
        /// Who.
        handle: String,
        /// In what.
        sequence: String,
    },
    /// This build can't read the version.
    #[error("{0}")]
    Unreadable(String),
    /// There is no such step in that text.
    #[error("there is no step `{given}`; there are: {known}")]
    NoStep {
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// There is no such variant.
    #[error("step `{step}` has {count} variants: say 1 to {count}")]
    NoVariant {
        /// The step.
        step: String,
        /// How many there are.
        count: usize,
    },
    /// It can't be written for them.
    #[error("step `{step}`: {error}; the run would be held here")]
    NotWritten {
        /// The step.
        step: String,
        /// Why.
        error: TemplateError,
    },
    /// It has no subject.
    #[error("step `{0}` has no subject, and no mail stands above it")]
    NoSubject(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SequencePreview")]
pub struct Preview {
    /// The sequence.
    pub sequence: String,
    /// What the team calls them.
    pub influencer: String,
    /// Whose text it is.
    pub of: Of,
    /// The version that is shown.
    pub version: String,
    /// The steps, each as it would be; one whose `else` follows when its time runs out is followed by that.
    pub steps: Vec<Shown>,
}

/// A step as it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PreviewedStep")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shown {
    /// A mail.
    Email {
        /// The step.
        step: String,
        /// How long it waits.
        after: Option<String>,
        /// Its condition, which is not asked here.
        #[serde(rename = "if")]
        condition: Option<String>,
        /// Whether it is what stands under `else`.
        #[serde(rename = "else")]
        other: bool,
        /// When the `else` is done, where it is one.
        why: Option<String>,
        /// Whether a person approves it first.
        review: bool,
        /// The template: of several variants the one they get, or the one that was asked for.
        template: String,
        /// How many variants there are.
        variants: usize,
        /// The account they hear from; none where it is not configured.
        account: Option<String>,
        /// The headers as far as they are known before anything is planned.
        headers: BTreeMap<String, String>,
        /// The text part.
        text: String,
        /// The HTML part.
        html: Option<String>,
        /// Where its links lead.
        links: Vec<String>,
    },
    /// Words on a channel that is no mail.
    Say {
        /// The step.
        step: String,
        /// How long it waits.
        after: Option<String>,
        /// Its condition, which is not asked here.
        #[serde(rename = "if")]
        condition: Option<String>,
        /// Whether it is what stands under `else`.
        #[serde(rename = "else")]
        other: bool,
        /// When the `else` is done, where it is one.
        why: Option<String>,
        /// Whether a person approves it first.
        review: bool,
        /// Which.
        channel: Channel,
        /// To which address; none where there is none.
        to: Option<String>,
        /// The words.
        text: String,
        /// In how many parts they go, where they are a text message.
        segments: Option<usize>,
    },
    /// A task.
    Task {
        /// The step.
        step: String,
        /// How long it waits.
        after: Option<String>,
        /// Its condition, which is not asked here.
        #[serde(rename = "if")]
        condition: Option<String>,
        /// Whether it is what stands under `else`.
        #[serde(rename = "else")]
        other: bool,
        /// When the `else` is done, where it is one.
        why: Option<String>,
        /// What is to be done.
        text: String,
        /// By whom.
        assign: String,
    },
    /// What is told to the team.
    Notify {
        /// The step.
        step: String,
        /// How long it waits before that.
        after: Option<String>,
        /// Its condition, which is not asked here.
        #[serde(rename = "if")]
        condition: Option<String>,
        /// Whether it is what stands under `else`.
        #[serde(rename = "else")]
        other: bool,
        /// When the `else` is done, where it is one.
        why: Option<String>,
        /// The words.
        text: String,
    },
    /// A wait.
    WaitFor {
        /// The step.
        step: String,
        /// How long it waits before that.
        after: Option<String>,
        /// Its condition, which is not asked here.
        #[serde(rename = "if")]
        condition: Option<String>,
        /// Whether it is what stands under `else`.
        #[serde(rename = "else")]
        other: bool,
        /// When the `else` is done, where it is one.
        why: Option<String>,
        /// For how long at most.
        at_most: String,
    },
}

impl Shown {
    /// Its step.
    pub fn step(&self) -> &str {
        match self {
            Self::Email { step, .. }
            | Self::Say { step, .. }
            | Self::Task { step, .. }
            | Self::Notify { step, .. }
            | Self::WaitFor { step, .. } => step,
        }
    }
}

/// Reads the text in force, or the one that somebody's live run is pinned to.
pub async fn kept(tx: &mut Tx, sequence: &str, who: &InfluencerView, of: Of) -> Result<Text, PreviewError> {
    let version = if of == Of::Pinned {
        let run = live_run(tx, sequence, who.id).await?;
        let none = || PreviewError::NoRun { handle: who.handle.clone(), sequence: sequence.to_owned() };
        run.ok_or_else(none)?.version
    } else {
        let row = tx.get_sequence(sequence).await?;
        row.and_then(|row| row.active_hash).ok_or_else(|| PreviewError::NotInForce(sequence.to_owned()))?
    };
    let definition = outreach::readable(tx, &version).await?.map_err(PreviewError::Unreadable)?;
    Ok(Text { of, definition, version })
}

async fn live_run(tx: &mut Tx, sequence: &str, who: InfluencerId) -> Result<Option<EnrollmentRow>, StoreError> {
    let runs = tx.list_enrollments_of(vec![who]).await?;
    Ok(runs.into_iter().find(|run| run.sequence == sequence && outreach::is_live(run)))
}

/// For whom a text is shown.
pub struct Scene<'a> {
    config: &'a Config,
    text: Text,
    view: InfluencerView,
    /// The account they would hear from.
    account: Option<&'a Account>,
    /// Where mail would go, or why nowhere.
    to: Result<PlaceRow, String>,
    /// Where they are reached at all.
    places: Vec<PlaceRow>,
    context: template::Context,
}

impl<'a> Scene<'a> {
    /// Sets the scene for somebody.
    pub async fn set(tx: &mut Tx, config: &'a Config, text: Text, view: InfluencerView) -> Result<Self, StoreError> {
        let definition = &text.definition;
        let runs = tx.list_enrollments_of(vec![view.id]).await?;
        let known = tx.newest_accounts(vec![view.id]).await?.pop().map(|(_, account)| account);
        let run = runs.iter().find(|run| run.sequence == definition.id && outreach::is_live(run));
        let account =
            run.map_or_else(|| choose_account(definition, view.id, (known.as_ref(), &runs)), |run| run.account.clone());
        let places = tx.list_places(vec![view.id]).await?;
        let to = dossier::choose_place(&places, Channel::Email).cloned();
        let mut given = given(config, &view, &account);
        given.unsubscribe_url = Some(format!("{}/u/preview", site(config)));
        given.filled = stand_ins(definition);
        // What tasks of their run filled already reads as it will.
        given.filled.extend(run.map(|run| run.filled.clone()).unwrap_or_default());
        given.influencer.email = to.as_ref().ok().map(|place| place.value.clone());
        let context = template::Context::new(given, &definition.variables);
        let account = config.accounts.get(&account);
        Ok(Self { config, text, view, account, to, places, context })
    }

    /// The text that is shown.
    pub fn definition(&self) -> &Definition {
        &self.text.definition
    }

    /// The account they would hear from.
    pub fn account(&self) -> Option<&'a Account> {
        self.account
    }

    /// Every step as it would be, or only one. `variant` counts from 1: another than the one they get.
    ///
    /// # Errors
    /// [`PreviewError`] says what was asked for that is not there, or what can't be written for them.
    pub fn show(&self, step: Option<&str>, variant: Option<usize>) -> Result<Preview, PreviewError> {
        let definition = self.definition();
        let steps: Vec<&Step> = match step {
            None => definition.steps.iter().collect(),
            Some(id) => vec![definition.step(id).map(|(_, step)| step).ok_or_else(|| {
                let ids: Vec<&str> = definition.steps.iter().map(|step| step.id.as_str()).collect();
                PreviewError::NoStep { given: id.to_owned(), known: ids.join(", ") }
            })?],
        };
        let mut shown = Vec::new();
        for step in steps {
            self.show_step(step, variant, &mut shown)?;
        }
        Ok(Preview {
            sequence: definition.id.clone(),
            influencer: self.view.handle.clone(),
            of: self.text.of,
            version: self.text.version.clone(),
            steps: shown,
        })
    }

    fn show_step(&self, step: &Step, variant: Option<usize>, shown: &mut Vec<Shown>) -> Result<(), PreviewError> {
        let Some(other) = &step.otherwise else {
            shown.push(self.show_kind(step, (&step.kind, None), variant)?);
            return Ok(());
        };
        let is_mail = |kind: &StepKind| matches!(kind, StepKind::Email { .. });
        match (&self.to, &step.kind) {
            // Where no mail may be sent, another mail is none either: the step is left out.
            (Err(why), kind) if is_mail(kind) && !is_mail(other) => {
                shown.push(self.show_kind(step, (other, Some(why.clone())), variant)?);
            }
            (_, StepKind::Say { channel, .. }) => {
                let why = dossier::choose_place(&self.places, *channel).err();
                let (kind, why) = match why.filter(|_| other.channel() != Some(*channel)) {
                    Some(why) => (other, Some(why)),
                    None => (&step.kind, None),
                };
                shown.push(self.show_kind(step, (kind, why), variant)?);
            }
            (_, StepKind::Email { .. }) => shown.push(self.show_kind(step, (&step.kind, None), variant)?),
            (_, StepKind::Task { .. } | StepKind::WaitFor { .. } | StepKind::Notify { .. }) => {
                shown.push(self.show_kind(step, (&step.kind, None), variant)?);
                if let Some(at_most) = ends_after(&step.kind) {
                    shown.push(self.show_kind(step, (other, Some(ran_out(at_most))), variant)?);
                }
            }
        }
        Ok(())
    }

    /// One of the things that a step may do; `why` says when, where it is the `else`.
    fn show_kind(
        &self,
        step: &Step,
        (kind, why): (&StepKind, Option<String>),
        variant: Option<usize>,
    ) -> Result<Shown, PreviewError> {
        let not_written = |error| PreviewError::NotWritten { step: step.id.clone(), error };
        let (id, after, condition) = (step.id.clone(), step.after.clone(), step.condition.clone());
        let other = why.is_some();
        Ok(match kind {
            StepKind::Email { templates, split } => {
                let name = self.variant(step, (templates, split), variant)?;
                let message = template::render(self.definition(), &name, &self.context).map_err(not_written)?;
                Shown::Email {
                    step: id,
                    after,
                    condition,
                    other,
                    why,
                    review: step.review,
                    template: name,
                    variants: templates.len(),
                    account: self.account.map(|account| account.id.clone()),
                    headers: self.headers(&message),
                    text: message.text,
                    html: message.html,
                    links: message.links,
                }
            }
            StepKind::Say { channel, text } => {
                let text = template::render_words(text, &self.context, *channel).map_err(not_written)?;
                let to = dossier::choose_place(&self.places, *channel).ok().map(|place| place.value.clone());
                let segments = (*channel == Channel::Sms).then(|| sms::size(&text).segments);
                Shown::Say {
                    step: id,
                    after,
                    condition,
                    other,
                    why,
                    review: step.review,
                    channel: *channel,
                    to,
                    text,
                    segments,
                }
            }
            StepKind::Task { text, assign, .. } => {
                let text = template::render_inline(text, &self.context).map_err(not_written)?;
                Shown::Task { step: id, after, condition, other, why, text, assign: assign.clone() }
            }
            StepKind::Notify { text } => {
                let text = template::render_inline(text, &self.context).map_err(not_written)?;
                Shown::Notify { step: id, after, condition, other, why, text }
            }
            StepKind::WaitFor { at_most, .. } => {
                Shown::WaitFor { step: id, after, condition, other, why, at_most: at_most.clone() }
            }
        })
    }

    /// The template of a step that is shown.
    fn variant(
        &self,
        step: &Step,
        (templates, split): (&[String], &[u32]),
        asked: Option<usize>,
    ) -> Result<String, PreviewError> {
        let drawn = choose_variant((&self.definition().id, self.view.id), &step.id, templates, split);
        let chosen = match asked.filter(|_| templates.len() > 1) {
            Some(n) => n.checked_sub(1).and_then(|at| templates.get(at)),
            None => drawn,
        };
        let none = || PreviewError::NoVariant { step: step.id.clone(), count: templates.len() };
        chosen.cloned().ok_or_else(none)
    }

    /// The headers as far as they are known before anything is planned.
    fn headers(&self, message: &template::Rendered) -> BTreeMap<String, String> {
        let from = self.account.map_or_else(String::new, |account| match &account.display_name {
            Some(name) => format!("{name} <{}>", account.address),
            None => account.address.clone(),
        });
        let to = self.to.as_ref().map_or_else(|_| "(no address)".to_owned(), |place| place.value.clone());
        let subject =
            message.subject.clone().unwrap_or_else(|| "(that of the mail above: stays in its thread)".to_owned());
        let mailto = self.account.map_or_else(String::new, |account| {
            format!(", <mailto:{}?subject=unsubscribe%20preview>", account.address)
        });
        let headers = [
            ("From", from),
            ("To", to),
            ("Subject", subject),
            ("List-Unsubscribe", format!("<{}/u/preview>{mailto}", site(self.config))),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
        ];
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The subject that a mail of a step goes out with: its own, or that of the nearest mail above that has one.
    ///
    /// # Errors
    /// Where there is none, or one above can't be written.
    pub fn subject(&self, step: &str, template: &str) -> Result<String, PreviewError> {
        let rendered = |step: &str, name: &str| {
            let not_written = |error| PreviewError::NotWritten { step: step.to_owned(), error };
            template::render(self.definition(), name, &self.context).map_err(not_written)
        };
        if let Some(subject) = rendered(step, template)?.subject {
            return Ok(subject);
        }
        let at = self.definition().step(step).map_or(0, |(at, _)| at);
        for above in self.definition().steps.iter().take(at).rev() {
            let StepKind::Email { templates, split } = &above.kind else { continue };
            let name = self.variant(above, (templates, split), None)?;
            if let Some(subject) = rendered(&above.id, &name)?.subject {
                return Ok(reply_subject(&subject));
            }
        }
        Err(PreviewError::NoSubject(step.to_owned()))
    }
}

fn ran_out(at_most: &str) -> String {
    format!("when its time runs out ({at_most})")
}

/// Where the page to unsubscribe is reached; a stand-in where the configuration names none.
fn site(config: &Config) -> String {
    config.site().unwrap_or_else(|| "https://unsubscribe.invalid".to_owned())
}
