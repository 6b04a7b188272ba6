//! What the writer of a mail wrote, without what they quoted and without signatures.
//!
//! Own text is never lost: wherever a cut is in doubt the text stays. Answers between quotes are kept, and so is the
//! whole of a mail that only forwards. Works line by line with a bounded look ahead, so hostile input costs no more
//! than other input.

mod marks;

use marks::{
    Attribution, attribution, forward_marker, header_block, is_closing, is_phone_line, original_marker, rule_line,
};

/// How far a signature may reach where its delimiter is not the exact one.
const SIGNATURE_LINES_MAX: usize = 15;
/// How many lines, empty ones included, are looked at for that.
const SIGNATURE_REACH_MAX: usize = 60;

/// How many lines of one mail may be looked at as the start of a signature; a mail has one or two.
const SIGNATURES_MAX: usize = 100;

/// What becomes of the text from a line on.
enum Step {
    /// The line is own text.
    Keep,
    /// That many lines are dropped.
    Drop(usize),
    /// This and all below is quoted.
    CutRest,
    /// This and all below is kept as it is.
    KeepRest,
}

/// What the writer of a message wrote: `text` without quotes, attribution lines, copied headers and signatures.
pub fn visible_reply(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::with_capacity(lines.len().min(1_000));
    let mut dropped_before = false;
    let mut has_own = false;
    let mut looks = SIGNATURES_MAX;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        match step(&lines, at, has_own, &mut looks) {
            Step::Keep => {
                // no blank lines where a quote was
                if !(dropped_before && line.trim().is_empty()) {
                    kept.push(line);
                    has_own |= !line.trim().is_empty();
                    dropped_before = false;
                }
                at += 1;
            }
            Step::Drop(count) => {
                trim_blank(&mut kept);
                dropped_before = true;
                at += count.max(1);
            }
            Step::CutRest => {
                while kept.last().is_some_and(|l| l.trim().is_empty() || rule_line(l)) {
                    kept.pop();
                }
                break;
            }
            Step::KeepRest => {
                kept.extend(lines.get(at..).unwrap_or_default());
                break;
            }
        }
    }
    trim_blank(&mut kept);
    let first = kept.iter().position(|l| !l.trim().is_empty()).unwrap_or(kept.len());
    let body: Vec<&str> = kept.get(first..).unwrap_or_default().iter().map(|l| l.trim_end()).collect();
    body.join("\n")
}

/// Whether a text holds another mail that is passed on, told by a line such as "Forwarded message".
pub fn holds_forward(text: &str) -> bool {
    text.lines().take(5_000).any(forward_marker)
}

/// What stands above a mail that is passed on, by the line or the copied headers with which that begins; all of the text
/// where there is no such thing.
pub fn above_forward(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |at: usize| {
        lines.get(at).is_some_and(|l| forward_marker(l) || original_marker(l)) || header_block(&lines, at, false)
    };
    let end = (0..lines.len()).find(|at| begins(*at)).unwrap_or(lines.len());
    lines.get(..end).unwrap_or_default().join("\n").trim_end().to_owned()
}

fn trim_blank(kept: &mut Vec<&str>) {
    while kept.last().is_some_and(|l| l.trim().is_empty()) {
        kept.pop();
    }
}

/// Whether a mail marks a line as quoted.
fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// Whether the first line with something on it, from `at` on, is quoted. `None`: there is none.
fn quote_follows(lines: &[&str], at: usize) -> Option<bool> {
    lines.iter().skip(at).take(8).find(|l| !l.trim().is_empty()).map(|l| is_quoted(l))
}

