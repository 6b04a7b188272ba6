//! Who follows an influencer: the shares of countries, ages and genders, by which lists can be filtered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::domain::ids::InfluencerId;
use crate::domain::time::Micros;
use crate::http::ApiState;
use crate::http::body::{Body, Whom};
use crate::http::describe::{Route, does};
use crate::http::page::NoQuery;
use crate::http::problem::Problem;
use crate::store::people::audience::AudienceShare;

/// Shares of one report.
const SHARES_MAX: usize = 400;
/// Characters of a country, an age or a gender.
const KEY_MAX: usize = 40;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::at("/influencers/{id}/audience-report")
            .get(does("Who follows an influencer, as the last report says"), one)
            .put(does("Say who follows an influencer, in the place of the report before"), put),
    ]
}

/// Shares from 0 to 1, by country (`us`), age (`18-24`) and gender (`f`).
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct AudienceReport {
    /// By country.
    country: BTreeMap<String, f64>,
    /// By age.
    age: BTreeMap<String, f64>,
    /// By gender.
    gender: BTreeMap<String, f64>,
    /// When that was measured; now where it is not said.
    measured_at: Option<Micros>,
}

/// Shares from 0 to 1, as they are kept.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
struct Audience {
    /// By country.
    country: BTreeMap<String, f64>,
    /// By age.
    age: BTreeMap<String, f64>,
    /// By gender.
    gender: BTreeMap<String, f64>,
    /// When that was measured; none where there is no report.
    measured_at: Option<Micros>,
}

impl AudienceReport {
    fn shares(self, now: Micros) -> Result<Vec<AudienceShare>, Problem> {
        let at = self.measured_at.unwrap_or(now);
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "some shares can't be taken");
        let mut all = Vec::new();
        for (dimension, shares) in [("country", self.country), ("age", self.age), ("gender", self.gender)] {
            let mut seen = std::collections::BTreeSet::new();
            for (key, share) in shares {
                let pointer = format!("/{dimension}/{}", key.replace('~', "~0").replace('/', "~1"));
                let clean = key.trim().to_lowercase();
                let odd = clean.is_empty() || clean.chars().count() > KEY_MAX || clean.contains(['[', ']']);
                if odd || !seen.insert(clean.clone()) {
                    problem = problem.field(pointer, format!("expected a name of at most {KEY_MAX} characters, once"));
                } else if !(0.0..=1.0).contains(&share) {
                    problem = problem.field(pointer, "a share is from 0 to 1: 0.4 is 40 %");
                } else {
                    all.push(AudienceShare { dimension: dimension.to_owned(), key: clean, share, at });
                }
            }
        }
        if all.len() > SHARES_MAX {
            problem = problem.field("", format!("at most {SHARES_MAX} shares"));
        }
        if problem.errors.is_empty() { Ok(all) } else { Err(problem) }
    }
}

impl Audience {
    fn of(shares: Vec<AudienceShare>) -> Self {
        let mut report = Self::default();
        for AudienceShare { dimension, key, share, at } in shares {
            report.measured_at = Some(at);
            match dimension.as_str() {
                "country" => report.country.insert(key, share),
                "age" => report.age.insert(key, share),
                _ => report.gender.insert(key, share),
            };
        }
        report
    }
}

async fn view(state: &ApiState, id: InfluencerId) -> Result<Json<Audience>, Problem> {
    let mut tx = state.store.read().await?;
    if tx.get_influencer(id).await?.is_none() {
        return Err(Problem::not_found("influencer", id));
    }
    Ok(Json(Audience::of(tx.list_audience(id).await?)))
}

async fn one(State(state): State<ApiState>, Whom(id): Whom, _: NoQuery) -> Result<Json<Audience>, Problem> {
    view(&state, id).await
}

async fn put(
    State(state): State<ApiState>,
    Whom(id): Whom,
    Body(report): Body<AudienceReport>,
) -> Result<Json<Audience>, Problem> {
    let shares = report.shares(state.clock.now())?;
    let mut tx = state.store.begin("http.audience").await?;
    if tx.lock_influencer(id).await?.is_none() {
        return Err(Problem::not_found("influencer", id));
    }
    tx.replace_audience(id, shares).await?;
    state.commit(tx).await?;
    view(&state, id).await
}
