//! The configuration of a made-up brand with a simulated account, which the tests of reloads and of looking ahead share.

/// The text of its file: `top` stands above all tables, `more` belongs to the account `hello` or follows it.
pub fn config(top: &str, more: &str) -> String {
    format!(
        r#"
our_domains = ["northlane.example"]
default_owner = "kim"
{top}

[server]
base_url = "https://hub.northlane.example"

[storage]
state_dir = "."

[sender]
name = "Northlane"
address = "1 Main St, Portland"

[teammates.kim]
first_name = "Kim"
email = "kim@northlane.example"

[accounts.hello]
kind = "sandbox"
address = "hello@northlane.example"
name = "Northlane"
{more}
"#
    )
}
