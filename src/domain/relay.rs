//! The relay's decisions: which place hears of somebody, what a teammate's words are meant to be, and what is said there. Pure.

use super::reply::{holds_forward, visible_reply};

/// What our tokens of posts begin with: nothing that carries such a token is a message of anybody.
pub const TOKEN: &str = "relay-";
/// By which words begin that go to the influencer, where nothing else is configured.
pub const MARKER: &str = "!send";
/// By which a mail of a teammate begins that is a note.
pub const NOTE_MARKER: &str = "!note";
/// Characters of a message that are shown; the rest stands in the hub.
const SHOWN_CHARS_MAX: usize = 3_000;
/// Characters of a subject, or of a file's name.
const FIELD_CHARS_MAX: usize = 200;
/// Files that are named.
const FILES_MAX: usize = 20;
/// The line under which nothing is the teammate's.
const CUT_HERE: &str = "= = = liaison: what stands below this line is not sent on = = =";

/// Whose messages a place hears: of those who match every list that is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Owners.
    pub owner: Vec<String>,
    /// Stages.
    pub stage: Vec<String>,
    /// Tags: one of them.
    pub tag: Vec<String>,
}

/// What rules are held against.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// Who owns them, or whoever owns what nobody does.
    pub owner: Option<&'a str>,
    /// Their stage.
    pub stage: &'a str,
    /// Their tags.
    pub tags: &'a [String],
}

impl Rules {
    /// How many lists there are.
    fn count(&self) -> usize {
        [&self.owner, &self.stage, &self.tag].into_iter().filter(|list| !list.is_empty()).count()
    }

    fn holds(&self, whose: Whose<'_>) -> bool {
        let has = |list: &[String], word: &str| list.iter().any(|one| one.eq_ignore_ascii_case(word));
        (self.owner.is_empty() || whose.owner.is_some_and(|owner| has(&self.owner, owner)))
            && (self.stage.is_empty() || has(&self.stage, whose.stage))
            && (self.tag.is_empty() || whose.tags.iter().any(|tag| has(&self.tag, tag)))
    }
}

/// The place that hears of somebody: of those whose rules hold the one that asks for most; among equals the first by name. `None` where
/// none does.
pub fn choose_place<'a>(all: impl IntoIterator<Item = (&'a str, &'a Rules)>, whose: Whose<'_>) -> Option<&'a str> {
    let mut best: Option<(&str, usize)> = None;
    for (name, rules) in all.into_iter().filter(|(_, rules)| rules.holds(whose)) {
        let count = rules.count();
        if best.is_none_or(|(known, most)| count > most || (count == most && name < known)) {
            best = Some((name, count));
        }
    }
    best.map(|(name, _)| name)
}

/// What a teammate's words are meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// For the team alone.
    Note,
    /// To be sent, these words of it.
    Send(String),
    /// They look as if they were to be sent, and are not: for the team alone, with what to do.
    Nearly(&'static str),
}

const FIRST: &str = "it is kept as a note: the marker must stand at the very beginning";
const NO_WORDS: &str = "nothing was sent: there are no words behind the marker";
const NAMES_TEAM: &str =
    "it is kept as a note and was not sent: it mentions somebody of the team, which its reader could see";

const BEGINS_AS_NOTE: &str = "it is kept as a note, for it begins with that word: answer once more, with other words first, if it is \
     meant for them";

/// Reads what a teammate wrote in a thread. Only words that begin with the marker, exactly, and a blank behind it are sent.
pub fn read_intent(text: &str, marker: &str) -> Intent {
    let Some(rest) = text.strip_prefix(marker) else {
        let near = text.to_lowercase().contains(&marker.to_lowercase());
        return if near { Intent::Nearly(FIRST) } else { Intent::Note };
    };
    if rest.is_empty() {
        return Intent::Nearly(NO_WORDS);
    }
    if !rest.starts_with(char::is_whitespace) {
        return Intent::Nearly(FIRST);
    }
    sendable(rest, marker)
}

/// Words that are surely meant to be sent, as far as they can be.
pub fn sendable(text: &str, marker: &str) -> Intent {
    let text = text.trim();
    if text.is_empty() {
        return Intent::Nearly(NO_WORDS);
    }
    if mentions_somebody(text) {
        return Intent::Nearly(NAMES_TEAM);
    }
    if text.to_lowercase().contains(&marker.to_lowercase()) {
        return Intent::Nearly(FIRST);
    }
    Intent::Send(text.to_owned())
}

