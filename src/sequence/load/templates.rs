//! Templates: files beside `sequence.toml`, with a head between two lines of `---`, or tables within it.

use std::path::Path;

use base64::Engine as _;

use super::draft::{Draft, DraftTemplate, Script};
use super::settings::{cut, did_you_mean, script};
use super::{FILES_MAX, codes, place, shown, tell};
use crate::config::read_text;
use crate::config::reader::{Found, Reader, Section, text_of};
use crate::config::source::Span;
use crate::config::tree::Table;
use crate::domain::sequence::{Format, TEMPLATE_MAX, Template, TemplateFile};

/// Octets of all files that go with one mail.
const ATTACHMENTS_MAX: u64 = 5_000_000;
/// The byte order mark.
const MARK: char = '\u{feff}';
/// What the head of a template may say.
const HEAD_KEYS: [&str; 3] = ["subject", "preheader", "attachments"];

/// A template that was read, by the name steps use.
pub(super) struct Named(pub(super) String);

fn format_of(name: &str) -> Option<Format> {
    match Path::new(name).extension()?.to_str()? {
        "md" => Some(Format::Markdown),
        "html" => Some(Format::Html),
        "txt" => Some(Format::Text),
        _ => None,
    }
}

/// Whether a name stays within the folder.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    !name.contains('\\') && path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}

/// Reads the file a step names, unless another step named it before.
pub(super) fn read_file(r: &mut Reader, draft: &mut Draft, file: &Found<String>) -> Option<Named> {
    let name = file.value.clone();
    if draft.templates.contains_key(&name) || draft.lost.contains(&name) {
        return Some(Named(name));
    }
    let fail = |r: &mut Reader, draft: &mut Draft, message: String, hint: &str| {
        tell(r, codes::NO_TEMPLATE, &place(file), message, hint);
        draft.lost.push(file.value.clone());
        Some(Named(file.value.clone()))
    };
    let Some(format) = format_of(&name) else {
        return fail(r, draft, format!("`{}` is no template", cut(&name)), "its name ends in .md, .html or .txt");
    };
    if !is_inside(&name) {
        return fail(
            r,
            draft,
            format!("`{}` is not within the sequence", cut(&name)),
            "templates lie beside sequence.toml",
        );
    }
    let path = r.path(&name);
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(_) if !path.exists() => {
            let hint = near_file(&r.folder, &name);
            return fail(r, draft, format!("there is no `{}` beside sequence.toml", cut(&name)), &hint);
        }
        Err((message, hint)) => return fail(r, draft, message, hint),
    };
    if text.len() > TEMPLATE_MAX {
        tell(
            r,
            codes::TOO_MUCH,
            &place(file),
            format!("`{}` has more than {TEMPLATE_MAX} octets", cut(&name)),
            "shorten it",
        );
        draft.lost.push(name.clone());
        return Some(Named(name));
    }
    let source = r.sources.add(shown(&path), text.clone());
    let template = read_template(r, (source, &text), format, &name);
    draft.templates.insert(name.clone(), template);
    Some(Named(name))
}

fn near_file(folder: &Path, name: &str) -> String {
    let names = files(folder);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    did_you_mean(name, &names, "templates")
}

/// The templates that lie in a folder, in order.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| {
            format_of(name).is_some() && !name.starts_with('.') && !name.to_lowercase().starts_with("readme")
        })
        .take(FILES_MAX)
        .collect();
    names.sort();
    names
}

/// Finds templates that no step names.
pub(super) fn look_for_unused(r: &mut Reader, draft: &mut Draft) {
    for name in files(&r.folder) {
        if !draft.templates.contains_key(&name) && !draft.lost.contains(&name) {
            draft.unused.push(name);
        }
    }
}

/// A stretch of a file, with its place.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    begin: usize,
}

fn read_template(r: &mut Reader, (source, text): (usize, &str), format: Format, name: &str) -> DraftTemplate {
    let mut template =
        Template { format, subject: None, preheader: None, attachments: Vec::new(), body: String::new() };
    let (head, body) = part(text);
    let at = |piece: Piece<'_>| Found {
        value: (),
        span: Span { source, start: piece.begin, end: piece.begin + piece.text.len() },
        key: name.to_owned(),
    };
    let (subject, preheader) = match head {
        Head::None => (None, None),
        Head::Open(fence) => {
            let message = "the head of the template does not end";
            tell(r, codes::FRONT_MATTER, &at(fence), message, "write --- on a line below it");
            (None, None)
        }
        Head::Lines(lines) => read_head(r, &lines, &mut template, &at),
    };
    template.subject = subject.as_ref().map(|script| script.text.clone());
    template.preheader = preheader.as_ref().map(|script| script.text.clone());
    // How an editor ends lines is no other version.
    template.body = body.text.replace("\r\n", "\n");
    if body.text.trim().is_empty() {
        tell_empty(r, source, name);
    }
    let whole = Span { source, start: body.begin, end: body.begin + body.text.len() };
    let body = Script { text: body.text.to_owned(), key: name.to_owned(), begin: Some(body.begin), whole };
    DraftTemplate { template, subject, preheader, body }
}

