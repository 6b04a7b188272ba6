//! Emoji as people see them: Slack writes each as a code (`:tada:`), which means nothing to whoever reads it elsewhere. Pure.
//!
//! What Slack itself says a code is (the `unicode` of a message's blocks) comes first, then the names that GitHub and Unicode have. A
//! code that nobody knows, of a workspace's own emoji say, stays as it is; so does what is written in code or in an address.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use emojis::{Emoji, SkinTone};
use serde_json::Value;

use super::message::field;

/// Characters of a code.
const NAME_CHARS_MAX: usize = 100;
/// Characters of an address that are looked back at.
const WORD_CHARS_MAX: usize = 500;
/// Codes of one message that its blocks tell.
const TOLD_MAX: usize = 500;
/// How the tone of a code begins, which stands directly behind it.
const TONE: &str = ":skin-tone-";
/// Code points of one emoji.
const POINTS_MAX: usize = 16;
/// How deep blocks are searched.
const DEPTH_MAX: usize = 12;

/// Names that Slack has for itself, and those it has for another emoji than GitHub.
const SLACKS_OWN: &[(&str, &str)] = &[
    ("email", "✉️"),
    ("face_palm", "🤦"),
    ("hugging_face", "🤗"),
    ("i_love_you_hand_sign", "🤟"),
    ("simple_smile", "🙂"),
    ("smiling_face_with_3_hearts", "🥰"),
    ("snowman", "☃️"),
    ("spock-hand", "🖖"),
    ("the_horns", "🤘"),
    ("umbrella", "☂️"),
];

/// By the names of Unicode and of GitHub, made alike.
static BY_NAME: LazyLock<HashMap<String, &'static Emoji>> = LazyLock::new(|| {
    let names = emojis::iter().map(|emoji| (alike(emoji.name()), emoji));
    let codes = emojis::iter().flat_map(|emoji| emoji.shortcodes().map(move |code| (alike(code), emoji)));
    names.chain(codes).collect()
});

/// What the blocks of a message say that its codes are.
pub(super) type Told = BTreeMap<String, String>;

/// Reads that from a message.
pub(super) fn told(message: &Value) -> Told {
    let mut told = Told::new();
    if let Some(blocks) = message.get("blocks") {
        gather(blocks, 0, &mut told);
    }
    told
}

fn gather(value: &Value, depth: usize, told: &mut Told) {
    if depth > DEPTH_MAX || told.len() >= TOLD_MAX {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|item| gather(item, depth + 1, told)),
        Value::Object(object) if field(value, "type") == "emoji" => {
            let tone = object.get("skin_tone").and_then(Value::as_u64);
            let name = field(value, "name");
            let name = match tone.filter(|_| !name.contains("::")) {
                Some(tone) => format!("{name}::skin-tone-{tone}"),
                None => name.to_owned(),
            };
            if let Some(emoji) = from_points(field(value, "unicode")) {
                told.insert(name, emoji);
            }
        }
        Value::Object(object) => object.values().for_each(|item| gather(item, depth + 1, told)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// From code points as Slack writes them, `1f44b-1f3fb`; nothing that would be a mark in a text.
fn from_points(points: &str) -> Option<String> {
    let read = |point: &str| u32::from_str_radix(point, 16).ok().and_then(char::from_u32);
    let emoji: String = points.split('-').take(POINTS_MAX).map(read).collect::<Option<String>>()?;
    let fine = |c: char| !c.is_control() && (!c.is_ascii() || c.is_ascii_digit() || c == '#' || c == '*');
    (emoji.chars().all(fine) && !emoji.is_ascii()).then_some(emoji)
}

/// A text of Slack's with its codes as emoji.
pub(super) fn shown(text: &str, told: &Told) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '<', ':']) {
        let (before, from) = rest.split_at(at);
        shown.push_str(before);
        let chain = chain(from, told);
        let read = if chain.is_empty() {
            let as_it_is = match from.chars().next() {
                Some('`') => in_code(from),
                Some('<') => from.find('>').map_or(1, |end| end + 1),
                _ => 1,
            };
            shown.push_str(from.get(..as_it_is).unwrap_or(from));
            as_it_is
        } else {
            put(&mut shown, from, &chain)
        };
        rest = from.get(read..).unwrap_or_default();
    }
    shown.push_str(rest);
    shown
}

/// The octets of what is written as code at the beginning of a text, with its marks: of a block, or within one line.
fn in_code(text: &str) -> usize {
    if let Some(block) = text.strip_prefix("```") {
        return block.find("```").map_or(3, |end| end + 6);
    }
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix('`').and_then(|span| span.find('`')).map_or(1, |end| end + 2)
}

/// A code that may be an emoji.
struct Code {
    emoji: String,
    /// Its octets.
    length: usize,
    /// Whether Slack says that it is one.
    is_told: bool,
}

