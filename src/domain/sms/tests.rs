//! Parts of texts, and 40 texts that end it beside 40 that only look like it.

use super::*;

fn segments(text: &str) -> (Encoding, usize, usize) {
    let Size { encoding, units, segments } = size(text);
    (encoding, units, segments)
}

#[test]
fn texts_are_counted_as_networks_count_them() {
    use Encoding::{Gsm7, Ucs2};
    for (text, expected) in [
        (String::new(), (Gsm7, 0, 1)),
        ("a".repeat(160), (Gsm7, 160, 1)),
        ("a".repeat(161), (Gsm7, 161, 2)),
        ("a".repeat(306), (Gsm7, 306, 2)),
        ("a".repeat(307), (Gsm7, 307, 3)),
        ("€".repeat(80), (Gsm7, 160, 1)),
        ("€".repeat(81), (Gsm7, 162, 2)),
        // 153 is odd: the 77th escape does not fit, and each part holds 76.
        ("€".repeat(152), (Gsm7, 304, 2)),
        ("€".repeat(153), (Gsm7, 306, 3)),
        ("[ok] {1}^~|\\\u{c}".to_owned(), (Gsm7, 22, 1)),
        ("Grüße à la Ångström, ¿qué? ΔΩ".to_owned(), (Gsm7, 29, 1)),
        ("ж".repeat(70), (Ucs2, 70, 1)),
        ("ж".repeat(71), (Ucs2, 71, 2)),
        ("ж".repeat(134), (Ucs2, 134, 2)),
        ("ж".repeat(135), (Ucs2, 135, 3)),
        ("🎁".repeat(35), (Ucs2, 70, 1)),
        ("🎁".repeat(36), (Ucs2, 72, 2)),
        // 67 is odd: a pair is never cut, each part holds 33.
        ("🎁".repeat(66), (Ucs2, 132, 2)),
        ("🎁".repeat(67), (Ucs2, 134, 3)),
        // One sign outside of the alphabet makes all of it wide.
        (format!("{}’", "a".repeat(100)), (Ucs2, 101, 2)),
        // Small ç is no letter of the alphabet, the capital one is.
        ("ç".to_owned(), (Ucs2, 1, 1)),
        ("Ç".to_owned(), (Gsm7, 1, 1)),
        ("a\u{301}".to_owned(), (Ucs2, 2, 1)),
    ] {
        assert_eq!(segments(&text), expected, "{text}");
    }
}

#[test]
fn the_alphabet_is_whole() {
    assert_eq!(GSM7.chars().count(), 127, "128 less the escape");
    assert_eq!(GSM7_EXTENSION.chars().count(), 10);
}

#[test]
fn keywords_are_read_whole_and_in_any_case() {
    use ConsentReading::{Help, Start, Stop};
    for word in ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"] {
        for text in [
            word.to_owned(),
            word.to_lowercase(),
            format!("  {word}.\n"),
            format!("\"{word}\"!!!"),
            format!("{word} …"),
        ] {
            assert_eq!(read_consent(&text), Stop, "{text}");
        }
    }
    for text in ["stop all", "Opt out", "opt-out."] {
        assert_eq!(read_consent(text), Stop, "{text}");
    }
    for text in ["START", "yes", "Unstop.", " Yes! "] {
        assert_eq!(read_consent(text), Start, "{text}");
    }
    for text in ["HELP", "info", "Help?", "info!"] {
        assert_eq!(read_consent(text), Help, "{text}");
    }
}

const STOPS: &[&str] = &[
    "Please stop texting me",
    "please stop",
    "STOP STOP STOP",
    "Stop it.",
    "stop!!! I said stop",
    "Stop?",
    "pls stop sending me these",
    "Stop messaging me",
    "stop contacting me please",
    "quit texting me",
    "Can you stop texting this number",
    "would you please cease texting",
    "remove me from your list",
    "Remove my number",
    "take me off your list",
    "delete my number please",
    "lose my number",
    "Forget my number.",
    "don't text me again",
    "Dont text me anymore",
    "do not text me",
    "do not message me again",
    "Never text me again!",
    "please don't contact me again",
    "no more texts",
    "No more messages please",
    "I don't want these texts",
    "I do not want your sms",
    "unsubscribe me",
    "Unsubscribe please",
    "I want to unsubscribe",
    "leave me alone",
    "opt me out",
    "how do I unsubscribe?",
    "who is this? take my number off your list",
    "Not interested, stop texting.",
    "bitte keine Nachrichten mehr",
    "Bitte abmelden",
    "please remove this number from your contacts",
    "Stop sending texts to this phone",
];

