//! A touch: what was said on Instagram, by phone, in person. Somebody of the team writes it down, and it counts as if it had come
//! through the hub.

use super::people;
use super::said::{self, Entered, Saying};
use crate::clock::Clock;
use crate::config::accounts::MANUAL;
use crate::domain::ids::{InfluencerId, MessageId};
use crate::domain::mail::{Mailbox, TEXT_MAX};
use crate::domain::sms::ConsentReading;
use crate::domain::time::Micros;
use crate::domain::words::{Channel, Direction, Kind, Meaning};
use crate::store::{StoreError, Tx};

/// Where it was said, when nobody says.
pub const ELSEWHERE: &str = "elsewhere";
/// Characters of the place.
pub const PLACE_MAX: usize = 60;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// With whom.
    pub influencer: InfluencerId,
    /// They said it, or we.
    pub direction: Direction,
    /// Where: `Instagram`, `phone`. Empty: elsewhere.
    pub place: String,
    /// What was said.
    pub text: String,
    /// When; now where nobody says.
    pub at: Option<Micros>,
    /// What their answer means, where whoever heard it says so.
    pub meaning: Option<Meaning>,
    /// Who writes it down.
    pub by: String,
}

/// Why a touch is not written down.
#[derive(Debug, thiserror::Error)]
pub enum TouchError {
    /// Nobody by this id.
    #[error("there is no influencer {0}")]
    NoInfluencer(InfluencerId),
    /// Nothing was said.
    #[error("the text is empty: write what was said")]
    Empty,
    /// Too long.
    #[error("the text has {0} octets; at most {TEXT_MAX} are kept")]
    TooLong(usize),
    /// The place is no name of one.
    #[error("the place is one line of at most {PLACE_MAX} characters, as in Instagram")]
    Place,
    /// Not said yet.
    #[error("it can't have been said in the future")]
    Future,
    /// What we say answers nobody.
    #[error("only what they said has an answer in it")]
    OurAnswer,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a touch down: the message, and how it was read where it is theirs. The caller commits.
///
/// # Errors
/// [`TouchError`] says what to change; nothing was written then.
pub async fn log_touch(
    tx: &mut Tx,
    clock: &Clock,
    touched: Touched,
) -> Result<(MessageId, Option<Meaning>), TouchError> {
    let now = clock.now();
    let at = touched.at.unwrap_or(now);
    let text = touched.text.replace('\0', "\u{fffd}");
    let (text, place) = (text.trim(), touched.place.trim());
    if text.is_empty() {
        return Err(TouchError::Empty);
    }
    if text.len() > TEXT_MAX {
        return Err(TouchError::TooLong(text.len()));
    }
    if place.chars().count() > PLACE_MAX || place.chars().any(char::is_control) {
        return Err(TouchError::Place);
    }
    if at > now {
        return Err(TouchError::Future);
    }
    if touched.direction == Direction::Outbound && touched.meaning.is_some() {
        return Err(TouchError::OurAnswer);
    }
    let place = if place.is_empty() { ELSEWHERE } else { place };
    tx.lock_conversations().await?;
    let id = people::survivor(tx, touched.influencer).await?;
    let Some(influencer) = tx.lock_influencer(id).await? else {
        return Err(TouchError::NoInfluencer(touched.influencer));
    };
    let name = format!("{} {}", influencer.first_name, influencer.last_name).trim().to_owned();
    // A handle may look like somebody's mail address: nobody wrote from one.
    let them = Mailbox { name: if name.is_empty() { influencer.handle } else { name }, address: String::new() };
    let us = Mailbox { name: touched.by, address: String::new() };
    let (author, to) = match touched.direction {
        Direction::Inbound => (them, Vec::new()),
        Direction::Outbound => (us, vec![them]),
    };
    let saying = Saying {
        channel: Channel::Manual,
        account: MANUAL.to_owned(),
        direction: touched.direction,
        kind: Kind::Human,
        placed: said::theirs(influencer.id, None, touched.direction),
        conversation: format!("manual:{}:{}", influencer.id, place.to_lowercase()),
        subject: place.to_owned(),
        author,
        to,
        text: text.to_owned(),
        at,
        print: said::print_of(&format!("manual:{}", clock.new_id())),
        meaning: touched.meaning,
        consent: ConsentReading::None,
        raw: None,
        attachments: None,
        fires: true,
    };
    match said::enter(tx, clock, saying).await? {
        Entered::New(id, meaning) => Ok((id, meaning)),
        Entered::Known(id) => Ok((id, None)),
        // Its print is its own: nothing that was erased has it.
        Entered::Erased => Err(TouchError::NoInfluencer(touched.influencer)),
    }
}
