//! The relay, put together: what is configured at the moment, and the loop that shows the team what happens.

use std::sync::Arc;

use super::{AccountParts, Hub, LOOP_SILENCE_MAX, Reading};
use crate::domain::address;
use crate::hub::enqueue::AccountFrom;
use crate::lifecycle::Lifecycle;
use crate::relay::{Means, Relays, Rooms, Voice};

/// Starts showing the team what happens.
pub(super) fn spawn(hub: &Hub, life: &Lifecycle) {
    let current = hub.clone();
    let relays = Relays {
        store: hub.store.clone(),
        clock: hub.clock.clone(),
        run: hub.run,
        desk: hub.desk.clone(),
        means: Arc::new(move || means(&current)),
        numbered: Arc::clone(&hub.numbered),
        stored: Arc::clone(&hub.stored),
        wakes: hub.wakes.clone(),
        rooms: Rooms::default(),
    };
    life.spawn("relay", life.watched("relay", LOOP_SILENCE_MAX, relays.run(life.stop())));
}

fn means(hub: &Hub) -> Means {
    let live = hub.live();
    let speaks = |name: &str| live.relays.values().any(|relay| relay.account == name);
    let voices = live.accounts.iter().filter(|account| speaks(&account.name));
    Means {
        relays: live.relays.clone(),
        voices: voices.map(|account| (account.name.clone(), voice(account))).collect(),
        undo: live.undo,
        default_owner: live.default_owner.clone(),
    }
}

fn voice(account: &AccountParts) -> Voice {
    match &account.reading {
        Reading::Line { line, .. } => Voice::Room(Arc::clone(line)),
        Reading::Mailbox { .. } => Voice::Mail {
            sender: Arc::clone(&account.sender),
            from: AccountFrom {
                name: account.name.clone(),
                address: account.address.clone(),
                display_name: account.display_name.clone(),
            },
            domain: address::domain(&account.address).unwrap_or_else(|| "localhost".to_owned()),
        },
    }
}
