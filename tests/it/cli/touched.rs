//! `liaison touch`: what was said elsewhere.

use super::{liaison, ready};

#[test]
fn what_was_said_elsewhere_is_written_down_and_shown() {
    let dir = ready();
    let run = |args: &[&str]| liaison(dir.path(), args);
    run(&["influencer", "add", "--handle", "@bo", "--email", "bo@example.org"]).well();
    run(&["influencer", "address", "add", "@bo", "0170 1234567"]).says(1, "the country is missing");
    run(&["influencer", "address", "add", "@bo", "+49 170 1234567"]).well().says(0, "+491701234567 (primary)");
    run(&["influencer", "address", "primary", "@bo", "+49 170 1234567"]).well();
    let touch = ["touch", "@bo", "Not now, thanks", "--place", "Instagram", "--means", "none"];
    let told = run(&[&touch[..], &["--json"]].concat()).well().json();
    assert_eq!((told["channel"].as_str(), told["subject"].as_str()), (Some("manual"), Some("Instagram")));
    run(&["influencer", "show", "@bo"]).well().says(0, "inbound manual received: Instagram: Not now, thanks");
    run(&["touch", "@bo", "I said hello", "--we", "--place", "phone"]).says(0, "what we said; the turn is theirs");
    run(&["touch", "bo@example.org", "Please stop", "--means", "opt_out"]).says(0, "nothing goes to them any more");
    // What is said to a person is said of everything.
    run(&["suppression", "list", "+49 170 1234567"]).well().says(0, "opted_out");
    run(&["send", "--to", "@bo", "--subject", "Hi", "--text", "Hello", "--now"]).says(1, "opted_out");
    let thread = told["thread_id"].as_str().unwrap();
    run(&["send", "--reply-to", thread, "--text", "I see"]).says(1, "which no mail answers");
    for (wrong, code, words) in [
        (&["touch", "@bo", " "][..], 2, "the text is empty: write what was said"),
        (&["touch", "@nobody", "x"], 1, "@nobody"),
        (&["touch", "@bo", "x", "--means", "perhaps"], 2, "is not one of: opt_out, refusal, unsure, none"),
        (&["touch", "@bo", "x", "--at", "2100-01-01"], 2, "it can't have been said in the future"),
        (&["touch", "@bo", "x", "--we", "--means", "none"], 2, "cannot be used with"),
    ] {
        run(wrong).says(code, words);
    }
}
