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
    let mut subject = None;
    let mut preheader = None;
    let at = |piece: Piece<'_>| Found {
        value: (),
        span: Span { source, start: piece.begin, end: piece.begin + piece.text.len() },
        key: name.to_owned(),
    };
    match head {
        Head::None => {}
        Head::Open => {
            let message = "the head of the template does not end";
            tell(r, codes::FRONT_MATTER, &at(Piece { text: "---", begin: 0 }), message, "write --- on a line below it");
        }
        Head::Lines(lines) => {
            let mut seen: Vec<&str> = Vec::new();
            for line in lines.iter().filter(|line| !line.text.trim().is_empty() && !line.text.trim().starts_with('#')) {
                let Some((key, value)) = split_line(*line) else {
                    let trimmed = trimmed(*line);
                    tell(r, codes::FRONT_MATTER, &at(trimmed), "this is no `key: value`", "write subject: \"…\"");
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
                    template.attachments = attachments(r, value, &at);
                    continue;
                }
                let Some((text, begin)) = unquoted(value) else {
                    tell(
                        r,
                        codes::FRONT_MATTER,
                        &at(value),
                        format!("`{}` is empty", key.text),
                        "write it, or take the line out",
                    );
                    continue;
                };
                let whole = at(value).span;
                let script = Script { text: text.clone(), key: name.to_owned(), begin, whole };
                if key.text == "subject" {
                    template.subject = Some(text);
                    subject = Some(script);
                } else {
                    template.preheader = Some(text);
                    preheader = Some(script);
                }
            }
        }
    }
    body.text.clone_into(&mut template.body);
    if body.text.trim().is_empty() {
        tell_empty(r, source, name);
    }
    let whole = Span { source, start: body.begin, end: body.begin + body.text.len() };
    let body = Script { text: body.text.to_owned(), key: name.to_owned(), begin: Some(body.begin), whole };
    DraftTemplate { template, subject, preheader, body }
}

fn tell_empty(r: &mut Reader, source: usize, name: &str) {
    let start = Found { value: (), span: Span { source, start: 0, end: 0 }, key: name.to_owned() };
    let message = format!("`{}` has no text", cut(name));
    tell(r, codes::TEMPLATE_SYNTAX, &start, message, "write what the mail says below the head");
}

enum Head<'a> {
    None,
    Open,
    Lines(Vec<Piece<'a>>),
}

/// The head of a template and what stands below it.
fn part(text: &str) -> (Head<'_>, Piece<'_>) {
    let all = Piece { text, begin: 0 };
    let mut lines = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let piece = Piece { text: line.trim_end_matches(['\n', '\r']), begin: at };
        at += line.len();
        let is_fence = piece.text.trim_end() == "---";
        match (number, is_fence) {
            (0, false) => return (Head::None, all),
            (0, true) => {}
            (_, true) => {
                let body = text.get(at..).unwrap_or_default();
                return (Head::Lines(lines), Piece { text: body, begin: at });
            }
            (_, false) => lines.push(piece),
        }
    }
    if text.is_empty() { (Head::None, all) } else { (Head::Open, all) }
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