/// The codes with which a text begins, one directly behind the other.
fn chain(text: &str, told: &Told) -> Vec<Code> {
    let mut chain = Vec::new();
    let mut rest = text;
    while let Some(one) = code(rest, told) {
        rest = rest.get(one.length..).unwrap_or_default();
        chain.push(one);
    }
    chain
}

/// The code a text begins with, with its tone.
fn code(text: &str, told: &Told) -> Option<Code> {
    let after = text.strip_prefix(':')?;
    let name = after.split(':').next().filter(|name| name.len() < after.len() && is_name(name))?;
    let length = name.len() + 2;
    let behind = text.get(length..)?;
    let tone = behind.strip_prefix(TONE).and_then(|tone| tone.split_once(':')).map(|(tone, _)| tone);
    let whole = length + tone.map_or(0, |tone| TONE.len() + tone.len() + 1);
    if let Some(emoji) = tone.and_then(|tone| told.get(&format!("{name}:{TONE}{tone}"))) {
        return Some(Code { emoji: emoji.clone(), length: whole, is_told: true });
    }
    let (emoji, is_told) = match told.get(name) {
        Some(emoji) => (emoji.clone(), true),
        None => (known(name)?, false),
    };
    // Behind what has no tones, the tone stays as it is written.
    Some(match tone.and_then(tone_of).and_then(|tone| in_tone(&emoji, tone)) {
        Some(emoji) => Code { emoji, length: whole, is_told },
        None => Code { emoji, length, is_told },
    })
}

fn in_tone(emoji: &str, tone: SkinTone) -> Option<String> {
    Some(emojis::get(emoji)?.with_skin_tone(tone)?.as_str().to_owned())
}

/// Writes the codes with which a text begins, and gives the octets that were read. What Slack says is an emoji is one, but in an address
/// or in a number (`10:100:00`). What only the table has is none either where something joins it: a time of day, or a path, may look the
/// same.
fn put(shown: &mut String, text: &str, chain: &[Code]) -> usize {
    let octets = |codes: &[Code]| codes.iter().map(|code| code.length).sum::<usize>();
    let whole = octets(chain);
    let before = shown.chars().next_back();
    let behind = text.get(whole..).and_then(|behind| behind.chars().next());
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let in_number = chain.len() == 1 && is_digit(before) && is_digit(behind);
    // From its end, and no further than an address is long; a link ends with its bracket.
    let word = shown.chars().rev().take(WORD_CHARS_MAX).take_while(|c| !c.is_whitespace() && *c != '>');
    let stays = in_number || word.collect::<String>().contains("//:");
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    let mut done = 0;
    // Those of a sort that follow on each other are emoji all of them, or none: the colon of one that is none joins the next.
    for run in chain.chunk_by(|one, next| one.is_told == next.is_told) {
        let end = done + octets(run);
        let joined = (done == 0 && joins(before)) || (end == whole && joins(behind));
        let is_told = run.iter().all(|code| code.is_told);
        if !stays && (is_told || !joined) {
            for code in run {
                shown.push_str(&code.emoji);
            }
            done = end;
            continue;
        }
        // The last colon may begin another code.
        let end = if end == whole { end - 1 } else { end };
        shown.push_str(text.get(done..end).unwrap_or_default());
        done = end;
    }
    done
}

fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '\'');
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(fine)
}

fn tone_of(tone: &str) -> Option<SkinTone> {
    Some(match tone {
        "2" => SkinTone::Light,
        "3" => SkinTone::MediumLight,
        "4" => SkinTone::Medium,
        "5" => SkinTone::MediumDark,
        "6" => SkinTone::Dark,
        _ => return None,
    })
}

