//! Templates and short texts: what they speak of, where their links lead, how their subjects sound.

use std::collections::BTreeSet;

use super::super::codes;
use super::super::load::{Draft, Known, Script, tell};
use super::names::Scope;
use crate::config::reader::Reader;
use crate::domain::expression::{Put, read_template};
use crate::domain::profile::is_nothing;
use crate::domain::sequence::{Format, Unsubscribe};
use crate::render::template::{judge_link, judge_markup, judge_targets};

/// Hosts that hide where a link leads; filters distrust them.
const SHORTENERS: [&str; 12] = [
    "bit.ly",
    "tinyurl.com",
    "t.co",
    "goo.gl",
    "ow.ly",
    "is.gd",
    "buff.ly",
    "rebrand.ly",
    "cutt.ly",
    "lnkd.in",
    "t.ly",
    "shorturl.at",
];
/// Words behind which a name is expected.
const GREETINGS: [&str; 12] =
    ["hi", "hey", "hello", "dear", "hola", "hallo", "ciao", "bonjour", "salut", "liebe", "lieber", "olá"];
/// Letters of a subject from which on capitals shout.
const LETTERS_SHOUTED: usize = 8;

/// Judges every template where it is used.
pub(super) fn judge(r: &mut Reader, known: &Known<'_>, draft: &Draft, used: &mut BTreeSet<String>) {
    let mut judged = BTreeSet::new();
    for (at, step) in draft.steps.iter().enumerate() {
        for (name, place) in &step.templates {
            let Some(template) = draft.templates.get(name).filter(|_| judged.insert(name.clone())) else { continue };
            let scope = Scope::text(known, draft, at);
            for script in template.subject.iter().chain(&template.preheader) {
                judge_script(r, &scope, script, used);
            }
            if let Some(subject) = &template.subject {
                judge_subject(r, subject);
            }
            let names = judge_script(r, &scope, &template.body, used);
            judge_links(r, &template.body);
            judge_elements(r, &template.body, template.template.format);
            let links_out = names.is_none_or(|names| names.iter().any(|name| name == "unsubscribe_url"));
            if draft.unsubscribe == Unsubscribe::Inline && !links_out {
                let message = format!("`{name}` has no link to unsubscribe");
                let hint = "write [unsubscribe]({{ unsubscribe_url }}) into it, or unsubscribe = \"footer\"";
                tell(r, codes::NO_UNSUBSCRIBE, place, message, hint);
            }
        }
    }
}

/// Judges one text. The names it uses, if it can be read.
pub(super) fn judge_script(
    r: &mut Reader,
    scope: &Scope<'_>,
    script: &Script,
    used: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    let reading = match read_template(&script.text) {
        Ok(reading) => reading,
        Err(error) => {
            let hint = "values stand as {{ name }}, conditions as {% if … %} … {% endif %}";
            tell(r, codes::TEMPLATE_SYNTAX, &script.at(error.at), error.message, hint);
            return None;
        }
    };
    for strange in &reading.strange {
        let hint = "see docs/sequences.md for what templates can do";
        tell(r, codes::TEMPLATE_SYNTAX, &script.at(Some(strange.at.clone())), &strange.message, hint);
    }
    let mut names = Vec::new();
    for name in &reading.names {
        names.extend(name.path.first().cloned());
        if let Some((code, message, hint)) = scope.judge(name) {
            tell(r, code, &script.at(Some(name.at.clone())), message, &hint);
        }
    }
    used.extend(names.iter().cloned());
    judge_holes(r, scope.draft, script, &reading.puts);
    for link in &reading.links {
        if let Some(Err(why)) = link.url.as_deref().map(judge_link) {
            tell(r, codes::BAD_LINK, &script.at(Some(link.at.clone())), why, "write the whole URL: \"https://…\"");
        }
    }
    Some(names)
}

