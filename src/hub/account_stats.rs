//! What happened by account of ours, and how long answers took, ours and theirs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::time::Micros;
use crate::domain::words::{Direction, EventType};
use crate::store::reading::stats::{AccountCount, TurnTime};
use crate::store::{StoreError, Tx};

/// What is counted.
const COUNTED: [EventType; 7] = [
    EventType::MessageReceived,
    EventType::MessageSent,
    EventType::MessageOpened,
    EventType::MessageClicked,
    EventType::ThreadReplied,
    EventType::MessageBounced,
    EventType::MessageComplained,
];

/// One account in a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct AccountStats {
    /// Its id.
    pub account: String,
    /// Messages that came in.
    pub received: i64,
    /// Messages of ours that were accepted.
    pub sent: i64,
    /// Messages that a person opened; those of which that is not sure are in none of these numbers.
    pub opens: i64,
    /// Messages that a machine opened.
    pub machine_opens: i64,
    /// Clicks by people.
    pub clicks: i64,
    /// Human replies.
    pub replies: i64,
    /// Messages that came back.
    pub bounced: i64,
    /// Messages that were called spam.
    pub complained: i64,
}

/// How long one side took to answer the other, in the threads of an account: from the first message that was not answered yet
/// to the first answer.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ResponseTime {
    /// The account of ours.
    pub account: String,
    /// Who answered: `outbound` are we, `inbound` are they.
    pub direction: Direction,
    /// How many answers there were.
    pub answers: i64,
    /// How long they took on average, seconds.
    pub mean: f64,
    /// The middle one of these times (of an even number, the shorter), seconds.
    pub median: i64,
}

/// The numbers of every account in which something happened from the first instant on and before the second, by id.
pub async fn account_stats(tx: &mut Tx, within: (Micros, Micros)) -> Result<Vec<AccountStats>, StoreError> {
    let mut all: BTreeMap<String, AccountStats> = BTreeMap::new();
    for AccountCount { account, kind, machine, events } in tx.count_by_account(&COUNTED, within).await? {
        let stats = all.entry(account.clone()).or_insert_with(|| AccountStats { account, ..AccountStats::default() });
        let count = match (kind, machine) {
            (EventType::MessageReceived, _) => &mut stats.received,
            (EventType::MessageSent, _) => &mut stats.sent,
            (EventType::MessageOpened, Some(true)) => &mut stats.machine_opens,
            (EventType::MessageOpened, Some(false)) => &mut stats.opens,
            (EventType::MessageClicked, Some(false)) => &mut stats.clicks,
            (EventType::ThreadReplied, _) => &mut stats.replies,
            (EventType::MessageBounced, _) => &mut stats.bounced,
            (EventType::MessageComplained, _) => &mut stats.complained,
            _ => continue,
        };
        *count += events;
    }
    Ok(all.into_values().collect())
}

/// How long answers took that were given in a stretch of time, by account and side.
pub async fn response_times(tx: &mut Tx, within: (Micros, Micros)) -> Result<Vec<ResponseTime>, StoreError> {
    let of = |TurnTime { account, direction, answers, mean, median }| ResponseTime {
        account,
        direction,
        answers,
        mean: mean / 1e6,
        median: Micros(median).seconds(),
    };
    Ok(tx.measure_turns(within).await?.into_iter().map(of).collect())
}
