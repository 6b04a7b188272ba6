//! `liaison teammate list` says what the configuration declares, and needs no database.

use super::{liaison, ready};

#[test]
fn teammates_are_listed_as_they_are_declared() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["teammate", "list"]).well().says(0, "[teammates.NAME]");
    let path = dir.path().join("liaison.toml");
    let declared = "\n[teammates.mara]\nfirst_name = \"Mara\"\nlast_name = \"Voss\"\nemail = [\"mara@acme.example\", \"m@acme.example\"]\n\
                    [teammates.kim]\nfirst_name = \"Kim\"\nemail = \"kim@acme.example\"\n";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + declared).unwrap();
    let listed = run(&["teammate", "list", "--json"]).well().json();
    let expected = serde_json::json!({"data": [
        {"id": "kim", "first_name": "Kim", "last_name": "", "email": "kim@acme.example"},
        {"id": "mara", "first_name": "Mara", "last_name": "Voss", "email": "mara@acme.example"},
    ], "next_cursor": null});
    assert_eq!(listed, expected);
    let told = run(&["teammate", "list"]).well().out;
    assert!(
        told.contains("Mara Voss") && told.contains("mara@acme.example") && !told.contains(" m@acme.example"),
        "{told}"
    );
    let (mut places, mut made) = (vec![dir.path().to_owned()], Vec::new());
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { places.push(path) } else { made.push(path) }
        }
    }
    let is_database = |path: &&std::path::PathBuf| path.extension().is_some_and(|end| end == "db");
    assert_eq!(made.iter().find(is_database), None, "no database is made for it");
}