/// Whether a text names somebody, or a group, as a workspace does: `@U024BE7LH`.
fn mentions_somebody(text: &str) -> bool {
    let is_id = |word: &str| {
        let id: String = word.chars().take_while(char::is_ascii_alphanumeric).collect();
        id.len() >= 8
            && id.starts_with(['U', 'W', 'S'])
            && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let called = ["@here", "@channel", "@everyone"];
    text.split('@').skip(1).any(is_id) || called.iter().any(|word| text.contains(word))
}

/// What of a teammate's mail is theirs: without quotes, without a signature, without anything of the hub. `Err` says why nothing of
/// it can be sent on.
pub fn mailed(text: &str) -> Result<String, &'static str> {
    if holds_forward(text) {
        return Err("it passes another mail on");
    }
    let own = visible_reply(above_cut(text));
    let own = above_cut(&own).trim();
    if holds_token(own) || own.contains("= = = liaison") {
        return Err("what you wrote can't be told from what stood in our mail: write above the line, in a new answer");
    }
    if own.is_empty() { Err("there are no words of yours in it") } else { Ok(own.to_owned()) }
}

/// Reads what a teammate wrote in a mail: it is sent, unless it says somewhere that it is a note. Where it may mean that, it is kept as
/// one, and they are told: better a note too many, but none that somebody takes for sent.
pub fn read_mailed(text: &str, markers: [&str; 2]) -> Intent {
    let text = markers.iter().find_map(|marker| behind_marker(text, marker)).unwrap_or(text);
    if text.to_lowercase().contains(NOTE_MARKER) {
        return Intent::Note;
    }
    let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    if words.next().is_some_and(|word| ["note", "notes"].contains(&word.to_lowercase().as_str())) {
        return Intent::Nearly(BEGINS_AS_NOTE);
    }
    match markers.map(|marker| sendable(text, marker)) {
        [_, nearly @ Intent::Nearly(_)] => nearly,
        [first, _] => first,
    }
}

/// What stands behind the marker that words begin with.
pub fn behind_marker<'t>(text: &'t str, marker: &str) -> Option<&'t str> {
    text.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether a text holds one of our tokens.
fn holds_token(text: &str) -> bool {
    let is_token = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).count() == 32;
    text.split(TOKEN).skip(1).any(is_token)
}

/// What of a mail stands above the hub's own words in it.
pub fn above_cut(text: &str) -> &str {
    let begin = CUT_HERE.get(..15).unwrap_or(CUT_HERE);
    let at = text.find(begin).unwrap_or(text.len());
    let above = text.get(..at).unwrap_or_default();
    // What quotes the line goes with it.
    let line = above.rfind('\n').map_or(0, |n| n.saturating_add(1));
    let is_bare = above.get(line..).is_some_and(|rest| rest.chars().all(|c| c.is_whitespace() || c == '>' || c == '|'));
    if at < text.len() && is_bare { above.get(..line).unwrap_or_default() } else { above }
}

/// Whom a thread is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Their handle.
    pub handle: String,
    /// Their name; may be empty.
    pub name: String,
    /// Their stage.
    pub stage: String,
    /// Who owns them.
    pub owner: Option<String>,
    /// Where they are shown; nothing where there is no such place.
    pub link: Option<String>,
}

impl About {
    /// How they are called.
    pub fn called(&self) -> String {
        if self.name.is_empty() { format!("@{}", self.handle) } else { format!("{} (@{})", self.name, self.handle) }
    }

    /// What begins their thread.
    pub fn opening(&self, marker: Option<&str>) -> String {
        let mut lines = vec![self.called(), self.standing()];
        lines.extend(self.link.clone());
        if let Some(marker) = marker {
            lines.push(format!(
                "What is written in this thread is a note of the team. Words that begin with {marker} go to them."
            ));
        }
        lines.join("\n")
    }

    /// Where they stand.
    pub fn standing(&self) -> String {
        let owner = self.owner.as_deref().map(|owner| format!(" · owner: {owner}")).unwrap_or_default();
        format!("stage: {}{owner}", self.stage)
    }
}

/// A message as the team is shown it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Who wrote it, where it is not the person themselves.
    pub by: Option<&'a str>,
    /// How it came.
    pub channel: &'a str,
    /// Through which of our accounts.
    pub account: &'a str,
    /// Its subject; may be empty.
    pub subject: &'a str,
    /// What is new in it.
    pub text: &'a str,
    /// The names of files beside it.
    pub files: &'a [String],
    /// What sort it is, where no person wrote it.
    pub sort: Option<&'a str>,
}

