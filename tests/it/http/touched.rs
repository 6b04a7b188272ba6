//! What was said elsewhere, written down over the API.

use liaison::domain::ids::InfluencerId;
use serde_json::json;

use super::described::Described;

/// A touch is a message of its own sort; what only mail has is refused with it, and the other way round.
pub async fn touched(api: &Described, ana: InfluencerId) {
    let touch = json!({
        "channel": "manual", "influencer_id": ana, "text": "Call me in May.", "place": "Instagram",
        "said_at": "2026-01-05T09:00:00Z", "meaning": "none",
    });
    let (status, said) = api.ask("POST", "/v1/messages", Some(&touch)).await;
    assert_eq!((status, &said["channel"], &said["status"]), (201, &json!("manual"), &json!("received")), "{said}");
    assert_eq!((&said["subject"], &said["influencer_id"]), (&json!("Instagram"), &json!(ana)));
    let reply = format!("/v1/threads/{}/reply", said["thread_id"].as_str().unwrap());
    let (status, problem) = api.ask("POST", &reply, Some(&json!({"text": "I will"}))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_mail")), "{problem}");
    for (field, value, at) in [
        ("to", json!([{"name": "", "address": "ana@example.org"}]), "/to"),
        ("send_at", json!("2100-01-01T00:00:00Z"), "/send_at"),
        ("said_at", json!("2100-01-01T00:00:00Z"), "/said_at"),
        ("text", json!(" "), "/text"),
        ("place", json!("a\nb"), "/place"),
        ("influencer_id", json!(null), "/influencer_id"),
        ("direction", json!("outbound"), "/meaning"),
    ] {
        let mut wrong = touch.clone();
        wrong[field] = value;
        let (status, problem) = api.ask("POST", "/v1/messages", Some(&wrong)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(at)), "{field}: {problem}");
    }
    let mail = json!({"text": "hi", "to": [{"name": "", "address": "ana@example.org"}], "place": "phone"});
    let (status, problem) = api.ask("POST", "/v1/messages", Some(&mail)).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/place")), "{problem}");
}
