//! Words by which automatic answers are known, in several languages. All lower case; no decisions.

/// How the subject of an absence note begins.
const AWAY_SUBJECTS: &[&str] = &[
    "out of office",
    "out of the office",
    "out-of-office",
    "ooo:",
    "ooo ",
    "away from",
    "away until",
    "i am away",
    "i'm away",
    "on vacation:",
    "on holiday:",
    "on leave:",
    "on annual leave",
    "on parental leave",
    "on maternity leave",
    "vacation reply",
    "vacation response",
    "vacation:",
    "holiday reply",
    "abwesenheit",
    "abwesend",
    "ich bin im urlaub",
    "nicht im büro",
    "nicht im haus",
    "urlaub:",
    "absence du bureau",
    "absent du bureau",
    "absente du bureau",
    "en congé",
    "absence :",
    "absence:",
    "fuera de la oficina",
    "fuera de oficina",
    "ausente",
    "ausencia",
    "de vacaciones",
    "fora do escritório",
    "ausência",
    "de férias",
    "em férias",
    "fuori ufficio",
    "fuori sede",
    "assente",
    "assenza",
    "in ferie",
    "afwezig",
    "niet op kantoor",
    "op vakantie",
    "frånvaro",
    "fravær",
    "poza biurem",
    "nieobecność",
    "poissaolo",
    "absent ",
    "absent:",
    "vacances :",
    "vacances:",
    "congés",
    "vacaciones:",
    "férias:",
    "ferie:",
    "in vacanza",
    "vakantie:",
    "met verlof",
    "fora do país",
    "ausente do escritório",
    "out of the country",
];
/// How the subject of an automatic answer begins.
const AUTOMATIC_SUBJECTS: &[&str] = &[
    "automatic reply",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "auto:",
    "automated reply",
    "automated response",
    "automatische antwort",
    "automatische rückantwort",
    "autom. antwort",
    "réponse automatique",
    "respuesta automática",
    "respuesta automatica",
    "resposta automática",
    "resposta automatica",
    "risposta automatica",
    "automatisch antwoord",
    "automatisch bericht",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "automaattinen vastaus",
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "автоответ",
    "автоматический ответ",
    "otomatik yanıt",
    "automatická odpověď",
];
/// What may follow an absence phrase at the start of a subject: not another word of a person's own subject.
const SUBJECT_ENDS: &[char] = &[':', ' ', '-', '–', '—', '!', '.', '(', ',', '['];

