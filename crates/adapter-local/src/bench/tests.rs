//! Plans carried out on tiny models, and those that make no sense.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tiny() -> BenchModel {
    BenchModel::Path(fixture("tiny-llama-f32.gguf"))
}

fn shape() -> BenchModel {
    BenchModel::RandomWeights(fixture("hf/qwen3/config.json").to_str().unwrap().to_owned())
}

fn short() -> BenchPlan {
    BenchPlan {
        prefill: vec![8],
        decode: vec![2],
        threads: vec![1],
        repetitions: 1,
        ..BenchPlan::default()
    }
}

fn run(model: &BenchModel, plan: &BenchPlan) -> Result<BenchReport, Error> {
    bench(model, plan, &BuildContext::default(), &mut |_| {})
}

#[test]
fn every_combination_is_measured_and_told() {
    let plan = BenchPlan {
        decode: vec![2, 4],
        depths: vec![0, 16],
        batches: vec![1, 3],
        threads: vec![1, 2],
        repetitions: 2,
        ..short()
    };
    let mut told = Vec::new();
    let mut tell = |row: &BenchRow| told.push(row.clone());
    let report = bench(&tiny(), &plan, &BuildContext::default(), &mut tell).unwrap();
    assert_eq!(report.rows.len(), 20);
    assert_eq!(report.rows, told);
    assert!(told.iter().all(|row| row.tokens_per_s.min <= row.tokens_per_s.median));
    assert!(told.iter().all(|row| row.tokens_per_s.min > 0.0 && row.repetitions == 2));
    assert!(told.iter().any(|row| row.test() == "tg4 @ d16 x3"));
    assert!(told.iter().all(|row| row.kind == BenchKind::Decode || row.batch == 1));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["rows"][0]["kind"], &json["device"]), (&"prefill".into(), &"cpu".into()));
    assert_eq!(json["architecture"], "llama");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    for (plan, words) in [
        (BenchPlan { prefill: vec![513], ..short() }, "context of 512"),
        (BenchPlan { depths: vec![511], ..short() }, "context of 512"),
        (BenchPlan { prefill: vec![], decode: vec![], ..short() }, "measures nothing"),
        (BenchPlan { batches: vec![], prefill: vec![], ..short() }, "measures nothing"),
        (BenchPlan { repetitions: 0, ..short() }, "measures nothing"),
        (BenchPlan { batches: vec![0], ..short() }, "at least 1"),
        (BenchPlan { threads: vec![0], ..short() }, "at least 1"),
    ] {
        let error = run(&tiny(), &plan).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{words}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = run(&tiny(), &BenchPlan { device: "gpu".into(), ..short() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let both = BenchPlan { dtype: Some("f16".into()), quant: Some("q8_0".into()), ..short() };
    assert!(run(&shape(), &both).unwrap_err().to_string().contains("only one"));
    let error = run(&BenchModel::RandomWeights("qwen9".into()), &short()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[test]
fn a_shape_is_measured_without_a_file() {
    for (dtype, quant, kind) in [
        (None, None, "BF16"),
        (Some("f16"), None, "F16"),
        (Some("f32"), None, "F32"),
        (None, Some("q8_0"), "Q8_0"),
    ] {
        let plan = BenchPlan {
            dtype: dtype.map(str::to_owned),
            quant: quant.map(str::to_owned),
            batches: vec![1, 2],
            ..short()
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let context = BuildContext::default().with_progress(move |p| sink.lock().unwrap().push(p));
        let report = bench(&shape(), &plan, &context, &mut |_| {}).unwrap();
        assert_eq!(report.rows.len(), 3);
        assert_eq!(report.facts.stored_as[0].kind, kind);
        let told = told.lock().unwrap();
        let last = told.last().unwrap();
        assert!(last.finished && last.total == Some(report.facts.weight_bytes), "{last:?}");
    }
}

#[test]
fn models_that_compute_one_sequence_at_a_time_are_measured_so() {
    let model = BenchModel::Path(fixture("hf/gemma3"));
    let report = run(&model, &short()).unwrap();
    assert_eq!(report.facts.architecture, "gemma3_text");
    assert!(report.facts.bytes_per_step <= report.facts.weight_bytes);
    let error = run(&model, &BenchPlan { batches: vec![2], ..short() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn the_share_of_the_bandwidth_is_that_of_the_weights() {
    let speed = |median| Spread { median, min: median, max: median };
    let mut row = run(&tiny(), &short()).unwrap().rows.pop().unwrap();
    row.tokens_per_s = speed(20.0);
    row.batch = 4;
    let read = Bandwidth { threads: 1, buffer_bytes: 8, bytes_per_s: speed(1000.0) };
    assert_eq!(share(&row, &[read], 100), Some(0.5));
    row.threads = 2;
    assert_eq!(share(&row, &[read], 100), None);
    row.threads = 1;
    row.kind = BenchKind::Prefill;
    assert_eq!(share(&row, &[read], 100), None);
}

#[test]
fn the_share_of_the_peak_counts_products_of_bytes_and_of_floats_apart() {
    let speed = |median| Spread { median, min: median, max: median };
    let report = run(&tiny(), &short()).unwrap();
    let mut row = report.rows[0].clone();
    assert_eq!(row.kind, BenchKind::Prefill);
    row.tokens_per_s = speed(10.0);
    let facts =
        BenchFacts { products_per_token: 50, byte_products_per_token: 30, ..report.facts.clone() };
    let peak = Peak { threads: 1, bytes_per_s: speed(3000.0), floats_per_s: speed(500.0) };
    // A token takes 10 ms of bytes and 40 ms of floats at best.
    assert_eq!(share_of_peak(&row, &[peak], &facts), Some(0.5));
    row.kind = BenchKind::Decode;
    assert_eq!(share_of_peak(&row, &[peak], &facts), None);
    let whole = run(&tiny(), &BenchPlan { peak: true, ..short() }).unwrap();
    assert_eq!(whole.facts.byte_products_per_token, 0, "an f32 file");
    assert!(whole.peak[0].floats_per_s.median > 0.0);
    let shares: Vec<_> = whole.rows.iter().map(|row| row.share_of_peak.is_some()).collect();
    assert_eq!(shares, [true, false]);
}

#[test]
fn a_gpu_takes_neither_threads_nor_the_bandwidth_of_the_processor() {
    let on = |plan: &BenchPlan| plan.threads_on(Device::Cuda(0));
    assert_eq!(on(&BenchPlan::default()).unwrap(), [1]);
    let asking = |bandwidth| BenchPlan { bandwidth, peak: !bandwidth, ..BenchPlan::default() };
    for plan in [short(), asking(true), asking(false)] {
        assert_eq!(on(&plan).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn the_median_of_an_even_number_is_between_the_middle_two() {
    let spread = spread(vec![4.0, 1.0, 3.0, 2.0]);
    assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
}
