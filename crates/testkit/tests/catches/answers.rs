//! Faults in what comes back: order, text, stops, limits, repeats, usage, reasoning.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{Event, Finish, FinishReason, Notice, NoticeKind, Request, Response, Usage};
use futures_util::{StreamExt, stream};
use ports::EventStream;
use textport_testkit::Turn;
use textport_testkit::conformance::Fixture;

use crate::broken::{ANSWER, Broken, caught_with, sound};

fn notice() -> Event {
    Event::Notice(Notice::new(NoticeKind::Info, "by the way"))
}

fn is_finish(event: &Event) -> bool {
    matches!(event, Event::Finish(_))
}

fn is_started(event: &Event) -> bool {
    matches!(event, Event::Started { .. })
}

#[tokio::test(start_paused = true)]
async fn two_ends_or_more_after_the_end() {
    let twice = |event: Event| match event {
        Event::Finish(_) => vec![event.clone(), event],
        other => vec![other],
    };
    assert_eq!(Broken::new().on_event(twice).caught().await, ["order.one_end_then_nothing"]);

    let more = |event: Event| match event {
        finish if is_finish(&finish) => vec![finish, notice()],
        other => vec![other],
    };
    let caught = Broken::new().on_event(more).caught().await;
    assert!(caught.contains(&"order.one_end_then_nothing"), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn no_end_at_all() {
    let endless = |event: Event| if is_finish(&event) { vec![] } else { vec![event] };
    let caught = Broken::new().on_event(endless).caught().await;
    for case in ["order.one_end_then_nothing", "generate.has_an_end", "concurrent.all_end"] {
        assert!(caught.contains(&case), "{case}: {caught:?}");
    }
}

/// Ends, and when asked again does what `then` says.
fn after_the_end(
    mut events: EventStream,
    then: impl Fn() -> Event + Send + Sync + 'static,
) -> EventStream {
    let mut ended = false;
    Box::pin(stream::poll_fn(move |context| {
        if ended {
            return std::task::Poll::Ready(Some(Ok(then())));
        }
        let polled = events.poll_next_unpin(context);
        ended = matches!(polled, std::task::Poll::Ready(None));
        polled
    }))
}

#[tokio::test(start_paused = true)]
async fn speaking_when_asked_again() {
    let speaks = Broken::new().on_events(|_, events| after_the_end(events, notice));
    assert_eq!(speaks.caught().await, ["order.one_end_then_nothing"]);
    let panics = Broken::new()
        .on_events(|_, events| after_the_end(events, || unreachable!("polled after the end")));
    assert_eq!(panics.caught().await, ["order.one_end_then_nothing"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_says_who_answers() {
    let silent = |event: Event| if is_started(&event) { vec![] } else { vec![event] };
    let caught = Broken::new().on_event(silent).caught().await;
    assert_eq!(caught, ["order.started_before_content", "generate.has_an_end"]);
}

#[tokio::test(start_paused = true)]
async fn starting_or_queueing_after_content() {
    let started = || Event::Started { provider: sound_id(), model: None };
    let queued = || Event::Queued { position: None, eta: None };
    for late in [started(), queued()] {
        let again = move |event: Event| match event {
            Event::Text(_) => vec![event, late.clone()],
            other => vec![other],
        };
        assert_eq!(Broken::new().on_event(again).caught().await, ["order.started_before_content"]);
    }
}

fn sound_id() -> domain::ProviderId {
    ports::TextGenerator::info(&sound()).id.clone()
}

#[tokio::test(start_paused = true)]
async fn empty_deltas() {
    let empty = |event: Event| match event {
        Event::Text(_) => vec![Event::Text(String::new()), event],
        other => vec![other],
    };
    // The stop sequences across deltas are cut out of the deltas, so they are hit too.
    let caught = Broken::new().on_event(empty).caught().await;
    assert_eq!(caught.first(), Some(&"text.no_delta_is_empty"));
    assert!(caught.iter().all(|c| *c == "text.no_delta_is_empty" || c.starts_with("stop.split")));
}

#[tokio::test(start_paused = true)]
async fn broken_characters() {
    let lossy = |event: Event| match event {
        Event::Text(delta) => vec![Event::Text(delta.replace('q', "\u{fffd}"))],
        other => vec![other],
    };
    assert_eq!(Broken::new().on_event(lossy).caught().await, ["text.characters_are_whole"]);
}

#[tokio::test(start_paused = true)]
async fn everything_at_once() {
    let caught = Broken::new().on_text(|_, text| text).caught().await;
    assert_eq!(caught, ["text.arrives_in_pieces", "stop.split_across_deltas"]);
}

const STOP_CASES: [&str; 5] = [
    "stop.is_no_part_of_the_text",
    "stop.split_across_deltas",
    "stop.at_the_very_beginning",
    "stop.the_earliest_wins",
    "stop.a_known_word_ends_it",
];

#[tokio::test(start_paused = true)]
async fn stop_sequences_ignored() {
    let deaf = Broken::new().on_request(|request| request.options.stop.clear());
    assert_eq!(deaf.caught().await, STOP_CASES);
}

/// The stop sequence is found, but only within one delta.
#[tokio::test(start_paused = true)]
async fn stop_sequences_sought_in_each_delta_alone() {
    let short_sighted = Broken::new().on_request(|request| request.options.stop.clear()).on_events(
        |request, events| {
            let stops = request.options.stop.clone();
            let cut = events.scan(false, move |done, item| {
                let item = (!*done).then(|| match item {
                    Ok(Event::Text(delta)) => {
                        let at = stops.iter().filter_map(|stop| delta.find(stop)).min();
                        *done = at.is_some();
                        match at {
                            Some(0) => vec![Ok(Event::Finish(Finish::new(FinishReason::Stop)))],
                            Some(at) => vec![
                                Ok(Event::Text(delta[..at].to_owned())),
                                Ok(Event::Finish(Finish::new(FinishReason::Stop))),
                            ],
                            None => vec![Ok(Event::Text(delta))],
                        }
                    }
                    other => vec![other],
                });
                std::future::ready(item)
            });
            Box::pin(cut.flat_map(stream::iter).fuse())
        },
    );
    let caught = short_sighted.caught().await;
    assert!(caught.contains(&"stop.split_across_deltas"), "{caught:?}");
    assert!(caught.iter().all(|case| case.starts_with("stop.")), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn stop_sequences_left_in_the_text() {
    let leaky = Broken::new().on_text(|request, text| {
        let ended =
            request.options.stop.iter().find(|stop| ANSWER.contains(&format!("{text}{stop}")));
        format!("{text}{}", ended.map_or("", String::as_str))
    });
    let caught = leaky.caught().await;
    assert!(STOP_CASES.iter().all(|case| caught.contains(case)), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_listed_stop_wins() {
    let listed = Broken::new().on_request(|request| request.options.stop.truncate(1));
    assert_eq!(listed.caught().await, ["stop.the_earliest_wins"]);
}

#[tokio::test(start_paused = true)]
async fn held_back_text_lost() {
    let lossy = Broken::new().on_text(|request, text| {
        let could = |tail: &str| request.options.stop.iter().any(|stop| stop.starts_with(tail));
        let held = text.char_indices().map(|(at, _)| &text[at..]).find(|tail| could(tail));
        text[..text.len() - held.map_or(0, str::len)].to_owned()
    });
    let caught = lossy.caught().await;
    assert!(caught.contains(&"stop.a_near_miss_is_kept"), "{caught:?}");
}

fn ends_as(reason: FinishReason) -> impl Fn(Event) -> Vec<Event> + Clone + Send + Sync {
    move |event| match event {
        Event::Finish(_) => vec![Event::Finish(Finish::new(reason.clone()))],
        other => vec![other],
    }
}

#[tokio::test(start_paused = true)]
async fn the_wrong_reason() {
    let caught = Broken::new().on_event(ends_as(FinishReason::Length)).caught().await;
    assert_eq!(caught, STOP_CASES);
    let caught = Broken::new().on_event(ends_as(FinishReason::Stop)).caught().await;
    assert_eq!(caught, ["max_tokens.ends_with_length", "max_tokens.one"]);
}

#[tokio::test(start_paused = true)]
async fn max_tokens_ignored_or_off_by_one() {
    let endless = Broken::new().on_request(|request| request.options.max_tokens = None);
    let caught = endless.caught().await;
    for case in
        ["max_tokens.ends_with_length", "max_tokens.one", "max_tokens.fewer_is_a_beginning_of_more"]
    {
        assert!(caught.contains(&case), "{case}: {caught:?}");
    }
    let generous = Broken::new().on_request(|request| {
        request.options.max_tokens = request.options.max_tokens.map(|n| n + 1);
    });
    assert_eq!(generous.caught().await, ["max_tokens.ends_with_length", "max_tokens.one"]);
}

#[tokio::test(start_paused = true)]
async fn another_answer_for_fewer_tokens() {
    let fickle = Broken::new().on_text(|request, text| match request.options.max_tokens {
        Some(n) if n < 8 => text.to_uppercase(),
        _ => text,
    });
    let caught = fickle.caught().await;
    assert!(caught.contains(&"max_tokens.fewer_is_a_beginning_of_more"), "{caught:?}");
}

/// Answers differently each time when `varies` says so.
fn unsteady(varies: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Broken {
    let calls = AtomicUsize::new(0);
    Broken::over(sound().answering_with(move |request| {
        let n = if varies(request) { calls.fetch_add(1, Ordering::SeqCst) } else { 0 };
        match request.options.top_k {
            Some(13) => Turn::new().text("so far").failing(crate::broken::reset),
            _ => Turn::new().reasoning("Hm.").text(&format!("{n}: {ANSWER}")),
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn runs_that_do_not_repeat() {
    let caught = unsteady(|_| true).caught().await;
    assert!(caught.contains(&"repeats.greedy") && caught.contains(&"repeats.seeded"), "{caught:?}");

    let greedy = |request: &Request| request.options.temperature == Some(0.0);
    assert_eq!(unsteady(move |r| !greedy(r)).caught().await, ["repeats.seeded"]);
    let caught = unsteady(move |r| greedy(r) && r.options.seed.is_some()).caught().await;
    assert_eq!(caught, ["repeats.greedy"]);
}

#[tokio::test(start_paused = true)]
async fn seeds_without_effect_where_they_should_have_one() {
    let inner = sound();
    let fixture = Fixture::new(Arc::new(inner.clone())).with_seeds_that_vary();
    assert_eq!(caught_with(fixture, inner).await, ["repeats.seeds_differ"]);

    let inner =
        sound().answering_with(|request| match (request.options.top_k, request.options.seed) {
            (Some(13), _) => Turn::new().text("so far").failing(crate::broken::reset),
            (_, Some(seed)) if request.options.temperature > Some(0.0) => {
                Turn::new().text(&format!("{seed} {ANSWER}"))
            }
            _ => Turn::new().reasoning("Hm.").text(ANSWER),
        });
    let fixture = Fixture::new(Arc::new(inner.clone())).with_seeds_that_vary();
    assert!(caught_with(fixture, inner).await.is_empty());
}

fn with_usage(change: impl Fn(&mut Usage) + Clone + Send + Sync + 'static) -> Broken {
    Broken::new().on_event(move |event| match event {
        Event::Usage(mut usage) => {
            change(&mut usage);
            vec![Event::Usage(usage)]
        }
        other => vec![other],
    })
}

#[tokio::test(start_paused = true)]
async fn usage_that_is_zero_missing_or_impossible() {
    let caught = with_usage(|usage| usage.output_tokens = Some(0)).caught().await;
    assert!(caught.contains(&"usage.is_never_zero_for_unknown"), "{caught:?}");
    let caught = with_usage(|usage| usage.reasoning_tokens = Some(1_000)).caught().await;
    assert_eq!(caught, ["usage.is_never_zero_for_unknown"]);
    assert_eq!(
        with_usage(|usage| usage.output_tokens = None).caught().await,
        ["usage.is_reported"]
    );
    let silent = |event: Event| if matches!(event, Event::Usage(_)) { vec![] } else { vec![event] };
    assert_eq!(Broken::new().on_event(silent).caught().await, ["usage.is_reported"]);
}

#[tokio::test(start_paused = true)]
async fn reasoning_in_the_text() {
    let mixed = |event: Event| match event {
        Event::Reasoning(thought) => vec![Event::Text(thought)],
        other => vec![other],
    };
    assert_eq!(Broken::new().on_event(mixed).caught().await, ["reasoning.stays_out_of_the_text"]);

    let twice = Broken::new().on_text(|request, text| match request.options.think {
        Some(domain::Think::On) => format!("Let me see. {text}"),
        _ => text,
    });
    let caught = twice.caught().await;
    assert!(caught.contains(&"reasoning.stays_out_of_the_text"), "{caught:?}");

    let inner = sound().answering("<think>One port takes it</think>Many providers answer it.");
    let caught = Broken::over(inner).caught().await;
    assert!(caught.contains(&"reasoning.no_marks_in_the_text"), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn thinking_when_told_not_to() {
    let stubborn = Broken::new().on_request(|request| request.options.think = None);
    let caught = stubborn.caught().await;
    assert!(caught.contains(&"reasoning.off_means_none"), "{caught:?}");
}

#[tokio::test(start_paused = true)]
async fn think_declared_but_never_shown() {
    let report = textport_testkit::conformance::run(&Fixture::new(Arc::new(sound()))).await;
    assert_eq!(report.failed(), ["reasoning.stays_out_of_the_text", "reasoning.off_means_none"]);
}

#[tokio::test(start_paused = true)]
async fn generate_that_is_not_the_stream() {
    let shouts = |response: Response| Response { text: response.text.to_uppercase(), ..response };
    let caught = Broken::new().on_result(move |result| result.map(shouts)).caught().await;
    assert!(caught.contains(&"generate.equals_the_folded_stream"), "{caught:?}");
    let endless = |response| Response { finish_reason: None, ..response };
    let caught = Broken::new().on_result(move |result| result.map(endless)).caught().await;
    assert!(caught.contains(&"generate.has_an_end"), "{caught:?}");
}

/// Events that a test wants to see in another order go through here.
#[tokio::test(start_paused = true)]
async fn content_before_the_start() {
    let late = Broken::new().on_events(|_, events| {
        let late = stream::unfold((events, VecDeque::new()), |(mut events, mut held)| async move {
            match events.next().await {
                Some(Ok(started)) if is_started(&started) => {
                    let first = events.next().await?;
                    held.push_back(Ok(started));
                    Some((first, (events, held)))
                }
                Some(item) if held.is_empty() => Some((item, (events, held))),
                Some(item) => {
                    held.push_back(item);
                    held.pop_front().map(|item| (item, (events, held)))
                }
                None => held.pop_front().map(|item| (item, (events, held))),
            }
        });
        Box::pin(late.fuse())
    });
    assert_eq!(late.caught().await, ["order.started_before_content"]);
}
