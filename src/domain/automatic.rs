//! Is this mail from a person? Header evidence first, then words; words alone never decide.
//!
//! Proof is a header that says so (RFC 3834 and the habits of older programs). Support is everything else; at least
//! two supports are needed where there is no proof. Subjects count only from their beginning, so that a person who
//! writes about a holiday stays a person.

mod phrases;
mod return_date;

use std::time::Duration;

use super::address;
use super::bounce::Report;
use super::mail::ParsedMail;
use super::subject::{is_reply, without_blobs};
use super::words::{Kind, Meaning};
use return_date::Named;

/// An answer within this time is no person's, usually.
const ANSWER_MIN: Duration = Duration::from_mins(1);

/// What is known beside the mail itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// How long after our message this answer to it came; `None` where it answers none of ours.
    pub answered_within: Option<Duration>,
}

/// What sort of mail it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The sort.
    pub kind: Kind,
    /// For an out-of-office: the day it names, which is the day its writer is back or the last day away.
    pub until: Option<jiff::civil::Date>,
    /// For an out-of-office: the first day on which its writer is back.
    pub back_on: Option<jiff::civil::Date>,
    /// Whether a header says so: then it is no person's, whatever it says.
    pub proven: bool,
    /// For a note of someone gone: whether a header or the subject says that it is a machine's note. Words of its text alone
    /// may be about somebody else ("my old manager is no longer with us").
    pub sure: bool,
    /// The evidence found, for `why`.
    pub reasons: Vec<&'static str>,
}

impl Verdict {
    /// A person's mail.
    pub fn human(reasons: Vec<&'static str>) -> Self {
        Self { kind: Kind::Human, until: None, back_on: None, proven: false, sure: false, reasons }
    }

    /// The same mail, where it says what may be a no. A machine asks nobody to be left alone: what only looks automatic (quick,
    /// through a group) is a person's then. A machine by its own headers stays one.
    #[must_use]
    pub fn with_answer(self, meaning: Meaning) -> Self {
        let says_no = matches!(meaning, Meaning::OptOut | Meaning::Refusal | Meaning::Unsure);
        let unproven = !self.proven && (self.kind == Kind::Automatic || (self.kind == Kind::Gone && !self.sure));
        if unproven && says_no { Self::human(self.reasons) } else { self }
    }
}

/// Evidence gathered.
#[derive(Default)]
struct Evidence {
    proof: bool,
    /// The sender's address says that nobody reads it.
    nobody: bool,
    supports: usize,
    /// A support that speaks of this mail, not of how its sender mails in general.
    telling: bool,
    reasons: Vec<&'static str>,
}

impl Evidence {
    fn prove(&mut self, is: bool, reason: &'static str) {
        if is {
            self.proof = true;
            self.reasons.push(reason);
        }
    }

    fn support(&mut self, is: bool, telling: bool, reason: &'static str) {
        if is {
            self.supports += 1;
            self.telling |= telling;
            self.reasons.push(reason);
        }
    }
}

