//! Runs the tests beside a sequence: each in a world of its own, with one influencer and nobody else.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Order, Run, SimulateError, World};
use crate::domain::address;
use crate::domain::ids::{AddressId, InfluencerId, LedgerId};
use crate::domain::people::{Address, Consent, Influencer, Network, Person};
use crate::domain::sequence::Definition;
use crate::domain::stage::Stages;
use crate::domain::time::Micros;
use crate::domain::words::Channel;
use crate::hub::outreach::enroll::Again;
use crate::hub::outreach::house::House;
use crate::sequence::simulate::{Report, Somebody, Test, Tests};
use crate::store::Tx;

/// Runs every test of a sequence; what came out otherwise stands in `tests`.
///
/// # Errors
/// Where no world can be made.
pub async fn run_tests(
    (definition, hash): (&Definition, &str),
    house: &House,
    stages: &Stages,
    tests: &mut Tests,
) -> Result<(), SimulateError> {
    for n in 0..tests.tests.len() {
        let Some(test) = tests.tests.get(n).cloned() else { continue };
        match run(&test, (definition, hash), house, stages).await {
            Ok(report) => {
                tests.judge(n, &report);
            }
            Err(SimulateError::Order(why)) => tests.not_run(n, &why),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn run(
    test: &Test,
    (definition, hash): (&Definition, &str),
    house: &House,
    stages: &Stages,
) -> Result<Report, SimulateError> {
    let world = World::open(None, test.start, house.clone(), Some(stages)).await?;
    // The same person in every run: what is spread by hash lands at the same minute.
    let id = InfluencerId(id_of(&definition.id, &test.who.handle));
    let mut tx = world.store.begin("simulate.person").await?;
    move_in(&mut tx, (id, &test.who), stages, test.start).await?;
    tx.commit().await?;
    let order = Order {
        sequence: Some(definition.id.clone()),
        enroll: vec![(definition.id.clone(), vec![id])],
        from: Some(test.start),
        days: test.days,
        given: test.events.iter().map(|given| (Some(id), given.clone())).collect(),
        again: Again::Refused,
        local: Some((definition.clone(), hash.to_owned())),
        tasks_after: None,
    };
    Run::new(&world, order, test.start).await?.finish().await
}

fn id_of(sequence: &str, handle: &str) -> Uuid {
    let digest = Sha256::new().chain_update(sequence).chain_update([0]).chain_update(handle).finalize();
    let mut octets = [0_u8; 16];
    octets.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    Uuid::from_bytes(octets)
}

async fn move_in(
    tx: &mut Tx,
    (id, who): (InfluencerId, &Somebody),
    stages: &Stages,
    now: Micros,
) -> Result<(), SimulateError> {
    let stage = who.stage.clone().unwrap_or_else(|| stages.start().0.clone());
    if !stages.all().iter().any(|s| s.id.0 == stage) {
        return Err(SimulateError::Order(format!("there is no stage `{stage}`")));
    }
    let value_key =
        address::key(&who.email).ok_or_else(|| SimulateError::Order(format!("`{}` is no mail address", who.email)))?;
    let influencer = Influencer {
        id,
        handle: who.handle.clone(),
        first_name: who.first_name.clone(),
        last_name: who.last_name.clone(),
        stage,
        stage_pinned: false,
        stage_at: now,
        owner: who.owner.clone(),
        timezone: who.timezone.clone(),
        properties: who.properties.clone(),
        awaiting: None,
        last_message_at: None,
        held_until: None,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    tx.insert_influencers(&[influencer]).await?;
    let address = Address {
        id: AddressId(id.0),
        channel: Channel::Email,
        value: who.email.clone(),
        value_key: value_key.clone(),
        person: Person::Influencer(id),
        is_primary: true,
        dead_at: None,
        dead_reason: None,
        created_at: now,
    };
    tx.insert_addresses(&[address]).await?;
    if who.consent {
        let (source, evidence) = ("test".to_owned(), "a test says so".to_owned());
        let id = LedgerId(id.0);
        let consent = Consent { id, channel: Channel::Email, value_key, source, evidence, at: now, withdrawn_at: None };
        tx.insert_consents(&[consent]).await?;
    }
    let network = |(network, followers): (&String, &i64)| {
        (id, Network { network: network.clone(), handle: who.handle.clone(), followers: Some(*followers) })
    };
    tx.upsert_networks(&who.networks.iter().map(network).collect::<Vec<_>>()).await?;
    tx.insert_tags(&who.tags.iter().map(|tag| (id, tag.clone())).collect::<Vec<_>>()).await?;
    Ok(())
}
