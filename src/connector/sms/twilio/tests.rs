//! Settings of Twilio, and what it posts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::*;
use crate::clock::Clock;
use crate::connector::feed::{ConsentWord, HookRefusal, HookRequest, Progress, Told as News};
use crate::connector::http::Http;
use crate::domain::time::Micros;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
const SID: &str = "SM0123456789abcdef0123456789abcdef";
const URL: &str = "https://hub.example.com/hooks/line/status/tok-1";

fn made(given: &[(&str, &str)]) -> Result<Arc<dyn Line>, SettingsError> {
    let means = Means { http: Http::new(None).unwrap(), clock: Clock::machine() };
    line(&Settings::new(given.iter().map(|(n, v)| ((*n).to_owned(), SecretString::from(*v)))), &means)
}

fn numbered() -> Arc<dyn Line> {
    made(&[("account_sid", ACCOUNT), ("auth_token", "sesame-token"), ("number", "+14155550100")]).unwrap()
}

#[test]
fn settings_say_what_is_missing() {
    let key = "SK0123456789abcdef0123456789abcdef";
    let wrong = |given: &[(&str, &str)]| made(given).unwrap_err().to_string();
    assert!(wrong(&[]).contains("`account_sid` is missing"));
    assert!(wrong(&[("account_sid", "AC1")]).contains("begins with AC"));
    assert!(wrong(&[("account_sid", ACCOUNT), ("auth_token", "x")]).contains("`number` is missing"));
    assert!(wrong(&[("account_sid", ACCOUNT), ("number", "+14155550100")]).contains("`auth_token` is missing"));
    let both =
        [("account_sid", ACCOUNT), ("auth_token", "x"), ("number", "+14155550100"), ("messaging_service_sid", SERVICE)];
    assert!(wrong(&both).contains("not both"));
    assert!(
        wrong(&[("account_sid", ACCOUNT), ("api_key", key), ("number", "+14155550100")])
            .contains("`api_secret` is missing")
    );
    assert!(wrong(&[("account_sid", ACCOUNT), ("token", "x")]).contains("`token` is no setting"));
    // Without the token nothing that is posted can be checked.
    let keyed =
        made(&[("account_sid", ACCOUNT), ("api_key", key), ("api_secret", "s"), ("number", "+14155550100")]).unwrap();
    assert!(keyed.hook().is_none() && numbered().hook().is_some());
    assert!(!format!("{:?}", numbered()).contains("sesame"));
}

fn request(rest: &str, fields: &[(&str, &str)]) -> HookRequest {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(b"sesame-token").unwrap();
    mac.update(URL.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    HookRequest {
        method: "POST".to_owned(),
        url: URL.to_owned(),
        rest: rest.to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
            ("x-twilio-signature".to_owned(), STANDARD.encode(mac.finalize().into_bytes())),
        ],
        body: body.into_bytes(),
        now: Micros::from_seconds(1_790_000_000),
    }
}

const COMES_IN: &[(&str, &str)] = &[
    ("MessageSid", SID),
    ("From", "+14155550101"),
    ("To", "+14155550100"),
    ("Body", "Stop & go ✓"),
    ("NumMedia", "1"),
    ("MediaUrl0", "https://api.twilio.com/2010-04-01/x"),
    ("MediaContentType0", "image/jpeg"),
    ("OptOutType", "STOP"),
];

#[test]
fn a_message_comes_in() {
    let heard = numbered().hook().unwrap().hear(&request("", COMES_IN)).unwrap();
    assert_eq!((heard.media_type, heard.answer.as_str(), heard.id), ("text/xml", "<Response></Response>", None));
    let [News::Said(said)] = heard.told.as_slice() else { panic!("{:?}", heard.told) };
    assert_eq!((said.id.as_str(), said.text.as_str()), (SID, "Stop & go ✓"));
    assert_eq!((said.author.address.as_str(), said.place.as_str()), ("+14155550101", "+14155550100"));
    assert_eq!(said.conversation, "+14155550100 +14155550101");
    assert_eq!((said.consent, said.files.len()), (Some(ConsentWord::Stop), 1));
    assert_eq!(said.files[0].mime, "image/jpeg");
    // Another number of the account is another line.
    let other = [("MessageSid", SID), ("From", "+14155550101"), ("To", "+14155550199"), ("Body", "x")];
    let heard = numbered().hook().unwrap().hear(&request("", &other)).unwrap();
    assert!(matches!(heard.told.as_slice(), [News::Other { .. }]), "{:?}", heard.told);
}