/// The words with which a message is shown.
pub fn show(about: &About, message: &Shown<'_>) -> String {
    let who = message.by.map_or_else(|| about.called(), |by| format!("{by} for {}", about.called()));
    let sort = message.sort.map(|sort| format!(" ({sort})")).unwrap_or_default();
    let mut lines = vec![format!("{who}, {} by {}{sort}:", message.channel, message.account)];
    if !message.subject.is_empty() {
        lines.push(format!("Subject: {}", message.subject.chars().take(FIELD_CHARS_MAX).collect::<String>()));
    }
    let total = message.text.chars().count();
    lines.push(message.text.chars().take(SHOWN_CHARS_MAX).collect());
    if total > SHOWN_CHARS_MAX {
        let more = total.saturating_sub(SHOWN_CHARS_MAX);
        lines.push(format!("… and {more} characters more, in the hub"));
    }
    if !message.files.is_empty() {
        let names: Vec<String> =
            message.files.iter().take(FILES_MAX).map(|name| name.chars().take(FIELD_CHARS_MAX).collect()).collect();
        let more = if message.files.len() > FILES_MAX { ", …" } else { "" };
        lines.push(format!("Files: {}{more}", names.join(", ")));
    }
    lines.push(about.standing());
    lines.extend(about.link.clone());
    lines.join("\n")
}

/// The words with which a sequence tells the team something.
pub fn notice(about: &About, sequence: &str, text: &str) -> String {
    let mut lines = vec![format!("{}, of the sequence {sequence}:", about.called()), text.to_owned(), about.standing()];
    lines.extend(about.link.clone());
    lines.join("\n")
}

