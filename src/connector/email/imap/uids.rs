//! Sets of uids for command lines: ranges, cut so that no command is long. Never an open range: what `n:*` means when
//! there is nothing after `n` surprises (it is the last message).

/// Longest set put into one command, octets. RFC 7162 §4 asks clients to keep command lines under 8,192.
const SET_MAX: usize = 7_000;

/// The uids that can be (1 to 2³² − 1), ascending, each once.
pub(super) fn valid_uids(uids: &[i64]) -> Vec<u32> {
    let mut valid: Vec<u32> = uids.iter().filter_map(|uid| u32::try_from(*uid).ok()).filter(|uid| *uid > 0).collect();
    valid.sort_unstable();
    valid.dedup();
    valid
}

/// Ascending uids as sets such as `1:5,9`, each with the number of uids in it.
pub(super) fn uid_sets(uids: &[u32]) -> Vec<String> {
    let mut sets = Vec::new();
    let mut set = String::new();
    for (first, last) in ranges(uids) {
        let range = if first == last { first.to_string() } else { format!("{first}:{last}") };
        if !set.is_empty() && set.len() + 1 + range.len() > SET_MAX {
            sets.push(std::mem::take(&mut set));
        }
        if !set.is_empty() {
            set.push(',');
        }
        set.push_str(&range);
    }
    if !set.is_empty() {
        sets.push(set);
    }
    sets
}

fn ranges(uids: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*uid) => *last = *uid,
            _ => ranges.push((*uid, *uid)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_become_ranges() {
        assert_eq!(uid_sets(&[]), Vec::<String>::new());
        assert_eq!(uid_sets(&[7]), ["7"]);
        assert_eq!(uid_sets(&[1, 2, 3, 5, 7, 8]), ["1:3,5,7:8"]);
        assert_eq!(uid_sets(&[u32::MAX - 1, u32::MAX]), ["4294967294:4294967295"]);
    }

    #[test]
    fn sets_stay_short_and_lose_nothing() {
        let uids: Vec<u32> = (0..5_000).map(|n| 4_000_000_000 + n * 2).collect();
        let sets = uid_sets(&uids);
        assert!(sets.len() > 1 && sets.iter().all(|set| set.len() <= SET_MAX));
        let back: Vec<u32> = sets.iter().flat_map(|set| set.split(',')).map(|uid| uid.parse().unwrap()).collect();
        assert_eq!(back, uids);
    }

    #[test]
    fn impossible_uids_are_left_out() {
        assert_eq!(valid_uids(&[5, -1, 0, 3, 5, 4_294_967_296]), [3, 5]);
    }
}
