//! The suite catches what it is for: generators that break one clause fail that clause's cases.

mod answers;
mod broken;
mod refusals;
mod work;

use broken::Broken;

/// The wrapper itself breaks nothing: what the other tests find is the fault that they put in.
#[tokio::test(start_paused = true)]
async fn an_unbroken_one_is_not_accused() {
    assert!(Broken::new().caught().await.is_empty());
}

/// A case that no fault is known to fail may be unable to fail.
#[test]
fn every_case_is_named_by_a_test_of_a_fault() {
    let tests =
        [include_str!("answers.rs"), include_str!("refusals.rs"), include_str!("work.rs")].concat();
    for (case, _) in textport_testkit::conformance::cases() {
        assert!(tests.contains(&format!("\"{case}\"")), "{case} is caught nowhere");
    }
}
