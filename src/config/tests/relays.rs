//! Relays: good ones, and each mistake at its place.

use super::*;
use crate::config::{Relay, RelayPlace};

const AROUND: &str = r#"
[accounts.space]
kind = "slack"
bot_token = { env = "BOT" }

[accounts.hello]
kind = "imap"
address = "hello@acme.example"
password = { env = "WORD" }
imap = "imaps://mail.acme.example"
smtp = "smtps://mail.acme.example"

[accounts.text]
kind = "twilio"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token = { env = "WORD" }
number = "+14155550100"

[teammates.kim]
first_name = "Kim"
email = ["Kim@acme.example", "kim@other.example"]
"#;
const ENV: &[(&str, &str)] = &[("BOT", "xoxb-hunter2"), ("WORD", "hunter2")];

fn relays(text: &str) -> Result<BTreeMap<String, Relay>, String> {
    let loaded = load_text(&format!("{AROUND}{text}"), ENV);
    loaded.map(|loaded| loaded.config.relays).map_err(|findings| findings.to_string())
}

#[test]
fn a_relay_is_a_channel_or_a_teammate() {
    let all = relays(
        "[relays.team]\naccount = \"space\"\nchannel = \"C0123ABCD\"\nstage = \"in_talks\"\ntag = [\"vip\", \"new\"]\n\
         link = \"https://crm.acme.example/{id}\"\nmarker = \"!!\"\n\
         [relays.kim]\naccount = \"hello\"\nteammate = \"kim\"\nowner = \"kim\"\n",
    )
    .unwrap();
    let team = &all["team"];
    assert_eq!((team.account.as_str(), &team.place), ("space", &RelayPlace::Channel("C0123ABCD".into())));
    assert_eq!((team.rules.stage.as_slice(), team.rules.tag.len()), (&["in_talks".to_owned()][..], 2));
    assert_eq!((team.marker.as_str(), team.link.as_deref()), ("!!", Some("https://crm.acme.example/{id}")));
    let kim = &all["kim"];
    let RelayPlace::Teammate { id, address, addresses } = &kim.place else { panic!("{kim:?}") };
    assert_eq!((id.as_str(), address.as_str(), addresses.len()), ("kim", "Kim@acme.example", 2));
    assert_eq!((kim.marker.as_str(), kim.rules.owner.as_slice()), ("!send", &["kim".to_owned()][..]));
}

#[test]
fn each_mistake_is_told_at_its_place() {
    let slack = "[relays.team]\naccount = \"space\"\n";
    let good = format!("{slack}channel = \"C0123ABCD\"\n");
    for (text, told) in [
        ("[relays.team]\nchannel = \"C0123ABCD\"\n".to_owned(), "write account = \"NAME\""),
        ("[relays.team]\naccount = \"spaec\"\nchannel = \"C0123ABCD\"\n".to_owned(), "did you mean \"space\"?"),
        (slack.to_owned(), "write channel = \"C0123ABCD\""),
        (format!("{slack}channel = \"#team\"\n"), "`#team` is no id of a channel"),
        (format!("{slack}channel = \"D0123ABCD\"\n"), "is no id of a channel"),
        (format!("{slack}teammate = \"kim\"\n"), "write channel = \"C0123ABCD\""),
        ("[relays.team]\naccount = \"hello\"\nchannel = \"C0123ABCD\"\n".to_owned(), "write teammate = \"NAME\""),
        ("[relays.team]\naccount = \"hello\"\nteammate = \"kin\"\n".to_owned(), "did you mean \"kim\"?"),
        ("[relays.team]\naccount = \"text\"\nteammate = \"kim\"\n".to_owned(), "name an account of kind slack"),
        (format!("{good}owner = \"lea\"\n"), "there is no teammate `lea`"),
        (format!("{good}stage = \"in_talk\"\n"), "did you mean \"in_talks\"?"),
        (format!("{good}marker = \"send\"\n"), "`send` can't be the marker"),
        (format!("{good}marker = \"> \"\n"), "can't be the marker"),
        (format!("{good}marker = \"/send\"\n"), "can't be the marker"),
        (format!("{good}marker = \"!\"\n"), "can't be the marker"),
        (format!("{good}marker = \":send:\"\n"), "can't be the marker"),
        (format!("{good}marker = \"::\"\n"), "can't be the marker"),
        (format!("{good}link = \"crm/{{id}}\"\n"), "is no link"),
        (format!("{good}link = \"https://x.example/{{name}}\"\n"), "is no link"),
        (format!("{good}chanel = \"C1\"\n"), "chanel"),
    ] {
        let findings = relays(&text).unwrap_err();
        assert!(findings.contains(told), "{text}\n{findings}");
    }
}

#[test]
fn the_page_shows_relays_that_load() {
    let page = include_str!("../../../docs/relay.md");
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let around = AROUND.replace("[accounts.space]", "[accounts.workspace]");
    let loaded = load_text(&format!("{around}{}", blocks.join("\n")), ENV).map_err(|findings| findings.to_string());
    let relays = loaded.unwrap().config.relays;
    assert_eq!(relays.keys().collect::<Vec<_>>(), ["deals", "kim", "team"]);
    assert_eq!(blocks.len(), 3);
}