/// What an absence note says.
const AWAY_TEXTS: &[&str] = &[
    "out of the office",
    "out of office",
    "away from the office",
    "currently away",
    "am away until",
    "am away from",
    "i am on vacation",
    "i'm on vacation",
    "on annual leave",
    "currently on leave",
    "on maternity leave",
    "on parental leave",
    "on holiday until",
    "on holidays until",
    "i am on holiday",
    "limited access to email",
    "limited access to my email",
    "nicht im büro",
    "nicht im haus",
    "bin im urlaub",
    "im urlaub",
    "außer haus",
    "nicht erreichbar",
    "abwesend",
    "elternzeit",
    "absent du bureau",
    "absente du bureau",
    "absent jusqu",
    "absente jusqu",
    "en congé",
    "en vacances",
    "fuera de la oficina",
    "de vacaciones",
    "estaré ausente",
    "estoy ausente",
    "fora do escritório",
    "de férias",
    "em férias",
    "estou ausente",
    "fuori ufficio",
    "in ferie",
    "sono assente",
    "sarò assente",
    "afwezig",
    "niet op kantoor",
    "op vakantie",
    "met vakantie",
    "met verlof",
    "am away until",
    "i am away",
    "i will be away",
    "i'm away",
    "we are away",
    "on leave until",
    "i am on leave",
    "i'm on leave",
    "on vacation until",
    "on sabbatical",
    "on paternity leave",
    "travelling until",
    "traveling until",
    "wieder erreichbar",
    "wieder im büro",
    "betriebsferien",
    "mutterschutz",
    "auf dienstreise",
    "bin verreist",
    "krankgeschrieben",
    "suis absent",
    "serai absent",
    "sommes absents",
    "congés",
    "en déplacement",
    "estaré fuera",
    "estoy fuera",
    "de permiso",
    "baja por maternidad",
    "baja maternal",
    "baja médica",
    "de viaje",
    "estarei ausente",
    "de licença",
    "estou fora",
    "em viagem",
    "fora do país",
    "in congedo",
    "in maternità",
    "fuori sede",
    "sarò fuori",
    "sono in viaggio",
    "in vacanza",
    "zwangerschapsverlof",
    "ouderschapsverlof",
    "niet aanwezig",
    "ben vrij",
    "buiten kantoor",
];
/// What the answer of a dead address says.
const GONE_TEXTS: &[&str] = &[
    "no longer with us",
    "no longer with the company",
    "no longer with our company",
    "no longer works here",
    "no longer works for",
    "no longer works at",
    "no longer working for",
    "no longer working at",
    "no longer work for",
    "no longer work at",
    "no longer employed",
    "has left the company",
    "have left the company",
    "left our company",
    "has left the organi",
    "is no longer with",
    "i am no longer at",
    "am no longer with",
    "no longer in use",
    "no longer monitored",
    "no longer being monitored",
    "no longer active",
    "address is no longer valid",
    "nicht mehr bei uns",
    "nicht mehr im unternehmen",
    "arbeite nicht mehr",
    "arbeitet nicht mehr",
    "nicht mehr für uns tätig",
    "wird nicht mehr verwendet",
    "wird nicht mehr gelesen",
    "unternehmen verlassen",
    "ne travaille plus",
    "ne fait plus partie",
    "a quitté la société",
    "a quitté l'entreprise",
    "n'est plus utilisée",
    "plus en service",
    "ya no trabaja",
    "ya no forma parte",
    "ya no está en la empresa",
    "não trabalha mais",
    "já não trabalha",
    "não faz mais parte",
    "non lavora più",
    "non fa più parte",
    "non è più attivo",
    "ha lasciato l'azienda",
    "werkt niet meer",
    "niet meer werkzaam",
    "niet langer in gebruik",
    "wordt niet meer gebruikt",
    "have moved on from",
    "has moved on from",
    "i've moved on from",
    "no longer part of",
    "i have left",
    "i've left",
    "left the company",
    "left the agency",
    "left the organi",
    "stepped down from",
    "has retired",
    "i have retired",
    "mailbox is closed",
    "mailbox has been closed",
    "account is closed",
    "no longer exists",
    "no longer in service",
    "nicht mehr tätig",
    "nicht mehr bei der",
    "nicht mehr für die",
    "nicht mehr beschäftigt",
    "ausgeschieden",
    "existiert nicht mehr",
    "nicht mehr gültig",
    "wird nicht mehr genutzt",
    "postfach ist geschlossen",
    "j'ai quitté",
    "a quitté l'agence",
    "a quitté notre",
    "a quitté ses fonctions",
    "ne fais plus partie",
    "n'est plus en poste",
    "plus consultée",
    "plus relevée",
    "plus active",
    "plus valable",
    "plus parmi nous",
    "plus au sein de",
    "he dejado la empresa",
    "ha dejado la empresa",
    "dejó la empresa",
    "he dejado la agencia",
    "ha dejado la agencia",
    "ya no se revisa",
    "ya no trabajo",
    "ya no está con nosotros",
    "ya no está activ",
    "ya no pertenece",
    "ya no se utiliza",
    "ya no es válid",
    "ya no existe",
    "ya no formo parte",
    "deixei a empresa",
    "deixou a empresa",
    "deixei a agência",
    "deixou a agência",
    "saiu da empresa",
    "saí da empresa",
    "não é mais lido",
    "não é mais utilizado",
    "não trabalho mais",
    "já não trabalho",
    "já não faz parte",
    "já não está na",
    "não está mais na",
    "não está mais conosco",
    "desligou-se",
    "deixou de trabalhar",
    "não existe mais",
    "não está mais ativ",
    "ho lasciato l'",
    "ho lasciato la",
    "ha lasciato la",
    "ha lasciato l'",
    "non è più attiv",
    "non lavoro più",
    "non è più in azienda",
    "non è più con noi",
    "non collabora più",
    "più utilizzat",
    "non esiste più",
    "non faccio più parte",
    "niet langer werkzaam",
    "werk niet meer",
    "in dienst meer",
    "niet meer in dienst",
    "niet langer in dienst",
    "uit dienst",
    "niet meer actief",
    "niet langer actief",
    "niet meer bij ons",
    "bedrijf verlaten",
    "niet meer gelezen",
    "bestaat niet meer",
];
/// What shows that the writer comes back, whatever else is said.
const BACK_TEXTS: &[&str] = &[
    "i will be back",
    "i'll be back",
    "will return on",
    "until my return",
    "on my return",
    "ich bin zurück",
    "wieder erreichbar",
    "de retour le",
    "regreso el",
    "back in the office",
    "will be back",
    "i am back",
    "i return on",
    "wieder im büro",
    "wieder da",
    "zurück am",
    "serai de retour",
    "je reviens",
    "vuelvo el",
    "volveré",
    "regresaré",
    "reincorpor",
    "volto a",
    "volto n",
    "voltarei",
    "regresso a",
    "retorno em",
    "rientro il",
    "rientrerò",
    "tornerò",
    "weer terug",
    "terug op",
    "weer aanwezig",
    "weer bereikbaar",
];

