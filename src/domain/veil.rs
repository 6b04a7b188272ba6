//! Takes secrets out of what a server says: some say back what they were told, and their words go into the log, the database
//! and onto screens. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What stands in the place of a secret.
pub const MASK: &str = "********";
/// Octets below which a secret is no secret, and taking it out would leave nothing of a text.
const SECRET_MIN: usize = 4;
/// Characters of the beginning of a secret that are taken out where a text was cut off in the middle of it.
const REST_MIN: usize = 4;

/// The text without these secrets: as they are, as a form carries them, and within base64, wherever they may begin in it. At
/// its end also without the beginning of one.
pub fn veil(text: &str, secrets: &[&str]) -> String {
    let mut forms: Vec<String> = secrets.iter().filter(|s| s.len() >= SECRET_MIN).flat_map(|s| forms(s)).collect();
    // The longest first: one may be a part of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    let mut shown = text.to_owned();
    for form in &forms {
        shown = shown.replace(form.as_str(), MASK);
    }
    let kept = shown.trim_end_matches(['…', '"', '\'', ')', ']']).len();
    let cut = forms.iter().filter_map(|form| beginning_at_end(shown.get(..kept)?, form)).max();
    if let Some(length) = cut {
        shown.replace_range(kept.saturating_sub(length)..kept, MASK);
    }
    shown
}

/// What stands in the place of an address of somebody.
pub const SOMEBODY: &str = "(an address)";

/// The text without mail addresses: what servers say of recipients goes into the log, which names messages and nobody.
pub fn without_addresses(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let (name, stop) = (name_at(before), domain_end(after));
        match (before.get(..name), after.get(stop..)) {
            (Some(kept), Some(behind)) if name < before.len() && stop > 0 => {
                shown.push_str(kept);
                shown.push_str(SOMEBODY);
                rest = behind;
            }
            _ => {
                shown.push_str(before);
                shown.push('@');
                rest = after;
            }
        }
    }
    shown.push_str(rest);
    shown
}

/// Where the name of an address begins that ends a text (RFC 5321, 4.1.2: a dot-string or a quoted string).
fn name_at(before: &str) -> usize {
    let of_name = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let quoted = before.strip_suffix('"').and_then(|inside| inside.rfind('"'));
    quoted.unwrap_or_else(|| before.trim_end_matches(of_name).len())
}

/// Where the domain of an address ends that a text begins with (RFC 5321, 4.1.3: or an address of a machine in brackets).
fn domain_end(after: &str) -> usize {
    if let Some((machine, _)) = after.strip_prefix('[').and_then(|inside| inside.split_once(']'))
        && machine.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':'))
    {
        return machine.len().saturating_add(2);
    }
    let behind = after.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-'));
    let domain = after.strip_suffix(behind).unwrap_or_default();
    // A sentence ends in a dot as well.
    domain.trim_end_matches(['.', '-']).len()
}

/// How many octets at the end of a text are the beginning of a form, where there are enough of them.
fn beginning_at_end(text: &str, form: &str) -> Option<usize> {
    let lengths = form.char_indices().map(|(at, _)| at).filter(|at| *at >= REST_MIN);
    lengths.filter(|at| form.get(..*at).is_some_and(|start| text.ends_with(start))).max()
}

fn forms(secret: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut all = vec![secret.to_owned(), encoded];
    // Three octets make four characters, so there are three ways in which it can stand there; what mixes with neighbours is
    // left out.
    for (before, skipped) in [(0_usize, 0_usize), (1, 2), (2, 3)] {
        let octets = [vec![0; before], secret.as_bytes().to_vec()].concat();
        let whole = octets.len().saturating_mul(8) / 6;
        all.extend(STANDARD_NO_PAD.encode(&octets).get(skipped..whole).map(str::to_owned));
    }
    all.retain(|form| form.len() >= SECRET_MIN);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn addresses_are_taken_out_wherever_they_stand() {
        for (said, shown) in [
            ("550 5.1.1 <ana@example.org>: no such user", "550 5.1.1 <(an address)>: no such user"),
            ("Ana.Lee+x=y@mail.example.org. Or bo@b.example, or", "(an address). Or (an address), or"),
            ("bounce+ana=example.org@s.example said", "(an address) said"),
            ("zoë@exämple.org", "(an address)"),
            ("<\"ana lee\"@example.org> unknown", "<(an address)> unknown"),
            ("to ana@[192.0.2.7]: and bo@[IPv6:2001:db8::1].", "to (an address): and (an address)."),
            ("see [@[x y]] \"@", "see [@[x y]] \"@"),
            ("a@b@c.example", "(an address)@c.example"),
            ("nothing here, 5 @ 3, @home, me@", "nothing here, 5 @ 3, @home, me@"),
            ("", ""),
        ] {
            assert_eq!(without_addresses(said), shown, "{said}");
        }
    }

    #[test]
    fn secrets_are_taken_out_in_every_form_they_travel_in() {
        let secret = "pass word+1é";
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for text in [
            format!("no: {secret} is wrong"),
            format!("no: p={form}&x"),
            format!("no: AUTH PLAIN {}", STANDARD.encode(format!("\0me\0{secret}"))),
            format!("no: AUTH PLAIN {}", STANDARD.encode(format!("\0mes\0{secret}"))),
            format!("no: {}", STANDARD.encode(format!("user=mine\x01auth=Bearer {secret}\x01\x01"))),
            format!("no: {}", STANDARD.encode(secret)),
        ] {
            let shown = veil(&text, &["other", secret]);
            assert!(shown.starts_with("no: ") && shown.contains(MASK), "{text}: {shown}");
            assert!(!shown.contains("word"), "{shown}");
            for (before, skipped) in [(0, 0), (1, 2), (2, 3)] {
                let core = STANDARD_NO_PAD.encode([vec![0; before], b"pass word".to_vec()].concat());
                assert!(!shown.contains(core.get(skipped..core.len() - 1).unwrap()), "{shown}");
            }
        }
    }

    #[test]
    fn what_was_cut_off_within_a_secret_shows_none_of_its_beginning() {
        for text in ["no: hunter2-and", "no: hunter2-and…", "Login(\"no: hunter2-and\")"] {
            let shown = veil(text, &["hunter2-and-more"]);
            assert!(!shown.contains("hunt"), "{shown}");
        }
        assert_eq!(veil("we hunt", &["hunter2"]), "we ********");
        assert_eq!(veil("the hun", &["hunter2"]), "the hun");
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        for text in ["", "535 5.7.8 Authentication failed", "é…"] {
            assert_eq!(veil(text, &["hunter2", "", "abc"]), text);
        }
    }
}