/// Decides what sort of mail this is.
pub fn classify_automatic(mail: &ParsedMail, facts: &Facts) -> Verdict {
    let done =
        |kind, reason| Verdict { kind, until: None, back_on: None, proven: true, sure: true, reasons: vec![reason] };
    match &mail.report {
        Some(Report::Complaint(report)) if report.is_complaint() => return done(Kind::Complaint, "feedback report"),
        Some(Report::Complaint(_)) => return done(Kind::Automatic, "feedback report that is no complaint"),
        Some(Report::Bounce(report)) if report.is_bounce() => return done(Kind::Bounce, "delivery report"),
        Some(Report::Bounce(_)) => return done(Kind::Automatic, "delivery report without a failure"),
        None => {}
    }
    if mail.automatic.failed_recipients {
        return done(Kind::Bounce, "X-Failed-Recipients");
    }
    if mail.automatic.reaction {
        return done(Kind::Reaction, "reaction part");
    }
    let subject = without_blobs(&mail.subject).to_lowercase().replace('’', "'");
    // only what this writer wrote counts: a quoted out-of-office is not theirs
    let text: String = mail.reply_text.chars().take(3_000).collect::<String>().to_lowercase();
    let text = text.replace('’', "'").split_whitespace().collect::<Vec<_>>().join(" ");
    let away_subject = phrases::begins_away(&subject);
    let auto_subject = phrases::begins_automatic(&subject);
    let away_text = phrases::says_away(&text);
    let gone_subject = phrases::says_gone(&subject);
    let gone_text = phrases::says_gone(&text) || gone_subject;
    // the subject of an answer is what it answers, perhaps ours
    let says_gone_itself = gone_subject && !is_reply(&subject);
    let evidence = gather(mail, facts, away_subject || auto_subject, away_text || gone_text);
    let decided = evidence.proof || (evidence.supports >= 2 && evidence.telling);
    if !decided && is_newsletter(mail, &subject) {
        let mut verdict = Verdict::human(evidence.reasons);
        verdict.kind = Kind::Automatic;
        verdict.reasons.push("sent to many, and answers nothing");
        return verdict;
    }
    if !decided {
        return Verdict::human(evidence.reasons);
    }
    let answers = !mail.automatic.list && mail.automatic.auto_submitted.as_deref() != Some("auto-generated");
    let says_back = phrases::says_back(&text);
    let named = return_date::find(&subject, &text, mail.date);
    // Some only say when they are back: `Automatic reply: I will be back on 30 November.`
    let only_back = evidence.proof && answers && says_back && named.is_some();
    let kind = if gone_text && !says_back {
        Kind::Gone
    } else if away_subject || (away_text && (answers || auto_subject)) || only_back {
        Kind::OutOfOffice
    } else {
        Kind::Automatic
    };
    let named = named.filter(|_| kind == Kind::OutOfOffice);
    let (until, back_on) = (named.map(Named::day), named.and_then(Named::back_on));
    let sure = evidence.proof || away_subject || auto_subject || says_gone_itself;
    Verdict { kind, until, back_on, proven: evidence.proof || evidence.nobody, sure, reasons: evidence.reasons }
}

