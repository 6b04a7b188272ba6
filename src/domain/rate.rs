//! Shares of something counted, with how sure one can be of them, and which of several wordings does better. Pure.

use serde::Serialize;

/// The 97.5 % point of the normal distribution: of intervals made with it, 95 % hold the truth.
const Z: f64 = 1.959_963_984_540_054;

/// A share, and the interval it lies in with 95 % certainty (Wilson's score interval, 1927; it holds for few and for rare
/// ones too, where the usual one does not).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Rate {
    /// What was counted, from 0 to 1.
    pub share: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The share of `hits` in `of`; `None` of nothing.
pub fn wilson(hits: u32, of: u32) -> Option<Rate> {
    if of == 0 {
        return None;
    }
    let n = f64::from(of);
    let share = f64::from(hits.min(of)) / n;
    let square = Z * Z / n;
    let middle = (share + square / 2.0) / (1.0 + square);
    let half = Z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    Some(Rate { share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) })
}

/// What can be said of several wordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There are not two that were sent.
    NothingToCompare,
    /// The intervals overlap.
    NoDifference,
    /// This one does better than every other: its interval lies above theirs.
    Ahead(String),
}

impl Verdict {
    /// For people.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::NothingToCompare => None,
            Self::NoDifference => Some("no difference can be told yet".to_owned()),
            Self::Ahead(name) => Some(format!("{name} is answered more often")),
        }
    }
}

/// Judges wordings by how often people answered: name, answers, sends.
pub fn judge_variants(variants: &[(&str, u32, u32)]) -> Verdict {
    let rates: Vec<(&str, Rate)> =
        variants.iter().filter_map(|(name, hits, of)| Some((*name, wilson(*hits, *of)?))).collect();
    if rates.len() < 2 {
        return Verdict::NothingToCompare;
    }
    let ahead = rates
        .iter()
        .find(|(name, rate)| rates.iter().all(|(other, its)| other == name || rate.low > its.high))
        .map(|(name, _)| (*name).to_owned());
    ahead.map_or(Verdict::NoDifference, Verdict::Ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-5
    }

    #[test]
    fn interval_is_wilsons() {
        // Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        for (hits, of, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let rate = wilson(hits, of).unwrap();
            assert!(close(rate.low, low) && close(rate.high, high), "{hits} of {of}: {rate:?}");
        }
        assert_eq!(wilson(0, 0), None);
        assert!(close(wilson(5, 5).unwrap().high, 1.0));
    }

    #[test]
    fn wording_is_ahead_only_where_its_interval_lies_above_every_other() {
        assert_eq!(judge_variants(&[("a", 30, 100), ("b", 5, 100)]), Verdict::Ahead("a".into()));
        assert_eq!(judge_variants(&[("a", 12, 100), ("b", 5, 100)]), Verdict::NoDifference);
        assert_eq!(judge_variants(&[("a", 300, 1_000), ("b", 5, 1_000), ("c", 290, 1_000)]), Verdict::NoDifference);
        assert_eq!(judge_variants(&[("a", 3, 10), ("b", 0, 0)]), Verdict::NothingToCompare);
    }
}
