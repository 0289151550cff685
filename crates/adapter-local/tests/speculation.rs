//! Drafts with a model that means something: quoting takes fewer steps, and the answer is the same.

mod open;

use ports::BuildContext;
use serde_json::json;
use textport_adapter_local::{Catalogue, DEFAULT_MODEL, SpeculationPlan, bench_speculation};

const QUOTE: &str = "Copy this list word for word, and nothing else:\n\
    - The harbour master opens the northern lock at seven in the morning.\n\
    - The lighthouse keeper writes the number of ships into a green book.\n\
    - The pilot boat waits behind the breakwater until the tide has turned.\n";

#[tokio::test]
async fn the_default_model_quotes_in_fewer_steps_and_says_the_same() {
    let catalogue = Catalogue::with_entries(&Default::default()).unwrap();
    let context = BuildContext::default();
    let path = open::store().ensure(&catalogue, DEFAULT_MODEL, &context).await.unwrap();
    let measure = |temperature, batch| {
        let plan = SpeculationPlan {
            speculation: vec!["off".to_owned(), "8".to_owned(), "auto".to_owned()],
            max_tokens: 60,
            batch,
            repetitions: 1,
            temperature: Some(temperature),
            settings: json!({ "device": "cpu" }).as_object().cloned().unwrap(),
            ..SpeculationPlan::default()
        };
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            bench_speculation(&path, QUOTE, &plan, &mut |_, _| {}).unwrap()
        })
    };
    for (temperature, batch) in [(0.0, 1), (0.8, 1), (0.8, 3)] {
        let report = measure(temperature, batch).await.unwrap();
        assert!(report.same_answers, "{report:?}");
        let [off, eight, _] = report.rows.as_slice() else { panic!("{report:?}") };
        assert_eq!(off.drafted, 0);
        assert!(eight.accepted > 10, "{report:?}");
    }
}
