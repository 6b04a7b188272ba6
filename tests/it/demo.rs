//! `liaison demo` tells its story to the end, by itself, and leaves nothing behind.

use std::path::Path;
use std::process::{Command, Output};

fn demo(temporary: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liaison"))
        .arg("demo")
        .args(args)
        .env("TMPDIR", temporary)
        .env("NO_COLOR", "1")
        .env_remove("LIAISON_CONFIG")
        .output()
        .unwrap()
}

/// The story waits for each fact and fails without it; here its end is held against the lines.
#[test]
fn demo_tells_its_story_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(temporary.path(), &["--for", "1s"]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    for fact in [
        "the account hello is up",
        "added @anaruns  Ana Ortiz <ana@example.org>",
        "→ ana@example.org “Spring shoes” sent",
        "← lukas@example.org out of office",
        "! tomas@example.org bounced (5.1.1)",
        "tomas@example.org (dead address: hard bounce 5.1.1)",
        "← ana@example.org replied (thread thr_",
        "← kenji@example.org replied without references",
        "← dana@talent.example.org replied for @priyapaces, as their agent",
        "← mc.studio@example.org an unknown address in the thread of @mayamoves",
        "mc.studio@example.org is @mayamoves: matched, 1 message placed",
        "← zoe@example.org forwards what somebody wrote",
        "shown with @priyapaces, @noortrails, @ivobeh, waits for a person",
        "sofia@example.org (suppressed: complaint)",
        "noor@example.org “The desert trail” uncertain",
        "not sent again",
        "by the provider, duplicates 0",
        "answers lost 1, settled 1, open 0",
        "on hello, 4 messages, awaiting us",
        "not read yet 0",
    ] {
        assert!(one_line(&text).contains(&one_line(fact)), "`{fact}` is missing in:\n{text}\n{errors}");
    }
    tells_of_outreach(&text);
    tells_across_channels(&text);
    assert!(!text.contains('\x1b'), "no colour where it is not a terminal");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines of somebody, in their order.
fn lines_of<'t>(text: &'t str, marks: &[&str]) -> Vec<&'t str> {
    text.lines().filter(|line| marks.iter().all(|mark| line.contains(mark))).collect()
}

/// The place of the first line that holds all of these, after a place.
fn place(text: &str, after: usize, marks: &[&str]) -> usize {
    let found = text.lines().enumerate().skip(after).find(|(_, line)| marks.iter().all(|mark| line.contains(mark)));
    found.unwrap_or_else(|| panic!("no line with {marks:?} after line {after} of:\n{text}")).0
}

/// Each beat of the second part, in the order in which it must come for whoever it is about.
fn tells_of_outreach(text: &str) {
    for beats in [
        // A task fills a variable, and only then the mail goes; a person reads it and follows its link.
        &[
            &["@yukiruns is enrolled in gifting"][..],
            &["@yukiruns the task is done by mara, and fills in"],
            &["→ yuki@example.org", "in Asia/Tokyo ("],
            &["@yukiruns opened by a person"],
            &["yuki@example.org", "leads to https://shop.example/gift"],
            &["@yukiruns clicked https://shop.example/gift", "by a person"],
            &["@yukiruns the step nudge is left out: the condition does not hold"],
            &["@yukiruns a task:", "ask for size and address"],
        ][..],
        &[&["→ omar@example.org"], &["omar@example.org", "ExampleMailScanner"], &["@omarsteps opened by a machine"]],
        &[
            &["→ lena@example.org"],
            &["← lena@example.org", "replied"],
            &["@lenalaps the run of gifting ends: replied"],
            &["@lenalaps goes from the stage contacted to in_talks"],
        ],
        &[
            &["→ joao@example.org"],
            &["← joao@example.org", "out of office"],
            &["@joaocorre is held until", "in America/Sao_Paulo", "out of office"],
            &["@joaocorre the run of gifting waits: they are held until"],
            &["→ joao@example.org", "Re: "],
        ],
        &[
            &["→ tess@example.org"],
            &["tess@example.org bounced (5.1.1)"],
            &["@tesstrots the run of gifting ends: no address left that mail arrives at"],
        ],
        &[
            &["← ravi@example.org", "Please remove me"],
            &["@ravistrides opted out (answer)"],
            &["@ravistrides the run of gifting ends: opted out"],
        ],
        &[
            &["cleo@example.org", "unsubscribes by one click"],
            &["@cleocoast opted out (one click)"],
            &["@cleocoast the run of gifting ends: opted out"],
        ],
        &[
            &["→ finn@example.org"],
            &["→ finn@example.org", "Re: "],
            &["@finnfells goes from the stage contacted to no_response"],
            &["@finnfells first is done to its end"],
        ],
    ] {
        beats.iter().fold(0, |after, marks| place(text, after, marks) + 1);
    }
    for over in ["lena", "tess", "ravi", "cleo"] {
        let sent = lines_of(text, &[&format!("→ {over}@example.org")]);
        assert_eq!(sent.len(), 1, "nothing more goes to {over}: {sent:?}");
    }
    sent_at_their_hours(text);
    let one = one_line(text);
    for sum in [
        "sequences enrolled 13, sent 22, tasks done 13",
        "read opens 4 by people and 1 by machines, clicks 1",
        "replies 2, held 5, opted out 2, bounced 1",
    ] {
        assert!(one.contains(sum), "`{sum}` is missing in:\n{text}");
    }
}