/// Decides about the line at `at`. `has_own`: own text stands above. `looks`: how often a signature may still be looked for.
fn step(lines: &[&str], at: usize, has_own: bool, looks: &mut usize) -> Step {
    let Some(line) = lines.get(at).copied() else { return Step::CutRest };
    if line.trim().is_empty() {
        return Step::Keep;
    }
    if is_quoted(line) {
        return Step::Drop(1);
    }
    if forward_marker(line) {
        return Step::KeepRest;
    }
    if original_marker(line) {
        return if has_own { Step::CutRest } else { Step::KeepRest };
    }
    if let Some(found) = attribution(lines, at) {
        return after_attribution(lines, at, has_own, &found);
    }
    // a rule above copied headers belongs to them
    let block_at = if rule_line(line) { next_text(lines, at + 1) } else { Some(at) };
    if block_at.is_some_and(|from| header_block(lines, from, from > at)) {
        return if has_own { Step::CutRest } else { Step::KeepRest };
    }
    if !starts_signature(line) || *looks == 0 {
        return Step::Keep;
    }
    *looks -= 1;
    signature(lines, at, has_own)
}

/// A cheap look at a line: could a signature begin here?
fn starts_signature(line: &str) -> bool {
    let content = line.trim();
    line == "-- " || content == "--" || content.starts_with("__") || is_phone_line(content) || is_closing(content)
}

fn after_attribution(lines: &[&str], at: usize, has_own: bool, found: &Attribution) -> Step {
    match quote_follows(lines, at + found.lines) {
        Some(true) => Step::Drop(found.lines),
        Some(false) if found.sure && has_own => Step::CutRest,
        None if found.sure => Step::Drop(found.lines),
        // the quote carries no marks and nothing is above: which text is whose can't be told
        Some(false) | None => Step::Keep,
    }
}

/// The index of the next line with something on it, a few lines on at most.
fn next_text(lines: &[&str], at: usize) -> Option<usize> {
    lines.iter().enumerate().skip(at).take(3).find(|(_, l)| !l.trim().is_empty()).map(|(index, _)| index)
}

/// Signatures: the delimiter, lines that telephones add, list footers, and a closing with a name below.
fn signature(lines: &[&str], at: usize, has_own: bool) -> Step {
    let Some(line) = lines.get(at).copied() else { return Step::Keep };
    let content = line.trim();
    if line.trim_end_matches('\r') == "-- " {
        return Step::Drop(until_quote(lines, at, usize::MAX));
    }
    if content == "--" || list_footer(lines, at) {
        let length = until_quote(lines, at, SIGNATURE_REACH_MAX);
        let body = lines.get(at..at + length).unwrap_or_default();
        let filled = body.iter().take(200).filter(|l| !l.trim().is_empty()).count();
        let prose = body.iter().take(200).skip(1).any(|l| l.chars().count() > 120);
        return if filled <= SIGNATURE_LINES_MAX && !prose && length < SIGNATURE_REACH_MAX {
            Step::Drop(length)
        } else {
            Step::Keep
        };
    }
    if is_phone_line(content) {
        let open_above = at == 0 || lines.get(at - 1).is_some_and(|l| l.trim().is_empty() || is_quoted(l));
        let open_below = lines.get(at + 1).is_none_or(|l| l.trim().is_empty() || is_quoted(l));
        if open_above || open_below {
            return Step::Drop(1);
        }
    }
    if has_own && is_closing(content) {
        return closing(lines, at);
    }
    Step::Keep
}

/// How many lines there are from `at` to the next quote, or to the end, `reach` at most.
fn until_quote(lines: &[&str], at: usize, reach: usize) -> usize {
    let mut length = 0;
    for (index, line) in lines.iter().enumerate().skip(at).take(reach) {
        let starts_quote = is_quoted(line)
            || original_marker(line)
            || forward_marker(line)
            || (index > at && (attribution(lines, index).is_some() || header_block(lines, index, false)));
        if starts_quote {
            break;
        }
        length += 1;
    }
    length.max(1)
}