const NOT_STOPS: &[&str] = &[
    "I'll stop by your office",
    "don't stop the campaign",
    "unsubscribe link is broken?",
    "Yes?",
    "Yes, send it!",
    "No",
    "no thanks",
    "ok stop by at 5",
    "We can end the call at 3",
    "End of the week works",
    "Can't stop looking at the box!",
    "The bus stop is near the cafe",
    "I had to cancel my flight, see you Tuesday",
    "please cancel the Tuesday slot and take Friday",
    "Quit my job, so I have time now",
    "I never quit :)",
    "Please don't stop texting me the dates",
    "text me when you are here",
    "Don't text me the address, mail it",
    "don't text me before 9 please",
    "I'll text you tomorrow",
    "message me on Instagram instead?",
    "Who is this?",
    "Got your message, thanks",
    "Your text didn't load, send again?",
    "I removed the old post",
    "can you remove the watermark from the photo",
    "take me to the store",
    "I forgot my phone number at home lol",
    "Stop-motion video is ready",
    "The end.. of the video is too long",
    "info about the fee?",
    "help me pick a colour",
    "start of next month is fine",
    "I want to start on Monday",
    "no problem",
    "no more than 3 reels",
    "Sold out, no more boxes here",
    "My list of ideas: unboxing, stop motion, quiz",
    "they told me to never give up",
];

#[test]
fn wishes_to_be_left_alone_are_told_from_what_looks_like_them() {
    assert_eq!((STOPS.len(), NOT_STOPS.len()), (40, 40));
    let wrong: Vec<_> = STOPS
        .iter()
        .map(|text| (text, ConsentReading::PerhapsStop))
        .chain(NOT_STOPS.iter().map(|text| (text, ConsentReading::None)))
        .filter(|(text, expected)| read_consent(text) != *expected)
        .map(|(text, _)| (text, read_consent(text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_place_to_stop_at_and_the_end_of_a_week_are_no_wish_to_be_left_alone() {
    for text in [
        "Draft by end of week, will text you",
        "stop by and text me",
        "I'll stop by the studio and text you after",
        "At the end of the month I'll send you my texts for the captions",
        "Next stop is Berlin, text me if you are around",
        "Get off at the last stop, text me then",
        "at the next stop text me",
        "I quit my day job, so text me anytime",
        "Let's stop here, I'll message you my notes",
        "We end messaging at six today, text me before",
        "By the end I can message you the final cut",
        "Stop over in Lisbon tomorrow, text me your address",
        "The video needs to end with your text on screen",
        "Should the reel end with text or a logo?",
        "non-stop shooting today, text you tonight",
        "quit stalling and message me the brief lol",
        "Does the promo end before your message goes out",
        "I quit sms plans years ago, so message me on Instagram",
        "you never text me back haha",
    ] {
        assert_eq!(read_consent(text), ConsentReading::None, "{text} {}", opts_out_in_words(text));
    }
    for text in [
        "pls stop texting me",
        "end these texts",
        "can you quit texting",
        "stop sending me texts",
        "stop the texts",
        "stop all these annoying texts please",
        "Please stop your automated text messages",
        "stop text me",
        "Please end these messages",
        "stop calling and texting me",
        "quit sending these msgs",
        "ok stop with the sms already",
        "you need to stop contacting me",
        "I want you to stop texting",
        "never text me",
    ] {
        assert_eq!(read_consent(text), ConsentReading::PerhapsStop, "{text}");
    }
}

#[test]
fn whatever_stands_between_stop_and_texts_they_are_to_end() {
    let stops = [
        "Stop fucking texting me",
        "stop bloody texting me",
        "stop sending all of these political texts",
        "please stop the mass texts",
        "please stop sending text",
        "stop the text",
        "Well, stop texting me",
        "well stop texting me",
        "I told you last week stop texting me",
        "stop with the damn messages",
        "quit sending me your stupid text msgs",
        "enough, end the texts",
        "can you all just stop it with the texting",
        "Not cool please stop the texts",
        "I dont care please stop these texts",
        "why cant you just stop the texts",
        "why wont you please stop these texts",
        "No, stop texting me",
        "no please stop texting me",
        "I dont care stop texting me",
        "This is the last one, stop texting me",
        "how do I stop these texts",
        "stop wasting your time texting me",
        "I want to stop getting your messages",
        "I told you to stop sending text to this number",
    ];
    let friendly = [
        "end of the text is missing",
        "The video stops when I text",
        "End of the texts got cut off, can you resend",
        "Please end the reel with your texts on screen",
        "Stop motion with texts on it works best for me",
        "Stop by before texting me the code",
        "We can stop at the studio, then text me",
        "I'm at the bus stop texting you the draft now",
        "Non-stop texting with my manager today lol",
        "No need to stop the texts, I love them",
        "please don't ever stop these texts",
        "At month end texts go out to all my followers",
        "let's stop and text the team",
        "Next stop: Lisbon, texting you from there",
        "We end our texts with a heart, always",
        "Quit my job, texting you from home now",
    ];
    let wrong: Vec<_> = stops
        .iter()
        .map(|text| (text, ConsentReading::PerhapsStop))
        .chain(friendly.iter().map(|text| (text, ConsentReading::None)))
        .filter(|(text, expected)| read_consent(text) != *expected)
        .map(|(text, expected)| (text, expected, opts_out_in_words(text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hostile_texts_end() {
    for piece in ["stop ", "no more ", "dont text ", "🎁", "\u{301}", "remove my "] {
        let text = piece.repeat(20_000);
        let _ = (read_consent(&text), size(&text));
    }
}