/// One person, one run: a mail, her text that stops it, what she says in Slack, what was written down, and the team's answer.
fn tells_across_channels(text: &str) {
    let text = text.split("One person on every channel").nth(1).unwrap();
    let beats: [&[&str]; 13] = [
        &["→ mira@example.org", "Autumn shoes"],
        &["← +12025550123", "replied", "Size 39"],
        &["@miraloops the run of across ends: replied"],
        &["← TSOL/UMIRASOL", "The draft of the reel"],
        &["Your story made my day!"],
        &["#team", "Mira Sol (@miraloops), sms by text"],
        &["#team", "Mira Sol (@miraloops), slack by slack"],
        &["#team", "Mira Sol (@miraloops), manual by"],
        &["#team", "Mara:", "not a word about money"],
        &["#team", "→ goes to them, slack by slack"],
        &["→ TSOL/UMIRASOL"],
        &["#team", "✓ sent"],
        &["Her timeline, newest first"],
    ];
    let end = beats.iter().fold(0, |after, marks| place(text, after, marks) + 1);
    // One timeline in the right order, the newest first.
    let timeline: [&[&str]; 6] = [
        &["outbound slack confirmed", "The shoes leave today"],
        &["note by", "not a word about money"],
        &["inbound manual", "Your story made my day!"],
        &["inbound slack received", "The draft of the reel"],
        &["inbound sms received", "Size 39"],
        &["outbound human confirmed", "Autumn shoes"],
    ];
    timeline.iter().fold(end, |after, marks| place(text, after, marks) + 1);
    let said = lines_of(text, &["outbound", "not a word about money"]);
    assert!(said.is_empty(), "{said:?}");
    let one = one_line(text);
    for sum in ["by text and Slack 2 said by people, 2 stored by the hub", "posts in its channel, duplicates 0"] {
        assert!(one.contains(sum), "`{sum}` is missing in:\n{text}");
    }
}

/// The mails of the sequences leave on working days, between nine and five where their readers are.
fn sent_at_their_hours(text: &str) {
    let outreach = text.split("Outreach: ").nth(1).unwrap().split("One person on every channel").next().unwrap();
    let mut zones = std::collections::BTreeSet::new();
    for line in lines_of(outreach, &["→ ", " sent at "]) {
        let (when, zone) = line.rsplit_once(" sent at ").unwrap().1.split_once(" in ").unwrap();
        let (day, hour) = when.split_once(' ').unwrap();
        assert!(!["Sat", "Sun"].contains(&day) && ("09:00".."17:00").contains(&hour), "{line}");
        assert!(zone.ends_with(" UTC)"), "{line}");
        zones.insert(zone.split_once(' ').unwrap().0.to_owned());
    }
    assert_eq!(zones.len(), 12, "{zones:?}");
}

/// What is kept is a database that the other commands read.
#[test]
fn kept_demo_is_read_by_the_other_commands() {
    let temporary = tempfile::tempdir().unwrap();
    let kept = temporary.path().join("kept");
    let kept = kept.to_str().unwrap();
    let output = demo(temporary.path(), &["--for", "1s", "--keep", kept]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = Command::new(env!("CARGO_BIN_EXE_liaison"))
        .args(["thread", "show", "@anaruns", "--json", "--config", &format!("{kept}/liaison.toml")])
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 4);
    let again = demo(temporary.path(), &["--for", "1s", "--keep", kept]);
    assert_ne!(again.status.code(), Some(0), "a directory that is in use is not written over");
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"));
}
