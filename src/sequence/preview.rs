//! What a message to one influencer is made of, from the configuration and what is known of them; and, in [`scene`], what
//! they would get of every step.

use serde_json::{Map, Value};

use crate::config::Config;
use crate::domain::people::InfluencerView;
use crate::domain::profile::Profile;
use crate::domain::sequence::{Definition, StepKind};
use crate::domain::words::Channel;
use crate::hub::enqueue::DraftAttachment;
use crate::render::template::{Given, Owner, Sender, Writer};

mod note;
pub mod once;
pub mod scene;

pub use crate::hub::outreach::plan::choose_variant;
pub use note::{Note, note};
pub use once::OnceError;
pub use scene::{Of, Preview, PreviewError, Scene, Shown, Text, kept};

/// An influencer as templates and conditions see them. The default owner looks after whom nobody else does: also where their
/// owner is not (or no longer) in the team.
pub fn profile(config: &Config, view: &InfluencerView) -> Profile {
    Profile {
        handle: view.handle.clone(),
        first_name: view.first_name.clone(),
        last_name: view.last_name.clone(),
        stage: view.stage.clone(),
        timezone: view.timezone.clone(),
        email: view.addresses.iter().find(|a| a.channel == Channel::Email).map(|address| address.value.clone()),
        owner: view
            .owner
            .clone()
            .filter(|owner| config.teammates.contains_key(owner))
            .or_else(|| config.default_owner.clone()),
        reach: view.reach.unwrap_or(0),
        tags: view.tags.clone(),
        properties: config.stages.typed(&view.properties),
    }
}

/// What a message from an account to an influencer may speak of; the link to unsubscribe and what tasks filled are put in
/// by the caller.
pub fn given(config: &Config, view: &InfluencerView, account: &str) -> Given {
    let influencer = profile(config, view);
    let owner = influencer.owner.as_deref().and_then(|id| config.teammates.get(id)).map(|teammate| Owner {
        name: [Some(teammate.first_name.as_str()), teammate.last_name.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        first_name: teammate.first_name.clone(),
        email: teammate.emails.first().cloned().unwrap_or_default(),
    });
    let account = config.accounts.get(account).map(|account| Writer {
        name: account.display_name.clone().unwrap_or_else(|| account.address.clone()),
        address: account.address.clone(),
    });
    let sender = config.outreach.sender.as_ref();
    Given {
        influencer,
        owner: owner.unwrap_or_default(),
        account: account.unwrap_or_default(),
        filled: Map::new(),
        unsubscribe_url: None,
        sender: sender.map(|sender| Sender { name: sender.name.clone(), address: sender.address.clone() }),
    }
}

/// Something to read in place of what tasks have not filled yet.
pub fn stand_ins(definition: &Definition) -> Map<String, Value> {
    let fills = definition.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Task { fills: Some(name), .. } => {
            Some((name.clone(), format!("[the answer to `{}`]", step.id).into()))
        }
        StepKind::Task { .. }
        | StepKind::Email { .. }
        | StepKind::Say { .. }
        | StepKind::WaitFor { .. }
        | StepKind::Notify { .. } => None,
    });
    fills.collect()
}

/// The files that go with a template; an error names the one that can't be read.
pub fn attachments_of(definition: &Definition, template: &str) -> Result<Vec<DraftAttachment>, String> {
    use base64::Engine as _;
    let files = definition.templates.get(template).map(|t| t.attachments.as_slice()).unwrap_or_default();
    let read = |file: &crate::domain::sequence::TemplateFile| {
        let content = base64::engine::general_purpose::STANDARD.decode(&file.content);
        let content = content.map_err(|error| format!("the file {}: {error}", file.name))?;
        Ok(DraftAttachment { name: file.name.clone(), content_type: file.content_type.clone(), content })
    };
    files.iter().map(read).collect()
}
