//! The decoder, byte by byte.

use proptest::prelude::*;

use super::{Frame, SseDecoder, SseError};

fn decode(chunks: &[&[u8]], limit: usize) -> Vec<Result<Frame, SseError>> {
    let mut decoder = SseDecoder::new(limit);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        frames.extend(std::iter::from_fn(|| decoder.next_frame()));
    }
    frames
}

fn data(text: &str) -> Vec<String> {
    decode(&[text.as_bytes()], 1 << 20).into_iter().map(|f| f.unwrap().data).collect()
}

#[test]
fn frames_end_at_a_blank_line_and_keep_their_lines() {
    assert_eq!(data("data: a\n\ndata:b\r\n\r\ndata:  c\ndata: d\n\n"), ["a", "b", " c\nd"]);
}

#[test]
fn comments_unknown_fields_and_a_byte_order_mark_are_skipped() {
    assert_eq!(data("\u{feff}data: a\n\n: ping\n\nid: 7\nretry: 1\ndata\n\n"), ["a", ""]);
}

#[test]
fn an_event_name_belongs_to_its_frame_only() {
    let frames = decode(&[b"event: error\ndata: null\n\ndata: 1\n\nevent: x\n\ndata: 2\n\n"], 99);
    let events: Vec<_> = frames.into_iter().map(|f| f.unwrap().event).collect();
    assert_eq!(events, [Some("error".to_owned()), None, None]);
}

#[test]
fn unicode_line_breaks_are_text() {
    assert_eq!(data("data: a\u{85}b\u{2028}c\u{b}d\re\n\n"), ["a\u{85}b\u{2028}c\u{b}d\re"]);
}

#[test]
fn a_frame_without_its_blank_line_is_no_frame() {
    assert!(data("data: cut").is_empty());
    assert!(data("data: cut\n").is_empty());
}

#[test]
fn too_much_is_refused_once_and_nothing_follows() {
    for chunks in [
        vec![&b"data: 0123456789"[..], &b"0123456789"[..], &b"\n\ndata: a\n\n"[..]],
        vec![&b"data: 01234\ndata: 56789\ndata: 01234\ndata: 5\n\ndata: a\n\n"[..]],
    ] {
        assert_eq!(decode(&chunks, 16), [Err(SseError::TooLong { limit: 16 })]);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_eq!(decode(&[b"data: \xff\n\ndata: a\n\n"], 99), [Err(SseError::NotText)]);
}

fn one_line() -> impl Strategy<Value = String> {
    // What JSON on the wire may hold: anything but the two line ends.
    "[^\r\n]{0,40}"
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        values in prop::collection::vec(one_line(), 0..8),
        crlf in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let wire: String = values.iter().map(|v| format!("data: {v}{end}{end}")).collect();
        let mut at: Vec<usize> = cuts.iter().map(|i| i.index(wire.len() + 1)).collect();
        at.extend([0, wire.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|w| &wire.as_bytes()[w[0]..w[1]]).collect();
        let frames: Vec<_> = decode(&chunks, 4096).into_iter().map(|f| f.unwrap().data).collect();
        prop_assert_eq!(frames, values);
    }

    #[test]
    fn one_byte_at_a_time_equals_all_at_once(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode(&single, 64), decode(&[&bytes], 64));
    }
}
