//! An installation on SQLite becomes one on PostgreSQL, by the commands that people type: all of it is there, and neither of the two
//! sends before somebody says so.

use super::place::{Place, get};
use super::watched::value;
use crate::peers;

fn held(place: &Place) -> Option<f64> {
    value(&get(place.metrics, "/metrics", None)?.1, "liaison_sending_held")
}

fn with_url(place: &Place, from: &str, to: &str) {
    let path = place.path().join("liaison.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(&path, config.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_database_moves_to_postgresql_and_neither_sends_until_it_is_released() {
    let Some(base) = peers::postgres_url() else { return peers::skip("PostgreSQL (LIAISON_TEST_POSTGRES)") };
    let name = format!("moved_{}", liaison::clock::Clock::machine().new_id().simple());
    let sql = |text: &str| {
        let done =
            std::process::Command::new("psql").args(["--quiet", "--set=ON_ERROR_STOP=1", "-c", text, &base]).output();
        assert!(done.unwrap().status.success(), "{text}");
    };
    sql(&format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", base.rsplit_once('/').unwrap().0);
    let place = Place::new(None);
    place
        .run(&["influencer", "add", "--handle", "@anaruns", "--first-name", "Ana", "--email", "ana@example.org"])
        .well();
    let running = place.up(&[]);
    let sent = ["send", "--to", "ana@example.org", "--subject", "Shoes", "--text", "running shoes"];
    place.run(&sent).well();
    place.run(&["migrate", "--to", &url]).says(73, "stop it first");
    assert!(running.stop().success());

    for (to, told) in [
        ("not a url", "--to is no URL"),
        ("mysql://a@b/c", "--to takes a database of PostgreSQL"),
        ("postgres://a:secret@b/c", "--to holds a password"),
        ("postgres://a@b", "--to names no database"),
    ] {
        let done = place.run(&["migrate", "--to", to]);
        done.says(1, told);
        assert!(!done.err.contains("secret"), "{}", done.err);
    }
    let moved = place.run(&["migrate", "--to", &url, "--json"]).well().json();
    let rows = |table: &str| {
        moved["tables"].as_array().unwrap().iter().find(|t| t["table"] == table).and_then(|t| t["rows"].as_i64())
    };
    assert_eq!((rows("influencer"), rows("outbox"), rows("lease").is_some()), (Some(1), Some(1), true), "{moved}");
    place.run(&["migrate", "--to", &url]).says(1, "is not empty");

    // The old one: all is there, held, and it says where it went.
    place.run(&["influencer", "list"]).well().says(0, "@anaruns");
    let running = place.up(&[]);
    assert_eq!(held(&place), Some(1.0));
    place.run(&["release"]).says(1, "was moved to postgres://");
    assert!(running.stop().success());

    // The new one: the same, held like a restore, until somebody says so.
    with_url(&place, "state_dir = \"state\"\n", &format!("state_dir = \"state\"\nurl = \"{url}\"\n"));
    place.run(&["influencer", "list"]).well().says(0, "@anaruns");
    let running = place.up(&[]);
    assert_eq!(held(&place), Some(1.0));
    let waiting = place.run(&["outbox", "list", "--json"]).well().json();
    assert_eq!(waiting.as_array().map_or(1, Vec::len), 1, "{waiting}");
    place.run(&["release"]).says(0, "Released");
    place.until("it sends", || (held(&place) == Some(0.0)).then_some(()));
    place.run(&["migrate", "--to", &url]).says(1, "is PostgreSQL already");
    assert!(running.stop().success());

    // And back, once the new one is gone for good.
    with_url(&place, &format!("url = \"{url}\"\n"), "");
    place.run(&["release", "--moved"]).says(0, "Released");
    let running = place.up(&[]);
    assert_eq!(held(&place), Some(0.0));
    assert!(running.stop().success());
    sql(&format!("DROP DATABASE {name}"));
}
