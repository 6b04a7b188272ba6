//! Folder names: modified UTF-7 (RFC 3501 §5.1.3) to text and back, quoting, and what a folder is for by its name.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::connector::ConnectorError;
use crate::domain::words::FolderRole;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a name from the wire; what is not modified UTF-7 is taken as it is.
pub(super) fn decode_name(wire: &str) -> String {
    try_decode(wire).unwrap_or_else(|| wire.to_owned())
}

fn try_decode(wire: &str) -> Option<String> {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let (run, next) = after.split_once('-')?;
        if run.is_empty() {
            text.push('&');
        } else {
            let octets = BASE64.decode(run).ok()?;
            let (pairs, odd) = octets.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            text.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = next;
    }
    text.push_str(rest);
    Some(text)
}

/// Writes a name for the wire.
pub(super) fn encode_name(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut run: Vec<u8> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            end_run(&mut wire, &mut run);
            wire.push(c);
            if c == '&' {
                wire.push('-');
            }
        } else {
            run.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    end_run(&mut wire, &mut run);
    wire
}

fn end_run(wire: &mut String, run: &mut Vec<u8>) {
    if !run.is_empty() {
        wire.push('&');
        wire.push_str(&BASE64.encode(&run));
        wire.push('-');
        run.clear();
    }
}