/// Reads the lines of a head: the subject and the preheader; attachments go into the template.
fn read_head(
    r: &mut Reader,
    lines: &[Piece<'_>],
    template: &mut Template,
    at: &impl Fn(Piece<'_>) -> Found<()>,
) -> (Option<Script>, Option<Script>) {
    let (mut subject, mut preheader) = (None, None);
    let mut seen: Vec<&str> = Vec::new();
    for line in lines.iter().filter(|line| !line.text.trim().is_empty() && !line.text.trim().starts_with('#')) {
        let Some((key, value)) = split_line(*line) else {
            tell(r, codes::FRONT_MATTER, &at(trimmed(*line)), "this is no `key: value`", "write subject: \"…\"");
            continue;
        };
        if !HEAD_KEYS.contains(&key.text) {
            let message = format!("unknown key `{}` in the head", cut(key.text));
            tell(r, codes::FRONT_MATTER, &at(key), message, &did_you_mean(key.text, &HEAD_KEYS, "keys"));
            continue;
        }
        if seen.contains(&key.text) {
            tell(r, codes::FRONT_MATTER, &at(key), format!("`{}` is set twice", key.text), "keep one");
        }
        seen.push(key.text);
        if key.text == "attachments" {
            template.attachments = attachments(r, value, at);
            continue;
        }
        if key.text == "preheader" && template.format == Format::Text {
            let message = "a mail that is text alone has no preheader";
            tell(r, codes::FRONT_MATTER, &at(key), message, "take the line out, or call the file .md");
            continue;
        }
        if let Some(why) = loose(value.text) {
            let hint = "write it between two quotation marks, with \\\" for those within, and nothing behind them";
            tell(r, codes::FRONT_MATTER, &at(value), why, hint);
        }
        let Some((text, begin)) = unquoted(value) else {
            let message = format!("`{}` is empty", key.text);
            tell(r, codes::FRONT_MATTER, &at(value), message, "write it, or take the line out");
            continue;
        };
        let found = at(value);
        let script = Some(Script { text, key: found.key, begin, whole: found.span });
        if key.text == "subject" {
            subject = script;
        } else {
            preheader = script;
        }
    }
    (subject, preheader)
}

/// Why a value can't be taken as it stands: quotation marks that are not around all of it, or text meant to come on the
/// lines below.
fn loose(value: &str) -> Option<&'static str> {
    if matches!(value, ">" | "|" | ">-" | "|-" | ">+" | "|+") {
        return Some("the value stands on the same line as its key");
    }
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let Some(inside) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) else {
        return Some("the quotation marks are not around the whole value");
    };
    // What stands between the braces of a template has quotation marks of its own.
    let (mut rest, mut plain) = (inside, String::new());
    while let Some((before, tag)) = rest.split_once('{') {
        plain.push_str(before);
        rest = tag.split_once("}}").or_else(|| tag.split_once("%}")).map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let plain = plain.replace("\\\\", "").replace(&format!("\\{quote}"), "");
    plain.contains(quote).then_some("there are quotation marks within the quotation marks")
}

fn tell_empty(r: &mut Reader, source: usize, name: &str) {
    let start = Found { value: (), span: Span { source, start: 0, end: 0 }, key: name.to_owned() };
    let message = format!("`{}` has no text", cut(name));
    tell(r, codes::TEMPLATE_SYNTAX, &start, message, "write what the mail says below the head");
}

enum Head<'a> {
    None,
    /// It has no end.
    Open(Piece<'a>),
    Lines(Vec<Piece<'a>>),
}

/// The head of a template and what stands below it.
fn part(text: &str) -> (Head<'_>, Piece<'_>) {
    // Some editors put a mark before everything, which is no letter.
    let mut at = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
    let all = Piece { text: text.get(at..).unwrap_or_default(), begin: at };
    let (mut fence, mut lines) = (None, Vec::new());
    for line in all.text.split_inclusive('\n') {
        let piece = Piece { text: line.trim_end_matches(['\n', '\r']), begin: at };
        at += line.len();
        let is_fence = piece.text.trim_end() == "---";
        match (fence, is_fence) {
            (None, true) => fence = Some(piece),
            (None, false) if piece.text.trim().is_empty() => {}
            (None, false) => return (Head::None, all),
            (Some(_), true) => {
                let body = text.get(at..).unwrap_or_default();
                return (Head::Lines(lines), Piece { text: body, begin: at });
            }
            (Some(_), false) => lines.push(piece),
        }
    }
    (fence.map_or(Head::None, Head::Open), all)
}

fn trimmed(piece: Piece<'_>) -> Piece<'_> {
    let start = piece.text.len() - piece.text.trim_start().len();
    Piece { text: piece.text.trim(), begin: piece.begin + start }
}

/// `key: value` or `key = value`.
fn split_line(line: Piece<'_>) -> Option<(Piece<'_>, Piece<'_>)> {
    let at = line.text.find([':', '='])?;
    let key = trimmed(Piece { text: line.text.get(..at)?, begin: line.begin });
    let value = trimmed(Piece { text: line.text.get(at + 1..)?, begin: line.begin + at + 1 });
    (!key.text.is_empty() && !key.text.contains(char::is_whitespace)).then_some((key, value))
}

/// A value without its quotation marks, and where it begins if it stands there letter by letter.
fn unquoted(value: Piece<'_>) -> Option<(String, Option<usize>)> {
    for quote in ['"', '\''] {
        if let Some(inside) = value.text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            let plain = inside.trim();
            if plain.is_empty() {
                return None;
            }
            if quote == '"' && plain.contains('\\') {
                return Some((plain.replace("\\\"", "\"").replace("\\\\", "\\"), None));
            }
            let lead = inside.len() - inside.trim_start().len();
            return Some((plain.to_owned(), Some(value.begin + 1 + lead)));
        }
    }
    (!value.text.is_empty()).then(|| (value.text.to_owned(), Some(value.begin)))
}

/// `[a.pdf, b.pdf]`, or one name.
fn attachments(r: &mut Reader, value: Piece<'_>, at: &impl Fn(Piece<'_>) -> Found<()>) -> Vec<TemplateFile> {
    let inside = value.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value.text);
    let names = inside.split(',').map(|name| name.trim().trim_matches(['"', '\''])).filter(|name| !name.is_empty());
    let mut files = Vec::new();
    let mut left = ATTACHMENTS_MAX;
    for name in names {
        let begin = value.begin + value.text.find(name).unwrap_or(0);
        let place = at(Piece { text: name, begin });
        let path = r.path(name);
        let size =
            std::fs::metadata(&path).ok().filter(|meta| meta.is_file() && is_inside(name)).map(|meta| meta.len());
        let Some(size) = size else {
            tell(
                r,
                codes::NO_TEMPLATE,
                &place,
                format!("there is no file `{}`", cut(name)),
                "it lies beside sequence.toml",
            );
            continue;
        };
        if size > left {
            let message = format!("the files of a mail have more than {ATTACHMENTS_MAX} octets");
            tell(r, codes::TOO_MUCH, &place, message, "link to it instead");
            continue;
        }
        left -= size;
        match std::fs::read(&path) {
            Ok(octets) => files.push(TemplateFile {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                content_type: content_type(name).to_owned(),
                content: base64::engine::general_purpose::STANDARD.encode(octets),
            }),
            Err(error) => tell(r, codes::NO_TEMPLATE, &place, format!("`{}` can't be read: {error}", cut(name)), ""),
        }
    }
    files
}

fn content_type(name: &str) -> &'static str {
    let extension = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "zip" => "application/zip",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        _ => "application/octet-stream",
    }
}

/// Reads `{ subject = "…", preheader = "…", text = "…" }`; the text is Markdown.
pub(super) fn read_inline(
    r: &mut Reader,
    draft: &mut Draft,
    name: String,
    (table, path): (&Table, &str),
) -> Option<Named> {
    let mut s = Section::new(table, path);
    let mut text = |r: &mut Reader, key: &'static str| {
        let node = s.node(key)?;
        text_of(r, &node)?;
        script(r, &node)
    };
    let subject = text(r, "subject");
    let preheader = text(r, "preheader");
    let body = text(r, "text");
    s.require(r, "text", "write text = \"…\": what the mail says");
    s.finish(r);
    let body = body?;
    let template = Template {
        format: Format::Markdown,
        subject: subject.as_ref().map(|script| script.text.clone()),
        preheader: preheader.as_ref().map(|script| script.text.clone()),
        attachments: Vec::new(),
        body: body.text.clone(),
    };
    draft.templates.insert(name.clone(), DraftTemplate { template, subject, preheader, body });
    Some(Named(name))
}
