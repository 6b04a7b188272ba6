//! Signing in with OAuth: a person signs in once, and from then on tokens are renewed here, before they end.
//!
//! What is kept is sealed, and stands in the database before it is used. One renewal at a time: within a process by a lock,
//! among processes by a leased row, never with a transaction open while the provider is asked. A renewal that has begun
//! runs to its end, whoever stops waiting for it, for its answer may hold the only token that is still good.

mod keeper;
mod loopback;
mod sign_in;

pub use keeper::Keeper;
pub use loopback::Loopback;
pub use sign_in::{SignInError, SignIns, Wish};

use crate::config::OAuth;
use crate::connector::oauth::Client;
use crate::domain::oauth::Provider;

/// Our registration with a provider, as its token endpoint is to be asked; `None` where there is none.
fn client_of(config: &OAuth, provider: Provider) -> Option<Client> {
    let registration = config.of(provider);
    Some(Client {
        provider,
        id: registration.client_id.clone()?,
        secret: registration.client_secret.as_ref().map(|s| s.value.clone()),
        token_url: registration.token.clone(),
        device_url: registration.device.clone(),
    })
}

/// What a person is to type where nobody is signed in.
fn how_to_sign_in(provider: Provider, account: &str) -> String {
    format!("run `liaison account add {provider} {account}`")
}

/// What the refresh token of an account is sealed for.
fn refresh_of(account: &str) -> String {
    format!("refresh token of account {account}")
}

/// What the access token of an account is sealed for.
fn access_of(account: &str) -> String {
    format!("access token of account {account}")
}

/// What the verifier of a sign-in to an account is sealed for.
fn verifier_of(account: &str) -> String {
    format!("verifier of account {account}")
}
