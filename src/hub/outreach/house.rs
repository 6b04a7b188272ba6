//! What planning and writing need to know of our side: the accounts that send, whose name stands below, where links lead.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::schedule::Range;
use crate::domain::words::Channel;
use crate::domain::zone::Zone;
use crate::hub::enqueue::AccountFrom;

/// Our side, as configured.
#[derive(Debug, Clone)]
pub struct House {
    /// Accounts that send, by name.
    pub accounts: BTreeMap<String, Sender>,
    /// Our people, by name.
    pub owners: BTreeMap<String, Owner>,
    /// Who owns what nobody else does.
    pub default_owner: Option<String>,
    /// The name in the footer.
    pub sender_name: String,
    /// The postal address in the footer.
    pub sender_address: String,
    /// Where pixel, links and the unsubscribe page are reached; without it there are none of them.
    pub base_url: Option<String>,
    /// Whether opens are counted.
    pub opens: bool,
    /// Whether clicks are counted.
    pub clicks: bool,
    /// The zone of our working hours.
    pub zone: Zone,
    /// The country whose holidays we keep, lower case.
    pub country: Option<String>,
}

/// An account that sends.
#[derive(Debug, Clone)]
pub struct Sender {
    /// As the author.
    pub from: AccountFrom,
    /// How its messages travel.
    pub channel: Channel,
    /// Whether the hub files a copy in Sent.
    pub file_copy: bool,
    /// The domain of its Message-IDs.
    pub message_id_domain: String,
    /// When it may write, in the zone of whoever it writes to: of text messages.
    pub send_hours: Vec<Range>,
    /// When it works, in our zone; nothing: always.
    pub working_hours: Vec<Range>,
    /// Most sends in any 24 hours.
    pub daily_limit: Option<u32>,
    /// Most sends on the first day, and how many more on each day after.
    pub ramp_up: Option<(u32, u32)>,
}

/// One of our people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The name in the configuration.
    pub id: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Where they are reached.
    pub email: String,
}

impl Default for House {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            owners: BTreeMap::new(),
            default_owner: None,
            sender_name: String::new(),
            sender_address: String::new(),
            base_url: None,
            opens: true,
            clicks: true,
            zone: Zone::utc(),
            country: None,
        }
    }
}

/// The house in force; a reload puts another in its place. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<RwLock<Arc<House>>>);

impl Desk {
    /// A desk of this house.
    pub fn new(house: House) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(house))))
    }

    /// What is in force now.
    pub fn house(&self) -> Arc<House> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in force.
    pub fn set(&self, house: House) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(house);
    }
}
