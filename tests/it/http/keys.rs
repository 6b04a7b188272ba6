//! Tokens: made, shown, changed, refused.

use super::described::Described;
use serde_json::{Value, json};

pub async fn tokens(api: &Described) {
    let made = api.well("POST", "/v1/tokens", Some(json!({"name": "reports", "scopes": ["read"]}))).await;
    api.well("GET", "/v1/tokens", None).await;
    let path = format!("/v1/tokens/{}", made["id"].as_str().unwrap());
    let change = json!({"name": "monthly reports", "expires_at": "2100-01-01T00:00:00Z"});
    let changed = api.well("PATCH", &path, Some(change)).await;
    assert_eq!(api.well("GET", &path, None).await, changed);
    assert_eq!((&changed["name"], &changed["scopes"]), (&json!("monthly reports"), &json!(["read"])));
    let changed = api.well("PATCH", &path, Some(json!({"expires_at": null}))).await;
    assert_eq!((&changed["name"], &changed["expires_at"]), (&json!("monthly reports"), &Value::Null));
    for (field, value) in [("name", json!(" ")), ("expires_at", json!("2001-01-01T00:00:00Z"))] {
        let (status, problem) = api.ask("PATCH", &path, Some(&json!({field: value}))).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(format!("/{field}"))), "{problem}");
    }
    api.well("DELETE", &path, None).await;
    assert_eq!(api.ask("PATCH", &path, Some(&json!({"name": "x"}))).await.1["code"], "token_over");
}
