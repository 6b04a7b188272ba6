//! The marks by which mail programs show where a quote or a signature begins. Words of many languages, no decisions.

/// The longest attribution, in characters; longer text is prose.
const ATTRIBUTION_MAX: usize = 400;
/// The most lines an attribution is broken into.
const ATTRIBUTION_LINES_MAX: usize = 4;

/// Words with which an attribution begins.
const LEADS: &[&str] = &[
    "on", "am", "le", "el", "il", "op", "em", "w", "dnia", "den", "de", "på", "в", "in", "a", "pe", "dne", "la", "ben",
    "τις", "στις", "den.", "kl.", "vào", "pada",
];
/// The beginnings of weekday names.
const WEEKDAYS: &[&str] = &[
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "die", "mit", "don", "fre", "sam", "son", "lun", "mar", "mer",
    "jeu", "ven", "dim", "mié", "mie", "jue", "vie", "sáb", "sab", "dom", "gio", "mer", "ter", "qua", "qui", "sex",
    "seg", "maa", "din", "woe", "vri", "zat", "zon", "pon", "wto", "wt", "śro", "śr", "czw", "pią", "pt", "sob", "nie",
    "niedz", "tir", "ons", "tor", "fre", "lør", "lör", "søn", "sön", "man", "mån", "tis", "ti", "ke", "to", "la", "su",
    "ma", "пн", "вт", "ср", "чт", "пт", "сб", "вс", "do", "di", "mi", "fr", "sa", "so", "mo",
];
/// "wrote" and its kin.
const WROTE: &[&str] = &[
    "wrote",
    "writes",
    "schrieb",
    "schreef",
    "a écrit",
    "écrit",
    "escribió",
    "escribio",
    "escreveu",
    "ha scritto",
    "scrisse",
    "napisał",
    "napisała",
    "napisał(a)",
    "skrev",
    "kirjoitti",
    "írta",
    "написал",
    "написала",
    "написал(а)",
    "пишет",
    "писал",
    "пише",
    "a scris",
    "napsal",
    "napsal(a)",
    "napísal",
    "napísal(a)",
    "yazdı",
    "έγραψε",
    "写道",
    "viết",
    "menulis",
    "je napisao",
    "пиша",
    "написа",
    "va escriure",
    "idatzi du",
    "parašė",
];

/// An attribution found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribution {
    /// How many lines it takes.
    pub(super) lines: usize,
    /// Whether it can be nothing else, so that even unmarked text below it is a quote.
    pub(super) sure: bool,
}

/// Whether the lines at `at` are an attribution, such as "On Monday, Ana <ana@example.org> wrote:".
pub(super) fn attribution(lines: &[&str], at: usize) -> Option<Attribution> {
    let first = lines.get(at)?.trim();
    if !may_begin(first) {
        return None;
    }
    let mut joined = String::new();
    for (count, line) in lines.iter().skip(at).take(ATTRIBUTION_LINES_MAX).enumerate() {
        let line = line.trim();
        let quoted = line.starts_with('>') && line.chars().count() > 3;
        if line.is_empty() || (count > 0 && quoted) || joined.len() + line.len() > ATTRIBUTION_MAX * 4 {
            return None;
        }
        if !joined.is_empty() && !joined.ends_with('<') {
            joined.push(' ');
        }
        joined.push_str(line);
        if joined.chars().count() > ATTRIBUTION_MAX {
            return None;
        }
        if may_end(line)
            && let Some(sure) = judge_attribution(&joined)
        {
            return Some(Attribution { lines: count + 1, sure });
        }
        // "Ana wrote:" right above a quoted line needs neither date nor address.
        let quote_follows = lines.get(at + count + 1).is_some_and(|next| next.trim_start().starts_with('>'));
        if quote_follows && ends_with_wrote(&joined) {
            return Some(Attribution { lines: count + 1, sure: true });
        }
    }
    None
}