#[test]
fn a_callback_tells_how_it_fares() {
    for (status, expected) in [
        ("queued", Some(Progress::Taken)),
        ("sent", Some(Progress::Sent)),
        ("delivered", Some(Progress::Delivered)),
        ("undelivered", Some(Progress::Failed)),
        ("received", None),
    ] {
        let fields = [("MessageSid", SID), ("MessageStatus", status), ("ErrorCode", "30005")];
        let heard = numbered().hook().unwrap().hear(&request("status/tok-1", &fields)).unwrap();
        match (heard.told.as_slice(), expected) {
            ([News::Fares { id, token, progress, code, .. }], Some(expected)) => {
                assert_eq!((id.as_deref(), token.as_deref()), (Some(SID), Some("tok-1")));
                assert_eq!((*progress, code.as_deref()), (expected, Some("30005")));
            }
            ([News::Other { .. }], None) => {}
            (told, _) => panic!("{told:?}"),
        }
    }
}

#[test]
fn what_is_not_signed_or_not_whole_is_refused() {
    let hook = numbered().hook().unwrap();
    let mut get = request("", COMES_IN);
    get.method = "GET".to_owned();
    assert_eq!(hook.hear(&get), Err(HookRefusal::NotFound));
    assert_eq!(hook.hear(&request("elsewhere", COMES_IN)), Err(HookRefusal::NotFound));
    let mut bare = request("", COMES_IN);
    bare.headers.truncate(1);
    assert_eq!(hook.hear(&bare), Err(HookRefusal::Signature));
    // Two of them: one may be anybody's.
    let mut twice = request("", COMES_IN);
    twice.headers.push(twice.headers[1].clone());
    assert_eq!(hook.hear(&twice), Err(HookRefusal::Signature));
    let mut other = request("", COMES_IN);
    other.body.extend_from_slice(b"&Extra=1");
    assert_eq!(hook.hear(&other), Err(HookRefusal::Signature));
    // Signed with the address alone, a body that is no form could be anything.
    let mut json = request("", &[]);
    json.headers[0].1 = "application/json".to_owned();
    json.body = b"{}".to_vec();
    assert_eq!(hook.hear(&json), Err(HookRefusal::Signature));
    for fields in [&COMES_IN[1..], &[("MessageSid", "SM1"), ("From", "+1"), ("To", "+14155550100")], &COMES_IN[..2]] {
        assert_eq!(hook.hear(&request("", fields)), Err(HookRefusal::Unreadable), "{fields:?}");
    }
}

#[test]
fn lists_and_files_are_asked_at_twilio_alone() {
    let means = Means { http: Http::new(None).unwrap(), clock: Clock::machine() };
    let desk = Desk {
        means,
        base: Url::parse("https://api.twilio.com/").unwrap(),
        account: ACCOUNT.to_owned(),
        origin: Origin::Number("+14155550100".to_owned()),
        user: ACCOUNT.to_owned(),
        password: SecretString::from("x"),
        auth_token: None,
        rest: Rest::default(),
        reading: Rest::default(),
    };
    let ours = |url: &str| desk.is_ours(&Url::parse(url).unwrap());
    assert!(ours("https://api.twilio.com/2010-04-01/x") && ours("https://api.twilio.com:443/"));
    for not in [
        "http://api.twilio.com/",
        "https://api.twilio.com:8443/",
        "https://api.twilio.com.example.com/",
        "https://api.twilio.com@example.com/",
        "https://x@api.twilio.com/",
        "https://example.com/api.twilio.com",
    ] {
        assert!(!ours(not), "{not}");
    }
}