/// A quoted string (RFC 3501 §4.3). Octets that can't stand in one are refused.
pub(super) fn quote(text: &str) -> Result<String, ConnectorError> {
    if text.bytes().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        return Err(ConnectorError::Refused("a line end or a zero octet can't be part of an IMAP name".to_owned()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Takes back the quoting that the parser leaves in names, where every backslash is one of quoting.
pub(super) fn unquote(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some(escaped @ ('\\' | '"')) => text.push(escaped),
            _ => return name.to_owned(),
        }
    }
    text
}

/// What a folder is for by its (decoded) name, and how sure that is (0 is best): for servers that do not say.
pub(super) fn role_by_name(name: &str, delimiter: Option<&str>) -> Option<(FolderRole, usize)> {
    let leaf = match delimiter.filter(|d| !d.is_empty()).and_then(|d| name.rsplit_once(d)) {
        Some((parent, leaf)) if is_root(parent) => leaf,
        Some(_) => return None,
        None => name,
    };
    let leaf = leaf.to_lowercase();
    let place = |names: &[&str]| names.iter().position(|known| *known == leaf);
    place(SENT)
        .map(|at| (FolderRole::Sent, at))
        .or_else(|| place(JUNK).map(|at| (FolderRole::Junk, at)))
        .or_else(|| place(ALL).map(|at| (FolderRole::All, at)))
}

fn is_root(parent: &str) -> bool {
    ["inbox", "[gmail]", "[google mail]"].iter().any(|root| parent.eq_ignore_ascii_case(root))
}

/// Lower case; the names mail programs and providers give, the most usual first.
const SENT: &[&str] = &[
    "sent",
    "sent items",
    "sent mail",
    "sent messages",
    "sent-mail",
    "sentmail",
    "sent email",
    "outbox sent",
    "gesendet",
    "gesendete objekte",
    "gesendete elemente",
    "gesendete nachrichten",
    "gesendete e-mails",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "courrier envoyé",
    "objets envoyés",
    "enviados",
    "elementos enviados",
    "correo enviado",
    "mensajes enviados",
    "itens enviados",
    "enviadas",
    "mensagens enviadas",
    "e-mails enviados",
    "enviats",
    "inviati",
    "posta inviata",
    "messaggi inviati",
    "elementi inviati",
    "inviata",
    "verzonden",
    "verzonden items",
    "verzonden berichten",
    "verzonden objecten",
    "skickat",
    "skickade",
    "skickade objekt",
    "sendt",
    "sendte elementer",
    "sendte",
    "sendt post",
    "sendte beskeder",
    "lähetetyt",
    "lähetetyt viestit",
    "lähetetyt kohteet",
    "wysłane",
    "elementy wysłane",
    "odeslané",
    "odeslaná pošta",
    "odoslané",
    "odoslaná pošta",
    "poslano",
    "poslane",
    "elküldött",
    "elküldött elemek",
    "elküldött levelek",
    "trimise",
    "elemente trimise",
    "mesaje trimise",
    "отправленные",
    "відправлені",
    "надіслані",
    "изпратени",
    "изпратени писма",
    "gönderilmiş öğeler",
    "gönderilenler",
    "gönderilmiş",
    "gönderilmiş postalar",
    "απεσταλμένα",
    "σταλμένα",
    "נשלח",
    "דואר יוצא",
    "العناصر المرسلة",
    "المرسلة",
    "送信済み",
    "送信済みメール",
    "送信済みアイテム",
    "送信控え",
    "已发送",
    "已发送邮件",
    "已傳送",
    "寄件備份",
    "已发邮件",
    "보낸편지함",
    "보낸 편지함",
    "보낸 메일함",
    "thư đã gửi",
    "item terkirim",
    "terkirim",
];
const JUNK: &[&str] = &[
    "junk",
    "spam",
    "junk email",
    "junk e-mail",
    "junk mail",
    "bulk mail",
    "bulk",
    "junk-e-mail",
    "spamverdacht",
    "junk-mail",
    "unerwünscht",
    "werbung",
    "courrier indésirable",
    "indésirables",
    "pourriel",
    "correo no deseado",
    "no deseado",
    "correo basura",
    "lixo eletrônico",
    "lixo electrónico",
    "lixo eletrónico",
    "posta indesiderata",
    "indesiderata",
    "ongewenste e-mail",
    "ongewenst",
    "ongewenste reclame",
    "skräppost",
    "søppelpost",
    "uønsket e-mail",
    "uønsket post",
    "roskaposti",
    "wiadomości-śmieci",
    "niechciane",
    "nevyžádaná pošta",
    "nevyžiadaná pošta",
    "levélszemét",
    "спам",
    "нежелательная почта",
    "önemsiz",
    "önemsiz e-posta",
    "gereksiz",
    "ανεπιθύμητη αλληλογραφία",
    "ανεπιθύμητα",
    "דואר זבל",
    "ספאם",
    "البريد غير الهام",
    "迷惑メール",
    "垃圾邮件",
    "垃圾郵件",
    "垃圾箱",
    "스팸",
    "스팸편지함",
    "스팸메일함",
    "정크 메일",
    "thư rác",
];
const ALL: &[&str] = &[
    "all mail",
    "alle nachrichten",
    "tous les messages",
    "todos",
    "todos os e-mails",
    "tutti i messaggi",
    "alle berichten",
    "вся почта",
    "すべてのメール",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_to_the_wire_and_back() {
        let pairs = [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("A&B", "A&-B"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Gesendet 😀", "Gesendet &2D3eAA-"),
            ("Éléments envoyés", "&AMk-l&AOk-ments envoy&AOk-s"),
        ];
        for (name, wire) in pairs {
            assert_eq!(encode_name(name), wire);
            assert_eq!(decode_name(wire), name);
        }
    }

    #[test]
    fn names_that_are_not_utf7_are_taken_as_they_are() {
        for wire in ["R&D", "a &", "&!!-", "&AA-", "&2D0-", "Entwürfe"] {
            assert_eq!(decode_name(wire), wire);
        }
    }

    #[test]
    fn quoting_is_safe_and_goes_back() {
        assert_eq!(quote(r#"a "b" \c"#).unwrap(), r#""a \"b\" \\c""#);
        assert_eq!(unquote(r#"a \"b\" \\c"#), r#"a "b" \c"#);
        assert_eq!(unquote(r"back\slash"), r"back\slash");
        for bad in ["a\r\nA1 LOGOUT", "a\nb", "a\0"] {
            assert!(quote(bad).is_err());
        }
    }

    #[test]
    fn role_comes_from_the_name_in_many_languages() {
        assert_eq!(role_by_name("Sent Items", Some("/")), Some((FolderRole::Sent, 1)));
        for name in ["INBOX.Gesendet", "INBOX.Éléments envoyés", "INBOX.Отправленные", "INBOX.送信済み"]
        {
            assert_eq!(role_by_name(name, Some(".")).map(|r| r.0), Some(FolderRole::Sent), "{name}");
        }
        assert_eq!(role_by_name("[Gmail]/Spam", Some("/")).map(|r| r.0), Some(FolderRole::Junk));
        for name in ["Clients/Sent", "Sentinel", "Drafts", "Trash"] {
            assert_eq!(role_by_name(name, Some("/")), None, "{name}");
        }
    }
}