/// Underscores above what a mailing list adds.
fn list_footer(lines: &[&str], at: usize) -> bool {
    let underscores = lines.get(at).map(|l| l.trim()).is_some_and(|l| l.len() >= 2 && l.chars().all(|c| c == '_'));
    underscores
        && lines.iter().skip(at + 1).take(4).any(|l| {
            let l = l.to_lowercase();
            l.contains("mailing list") || l.contains("listinfo") || l.contains("unsubscribe")
        })
}

/// "Regards," and a few short lines below it, up to the end or a quote. Anything that could be a sentence keeps it all.
fn closing(lines: &[&str], at: usize) -> Step {
    let mut filled = 0;
    let mut length = 1;
    for (index, line) in lines.iter().enumerate().skip(at + 1).take(40) {
        let content = line.trim();
        if is_quoted(line)
            || content == "--"
            || original_marker(line)
            || forward_marker(line)
            || is_phone_line(content)
            || attribution(lines, index).is_some()
            || header_block(lines, index, false)
            || (rule_line(line) && next_text(lines, index + 1).is_some_and(|from| header_block(lines, from, true)))
        {
            break;
        }
        length += 1;
        if content.is_empty() {
            continue;
        }
        filled += 1;
        let lower = content.to_lowercase();
        let note = lower.starts_with("ps") || lower.starts_with("p.s") || lower.starts_with("nb");
        let sentence = content.ends_with(['?', '.', ';']) || content.split_whitespace().count() > 6;
        if filled > 6 || note || sentence || content.chars().count() > 80 {
            return Step::Keep;
        }
    }
    if length >= 40 { Step::Keep } else { Step::Drop(length) }
}

#[cfg(test)]
mod tests {
    use super::{above_forward, visible_reply};

    #[test]
    fn attribution_without_a_date_goes_with_the_quote_below_it() {
        assert_eq!(visible_reply("Hi, yes please!\n\nOn Sunday Kim wrote:\n> want shoes?"), "Hi, yes please!");
        assert_eq!(
            visible_reply("On Sunday Kim wrote:\nnothing quoted here"),
            "On Sunday Kim wrote:\nnothing quoted here"
        );
    }

    #[test]
    fn quotes_and_attributions_go_in_many_languages() {
        let heads = [
            "On Tue, 3 Mar 2026 at 10:12, Ana Lee <ana@example.org> wrote:",
            "On Tue, 3 Mar 2026 at 10:12, Ana Lee <\nana@example.org> wrote:",
            "Am 03.03.2026 um 10:12 schrieb Ana Lee <ana@example.org>:",
            "Le mar. 3 mars 2026 à 10:12, Ana Lee <ana@example.org>\na écrit :",
            "El mar, 3 mar 2026 a las 10:12, Ana Lee (<ana@example.org>) escribió:",
            "Il giorno mar 3 mar 2026 alle ore 10:12 Ana Lee <ana@example.org> ha scritto:",
            "Em ter., 3 de mar. de 2026 às 10:12, Ana Lee <ana@example.org> escreveu:",
            "Op di 3 mrt 2026 om 10:12 schreef Ana Lee <ana@example.org>:",
            "wt., 3 mar 2026 o 10:12 Ana Lee <ana@example.org> napisał(a):",
            "Ana Lee <ana@example.org> schrieb am Di., 3. März 2026, 10:12:",
            "вт, 3 мар. 2026 г. в 10:12, Ana Lee <ana@example.org>:",
            "2026年3月3日(火) 10:12 Ana Lee <ana@example.org>:",
        ];
        for head in heads {
            assert_eq!(
                visible_reply(&format!("Yes, gladly.\n\n{head}\n\n> Would you?\n> Ana\n")),
                "Yes, gladly.",
                "{head}"
            );
            assert_eq!(visible_reply(&format!("Yes, gladly.\n\n{head}\n\nWould you?\n")), "Yes, gladly.", "{head}");
        }
    }