/// What the table has of a name. Slack's have no capitals: `:KEY:` is something else.
fn known(name: &str) -> Option<String> {
    if name.contains(char::is_uppercase) {
        return None;
    }
    if let Some((_, emoji)) = SLACKS_OWN.iter().find(|(own, _)| *own == name) {
        return Some((*emoji).to_owned());
    }
    if let Some(country) = name.strip_prefix("flag-").filter(|country| country.len() == 2) {
        let flag: Option<String> = country.chars().map(indicator).collect();
        return flag.filter(|flag| emojis::get(flag).is_some());
    }
    if let Some(emoji) = emojis::get_by_shortcode(name) {
        return Some(emoji.as_str().to_owned());
    }
    if !name.contains(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let person = [("male-", "man_"), ("female-", "woman_")]
        .into_iter()
        .find_map(|(slacks, plain)| name.strip_prefix(slacks).map(|trade| format!("{plain}{}", alike(trade))));
    BY_NAME.get(&person.unwrap_or_else(|| alike(name))).map(|emoji| emoji.as_str().to_owned())
}

/// The letter of a flag.
fn indicator(letter: char) -> Option<char> {
    let place = u32::from(letter).checked_sub(u32::from('a')).filter(|place| *place < 26)?;
    char::from_u32(0x1_f1e6 + place)
}

/// A name as far as two that mean the same have it in common.
fn alike(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_shown_as_what_they_are() {
        for (given, read) in [
            ("Great :tada:", "Great 🎉"),
            (":+1: :-1: :thumbsup:", "👍 👎 👍"),
            (":wave::skin-tone-2: hi", "👋🏻 hi"),
            (":tada::tada:!", "🎉🎉!"),
            ("(:smile:)", "(😄)"),
            (":slightly_smiling_face: :thinking_face: :hugging_face: :star-struck:", "🙂 🤔 🤗 🤩"),
            (":flag-es: :flag-england: :woman-shrugging: :male-technologist:", "🇪🇸 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🤷‍♀️ 👨‍💻"),
            // Nobody's, or none at all.
            (":our_logo: :flag-xx: : :: ::: :tada", ":our_logo: :flag-xx: : :: ::: :tada"),
            ("at 10:100:00, a:b:c and key:x:1", "at 10:100:00, a:b:c and key:x:1"),
            ("`:tada:` :tada: ```:tada:\n:tada:``` :tada:", "`:tada:` 🎉 ```:tada:\n:tada:``` 🎉"),
            ("a ` :tada:\n` b", "a ` 🎉\n` b"),
            (
                "<http://x.test/:tada:|a> http://x.test/:tada:/ :tada:",
                "<http://x.test/:tada:|a> http://x.test/:tada:/ 🎉",
            ),
            ("1 < 2 :tada:", "1 < 2 🎉"),
            ("é:tada: 日:tada:", "é🎉 日🎉"),
            // Joined to something by a colon, or by the colon of what is none itself.
            ("use std::key::x and Foo::bell::y, ::key:: :key::", "use std::key::x and Foo::bell::y, ::key:: :key::"),
            ("a:key::bell: :key::bell:b :key::our_logo:", "a:key::bell: :key::bell:b :key::our_logo:"),
            (":tada::+1::wave::skin-tone-2::tada:", "🎉👍👋🏻🎉"),
            (":KEY: :A: :Tada: :key:", ":KEY: :A: :Tada: 🔑"),
            (":tada::skin-tone-2: :wave::skin-tone-9:", ":tada::skin-tone-2: :wave::skin-tone-9:"),
            ("", ""),
        ] {
            assert_eq!(shown(given, &Told::new()), read, "{given}");
        }
        for (name, emoji) in SLACKS_OWN {
            assert!(emojis::get(emoji).is_some(), "{name}");
        }
    }

    #[test]
    fn what_the_blocks_say_comes_first() {
        let emoji = |name: &str, points: &str| json!({"type":"emoji","name":name,"unicode":points});
        let mut toned = emoji("wave", "1f44b-1f3fb");
        toned["skin_tone"] = 2.into();
        let elements = [
            toned,
            emoji("snowman", "2603-fe0f"),
            emoji("tada", "1f389"),
            emoji("hash", "0023-fe0f-20e3"),
            emoji("evil", "3c"),
            emoji("odd", "110000"),
            json!({"type":"emoji","name":"our_logo"}),
        ];
        let message =
            json!({"blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":elements}]}]});
        let told = told(&message);
        let given = ":wave::skin-tone-2: :snowman: Great:tada:now :hash: :evil: :odd: :our_logo: `:tada:`";
        assert_eq!(shown(given, &told), "👋🏻 ☃️ Great🎉now #️⃣ :evil: :odd: :our_logo: `:tada:`");
    }

    #[test]
    fn what_the_blocks_say_is_taken_where_it_is_meant_and_loses_nothing() {
        let told = [("wave", "👋"), ("100", "💯"), ("tada", "🎉"), ("flex", "💪🏽")];
        let told = Told::from(told.map(|(name, emoji)| (name.to_owned(), emoji.to_owned())));
        for (given, read) in [
            (":wave::skin-tone-3: hi", "👋🏼 hi"),
            (":flex::skin-tone-4: :wave:", "💪🏽 👋"),
            (":tada::skin-tone-3:", "🎉:skin-tone-3:"),
            ("at 10:100:00, x:100:y and :100:", "at 10:100:00, x💯y and 💯"),
            ("1:100::tada:2", "1💯🎉2"),
            ("https://x.test/:tada:/:key:/ :tada:", "https://x.test/:tada:/:key:/ 🎉"),
            ("a::tada::b", "a:🎉:b"),
            // One of the table is between two that are told, or joined at its other side.
            (":tada::key::wave:x", "🎉🔑👋x"),
            ("a:key::tada:b:key:c", "a:key:🎉b:key:c"),
            (":key:tada:", ":key🎉"),
        ] {
            assert_eq!(shown(given, &told), read, "{given}");
        }
    }
}
