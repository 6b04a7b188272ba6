//! Doing the same again where another transaction won: nothing was written, so nothing is done twice. A bounded number of
//! times, after a rest that grows and is never the same for two.

use std::time::Duration;

use super::{Store, StoreError, Tx};
use crate::clock;

/// How often one thing is tried before whoever asked for it learns that others came first each time.
pub const TRIES_MAX: u32 = 6;
/// The first rest; each one after is twice as long.
const REST: Duration = Duration::from_millis(8);

/// Whether another transaction won and nothing was written (PostgreSQL 40001 and 40P01, SQLite's busy).
pub fn is_overtaken(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(_))
}

/// Rests before the next try; `false` where that was the last one. `tried` counts from 1.
pub async fn rest_before_next(tried: u32) -> bool {
    if tried >= TRIES_MAX {
        return false;
    }
    tokio::time::sleep(clock::jitter(REST.saturating_mul(1 << tried.min(10)))).await;
    true
}

/// Does one thing, whole transaction by whole transaction, until it is done, fails for another reason, or was tried
/// [`TRIES_MAX`] times.
///
/// # Errors
/// Those of the last try.
pub async fn again<T, E, F>(is_overtaken: impl Fn(&E) -> bool, mut work: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut tried = 0;
    loop {
        tried += 1;
        match work().await {
            Err(error) if is_overtaken(&error) => {
                if !rest_before_next(tried).await {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

/// Does one change in a transaction of its own and commits it: again where another one overtook it, for then nothing of it was
/// written. `work` may be done several times, so it does nothing but to read and write there.
///
/// # Errors
/// Those of the last try.
pub async fn change<T, E: From<StoreError>>(
    store: &Store,
    name: &'static str,
    is_overtaken: impl Fn(&E) -> bool,
    mut work: impl AsyncFnMut(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut tried = 0;
    loop {
        tried += 1;
        match change_once(store, name, &mut work).await {
            Err(error) if is_overtaken(&error) && rest_before_next(tried).await => {}
            done => return done,
        }
    }
}

async fn change_once<T, E: From<StoreError>>(
    store: &Store,
    name: &'static str,
    work: &mut impl AsyncFnMut(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut tx = store.begin(name).await?;
    let value = work(&mut tx).await?;
    tx.commit().await?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_overtaken_is_done_again_a_bounded_number_of_times_and_nothing_else_is() {
        let tries = std::cell::Cell::new(0);
        let work = |won_at: u32| {
            let tries = &tries;
            move || async move {
                tries.set(tries.get() + 1);
                if tries.get() < won_at { Err("overtaken") } else { Ok(tries.get()) }
            }
        };
        assert_eq!(again(|e| *e == "overtaken", work(3)).await, Ok(3));
        tries.set(0);
        assert_eq!(again(|e| *e == "overtaken", work(u32::MAX)).await, Err("overtaken"));
        assert_eq!(tries.get(), TRIES_MAX);
        tries.set(0);
        assert_eq!(again(|e| *e == "something else", work(3)).await, Err("overtaken"));
        assert_eq!(tries.get(), 1);
    }
}
