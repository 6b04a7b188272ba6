//! One change of the store by a command: in a transaction of its own, and done again where another change overtook it, for then
//! nothing of it was written. What a command reads from people is read before, and what it tells is told after.

use super::desk::Desk;
use crate::hub::enqueue::EnqueueError;
use crate::hub::import::ImportError;
use crate::hub::outreach::enroll::EnrollError;
use crate::hub::outreach::steer::SteerError;
use crate::hub::people::PeopleError;
use crate::hub::settle::SettleError;
use crate::hub::task::TaskError;
use crate::hub::token::TokenError;
use crate::hub::unmatched::MatchError;
use crate::sequence::RenameError;
use crate::store::again::{change, is_overtaken};
use crate::store::{StoreError, Tx};

impl Desk {
    /// Does a change and commits it. `work` may be done several times: it does nothing but to read and write there.
    ///
    /// # Errors
    /// Those of `work`; that of the last try, where others came first each time.
    pub(super) async fn change<T>(
        &self,
        name: &'static str,
        work: impl AsyncFnMut(&mut Tx) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        change(&self.store, name, |error: &anyhow::Error| of_store(error).is_some_and(is_overtaken), work).await
    }
}

macro_rules! in_one_of {
    ($cause:expr, $($error:ident),*) => {
        $(if let Some($error::Store(store)) = $cause.downcast_ref() {
            return Some(store);
        })*
    };
}

/// What the store said, where that is the cause of an error: rooms pass it on as an error of their own.
pub(super) fn of_store(error: &anyhow::Error) -> Option<&StoreError> {
    for cause in error.chain() {
        if let Some(store) = cause.downcast_ref::<StoreError>() {
            return Some(store);
        }
        if let Some(ImportError::Store { source, .. }) = cause.downcast_ref() {
            return Some(source);
        }
        if let Some(MatchError::People(PeopleError::Store(store))) = cause.downcast_ref() {
            return Some(store);
        }
        in_one_of!(
            cause,
            PeopleError,
            SteerError,
            SettleError,
            MatchError,
            EnqueueError,
            EnrollError,
            TaskError,
            TokenError,
            RenameError
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_said_is_found_in_the_errors_of_every_room() {
        let store = || StoreError::Commit("gone".to_owned());
        let all: [anyhow::Error; 11] = [
            store().into(),
            PeopleError::from(store()).into(),
            SteerError::from(store()).into(),
            SettleError::from(store()).into(),
            MatchError::from(store()).into(),
            MatchError::People(PeopleError::from(store())).into(),
            EnqueueError::from(store()).into(),
            EnrollError::from(store()).into(),
            TaskError::from(store()).into(),
            TokenError::from(store()).into(),
            RenameError::from(store()).into(),
        ];
        for error in all {
            let error = error.context("in vain");
            assert!(matches!(of_store(&error), Some(StoreError::Commit(why)) if why == "gone"), "{error:#}");
        }
        assert!(of_store(&anyhow::anyhow!("something else")).is_none());
    }
}