/// The text of a mail to a teammate: what is shown, below the line from which nothing comes back.
pub fn mail_text(about: &About, shown: &str, account: &str) -> String {
    let called = about.called();
    let how = format!(
        "Answer this mail and your words go to {called}, on the way they wrote last. Begin with {NOTE_MARKER} to keep them as a note \
         of the team."
    );
    format!("{CUT_HERE}\n\n{shown}\n\n{how}\n(relayed by {account})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(owner: &[&str], stage: &[&str], tag: &[&str]) -> Rules {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Rules { owner: list(owner), stage: list(stage), tag: list(tag) }
    }

    #[test]
    fn the_place_that_asks_for_most_is_chosen() {
        let places = [
            ("all", rules(&[], &[], &[])),
            ("kim", rules(&["kim"], &[], &[])),
            ("kims_vip", rules(&["kim"], &[], &["vip"])),
            ("deals", rules(&[], &["negotiating"], &[])),
        ];
        let of = |owner, stage, tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            choose_place(places.iter().map(|(name, rules)| (*name, rules)), Whose { owner, stage, tags: &tags })
        };
        assert_eq!(of(None, "contacted", &[]), Some("all"));
        assert_eq!(of(Some("kim"), "contacted", &[]), Some("kim"));
        assert_eq!(of(Some("kim"), "contacted", &["VIP"]), Some("kims_vip"));
        assert_eq!(of(Some("kim"), "negotiating", &[]), Some("deals"));
        assert_eq!(of(Some("lea"), "contacted", &["vip"]), Some("all"));
        let only = [("kim", rules(&["kim"], &[], &[]))];
        let none = choose_place(only.iter().map(|(n, r)| (*n, r)), Whose { owner: None, stage: "x", tags: &[] });
        assert_eq!(none, None);
    }

    #[test]
    fn only_the_marker_at_the_very_beginning_sends() {
        assert_eq!(read_intent("!send Hello\nthere ", MARKER), Intent::Send("Hello\nthere".into()));
        assert_eq!(read_intent("!send\nHello", MARKER), Intent::Send("Hello".into()));
        assert_eq!(read_intent("too expensive, I think", MARKER), Intent::Note);
        for near in [
            " !send hi",
            "> !send hi",
            "*!send hi*",
            "`!send hi`",
            "\"!send hi\"",
            "\u{200b}!send hi",
            "ok !send hi",
            "first\n!send hi",
            "!sendhi",
            "!send, hi",
            "!SEND hi",
            "!Send hi",
            "!send",
            "!send ",
            "!send \n\t",
            "!send !send hi",
            "!send hi @U024BE7LH",
            "!send hi @here",
            "!send hi <@W012345678>",
            "see above: '!send'",
        ] {
            assert!(matches!(read_intent(near, MARKER), Intent::Nearly(_)), "{near:?}");
        }
        // A mail address, or a handle, is nobody of the team.
        for fine in ["!send write to a@example.org", "!send tag @anaruns please", "!send @USHOP is ours"] {
            assert!(matches!(read_intent(fine, MARKER), Intent::Send(_)), "{fine}");
        }
        assert_eq!(read_intent(">> hi", ">>"), Intent::Send("hi".into()));
        assert_eq!(read_intent("!send hi", ">>"), Intent::Note);
    }

    fn about() -> About {
        About {
            handle: "anaruns".into(),
            name: "Ana".into(),
            stage: "contacted".into(),
            owner: Some("kim".into()),
            link: None,
        }
    }

    fn message(text: &str) -> Shown<'_> {
        Shown { by: None, channel: "sms", account: "texts", subject: "", text, files: &[], sort: None }
    }

    #[test]
    fn what_is_shown_says_who_where_and_what() {
        let text = show(&about(), &message("Yes!"));
        assert_eq!(text, "Ana (@anaruns), sms by texts:\nYes!\nstage: contacted · owner: kim");
        let long = "x".repeat(SHOWN_CHARS_MAX + 7);
        assert!(show(&about(), &message(&long)).contains("… and 7 characters more"));
        assert!(about().opening(Some(MARKER)).contains("begin with !send go to them"));
    }

    #[test]
    fn a_mail_is_sent_unless_it_says_that_it_is_a_note() {
        for text in ["!note x", "!Note x", "*!note* x", "\u{200b}!note x", "Hi,\n!NOTE x", "[!note] x"] {
            assert_eq!(read_mailed(text, [MARKER; 2]), Intent::Note, "{text}");
        }
        // What may be meant as one is none in silence.
        for text in
            ["! note x", "Note: x", "note x", "(note) x", "NOTES: x", "\u{200b}note x", "Note that we ship on Monday"]
        {
            assert_eq!(read_mailed(text, [MARKER; 2]), Intent::Nearly(BEGINS_AS_NOTE), "{text}");
        }
        for text in [
            "300 euros",
            "Please note that we ship on Monday",
            "Hi Ana, noted!",
            "Not exactly, we pay 300",
            "Not every week",
            "Noted, we ship on Monday",
            "No testing needed",
            "No, tell me more",
            "Notebooks are fine",
        ] {
            assert_eq!(read_mailed(text, [MARKER; 2]), Intent::Send(text.to_owned()), "{text}");
        }
        // Whoever is used to the marker of a channel writes it in a mail as well.
        for (text, markers) in
            [("!send 300 euros", [MARKER; 2]), ("!send 300 euros", [">>", MARKER]), (">> 300 euros", [">>", MARKER])]
        {
            assert_eq!(read_mailed(text, markers), Intent::Send("300 euros".to_owned()), "{text}");
        }
        assert_eq!(read_mailed("!send note: 300", [MARKER; 2]), Intent::Nearly(BEGINS_AS_NOTE));
        for nearly in ["300 euros !send", "!sending it", "ok >> go", "", "!send"] {
            assert!(matches!(read_mailed(nearly, [">>", MARKER]), Intent::Nearly(_)), "{nearly}");
        }
        assert!(
            holds_token(&format!("see {TOKEN}0123456789abcdef0123456789abcdef@x")) && !holds_token("the relay-race")
        );
    }

    #[test]
    fn of_a_mail_only_what_the_teammate_wrote_is_theirs() {
        let ours = mail_text(&about(), &show(&about(), &message("What is the fee?\nAna")), "desk");
        let quoted: String = ours.lines().fold(String::new(), |all, line| all + "> " + line + "\n");
        for (mail, own) in [
            (format!("300 euros.\n\nOn Mon, 2 Nov 2026, the hub wrote:\n{quoted}"), "300 euros."),
            (format!("300 euros.\n\n{ours}"), "300 euros."),
            (format!("300 euros.\n\n{quoted}"), "300 euros."),
            (format!("300 euros.\n\n-- \nKim\nBrand Ltd\n\n{ours}"), "300 euros."),
            (
                format!(
                    "300 euros.\n\n________________________________\nFrom: Desk <desk@brand.example>\nSent: Monday\nTo: Kim\nSubject: Ana\n\n{ours}"
                ),
                "300 euros.",
            ),
        ] {
            assert_eq!(mailed(&mail).as_deref(), Ok(own), "{mail}");
        }
        for nothing in [ours.clone(), quoted.clone(), String::new(), format!("-- \nKim\n\n{ours}")] {
            assert!(mailed(&nothing).is_err(), "{nothing}");
        }
        assert!(
            mailed(&format!("what do you think?\n\n---------- Forwarded message ---------\nFrom: Desk\n\n{ours}"))
                .is_err()
        );
    }
}
