//! Saved views as lists take them.

use super::*;
use liaison::store::view::SavedView;

#[tokio::test]
async fn a_view_kept_with_an_empty_filter_stands_for_its_others_alone() {
    for fresh in stores::both().await {
        let ana = seed::influencer(&fresh, &Clock::machine()).await;
        let api = Api::new(fresh).await;
        let filters = [("stage", "prospect"), ("owner", ""), ("tag", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let (about, by, at) = (String::new(), "kim".to_owned(), api.clock.now());
        let filters = filters.into_iter().collect();
        let old = SavedView { name: "old".into(), about, filters, by, created_at: at, updated_at: at, version: 1 };
        let mut tx = api.fresh.store.begin("test.view").await.unwrap();
        assert!(tx.insert_view(&old).await.unwrap());
        tx.set_influencer_stage(ana, "prospect", false, at).await.unwrap();
        tx.commit().await.unwrap();
        let (status, list) = api.get("/v1/influencers?view=old").await;
        assert_eq!(status, StatusCode::OK, "{}: {list}", api.fresh.name);
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{}: {list}", api.fresh.name);
        let (_, list) = api.get("/v1/influencers?view=old&stage=partner").await;
        assert_eq!(list["data"], json!([]), "{}: what is said counts", api.fresh.name);
        // Nobody can keep such a one any more.
        let wrong = json!({"name": "new", "filters": {"owner": ""}});
        let (status, problem) = api.post("/v1/views", &wrong).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/filters/owner"))
        );
    }
}
