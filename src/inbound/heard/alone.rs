//! One thing that can't be stored must not keep an account from being heard: where a batch can't be stored, each of it is by itself, and
//! what can't be even then is left out, and named in the log.

use super::{Context, IngestError, Taken, is_lasting, is_overtaken, take_once};
use crate::clock::Clock;
use crate::connector::feed::Told;
use crate::domain::words::Word as _;
use crate::store::Store;
use crate::store::again::again;
use crate::telemetry::{metrics, pulse};

/// Stores what can be stored, and then from where to go on.
///
/// # Errors
/// As [`super::take`]; also where none of several could be stored: then it is not about them.
pub(super) async fn take(
    store: &Store,
    clock: &Clock,
    context: &Context,
    (told, cursor): (&[Told], Option<&str>),
) -> Result<Taken, IngestError> {
    let (mut taken, mut left_out) = (Taken::default(), 0_usize);
    for one in told {
        pulse::beat();
        let each = (std::slice::from_ref(one), None);
        let is_worth_another = |error: &IngestError| is_overtaken(error) || is_lasting(error);
        match again(is_worth_another, || take_once(store, clock, context, each)).await {
            Ok(of_one) => taken.add(of_one),
            Err(error) if is_lasting(&error) => {
                left_out += 1;
                if told.len() > 1 && left_out == told.len() {
                    return Err(error);
                }
                tracing::error!(
                    account = %context.account, id = id_of(one), %error,
                    "something a provider told can't be stored, and is left out: look at it there"
                );
            }
            Err(error) => return Err(error),
        }
    }
    // That this is stored shows that the database takes something at all.
    again(is_overtaken, || take_once(store, clock, context, (&[], cursor))).await?;
    metrics::count(&metrics::LEFT_OUT, &[context.channel.as_str(), context.account.as_str()], left_out);
    Ok(taken)
}

/// The provider's id of it; of what has none, what it is called.
fn id_of(told: &Told) -> &str {
    match told {
        Told::Said(said) => &said.id,
        Told::Changed { id, .. } | Told::Deleted { id, .. } | Told::Reacted { id, .. } => id,
        Told::Pressed { message, .. } => message,
        Told::Fares { id, token, .. } => id.as_deref().or(token.as_deref()).unwrap_or_default(),
        Told::Other { sort } => sort,
    }
}