/// Values that are nothing where they are not known, put in where a word must stand: `Hi ,`.
fn judge_holes(r: &mut Reader, draft: &Draft, script: &Script, puts: &[Put]) {
    for put in puts {
        let variable = put.path.as_deref().and_then(|path| match path {
            [name] => draft.variables.iter().find(|v| v.variable.name == *name),
            _ => None,
        });
        let hollow = variable.and_then(|v| v.variable.default.as_ref()).is_some_and(is_nothing);
        if !(put.hollow || hollow) {
            continue;
        }
        let before = script.text.get(..put.at.start).and_then(|text| text.rsplit_once("{{")).map_or("", |(t, _)| t);
        let after = script.text.get(put.at.end..).and_then(|text| text.split_once("}}")).map_or("", |(_, t)| t);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let greets = GREETINGS.contains(&line.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase().as_str());
        let stops = line.ends_with(' ') && after.starts_with([',', '!', '.', '?', ':', ';']);
        if greets || stops {
            let hint = "write a word that fits everybody: default(\"there\")";
            tell(
                r,
                codes::EMPTY_DEFAULT,
                &script.at(Some(put.at.clone())),
                "where it is not known, a hole is left",
                hint,
            );
        }
    }
}

/// Links that are not https, and those that hide where they lead.
fn judge_links(r: &mut Reader, body: &Script) {
    let mut from = 0;
    while let Some(at) = body.text.get(from..).and_then(|rest| rest.find("http")).map(|at| from + at) {
        from = at + 4;
        let rest = body.text.get(at..).unwrap_or_default();
        let Some((scheme, after)) = rest.split_once("://").filter(|(s, _)| matches!(*s, "http" | "https")) else {
            continue;
        };
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | ')' | '>' | '<' | '?' | '#' | '}'));
        let host = after.get(..end.unwrap_or(after.len())).unwrap_or_default().to_ascii_lowercase();
        let place = body.at(Some(at..at + scheme.len() + 3 + host.len()));
        if SHORTENERS.contains(&host.trim_start_matches("www.")) {
            let message = format!("`{host}` hides where the link leads");
            tell(r, codes::DOUBTFUL_LINK, &place, message, "write the URL itself; filters distrust shorteners");
        } else if scheme == "http" && !matches!(host.as_str(), "" | "www.w3.org") {
            tell(
                r,
                codes::DOUBTFUL_LINK,
                &place,
                "a link without https",
                "write https://; mail programs warn of http://",
            );
        }
    }
}

/// Elements that have no place in a mail. What comes of values is judged when the mail is written.
fn judge_elements(r: &mut Reader, body: &Script, format: Format) {
    if format == Format::Text {
        return;
    }
    // Template tags would look like broken attributes.
    let text = blanked(&body.text, Filler::Target);
    if let Err(why) = judge_markup(&text) {
        let at = why.split(['<', '>']).nth(1).and_then(|name| {
            let at = text.to_ascii_lowercase().find(&format!("<{name}"))?;
            Some(at..at + name.len() + 1)
        });
        tell(r, codes::TEMPLATE_SYNTAX, &body.at(at), why, "mail programs refuse such mail");
    }
    if format == Format::Markdown {
        for (at, why) in judge_targets(&text) {
            tell(r, codes::BAD_LINK, &body.at(Some(at)), why, "write the whole URL, as in [text](https://…)");
        }
    }
}

/// What stands in place of template tags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filler {
    /// Something that could be a target: what a value is, is judged when it is known.
    Target,
    /// Letters.
    Letters,
}

/// A text of the same length with something harmless in place of template tags.
fn blanked(text: &str, filler: Filler) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        let (before, tag) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let close = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => "#}",
        };
        let end = tag.find(close).map_or(tag.len(), |end| end + 2);
        let begin = match filler {
            Filler::Target if end >= 9 => "https://",
            Filler::Target if end >= 5 => "tel:",
            Filler::Target | Filler::Letters => "",
        };
        out.push_str(begin);
        out.extend(std::iter::repeat_n('x', end - begin.len()));
        rest = tag.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn judge_subject(r: &mut Reader, subject: &Script) {
    let said = blanked(&subject.text, Filler::Letters);
    let said: String = said.split_whitespace().filter(|word| !word.contains("xx")).collect::<Vec<_>>().join(" ");
    let letters: Vec<char> = said.chars().filter(|c| c.is_alphabetic()).collect();
    let capitals = letters.iter().filter(|c| c.is_uppercase()).count();
    let shouts = letters.len() >= LETTERS_SHOUTED && capitals * 10 >= letters.len() * 7;
    if shouts || said.contains("!!") {
        let hint = "write it as you would to one person; filters and people take shouting for advertising";
        tell(r, codes::SHOUTING, &subject.at(Some(0..subject.text.len())), "the subject shouts", hint);
    }
}
