//! Fifty influencers as a CSV: everybody has a mailbox of their own on the test server, so that mail to them arrives.

use std::collections::BTreeMap;

use super::world::World;
use crate::peers::fresh_user;

/// Those whom a case is about; the others fill up to fifty.
const CAST: [&str; 25] = [
    "plain", "refs", "subject", "second", "alias", "client1", "client2", "client3", "several", "also-to", "also-cc",
    "blast1", "blast2", "holiday", "gone", "forward", "teammate", "late", "hijack", "same-id", "large", "broken",
    "junk", "copies", "robot",
];
const COUNT: usize = 50;

/// Who was imported: by handle, their id in the API and their addresses.
pub struct People {
    ids: BTreeMap<String, String>,
    addresses: BTreeMap<String, Vec<String>>,
    /// The address of the agent of `client1`, `client2` and `client3`.
    pub agent: String,
}

impl People {
    pub fn id(&self, handle: &str) -> &str {
        &self.ids[handle]
    }

    /// Their primary address.
    pub fn address(&self, handle: &str) -> &str {
        &self.addresses[handle][0]
    }

    pub fn second_address(&self, handle: &str) -> &str {
        &self.addresses[handle][1]
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.values().map(String::as_str)
    }

    /// Imports them all and reads back by the API who they are.
    pub async fn import(world: &World) -> Self {
        let agent = fresh_user("agent");
        let mut addresses = BTreeMap::new();
        let mut csv =
            String::from("handle,first_name,last_name,email,tags,network.instagram,network.instagram.followers\n");
        for n in 0..COUNT {
            let handle = CAST.get(n).map_or_else(|| format!("filler{n}"), |h| (*h).to_owned());
            let own = match handle.as_str() {
                // Nobody has this mailbox: the server takes mail for it and sends it back.
                "gone" => vec![fresh_user("unknown")],
                _ => vec![fresh_user(&handle)],
            };
            let followers = 1_000 * (n + 1);
            csv += &format!("{handle},Żofia,\"Ünal, {n}\",{},running;spring,{handle}.runs,{followers}\n", own[0]);
            addresses.insert(handle, own);
        }
        let agents = format!("email,first_name,last_name,influencers\n{agent},Max,Manager,client1;client2;client3\n");
        world.import(&csv, Some(&agents)).await;
        let seen = world.api.influencers().await;
        assert_eq!(seen.len(), COUNT);
        let ids = seen.iter().map(|(handle, i)| (handle.clone(), i["id"].as_str().unwrap().to_owned())).collect();
        // A second address is added by the API: a row of a file has one.
        let (second, private) = (seen["second"]["id"].as_str().unwrap(), fresh_user("second-private"));
        let more = serde_json::json!({"add_emails": [private]});
        let answer = world.api.ask("PATCH", &format!("/influencers/{second}"), Some(&more)).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        addresses.get_mut("second").expect("in the cast").push(private);
        let seen = world.api.influencers().await;
        for (handle, own) in &addresses {
            let listed: Vec<&str> =
                seen[handle]["addresses"].as_array().unwrap().iter().map(|a| a["value"].as_str().unwrap()).collect();
            assert_eq!(&listed, own, "{handle}");
        }
        assert_eq!(seen["client2"]["agent"]["first_name"], "Max");
        Self { ids, addresses, agent }
    }
}
