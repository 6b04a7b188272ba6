//! Many people at once over HTTP: a file of them comes in, and all of them go out as one.

use liaison::domain::ids::InfluencerId;
use serde_json::json;

use super::described::Described;

const FILE: &str =
    "Handle,E-Mail,owner,property.team\n@imp1,imp1@example.org,,red\n@imp2,nobody,,blue\n@imp3,imp3@example.org,,\n";

pub async fn imports(api: &Described, ana: InfluencerId) {
    let path = "/v1/imports";
    let order =
        |dry_run: bool| json!({"csv": FILE, "source": "fair.csv", "mapping": {"E-Mail": "email"}, "dry_run": dry_run});
    let count =
        async || api.well("GET", "/v1/influencers?sort=added&limit=200", None).await["data"].as_array().unwrap().len();
    let before = count().await;
    let dry = api.well("POST", path, Some(order(true))).await;
    assert_eq!((&dry["created"], &dry["rows"], &dry["dry_run"]), (&json!(2), &json!(3), &json!(true)), "{dry}");
    assert_eq!(count().await, before);
    let done = api.well("POST", path, Some(order(false))).await;
    assert_eq!((&done["created"], &done["failed"][0]["line"]), (&json!(2), &json!(3)), "{done}");
    let failed = done["failed_csv"].as_str().unwrap();
    assert!(failed.starts_with("line,error,Handle,E-Mail") && failed.contains("@imp2,nobody"), "{failed}");
    assert_eq!(count().await, before + 2);
    let mended = json!({"csv": failed.replace("nobody", "imp2@example.org"), "mapping": {"E-Mail": "email"}});
    let mended = api.well("POST", path, Some(mended)).await;
    assert_eq!((&mended["created"], &mended["failed_csv"]), (&json!(1), &json!(null)), "{mended}");

    for (order, pointer, what) in [
        (json!({"csv": "a,b\n1,2\n"}), "/csv", "\"mapping\": {\"THEIR COLUMN\": \"handle\"}"),
        (json!({"csv": ""}), "/csv", "line 1: the file is empty"),
        (json!({"csv": "handle\n@x\n", "mapping": {"Mail": "email"}}), "/mapping", "no column \"Mail\""),
        (json!({"csv": "handle\n@x\n", "sort": "brands"}), "/sort", "influencers"),
        (json!({"file": "handle"}), "", "csv"),
    ] {
        let (status, problem) = api.ask("POST", path, Some(&order)).await;
        assert_eq!(status, 422, "{order}: {problem}");
        let error = &problem["errors"][0];
        if !pointer.is_empty() {
            assert_eq!(error["pointer"], pointer, "{problem}");
        }
        assert!(problem.to_string().replace("\\\"", "\"").contains(what), "{problem}");
    }
    let agents = json!({"sort": "agents", "csv": "email,first_name,influencers\nmo@agency.example,Mo,@imp1;@imp3\n"});
    assert_eq!(api.well("POST", path, Some(agents)).await["created"], 1);

    let no = json!({"address": "mo@agency.example", "note": "they rang"});
    api.well("POST", "/v1/suppressions", Some(no)).await;
    let all = api.well("GET", "/v1/influencers.csv", None).await.as_str().unwrap().to_owned();
    assert!(all.contains("agent_email,agent_suppressed") && all.contains("mo@agency.example,by_hand"), "{all}");
    assert!(all.contains("id,handle,first_name,last_name,email,suppressed"), "{all}");
    assert!(all.contains(&ana.to_string()) && all.contains("mo@agency.example"), "{all}");
    let red = api.well("GET", "/v1/influencers.csv?property.team=red", None).await.as_str().unwrap().to_owned();
    assert!(red.contains("'@imp1") && !red.contains("@imp3"), "{red}");
    assert_eq!(api.ask("GET", "/v1/influencers.csv?limit=5", None).await.0, 400);
    assert_eq!(api.ask("GET", "/v1/influencers.csv?view=none", None).await.0, 400);
}
