//! What an account writes from is looked for at its provider before it is said to be of use: a number that is not ours is named, with
//! what to do, and nothing is claimed that was not looked at.

use super::telnyx::{self, Telnyx};
use super::twilio::{SERVICE, Twilio};
use super::{ACCOUNT, OURS, TOKEN, clock};
use liaison::connector::feed::Checked;
use serde_json::json as j;

/// What a line with these settings says of what it writes from, and its journal is as described.
async fn of_twilio(twilio: &Twilio, from: (&str, &str)) -> Checked {
    let url = twilio.server.url();
    let settings = [("account_sid", ACCOUNT), ("auth_token", TOKEN), ("base_url", url.as_str()), from];
    let mut steps = super::line("twilio", &settings, &clock()).check().await;
    assert_eq!(steps.iter().map(|step| step.what.split(' ').next().unwrap()).next(), Some("reading"), "{steps:?}");
    assert!(steps.iter().all(|step| !format!("{step:?}").contains("and send")), "{steps:?}");
    assert_eq!((steps.len(), steps[2].what.as_str()), (3, "hook"), "{steps:?}");
    twilio.check();
    steps.remove(1)
}

async fn of_telnyx(telnyx: &Telnyx, from: &[(&str, &str)]) -> Vec<Checked> {
    let base = format!("{}/v2", telnyx.server.url());
    let settings = [&[("api_key", telnyx::KEY), ("base_url", base.as_str())][..], from].concat();
    let mut steps = super::line("telnyx", &settings, &clock()).check().await;
    assert_eq!(steps.pop().map(|step| step.what), Some("no hook".to_owned()));
    assert_eq!(steps.remove(0).what, "reading");
    steps
}

/// Why it is wrong.
fn wrong(step: &Checked, parts: &[&str]) {
    let why = step.outcome.as_ref().expect_err("it is not right");
    assert!(!step.unsure && parts.iter().all(|part| why.contains(part)), "{why}");
}

/// That it is right, and what is left to be seen.
fn right(step: &Checked) {
    let detail = step.outcome.as_ref().unwrap();
    assert!(!step.unsure && detail.contains("is seen with the first"), "{detail}");
}

fn unsure(step: &Checked, part: &str) {
    assert!(step.unsure && step.outcome.as_ref().is_ok_and(|detail| detail.contains(part)), "{step:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_does_not_have_is_named() {
    let twilio = Twilio::new();
    let number = of_twilio(&twilio, ("number", OURS)).await;
    assert_eq!(number.what, format!("number {OURS}"));
    right(&number);
    right(&of_twilio(&twilio, ("number", "24365")).await);
    right(&of_twilio(&twilio, ("messaging_service_sid", SERVICE)).await);
    // One digit wrong, one too few, another account's.
    for mistyped in ["+14155550101", "+1415555010", "24366"] {
        wrong(&of_twilio(&twilio, ("number", mistyped)).await, &["no such number", "correct `number`", ACCOUNT]);
    }
    let other = "MGffffffffffffffffffffffffffffffff";
    wrong(&of_twilio(&twilio, ("messaging_service_sid", other)).await, &["correct `messaging_service_sid`"]);
    let owned = |given| twilio.state.lock().unwrap().owned = Some(given);
    owned(j!({ "phone_number": OURS, "capabilities": { "sms": false, "voice": true } }));
    wrong(&of_twilio(&twilio, ("number", OURS)).await, &["can't send text messages"]);
    owned(j!({ "phone_number": format!("{OURS}1"), "capabilities": { "sms": true } }));
    wrong(&of_twilio(&twilio, ("number", OURS)).await, &["no such number"]);
    // A key that may read messages, and not look at numbers; a gateway that knows messages alone.
    for closed in [(403, 20_003), (401, 70_051), (404, 1)] {
        twilio.state.lock().unwrap().closed = Some(closed);
        unsure(&of_twilio(&twilio, ("number", OURS)).await, &closed.1.to_string());
        unsure(&of_twilio(&twilio, ("messaging_service_sid", SERVICE)).await, &closed.1.to_string());
    }
    // Trouble of its own is no answer.
    twilio.state.lock().unwrap().closed = Some((503, 20_500));
    let lost = of_twilio(&twilio, ("number", OURS)).await;
    assert!(lost.outcome.is_err_and(|why| why.contains("20500")) && !lost.unsure);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_telnyx_does_not_have_is_named() {
    let telnyx = Telnyx::new();
    let number = ("number", OURS);
    let steps = of_telnyx(&telnyx, &[number, ("messaging_profile_id", telnyx::PROFILE)]).await;
    assert_eq!(steps.len(), 2, "{steps:?}");
    steps.iter().for_each(right);
    right(&of_telnyx(&telnyx, &[("number", "24365")]).await[0]);
    for mistyped in ["+14155550101", "+1415555010", "24366"] {
        wrong(&of_telnyx(&telnyx, &[("number", mistyped)]).await[0], &["no such number", "correct `number`"]);
    }
    // A profile that has no pool writes from no number; another one is not ours.
    wrong(&of_telnyx(&telnyx, &[("messaging_profile_id", telnyx::PROFILE)]).await[0], &["no number pool"]);
    let other = ("messaging_profile_id", "00000000-c4a2-4c4a-9804-a68077973d07");
    let steps = of_telnyx(&telnyx, &[number, other]).await;
    wrong(&steps[0], &["belongs to the messaging profile 30ef55db"]);
    wrong(&steps[1], &["correct `messaging_profile_id`"]);
    let owned = |given| telnyx.state.lock().unwrap().owned = Some(given);
    owned(j!({ "phone_number": OURS, "status": "active", "messaging_profile_id": null }));
    wrong(&of_telnyx(&telnyx, &[number]).await[0], &["no messaging profile"]);
    owned(j!({ "phone_number": OURS, "status": "port-pending", "messaging_profile_id": telnyx::PROFILE }));
    wrong(&of_telnyx(&telnyx, &[number]).await[0], &["`port-pending`"]);
    // One whose texts alone are Telnyx's.
    owned(j!({ "phone_number": "+14155550109" }));
    wrong(&of_telnyx(&telnyx, &[number]).await[0], &["no such number"]);
    telnyx.state.lock().unwrap().hosted = Some(OURS);
    right(&of_telnyx(&telnyx, &[number]).await[0]);
    for closed in [401, 403, 404] {
        telnyx.state.lock().unwrap().closed = Some(closed);
        for from in [number, ("messaging_profile_id", telnyx::PROFILE)] {
            let step = &of_telnyx(&telnyx, &[from]).await[0];
            // That there is no such profile is an answer.
            if closed == 404 && from != number { wrong(step, &["correct"]) } else { unsure(step, "portal") }
        }
    }
    telnyx.state.lock().unwrap().closed = Some(503);
    let lost = &of_telnyx(&telnyx, &[number]).await[0];
    assert!(lost.outcome.is_err() && !lost.unsure, "{lost:?}");
}