/// A cheap look at a line before anything is joined: an attribution begins with a lead, a date, a dash or a name with address.
fn may_begin(line: &str) -> bool {
    if line.len() > ATTRIBUTION_MAX * 4 || line.starts_with('>') {
        return false;
    }
    let first = line.split_whitespace().next().unwrap_or_default();
    let line_has_address = line.contains('@') || line.contains('<');
    first.starts_with(|c: char| c.is_ascii_digit())
        || begins_like_date(first)
        || first.starts_with("--")
        || line_has_address
}

/// A cheap look at a line that could end an attribution, so that prose is not looked at closely.
fn may_end(line: &str) -> bool {
    let end = line.trim_end_matches(['*', ' ', '\u{a0}']);
    if end.ends_with([':', '：']) || end.ends_with("--") {
        return true;
    }
    WROTE.iter().any(|v| end.ends_with(v))
}

/// Whether it ends with "wrote:" in any language.
fn ends_with_wrote(joined: &str) -> bool {
    let text = joined.trim_end();
    let body = text.trim_end_matches([':', '：', '*', ' ', '\u{a0}']);
    let lower = body.to_lowercase();
    body.len() < text.len() && WROTE.iter().any(|verb| lower.ends_with(verb))
}

fn begins_like_date(word: &str) -> bool {
    let word = word.trim_matches(|c: char| c == ',' || c == '.' || c == '*').to_lowercase();
    LEADS.contains(&word.as_str()) || WEEKDAYS.iter().any(|d| word.starts_with(d))
}

/// Whether joined lines are an attribution; the answer tells whether it is sure.
fn judge_attribution(joined: &str) -> Option<bool> {
    let text = joined.trim_end();
    // Zoho: ---- On Wed, 24 Feb 2021 14:02:50 +0530 ana@example.org wrote ----
    let (text, dashed) = match text.strip_prefix("--") {
        Some(rest) if text.ends_with("--") => (rest.trim_matches(|c: char| c == '-' || c.is_whitespace()), true),
        Some(_) => return None,
        None => (text, false),
    };
    let body = text.trim_end_matches([':', '：', '*', ' ', '\u{a0}']);
    let colon = dashed || text.get(body.len()..).is_some_and(|end| end.contains([':', '：']));
    let lower = body.to_lowercase();
    let verb = WROTE.iter().any(|v| has_word(&lower, v));
    let verb_last = WROTE.iter().any(|v| lower.ends_with(v));
    let address = has_address(body);
    let (date, exact) = date_signs(body);
    let first = text.split_whitespace().next().unwrap_or_default();
    let leads = begins_like_date(first) || first.starts_with(|c: char| c.is_ascii_digit());
    let ends = colon || (verb_last && address && date && leads);
    if !ends {
        return None;
    }
    // without a verb the address must be the last thing before the colon
    let address_last = body.ends_with(['>', ')']) && address;
    match (verb, address, date) {
        (true, true, true) => Some(true),
        (true, false, true) if leads && verb_last => Some(exact),
        (true, false, true) if leads && exact && !verb_last => Some(false),
        (true, true, false) if leads && verb_last => Some(false),
        (false, true, true) if leads && address_last && exact => Some(true),
        _ => None,
    }
}

/// Whether `word` stands in `text` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).take(20).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Whether something like `x@y` stands in it, in brackets or not.
fn has_address(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | ',' | ';' | '[' | ']')).any(
        |word| {
            word.trim_start_matches("mailto:")
                .split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && domain.len() > 2)
        },
    )
}

/// Whether there is a date or time in it, and whether it is exact: a year or a time of day.
fn date_signs(text: &str) -> (bool, bool) {
    let mut digits = false;
    let mut exact = false;
    let mut run = String::new();
    let mut previous_short = false;
    let mut separator = ' ';
    for c in text.chars().chain([' ']) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        if run.is_empty() {
            previous_short = false;
        } else {
            digits = true;
            let year = run.len() == 4 && (run.starts_with("19") || run.starts_with("20"));
            let time = run.len() == 2 && previous_short && matches!(separator, ':' | '.' | 'h');
            exact |= year || time;
            previous_short = run.len() <= 2;
            run.clear();
            separator = c;
        }
    }
    (digits, exact)
}

