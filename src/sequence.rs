//! Sequences: from the TOML and the templates people write to a published definition, everything that is said of them before
//! anything is sent, and the cadence that looks at runs whose time has come.
//!
//! Nothing is sent here: what is due is planned, rendered and put into the outbox. What ends a run or holds it is the hub's.

pub mod cadence;
pub mod codes;
pub mod diff;
pub mod files;
pub mod first;
mod lint;
pub mod load;
pub mod migrate;
pub mod moves;
pub mod preview;
pub mod publish;
pub mod rename;
pub mod simulate;
pub mod standing;
pub mod touched;

pub use cadence::Cadence;
pub use codes::{CODES, Code};
pub use diff::{Change, Next, diff, plan_migration};
pub use files::{Files, FilesError, Folder, check_files};
pub use load::{Known, Live, Loaded, load, load_one};
pub use migrate::{Migrated, Planned, To, migrate};
pub use moves::{Apply, Becomes, Moves, migrate_all};
pub use publish::{Absent, Published, Trust, absent, publish, remove};
pub use rename::{OldFolder, RenameError, rename};
pub use simulate::{Report, Tested, csv as csv_of};
pub use standing::Standing;
pub use touched::{Difference, compare};
