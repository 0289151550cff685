//! Names of conversations: ULIDs, so that sorting by name is sorting by time.

use std::hash::{BuildHasher, RandomState};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 48 bits of milliseconds and 80 of chance, five bits a character.
const LENGTH: usize = 26;

/// A new name for something that began at `millis` after the epoch.
pub(super) fn new(millis: i64) -> String {
    encode((u128::from(millis.cast_unsigned()) << 80) | random_bits())
}

/// Eighty bits of chance. Every `RandomState` has keys of its own from the operating system, so its
/// hash of nothing is as good as they are: enough that two processes never choose alike.
fn random_bits() -> u128 {
    let draw = || u128::from(RandomState::new().hash_one(std::process::id()));
    ((draw() << 64) | draw()) & ((1 << 80) - 1)
}

fn encode(value: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| char::from(ALPHABET[((value >> (5 * place)) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn later_names_sort_later() {
        let names: Vec<String> = (0..2000).map(|step| new(1_700_000_000_000 + step)).collect();
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| name.len() == LENGTH));
    }

    #[test]
    fn names_of_one_millisecond_differ() {
        let names: HashSet<String> = (0..10_000).map(|_| new(1)).collect();
        assert_eq!(names.len(), 10_000);
    }

    #[test]
    fn the_encoding_is_the_standard_one() {
        // The example that the ULID specification gives.
        assert!(new(1_469_918_176_385).starts_with("01ARYZ6S41"));
    }
}
