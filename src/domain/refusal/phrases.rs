//! The phrases by which answers are known, in seven languages. Tables only; no decisions.

pub(super) mod context;
mod decline;
mod opt_out;

use super::pattern::{Book, Sense};

/// Every phrase, ready for use.
pub(super) fn all() -> Book {
    let tables = [
        (Sense::Idle, context::IDLE),
        (Sense::OptOut, opt_out::OPT_OUT),
        (Sense::Mention, opt_out::MENTION),
        (Sense::Whence, opt_out::WHENCE),
        (Sense::Away, opt_out::AWAY),
        (Sense::Refusal, decline::REFUSAL),
        (Sense::Willing, decline::WILLING),
        (Sense::WholeOptOut, opt_out::WHOLE_OPT_OUT),
        (Sense::WholeRefusal, decline::WHOLE_REFUSAL),
    ];
    let mut book = Book::default();
    for (sense, table) in tables {
        for (language, lines) in table {
            for line in lines.lines().filter(|l| !l.trim().is_empty()) {
                book.add(sense, *language, line);
            }
        }
    }
    book
}
