//! Progress bars of an app as notices, few enough to be read.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::ProgressUnit;

/// No more than one report in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// What was reported last.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    last: Option<(Instant, String)>,
}

impl Reports {
    /// The progress in words; `None` when it says nothing new, or too soon.
    pub(crate) fn of(&mut self, units: &[ProgressUnit], now: Instant) -> Option<String> {
        let text = units.iter().filter_map(words).collect::<Vec<_>>().join(", ");
        let recent =
            self.last.as_ref().is_some_and(|(at, last)| *last == text || now < *at + PAUSE);
        if text.is_empty() || recent {
            return None;
        }
        self.last = Some((now, text.clone()));
        Some(text)
    }
}

/// In words, e.g. `steps 1/2 tok` or `tuning 30 %`; empty when the app tells nothing.
impl fmt::Display for ProgressUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self).unwrap_or_default())
    }
}

/// `steps 1/2 tok`, `tuning 30 %`.
pub(crate) fn words(unit: &ProgressUnit) -> Option<String> {
    let name = unit.desc.as_deref().map(|desc| crate::html::one_line(&crate::html::plain(desc)));
    let amount = match (unit.index, unit.length, unit.progress) {
        (Some(index), Some(length), _) => {
            let unit = unit.unit.as_deref().filter(|word| *word != "steps").unwrap_or_default();
            Some(format!("{index}/{length} {}", crate::html::one_line(unit)).trim_end().to_owned())
        }
        (Some(index), None, _) => Some(index.to_string()),
        (None, _, Some(share)) => Some(format!("{:.0} %", share * 100.0)),
        _ => None,
    };
    let words: Vec<String> =
        name.filter(|name| !name.is_empty()).into_iter().chain(amount).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(
        index: Option<f64>,
        length: Option<f64>,
        progress: Option<f64>,
        desc: &str,
    ) -> ProgressUnit {
        let (unit, desc) = (Some("tok".to_owned()), Some(desc.to_owned()));
        ProgressUnit { index, length, unit, progress, desc }
    }

    #[test]
    fn bars_are_words() {
        assert_eq!(
            words(&unit(Some(1.0), Some(2.0), None, "steps")).as_deref(),
            Some("steps 1/2 tok")
        );
        assert_eq!(words(&unit(None, None, Some(0.304), "init")).as_deref(), Some("init 30 %"));
        assert_eq!(words(&unit(None, None, None, " ")), None);
    }

    #[test]
    fn a_busy_bar_is_reported_now_and_then() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        let mut at = |ms: u64, index: f64| {
            let units = [unit(Some(index), Some(9.0), None, "")];
            reports.of(&units, start + Duration::from_millis(ms)).is_some()
        };
        assert_eq!(
            [at(0, 1.0), at(10, 2.0), at(1000, 2.0), at(3000, 2.0)],
            [true, false, true, false]
        );
    }
}
