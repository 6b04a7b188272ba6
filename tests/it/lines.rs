//! What is promised of channels that are no mail (Slack, Twilio, Telnyx), against the record of a provider that loses answers, asks
//! us to wait, repeats itself and cuts: nothing is lost, nothing goes out twice, and what nobody can know is left to a person.
//!
//! Short shares run with all tests; the whole is `tests/prove answers`, `missed` and `texted`.

mod answers;
mod house;
mod hub;
pub(crate) mod kept;
mod missed;
mod prism;
mod signed;
mod texted;

pub(crate) use house::{House, News, Which};

/// The channel that `tests/prove` was told.
fn which(usual: &[Which]) -> Vec<Which> {
    match std::env::var("LIAISON_PROVE_CHANNEL").as_deref() {
        Err(_) => usual.to_vec(),
        Ok(name) => {
            let known = Which::ALL.into_iter().find(|which| which.name() == name);
            vec![known.unwrap_or_else(|| panic!("LIAISON_PROVE_CHANNEL={name}: slack, twilio or telnyx"))]
        }
    }
}