/// The line's text if it stands between dashes: "-----Original Message-----".
fn between_dashes(line: &str) -> Option<String> {
    let line = line.trim().trim_matches('*');
    let inner = line.trim_matches(|c: char| matches!(c, '-' | '_' | '=' | '—' | '–') || c.is_whitespace());
    let framed = line.starts_with("--") || line.starts_with("__") || line.starts_with("——") || line.starts_with("==");
    (framed && !inner.is_empty() && inner.len() < 80).then(|| inner.trim_end_matches(':').to_lowercase())
}

/// "-----Original Message-----" in any language.
pub(super) fn original_marker(line: &str) -> bool {
    const MARKS: &[&str] = &[
        "original message",
        "original-nachricht",
        "ursprüngliche nachricht",
        "originalnachricht",
        "message d'origine",
        "message d’origine",
        "message original",
        "message initial",
        "mensaje original",
        "messaggio originale",
        "mensagem original",
        "oorspronkelijk bericht",
        "oorspronkelijk bericht",
        "origineel bericht",
        "oryginalna wiadomość",
        "wiadomość oryginalna",
        "oprindelig besked",
        "oprindelig meddelelse",
        "originalmeddelande",
        "ursprungligt meddelande",
        "opprinnelig melding",
        "alkuperäinen viesti",
        "исходное сообщение",
        "původní zpráva",
        "eredeti üzenet",
        "orijinal mesaj",
        "mesaj original",
        "αρχικό μήνυμα",
        "原始邮件",
        "original appointment",
        "original email",
        "reply message",
        "replied message",
        "antwort",
    ];
    between_dashes(line).is_some_and(|inner| MARKS.contains(&inner.as_str()))
}

/// "---------- Forwarded message ---------" in any language, or Apple's "Begin forwarded message:".
pub(crate) fn forward_marker(line: &str) -> bool {
    const MARKS: &[&str] = &[
        "forwarded message",
        "forwarded by",
        "weitergeleitete nachricht",
        "message transféré",
        "message transmis",
        "mensaje reenviado",
        "messaggio inoltrato",
        "mensagem encaminhada",
        "mensagem reencaminhada",
        "doorgestuurd bericht",
        "wiadomość przekazana",
        "przekazana wiadomość",
        "videresendt besked",
        "videresendt meddelelse",
        "vidarebefordrat meddelande",
        "videresendt melding",
        "välitetty viesti",
        "пересылаемое сообщение",
        "forwarded mail",
        "forwarded email",
        "iletilen mesaj",
    ];
    const BARE: &[&str] = &[
        "begin forwarded message:",
        "anfang der weitergeleiteten nachricht:",
        "début du message transféré :",
        "début du message réexpédié :",
        "inicio del mensaje reenviado:",
        "inizio messaggio inoltrato:",
        "início da mensagem encaminhada:",
        "begin doorgestuurd bericht:",
        "start på vidarebefordrat meddelande:",
    ];
    let trimmed = line.trim();
    if trimmed.len() > 160 {
        return false;
    }
    let framed = between_dashes(line).is_some_and(|inner| MARKS.iter().any(|m| inner.starts_with(m)));
    framed || BARE.contains(&trimmed.to_lowercase().as_str())
}

/// A line of dashes, underscores or equals signs only.
pub(super) fn rule_line(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3 && line.chars().all(|c| matches!(c, '-' | '_' | '=' | '—' | '*'))
}

/// What a copied header line is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    From,
    Date,
    To,
    Subject,
    Other,
}