    #[test]
    fn outlook_blocks_go() {
        let german = "Ja.\r\n\r\n________________________________\r\nVon: Ana <ana@example.org>\r\nGesendet: Montag, 2. März 2026 09:00\r\nAn: Bo\r\nBetreff: Hallo\r\n\r\nalt\r\n";
        assert_eq!(visible_reply(german), "Ja.");
        assert_eq!(visible_reply("Ok\n\n-----Original Message-----\nFrom: a\nSubject: b\n\nold"), "Ok");
        assert_eq!(
            visible_reply("Ok\n\n*From:* Ana\n*Sent:* Monday, 2 March 2026\n*To:* Bo\n*Subject:* Hi\n\nold"),
            "Ok"
        );
    }

    #[test]
    fn own_text_stays() {
        let inline = "> First?\n\nYes.\n\n> Second?\n\nNo.\n";
        assert_eq!(visible_reply(inline), "Yes.\nNo.");
        for own in [
            "On the other hand, we wrote it down:\nfirst point",
            "On 3 May I wrote:\nplease send the box. It never came.",
            "From: our side all is fine.\nWe go on.",
            "Prices:\n-----\n10 and 20 euros\n-----\nAll fine?",
            "Sent from my desk, which is easier than the phone.",
            "Hi\n\nBest regards,\nAna\n\nPS: the box has come, thank you very much!",
            "Regards the box, it came.",
            "Call me on 12.05.2026 at 10:00 or write to ana@example.org:\nwe must talk",
            "--",
        ] {
            let got = visible_reply(own);
            assert!(got == own || own == "--", "{own:?} became {got:?}");
        }
    }

    #[test]
    fn what_stands_above_a_forwarded_mail_is_told_apart() {
        let forward = "Not for me, see below.\n\n---------- Forwarded message ---------\nFrom: Ana <ana@example.org>\nDate: Mon, 2 Mar 2026\nSubject: Box\nTo: Bo\n\nUnsubscribe me.";
        assert_eq!(above_forward(forward), "Not for me, see below.");
        let outlook =
            "From: Ana <ana@example.org>\nSent: Monday, 2 March 2026 09:00\nTo: Bo\nSubject: Box\n\nThe box has come.";
        assert_eq!(above_forward(outlook), "");
        assert_eq!(above_forward("No forward here."), "No forward here.");
    }

    #[test]
    fn a_mail_that_only_forwards_keeps_its_text() {
        let forward = "---------- Forwarded message ---------\nFrom: Ana <ana@example.org>\nDate: Mon, 2 Mar 2026\nSubject: Box\nTo: Bo\n\nThe box has come.";
        assert_eq!(visible_reply(forward), forward);
        let outlook =
            "From: Ana <ana@example.org>\nSent: Monday, 2 March 2026 09:00\nTo: Bo\nSubject: Box\n\nThe box has come.";
        assert_eq!(visible_reply(outlook), outlook);
    }

    #[test]
    fn signatures_go() {
        assert_eq!(visible_reply("Yes.\n\n-- \nAna\nCEO\n"), "Yes.");
        assert_eq!(
            visible_reply(
                "Yes.\n\nSent from my iPhone\n\nOn 3 Mar 2026, at 10:12, Bo <bo@example.org> wrote:\n\n> Hi\n"
            ),
            "Yes."
        );
        assert_eq!(visible_reply("Yes.\n\nKind regards,\nAna Lee\n+49 123\n"), "Yes.");
        assert_eq!(visible_reply("Ja.\n\nVon meinem iPhone gesendet\n"), "Ja.");
    }

    #[test]
    fn hostile_texts_end() {
        for piece in [
            "--\n",
            "> ",
            "On ",
            "On 1\n",
            "From: \n",
            "____\n",
            "Regards,\n",
            "<a@b",
            "wrote:\n",
            "\u{a0}:\n",
            "Date: 1\nFrom: a\n",
        ] {
            let text = piece.repeat(20_000);
            assert!(visible_reply(&text).len() <= text.len());
        }
    }
}