/// Whether a subject (lower case, blobs removed) begins as an absence note does.
pub(super) fn begins_away(subject: &str) -> bool {
    let subject = after_automatic(subject).unwrap_or(subject);
    AWAY_SUBJECTS.iter().any(|p| subject.strip_prefix(p).is_some_and(|rest| p.ends_with(':') || ends_phrase(rest)))
}

/// "Out of office: box" and "Out of office until May" are notes; "Out of office party" is a person's subject.
fn ends_phrase(rest: &str) -> bool {
    let Some(first) = rest.chars().next() else { return true };
    let word = rest.trim_start_matches(SUBJECT_ENDS).split_whitespace().next().unwrap_or_default();
    let goes_on = [
        "re:",
        "until",
        "till",
        "from",
        "bis",
        "vom",
        "reply",
        "notification",
        "message",
        "jusqu'au",
        "du",
        "hasta",
        "até",
        "fino",
        "tot",
        "auto",
        "notiz",
        "response",
        "and",
        "on",
    ];
    let absent = first.is_alphanumeric()
        && (rest.starts_with("snotiz")
            || rest.starts_with("sassistent")
            || rest.starts_with("smeldung")
            || rest.starts_with("sheid"));
    absent
        || matches!(first, ':' | '-' | '–' | '—' | '!' | '.' | '(' | ',' | '[')
        || (first == ' '
            && (goes_on.contains(&word)
                || word.starts_with(|c: char| c.is_ascii_digit())
                || rest.trim_start().starts_with([':', '-', '–', '('])))
}

/// What follows the mark of an automatic answer.
fn after_automatic(subject: &str) -> Option<&str> {
    let rest = AUTOMATIC_SUBJECTS.iter().find_map(|p| subject.strip_prefix(p))?;
    Some(rest.trim_start_matches([':', ' ', '\u{a0}']))
}

/// Whether a subject (lower case, blobs removed) begins as automatic answers do.
pub(super) fn begins_automatic(subject: &str) -> bool {
    AUTOMATIC_SUBJECTS.iter().any(|p| {
        subject.strip_prefix(p).is_some_and(|rest| {
            p.ends_with(':')
                || rest.is_empty()
                || rest.trim_start().starts_with([':', '-', '–', '('])
                || rest.starts_with(" from")
                || rest.starts_with(" to ")
        })
    })
}

/// Whether a text (lower case, white space folded) says that its writer is away.
pub(super) fn says_away(text: &str) -> bool {
    AWAY_TEXTS.iter().any(|p| text.contains(p))
}

/// Whether a text says that the person or the address is gone for good.
pub(super) fn says_gone(text: &str) -> bool {
    // German puts other words between the place and the verb
    ["unternehmen", "firma", "agentur"].iter().any(|p| left_after(text, p))
        || GONE_TEXTS.iter().any(|p| text.contains(p))
}

/// "die Agentur zum 31.01. verlassen": within a few words.
fn left_after(text: &str, place: &str) -> bool {
    let mut rest = text.split(place).skip(1).take(20);
    rest.any(|after| {
        after.split_whitespace().take(5).any(|word| word.trim_matches(|c: char| !c.is_alphabetic()) == "verlassen")
    })
}

/// Whether a text says that its writer comes back.
pub(super) fn says_back(text: &str) -> bool {
    BACK_TEXTS.iter().any(|p| text.contains(p))
}

/// Whether nobody reads mail to this address (lower case).
pub(super) fn is_no_reply(address: &str) -> bool {
    let local: String =
        address.split('@').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
    ["noreply", "donotreply", "dontreply", "nepasrepondre", "nichtantworten", "noresponder", "mailerdaemon"]
        .iter()
        .any(|p| local.contains(p))
}
