//! What may be wrong with a sequence, each kind with a code that never changes its meaning. Pages: `docs/lint/`.

use crate::config::Severity;

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Its code.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
}

macro_rules! codes {
    ($($name:ident = $id:literal, $severity:ident, $title:literal;)+) => {
        $(
            #[doc = $title]
            pub const $name: &Code = &Code { id: $id, severity: Severity::$severity, title: $title };
        )+
        /// Every code, in order.
        pub const CODES: &[&Code] = &[$($name),+];
    };
}

codes! {
    SYNTAX = "L001", Error, "The file is not valid TOML.";
    UNKNOWN_KEY = "L002", Error, "There is no such key.";
    MISSING_KEY = "L003", Error, "A key that must be there is missing.";
    BAD_VALUE = "L004", Error, "A value does not fit its key.";
    KIND = "L005", Error, "A step does not do exactly one thing.";
    STEP_ID = "L006", Error, "The id of a step can't be used.";
    NO_TEMPLATE = "L007", Error, "A template can't be read.";
    TEMPLATE_SYNTAX = "L008", Error, "A template can't be understood.";
    FRONT_MATTER = "L009", Error, "The head of a template is wrong.";
    NO_SUBJECT = "L010", Error, "A first mail has no subject.";
    NOBODY = "L011", Error, "There is no such account or teammate.";
    UNKNOWN_NAME = "L012", Error, "There is no such variable.";
    UNKNOWN_PROPERTY = "L013", Error, "There is no such property.";
    MAY_BE_MISSING = "L014", Error, "What may be missing has no default.";
    SPLIT = "L015", Error, "The shares of variants don't add up.";
    UNKNOWN_STAGE = "L016", Error, "There is no such stage.";
    UNKNOWN_STEP = "L017", Error, "A condition asks about a step that is not above it.";
    CONDITION = "L018", Error, "A condition can't be understood.";
    DELAY = "L019", Error, "That is no length of time.";
    ZONE = "L020", Error, "There is no such time zone.";
    HOURS = "L021", Error, "Days, hours or holidays can't be understood.";
    NEVER_OPENS = "L022", Error, "The window to send never opens.";
    UNREACHABLE = "L023", Error, "A step can never be reached.";
    NO_UNSUBSCRIBE = "L024", Error, "A template has no link to unsubscribe.";
    NO_ADDRESS = "L025", Error, "There is no postal address for the footer.";
    FOLDER = "L026", Error, "The name of a folder can't be an id, or two are one.";
    LIVE_STEP = "L027", Error, "A step is gone in which people still are.";
    TAKEN_NAME = "L028", Error, "A variable has a name that is taken.";
    BAD_LINK = "L029", Error, "A link leads nowhere.";
    TOO_MUCH = "L030", Error, "There is more of something than there may be.";
    VARIABLE = "L031", Error, "A variable says too much or too little.";
    ABSENT = "L032", Warning, "A sequence with live runs has no folder.";
    NO_SITE = "L033", Error, "Mail can't say where to unsubscribe.";
    FAILS = "L034", Error, "A text or a condition fails for some people.";
    NO_SEQUENCE = "L035", Error, "There is no such sequence.";
    TEST = "L036", Error, "A test can't be read, or came out otherwise.";
    ASKS_OPENED = "L050", Warning, "Opens are guesses.";
    MANY_STEPS = "L051", Warning, "There are more than six steps.";
    HASTY = "L052", Warning, "A mail follows another within a working day.";
    ABOVE_ACCOUNT = "L053", Warning, "A limit is above what the accounts may send.";
    DOUBTFUL_LINK = "L054", Warning, "A link is not https, or hides where it leads.";
    FOREIGN_HOST = "L055", Warning, "Tracked links are not on the sender's domain.";
    SHOUTING = "L056", Warning, "The subject shouts.";
    UNUSED_VARIABLE = "L057", Warning, "A variable is not used.";
    UNUSED_TEMPLATE = "L058", Warning, "A template is not used.";
    FEW_SENDS = "L059", Warning, "A variant goes to too few to tell anything.";
    EMPTY_DEFAULT = "L060", Warning, "A default leaves a hole.";
    ELSE_NEVER = "L061", Warning, "An `else` is never taken.";
    SEGMENTS = "L062", Warning, "A text message goes in several parts.";
    NO_ELSE = "L063", Warning, "A text message has no `else`.";
    NO_STOP = "L064", Warning, "The first text message does not say how to end them.";
    NOBODY_HEARS = "L065", Warning, "The team is to be told something, and nobody hears it.";
}