/// Names of headers as mail programs translate them, lower case.
const HEADER_NAMES: &[(&str, Header)] = &[
    ("from", Header::From),
    ("de", Header::From),
    ("von", Header::From),
    ("van", Header::From),
    ("da", Header::From),
    ("od", Header::From),
    ("fra", Header::From),
    ("från", Header::From),
    ("lähettäjä", Header::From),
    ("от", Header::From),
    ("от кого", Header::From),
    ("kimden", Header::From),
    ("gönderen", Header::From),
    ("feladó", Header::From),
    ("από", Header::From),
    ("发件人", Header::From),
    ("寄件者", Header::From),
    ("差出人", Header::From),
    ("expéditeur", Header::From),
    ("remitente", Header::From),
    ("von:", Header::From),
    ("afsender", Header::From),
    ("sent", Header::Date),
    ("date", Header::Date),
    ("gesendet", Header::Date),
    ("datum", Header::Date),
    ("envoyé", Header::Date),
    ("envoyé le", Header::Date),
    ("message du", Header::Date),
    ("enviado", Header::Date),
    ("enviado el", Header::Date),
    ("enviada em", Header::Date),
    ("enviado em", Header::Date),
    ("enviada", Header::Date),
    ("data", Header::Date),
    ("fecha", Header::Date),
    ("inviato", Header::Date),
    ("verzonden", Header::Date),
    ("wysłano", Header::Date),
    ("sendt", Header::Date),
    ("skickat", Header::Date),
    ("dato", Header::Date),
    ("lähetetty", Header::Date),
    ("päivämäärä", Header::Date),
    ("дата", Header::Date),
    ("отправлено", Header::Date),
    ("tarih", Header::Date),
    ("gönderildi", Header::Date),
    ("elküldve", Header::Date),
    ("发送时间", Header::Date),
    ("日期", Header::Date),
    ("送信日時", Header::Date),
    ("odesláno", Header::Date),
    ("to", Header::To),
    ("an", Header::To),
    ("à", Header::To),
    ("a", Header::To),
    ("para", Header::To),
    ("aan", Header::To),
    ("do", Header::To),
    ("til", Header::To),
    ("till", Header::To),
    ("vastaanottaja", Header::To),
    ("кому", Header::To),
    ("kime", Header::To),
    ("címzett", Header::To),
    ("收件人", Header::To),
    ("宛先", Header::To),
    ("komu", Header::To),
    ("destinataire", Header::To),
    ("subject", Header::Subject),
    ("betreff", Header::Subject),
    ("objet", Header::Subject),
    ("sujet", Header::Subject),
    ("asunto", Header::Subject),
    ("assunto", Header::Subject),
    ("oggetto", Header::Subject),
    ("onderwerp", Header::Subject),
    ("temat", Header::Subject),
    ("emne", Header::Subject),
    ("ämne", Header::Subject),
    ("aihe", Header::Subject),
    ("тема", Header::Subject),
    ("konu", Header::Subject),
    ("tárgy", Header::Subject),
    ("主题", Header::Subject),
    ("件名", Header::Subject),
    ("předmět", Header::Subject),
    ("θέμα", Header::Subject),
    ("cc", Header::Other),
    ("kopie", Header::Other),
    ("copie à", Header::Other),
    ("copie", Header::Other),
    ("reply-to", Header::Other),
    ("importance", Header::Other),
    ("kopia", Header::Other),
    ("bcc", Header::Other),
    ("antwort an", Header::Other),
    ("抄送", Header::Other),
];

fn header_kind(line: &str) -> Option<Header> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || c == '*' || c == '_' || c == '|');
    let colon = line.char_indices().take(20).find(|(_, c)| matches!(c, ':' | '：')).map(|(at, _)| at)?;
    let name = line.get(..colon)?.trim_end_matches(|c: char| c.is_whitespace() || c == '*' || c == '_').to_lowercase();
    HEADER_NAMES.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind)
}

/// Whether the headers of another mail are copied at `at`, as Outlook does. Below a rule two of them are enough.
pub(super) fn header_block(lines: &[&str], at: usize, below_rule: bool) -> bool {
    let mut seen: Vec<Header> = Vec::new();
    let mut folded = 0;
    for (count, line) in lines.iter().skip(at).take(10).enumerate() {
        if line.trim().is_empty() {
            break;
        }
        match header_kind(line) {
            Some(kind) => {
                if !seen.contains(&kind) {
                    seen.push(kind);
                }
                folded = 0;
            }
            // an address list or a long subject goes on
            None if count > 0 && folded < 2 => folded += 1,
            None => break,
        }
    }
    let has = |kind: Header| seen.contains(&kind);
    let named = seen.iter().filter(|k| **k != Header::Other).count();
    has(Header::From) && (has(Header::Date) || has(Header::Subject)) && named >= if below_rule { 2 } else { 3 }
}

