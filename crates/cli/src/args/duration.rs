//! Durations as people write them.

/// Reads `90`, `1.5`, `500ms`, `30s`, `2m`, `1h30m` or `1d` as seconds.
///
/// # Errors
/// One line that says what would do.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no duration; write seconds, or e.g. 500ms, 30s, 2m, 1h30m");
    let mut rest = text.trim();
    if let Ok(plain) = rest.parse::<f64>() {
        return checked(plain).ok_or_else(wrong);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let factor = match unit {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * factor;
        rest = tail;
    }
    checked(total).ok_or_else(wrong)
}

/// Positive, and short enough for every clock.
fn checked(seconds: f64) -> Option<f64> {
    (seconds > 0.0 && seconds <= 1e9).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, expected) in
            [("90", 90.0), ("1.5", 1.5), ("500ms", 0.5), ("30s", 30.0), ("1h30m", 5400.0)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "0", "-1", "5 parsecs", "s", "nan", "inf", "1e300", "1..2s", "é"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