/// The address that a note of someone gone names to write to from now on, as a key: the only one in it that is not
/// `author`'s. `None` where it names none or several.
pub fn named_successor(text: &str, author: &str) -> Option<String> {
    let own = address::key(author);
    let text: String = text.chars().take(3_000).collect();
    let mut named: Vec<String> = text
        .split(|c: char| c.is_whitespace() || "<>()[]\",;|".contains(c))
        .filter(|word| word.contains('@'))
        .filter_map(|word| {
            let word = word.trim_start_matches("mailto:").trim_matches(|c: char| !c.is_alphanumeric());
            address::key(word).filter(|key| key.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.')))
        })
        .filter(|key| Some(key) != own.as_ref())
        .collect();
    named.sort_unstable();
    named.dedup();
    match named.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether a mail is one that its writer sends to many who can leave: it is theirs, and no answer to us. Mail through a group
/// (Precedence: list) can be left as well, and is a person's.
fn is_newsletter(mail: &ParsedMail, subject: &str) -> bool {
    let headers = &mail.automatic;
    let precedence = headers.precedence.as_deref();
    // Not by List-Unsubscribe-Post alone: programs that help with single mails write it as well.
    headers.unsubscribe && precedence == Some("bulk") && mail.ancestors().next().is_none() && !is_reply(subject)
}

fn gather(mail: &ParsedMail, facts: &Facts, subject_says: bool, text_says: bool) -> Evidence {
    let headers = &mail.automatic;
    let precedence = headers.precedence.as_deref().unwrap_or_default();
    let mut evidence = Evidence::default();
    evidence.prove(headers.auto_submitted.as_deref().is_some_and(|w| w != "no"), "Auto-Submitted");
    evidence.prove(headers.autoreply, "X-Autoreply or X-Autorespond");
    evidence.prove(matches!(precedence, "auto_reply" | "auto-reply"), "Precedence: auto_reply");
    evidence.prove(headers.multipart_report, "multipart/report");
    evidence.support(headers.null_return_path, true, "null Return-Path");
    // what comes through a group carries Precedence: list and List-Id whoever wrote it: that says nothing of its writer
    let many = matches!(precedence, "bulk" | "junk") || (precedence == "list" && !headers.list);
    evidence.support(many, false, "list or bulk Precedence");
    let from = mail.from.first().map(|m| m.address.to_lowercase()).unwrap_or_default();
    evidence.nobody = phrases::is_no_reply(&from);
    evidence.support(evidence.nobody, true, "no-reply sender");
    evidence.support(facts.answered_within.is_some_and(|t| t <= ANSWER_MIN), true, "answered within 60 s");
    evidence.support(headers.response_suppress, false, "X-Auto-Response-Suppress");
    evidence.support(subject_says, true, "subject of automatic mail");
    evidence.support(text_says, true, "text of an automatic answer");
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mail::{AutomaticHeaders, Mailbox};
    use crate::domain::time::Micros;

    fn mail(subject: &str, text: &str) -> ParsedMail {
        ParsedMail {
            subject: subject.to_owned(),
            reply_text: text.to_owned(),
            from: vec![Mailbox { name: String::new(), address: "ana@example.org".to_owned() }],
            date: Micros::parse("2026-03-02T09:00:00Z"),
            ..ParsedMail::default()
        }
    }

    fn kind(mail: &ParsedMail) -> Kind {
        classify_automatic(mail, &Facts::default()).kind
    }

    fn proven(subject: &str, text: &str) -> Verdict {
        let mut mail = mail(subject, text);
        mail.automatic.auto_submitted = Some("auto-replied".to_owned());
        classify_automatic(&mail, &Facts::default())
    }

    #[test]
    fn people_stay_people() {
        assert_eq!(
            kind(&mail("Re: collab on holiday campaign", "Great, I am on holiday until Monday but yes!")),
            Kind::Human
        );
        assert_eq!(kind(&mail("Holiday box", "I would love to")), Kind::Human);
        assert_eq!(kind(&mail("Out of office party", "Will you come?")), Kind::Human);
        let mut group = mail("Re: box", "Yes please");
        group.automatic = AutomaticHeaders {
            precedence: Some("list".to_owned()),
            list: true,
            response_suppress: true,
            ..AutomaticHeaders::default()
        };
        assert_eq!(kind(&group), Kind::Human);
        let quick = Facts { answered_within: Some(Duration::from_secs(40)) };
        assert_eq!(classify_automatic(&mail("Re: box", "Yes!"), &quick).kind, Kind::Human);
        let mut said_no = mail("Re: box", "Yes");
        said_no.automatic.auto_submitted = Some("no".to_owned());
        assert_eq!(kind(&said_no), Kind::Human);
    }

    #[test]
    fn what_a_person_writes_through_a_group_is_a_persons() {
        let quick = Facts { answered_within: Some(Duration::from_secs(20)) };
        let through_group = |text: &str, facts: &Facts| {
            let mut mail = mail("Re: box", text);
            mail.automatic.precedence = Some("list".to_owned());
            mail.automatic.list = true;
            classify_automatic(&mail, facts).kind
        };
        for text in [
            "Yes, I'm in! I am away until Monday, let's talk then.",
            "My old manager is no longer with us, write to me directly, yes please",
        ] {
            assert_eq!(through_group(text, &Facts::default()), Kind::Human, "{text}");
        }
        assert_eq!(through_group("Yes!", &quick), Kind::Human);
        // without a List-Id it is one of the older programs that answer by themselves
        let mut vacation = mail("Re: box", "I am away until Monday");
        vacation.automatic.precedence = Some("list".to_owned());
        assert_eq!(kind(&vacation), Kind::OutOfOffice);
        vacation.automatic = AutomaticHeaders { precedence: Some("bulk".to_owned()), list: true, ..Default::default() };
        assert_eq!(kind(&vacation), Kind::Automatic);
    }

    #[test]
    fn who_is_gone_is_sure_by_a_header_or_the_subject_only() {
        let quick = Facts { answered_within: Some(Duration::from_secs(20)) };
        let text = "My manager is no longer with us, write to me";
        let sure = |subject: &str| {
            let verdict = classify_automatic(&mail(subject, text), &quick);
            assert_eq!(verdict.kind, Kind::Gone, "{subject}");
            verdict.sure
        };
        assert!(!sure("Re: box") && !sure("Re: is this address no longer in use?"));
        assert!(sure("Automatic reply: box") && sure("Ana is no longer with the company"));
        let unsure = classify_automatic(&mail("Re: box", text), &quick);
        assert_eq!(unsure.clone().with_answer(Meaning::Neither).kind, Kind::Gone);
        assert_eq!(unsure.with_answer(Meaning::OptOut).kind, Kind::Human, "what may be a no is a person's");
        assert!(proven("Re: box", text).sure);
    }

    #[test]
    fn who_says_no_without_proof_is_a_person() {
        let quick = Facts { answered_within: Some(Duration::from_secs(20)) };
        let mut group = mail("Re: box", "Please remove me from your list.");
        group.automatic.precedence = Some("list".to_owned());
        let verdict = classify_automatic(&group, &quick);
        assert_eq!(verdict.kind, Kind::Automatic);
        for (meaning, kind) in [
            (Meaning::OptOut, Kind::Human),
            (Meaning::Refusal, Kind::Human),
            (Meaning::Unsure, Kind::Human),
            (Meaning::Neither, Kind::Automatic),
        ] {
            assert_eq!(verdict.clone().with_answer(meaning).kind, kind, "{meaning}");
        }
        let machine = proven("We have received your request", "Ticket 12. Unsubscribe.");
        assert_eq!(machine.clone().with_answer(Meaning::OptOut), machine);
        let mut nobody = group.clone();
        nobody.from[0].address = "no-reply@shop.test".to_owned();
        let verdict = classify_automatic(&nobody, &quick);
        assert_eq!(verdict.with_answer(Meaning::Unsure).kind, Kind::Automatic);
    }

    #[test]
    fn out_of_office_is_told_in_many_languages() {
        for (subject, text) in [
            ("Out of office: Re: box", "I am out of the office until 9 March 2026."),
            ("[External] Automatic reply: box", "I am currently out of the office."),
            ("Automatische Antwort: box", "Ich bin bis 09.03.2026 nicht im Büro."),
            ("Abwesenheitsnotiz: box", "Ich bin im Urlaub."),
            ("Réponse automatique : box", "Je suis absente du bureau jusqu'au 9 mars 2026."),
            ("Respuesta automática: box", "Estoy fuera de la oficina hasta el 9 de marzo de 2026."),
            ("Resposta automática: box", "Estou de férias até 9 de março de 2026."),
            ("Risposta automatica: box", "Sono in ferie fino al 9 marzo 2026."),
            ("Automatisch antwoord: box", "Ik ben afwezig tot 9 maart 2026."),
        ] {
            assert_eq!(kind(&mail(subject, text)), Kind::OutOfOffice, "{subject}");
            assert_eq!(proven(subject, text).kind, Kind::OutOfOffice, "{subject}");
        }
    }

    #[test]
    fn return_date_is_right_or_absent() {
        let day = |text: &str| proven("Automatic reply: box", text).until;
        let ninth = Some(jiff::civil::date(2026, 3, 9));
        for text in [
            "I am out of the office until 9 March 2026.",
            "I am out of the office until March 9th.",
            "Out of office. Back on Monday, March 9.",
            "Ich bin bis zum 9. März nicht im Büro.",
            "Ich bin bis 09.03.2026 im Urlaub.",
            "Je suis absent du bureau jusqu'au lundi 9 mars.",
            "Estoy fuera de la oficina hasta el 9 de marzo.",
            "Estou de férias até 9 de março.",
            "Sono in ferie fino al 9 marzo.",
            "Ik ben afwezig tot 9 maart.",
            "I am away until 2026-03-09.",
            "I am on vacation from 1 March to 8 March and will return on 9 March.",
        ] {
            assert_eq!(day(text), ninth, "{text}");
        }
        for text in [
            "I am out of the office until further notice.",
            "I am away until 3/4.",
            "I am on vacation until 9 March 2019.",
            "I am away until 31 February.",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_day_away_and_the_day_of_return_are_told_apart() {
        let back = |text: &str| proven("Automatic reply: box", text).back_on;
        for text in [
            "I am out of the office until 29 November inclusive.",
            "I am away through 29 November 2026.",
            "I am on leave from 20 November to 29 November.",
            "I will be back after 29 November.",
            "Ich bin bis einschließlich 29. November nicht im Büro.",
            "Ich bin vom 20.11.2026 bis 29.11.2026 im Urlaub.",
            "Nach dem 29. November bin ich wieder erreichbar.",
            "Je suis absente jusqu'au 29 novembre inclus.",
            "Je serai de retour après le 29 novembre.",
            "Estoy fuera de la oficina hasta el 29 de noviembre inclusive.",
            "Estou de férias até 29 de novembro, inclusive.",
            "Sono in ferie fino al 29 novembre compreso.",
            "Ik ben afwezig tot en met 29 november.",
            "Ik ben terug na 29 november.",
            "I am back on Monday 30 November.",
            "I am away until 27 November and return on 30 November.",
            "Am 30. November bin ich wieder da.",
            "Ich bin ab 30.11.2026 wieder erreichbar.",
            "Je serai de retour le 30 novembre.",
            "Vuelvo el 30 de noviembre.",
            "Estarei de volta em 30 de novembro.",
            "Rientro il 30 novembre.",
            "Ik ben terug op 30 november.",
        ] {
            let mut mail = mail("Automatic reply: box", text);
            mail.date = Micros::parse("2026-11-20T09:00:00Z");
            mail.automatic.auto_submitted = Some("auto-replied".to_owned());
            let verdict = classify_automatic(&mail, &Facts::default());
            assert_eq!(verdict.back_on, Some(jiff::civil::date(2026, 11, 30)), "{text}: {verdict:?}");
        }
        assert_eq!(back("I am out of the office until further notice."), None);
    }

    #[test]
    fn their_newsletter_is_no_answer() {
        let mut letter = mail("My spring news", "Three new videos, and a giveaway.");
        letter.automatic.list = true;
        letter.automatic.unsubscribe = true;
        assert_eq!(kind(&letter), Kind::Human, "nothing says that many get it");
        letter.automatic.precedence = Some("list".to_owned());
        assert_eq!(kind(&letter), Kind::Human, "through a group");
        letter.automatic.precedence = Some("bulk".to_owned());
        let verdict = classify_automatic(&letter, &Facts::default());
        assert_eq!((verdict.kind, verdict.proven), (Kind::Automatic, false));
        assert_eq!(verdict.with_answer(Meaning::Refusal).kind, Kind::Human);
        let mut answer = letter.clone();
        answer.in_reply_to = vec!["ours@brand.test".to_owned()];
        assert_eq!(kind(&answer), Kind::Human);
        let mut answer = letter.clone();
        answer.subject = "Re: box".to_owned();
        assert_eq!(kind(&answer), Kind::Human);
        letter.automatic.unsubscribe = false;
        assert_eq!(kind(&letter), Kind::Human);
    }

    #[test]
    fn gone_automatic_and_reaction() {
        assert_eq!(
            proven("Automatic reply: box", "Ana is no longer with the company. Please write to Bo.").kind,
            Kind::Gone
        );
        assert_eq!(
            proven("Re: box", "Diese Adresse wird nicht mehr verwendet, ich arbeite nicht mehr bei uns.").kind,
            Kind::Gone
        );
        assert_eq!(kind(&mail("Re: box", "Ana is no longer with us, I take over her contracts. Yes!")), Kind::Human);
        assert_eq!(proven("We have received your request", "Ticket 12").kind, Kind::Automatic);
        let mut reaction = mail("Re: box", "");
        reaction.automatic.reaction = true;
        assert_eq!(kind(&reaction), Kind::Reaction);
        let mut newsletter = mail("Spring sale", "Buy");
        newsletter.from[0].address = "no-reply@shop.test".to_owned();
        newsletter.automatic.precedence = Some("bulk".to_owned());
        assert_eq!(kind(&newsletter), Kind::Automatic);
    }
}