/// What telephones and programs add: "Sent from my iPhone".
pub(super) fn is_phone_line(line: &str) -> bool {
    const BEGINS: &[&str] = &[
        "sent from ",
        "sent via ",
        "sent using ",
        "sent with ",
        "get outlook for ",
        "gesendet von ",
        "gesendet mit ",
        "von meinem ",
        "envoyé de ",
        "envoyé depuis ",
        "envoyé à partir ",
        "enviado desde ",
        "enviado do ",
        "enviado a partir ",
        "enviado de ",
        "enviado via ",
        "inviato da ",
        "inviata da ",
        "verzonden vanaf ",
        "verstuurd vanaf ",
        "wysłane z ",
        "skickat från ",
        "sendt fra ",
        "lähetetty ",
        "отправлено с ",
        "отправлено из ",
        "odoslané z ",
        "odesláno z ",
        "发自我的",
        "发自 ",
        "iphoneから送信",
        "küldve ",
        "iphone'umdan gönderildi",
        "obter o outlook",
        "télécharger outlook",
        "holen sie sich outlook",
        "obtener outlook",
        "ottieni outlook",
        "download outlook",
        "yahoo mail",
        "trimis de pe ",
    ];
    if line.len() > 200 {
        return false;
    }
    let lower = line.trim_matches(|c: char| c == '*' || c == '_').to_lowercase();
    let begins = BEGINS.iter().any(|b| lower.starts_with(b));
    let german = !lower.starts_with("von meinem ") || lower.contains("gesendet");
    // where the program links itself, only what is before the link is looked at
    let words = lower.split(['<', '(']).next().unwrap_or_default().trim();
    let sentence = words.contains(", ")
        || words.contains(". ")
        || words.split_whitespace().count() > 9
        || (words.ends_with(['.', '!', '?', ':', ',']) && words.split_whitespace().count() > 6);
    begins && german && !sentence
}

/// "Regards," and its kin, alone on a line.
pub(super) fn is_closing(line: &str) -> bool {
    const CLOSINGS: &[&str] = &[
        "regards",
        "best regards",
        "kind regards",
        "warm regards",
        "warmest regards",
        "kindest regards",
        "many regards",
        "with regards",
        "with kind regards",
        "with best regards",
        "best wishes",
        "all the best",
        "yours sincerely",
        "yours faithfully",
        "mit freundlichen grüßen",
        "mit freundlichen grüssen",
        "mit freundlichem gruß",
        "freundliche grüße",
        "viele grüße",
        "beste grüße",
        "liebe grüße",
        "herzliche grüße",
        "mfg",
        "lg",
        "vg",
        "schöne grüße",
        "cordialement",
        "bien cordialement",
        "bien à vous",
        "salutations",
        "meilleures salutations",
        "saludos",
        "un saludo",
        "saludos cordiales",
        "un cordial saludo",
        "atentamente",
        "cordiali saluti",
        "distinti saluti",
        "atenciosamente",
        "cumprimentos",
        "melhores cumprimentos",
        "met vriendelijke groet",
        "met vriendelijke groeten",
        "vriendelijke groeten",
        "vriendelijke groet",
        "pozdrawiam",
        "z poważaniem",
        "med vänlig hälsning",
        "vänliga hälsningar",
        "med venlig hilsen",
        "venlig hilsen",
        "med vennlig hilsen",
        "vennlig hilsen",
        "ystävällisin terveisin",
        "с уважением",
    ];
    if line.len() > 80 {
        return false;
    }
    let lower = line.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace()).to_lowercase();
    CLOSINGS.contains(&lower.as_str())
}
