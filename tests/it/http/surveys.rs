//! What has to look at much of what is stored waits its turn and has an end, and takes no reader from anybody else.

use std::time::Duration;

use axum::http::StatusCode;
use liaison::store::survey::{SURVEYS_MAX, SurveyLimits};
use serde_json::json;
use sqlx::Executor as _;

use super::Api;
use crate::stores::{self, Raw, raw_connection};

const BROAD: [&str; 6] = [
    "/v1/stats/stages",
    "/v1/stats/accounts",
    "/v1/stats/response-times",
    "/v1/influencers?property.niche=running",
    "/v1/threads?audience.country[us][gte]=0.4",
    "/v1/enrollments?last_reply[lt]=30d",
];

#[tokio::test]
async fn surveys_that_hold_all_their_places_keep_no_other_read_out() {
    for fresh in stores::both().await {
        let mut api = Api::new(fresh).await;
        for path in BROAD {
            assert_eq!(api.get(path).await.0, StatusCode::OK, "{}: {path}", api.fresh.name);
        }
        let mut held = Vec::new();
        for _ in 0..SURVEYS_MAX {
            let mut tx = api.fresh.store.survey().await.unwrap();
            assert_eq!(tx.list_accounts().await.unwrap().len(), 0);
            held.push(tx);
        }
        let limits = SurveyLimits { wait: Duration::from_millis(20), ..SurveyLimits::default() };
        api.fresh.store = api.fresh.store.clone().with_survey_limits(limits);
        for path in ["/v1/accounts", "/v1/influencers?stage=prospect&q=ana", "/v1/threads", "/v1/events?after=0"] {
            assert_eq!(api.get(path).await.0, StatusCode::OK, "{}: {path}", api.fresh.name);
        }
        for path in BROAD {
            let (status, problem) = api.get(path).await;
            assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("busy")), "{path}");
        }
        held.pop();
        for path in BROAD {
            assert_eq!(api.get(path).await.0, StatusCode::OK, "{}: {path}", api.fresh.name);
        }
    }
}

#[tokio::test]
async fn a_survey_that_takes_too_long_is_ended_and_told_what_to_do() {
    for fresh in stores::both().await {
        let mut api = Api::new(fresh).await;
        let ids = liaison::clock::Clock::machine();
        // Far more than is looked at between two looks at the time.
        for _ in 0..300 {
            crate::seed::influencer(&api.fresh, &ids).await;
        }
        let usual = api.fresh.store.clone();
        // PostgreSQL is kept waiting; SQLite looks at the time as it goes.
        let time = if api.fresh.name == "sqlite" { Duration::ZERO } else { Duration::from_millis(50) };
        let limits = SurveyLimits { time, ..SurveyLimits::default() };
        let mut beside = raw_connection(&api.fresh.place).await;
        if let Raw::Postgres(c) = &mut beside {
            c.execute("BEGIN; LOCK TABLE influencer IN ACCESS EXCLUSIVE MODE").await.unwrap();
        }
        api.fresh.store = usual.clone().with_survey_limits(limits);
        for _ in 0..5 {
            let (status, problem) = api.get("/v1/influencers?property.niche=running").await;
            assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{}: {problem}", api.fresh.name);
            let detail = problem["detail"].as_str().unwrap();
            assert!(problem["code"] == "too_much" && detail.contains("`since`"), "{problem}");
        }
        if let Raw::Postgres(c) = &mut beside {
            c.execute("ROLLBACK").await.unwrap();
        }
        // Its connection is as good as before, and nobody else's is touched.
        api.fresh.store = usual;
        assert_eq!(api.get("/v1/influencers?property.niche=running").await.0, StatusCode::OK, "{}", api.fresh.name);
        assert_eq!(api.get("/v1/influencers?limit=200").await.1["data"].as_array().unwrap().len(), 200);
    }
}
