//! Every case by name, in the order of the contract's clauses.

use domain::Capability as Can;
use futures_util::future::BoxFuture;

use super::subject::{Check, Subject};
use super::{
    batch, concurrent, content, drops, errors, invalid, limits, options, order, reasoning, repeats,
    stop, text, usage,
};

/// One case of the suite.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) clause: u8,
    pub(super) check: for<'a> fn(&'a Subject) -> BoxFuture<'a, Check>,
}

macro_rules! cases {
    ($($clause:literal $name:literal $check:expr $(, $argument:expr)?;)*) => {
        pub(super) const CASES: &[Case] = &[
            $(Case {
                name: $name,
                clause: $clause,
                check: |subject| Box::pin($check(subject $(, $argument)?)),
            }),*
        ];
    };
}

cases! {
    1 "order.one_end_then_nothing" order::one_end_then_nothing;
    1 "order.started_before_content" order::started_before_content;
    1 "order.a_refusal_is_the_last_word" order::a_refusal_is_the_last_word;
    2 "text.no_delta_is_empty" text::no_delta_is_empty;
    2 "text.characters_are_whole" text::characters_are_whole;
    2 "text.arrives_in_pieces" text::arrives_in_pieces;
    3 "stop.is_no_part_of_the_text" stop::is_no_part_of_the_text;
    3 "stop.split_across_deltas" stop::split_across_deltas;
    3 "stop.at_the_very_beginning" stop::at_the_very_beginning;
    3 "stop.the_earliest_wins" stop::the_earliest_wins;
    3 "stop.a_near_miss_is_kept" stop::a_near_miss_is_kept;
    3 "stop.a_known_word_ends_it" stop::a_known_word_ends_it;
    4 "max_tokens.ends_with_length" limits::ends_with_length, 3;
    4 "max_tokens.one" limits::ends_with_length, 1;
    4 "max_tokens.fewer_is_a_beginning_of_more" limits::fewer_is_a_beginning_of_more;
    5 "options.max_tokens" options::honoured_or_refused, Can::MaxTokens;
    5 "options.temperature" options::honoured_or_refused, Can::Temperature;
    5 "options.top_p" options::honoured_or_refused, Can::TopP;
    5 "options.top_k" options::honoured_or_refused, Can::TopK;
    5 "options.min_p" options::honoured_or_refused, Can::MinP;
    5 "options.repeat_penalty" options::honoured_or_refused, Can::RepeatPenalty;
    5 "options.presence_penalty" options::honoured_or_refused, Can::PresencePenalty;
    5 "options.frequency_penalty" options::honoured_or_refused, Can::FrequencyPenalty;
    5 "options.seed" options::honoured_or_refused, Can::Seed;
    5 "options.stop" options::honoured_or_refused, Can::Stop;
    5 "options.think" options::honoured_or_refused, Can::Think;
    5 "options.thinking_budget" options::honoured_or_refused, Can::ThinkingBudget;
    5 "options.logprobs" options::honoured_or_refused, Can::Logprobs;
    5 "options.raw_prompt" options::honoured_or_refused, Can::RawPrompt;
    5 "options.system_prompt" options::honoured_or_refused, Can::SystemPrompt;
    5 "options.multi_turn" options::honoured_or_refused, Can::MultiTurn;
    5 "options.think_auto_asks_nothing" options::think_auto_asks_nothing;
    5 "options.logprobs_are_reported" options::logprobs_are_reported;
    5 "options.declarations_are_constant" options::declarations_are_constant;
    6 "invalid.empty_prompt" invalid::empty_prompt;
    6 "invalid.nothing_to_answer" invalid::nothing_to_answer;
    6 "invalid.late_system_message" invalid::late_system_message;
    6 "invalid.option_out_of_range" invalid::option_out_of_range;
    7 "repeats.greedy" repeats::greedy;
    7 "repeats.seeded" repeats::seeded;
    7 "repeats.seeds_differ" repeats::seeds_differ;
    8 "drop.before_the_first_poll" drops::before_the_first_poll;
    8 "drop.at_the_first_poll" drops::at_the_first_poll;
    8 "drop.during_prefill" drops::during_prefill;
    8 "drop.after_the_first_delta" drops::after_the_first_delta;
    8 "drop.while_queued" drops::while_queued;
    8 "drop.generate" drops::generate;
    8 "drop.batch" drops::batch;
    9 "usage.is_never_zero_for_unknown" usage::is_never_zero_for_unknown;
    9 "usage.is_reported" usage::is_reported;
    10 "reasoning.no_marks_in_the_text" reasoning::no_marks_in_the_text;
    10 "reasoning.stays_out_of_the_text" reasoning::stays_out_of_the_text;
    10 "reasoning.off_means_none" reasoning::off_means_none;
    11 "content.control_tokens_are_accepted" content::control_tokens_are_accepted;
    11 "content.control_tokens_end_nothing" content::control_tokens_end_nothing;
    11 "content.control_tokens_are_encoded_as_text" content::control_tokens_are_encoded_as_text;
    12 "batch.in_order" batch::in_order;
    12 "batch.one_failure_keeps_the_others" batch::one_failure_keeps_the_others;
    12 "batch.empty" batch::empty;
    12 "batch.larger_than_the_places" batch::larger_than_the_places;
    13 "generate.equals_the_folded_stream" text::generate_equals_the_folded_stream;
    13 "generate.has_an_end" text::generate_has_an_end;
    14 "errors.name_the_provider" errors::name_the_provider;
    14 "errors.advise" errors::advise;
    14 "errors.too_long_a_prompt" errors::too_long_a_prompt;
    14 "errors.after_content" errors::after_content;
    14 "errors.embeddings_are_vectors_or_unsupported" errors::embeddings;
    15 "concurrent.equals_one_by_one" concurrent::equals_one_by_one;
    15 "concurrent.all_end" concurrent::all_end;
    15 "concurrent.dropping_one_leaves_the_others" concurrent::dropping_one_leaves_the_others;
    15 "concurrent.a_slow_reader_blocks_nobody" concurrent::a_slow_reader_blocks_nobody;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::CASES;

    #[test]
    fn every_clause_has_a_case_and_names_are_unique() {
        let clauses: BTreeSet<u8> = CASES.iter().map(|case| case.clause).collect();
        assert_eq!(clauses, (1..=15).collect());
        assert!(CASES.is_sorted_by_key(|case| case.clause));
        assert_eq!(CASES.iter().map(|c| c.name).collect::<BTreeSet<_>>().len(), CASES.len());
    }

    #[test]
    fn every_capability_that_a_request_may_need_has_a_case() {
        use crate::conformance::options::request_needing;
        for capability in super::Can::ALL.into_iter().filter(|c| request_needing(*c).is_some()) {
            let name = format!("options.{}", capability.as_str());
            assert!(CASES.iter().any(|case| case.name == name), "{name}");
        }
    }
}
