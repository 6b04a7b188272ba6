//! "Did you mean …?": the nearest known word by edit distance.

/// The known word that is nearest to `given`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().take(60).collect();
    known
        .iter()
        .map(|word| (distance(&given, &word.chars().collect::<Vec<_>>()), *word))
        .filter(|(d, word)| *d <= (word.chars().count().max(given.len()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|(_, word)| word)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = at(&above, j) + usize::from(ca != cb);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_find_their_word_and_other_words_do_not() {
        let known = ["password", "address", "imap", "smtp"];
        assert_eq!(nearest("passwrod", &known), Some("password"));
        assert_eq!(nearest("Adress", &known), Some("address"));
        assert_eq!(nearest("imp", &known), Some("imap"));
        assert_eq!(nearest("colour", &known), None);
    }
}
