//! The sequence that `liaison sequence new` and `liaison init` write: a good one to begin with.

/// What is put in place of the account.
const ACCOUNT: &str = "hello";

/// The files of a first sequence, by name. `account` is the mailbox that sends.
pub fn files(name: &str, account: &str) -> [(&'static str, String); 4] {
    let sequence = include_str!("../../config/sequences/first/sequence.toml");
    let sequence = sequence.replacen("name        = \"First note\"", &format!("name        = \"{name}\""), 1).replacen(
        &format!("account     = \"{ACCOUNT}\""),
        &format!("account     = \"{account}\""),
        1,
    );
    [
        ("sequence.toml", sequence),
        ("intro.md", include_str!("../../config/sequences/first/intro.md").to_owned()),
        ("nudge.md", include_str!("../../config/sequences/first/nudge.md").to_owned()),
        ("tests.toml", include_str!("../../config/sequences/first/tests.toml").to_owned()),
    ]
}
