//! The log on a real file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use textport::{
    Error, ErrorKind, Event, Finish, FinishReason, Message, ProviderId, Request, Response,
};

use super::{Log, Place, Recorded, Turn};

fn place(folder: &TempDir) -> Place {
    Place::new(&folder.path().join("state"), None)
}

fn response(text: &str) -> Response {
    let mut response = Response::default();
    response.absorb(Event::Reasoning("hm".into()));
    response.absorb(Event::Text(text.into()));
    response.absorb(Event::Finish(Finish::new(FinishReason::Stop)));
    response
}

fn record(
    log: &mut Log,
    conversation: Option<&str>,
    prompt: &str,
    outcome: Result<&Response, &Error>,
) -> Recorded {
    let provider = ProviderId::new("local").unwrap();
    let messages = vec![Message::system("be kind"), Message::user(prompt)];
    let request = Request::messages(messages);
    let turn = Turn { provider: &provider, model: None, request: &request, outcome };
    log.record(conversation, &turn, true).unwrap()
}

#[test]
fn a_conversation_is_what_was_answered_and_not_undone() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(&place(&folder)).unwrap();
    let first = record(&mut log, None, "one", Ok(&response("1")));
    let id = Some(first.conversation.as_str());
    record(&mut log, id, "fails", Err(&Error::new(ErrorKind::Network, "reset")));
    let undone = record(&mut log, id, "undone", Ok(&response("x")));
    log.undo(&undone).unwrap();
    let cut = Error::new(ErrorKind::Cancelled, "").with_partial(response("tw"));
    record(&mut log, id, "two", Err(&cut));
    record(&mut log, id, "nothing came", Err(&Error::new(ErrorKind::Cancelled, "")));

    let loaded = log.load(None).unwrap();
    assert_eq!(loaded.system.as_deref(), Some("be kind"));
    let said: Vec<_> = loaded
        .exchanges
        .iter()
        .map(|e| (e.user.content.as_str(), e.assistant.content.as_str(), e.interrupted))
        .collect();
    assert_eq!(said, [("one", "1", false), ("two", "tw", true)]);
    assert_eq!(loaded.exchanges[0].assistant.reasoning.as_deref(), Some("hm"));
    assert_eq!(log.turns(&loaded.id).unwrap().len(), 5);
    assert_eq!(log.list(0).unwrap()[0].turns, 5);
}

#[test]
fn conversations_are_found_by_either_end_of_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(&place(&folder)).unwrap();
    assert!(log.load(None).unwrap_err().to_string().contains("no conversation to continue"));
    let a = record(&mut log, None, "a", Ok(&response("1"))).conversation;
    let b = record(&mut log, None, "b", Ok(&response("2"))).conversation;
    assert_eq!(log.find(&b[12..].to_lowercase()).unwrap(), b);
    assert_eq!(log.find(&a).unwrap(), a);
    assert!(log.find(&a[..4]).unwrap_err().to_string().contains("fits 2"));
    for nobody in ["", "*", "ZZZZ"] {
        assert_eq!(log.find(nobody).unwrap_err().kind(), ErrorKind::InvalidRequest, "{nobody}");
    }
}

#[test]
fn a_search_finds_words_in_questions_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(&place(&folder)).unwrap();
    record(&mut log, None, "Where do hedgehogs sleep?", Ok(&response("Under leaves.")));
    record(&mut log, None, "Who wrote Émile?", Ok(&response("Rousseau, \"they\" say.")));
    let found = |words| log.search(words, 9).unwrap().len();
    assert_eq!(found("leaves hedgehogs"), 1, "one in the question, one in the answer");
    assert_eq!((found("hedge*"), found("LEAVES"), found("emile")), (1, 1, 1));
    assert_eq!((found("\"they"), found("NOT"), found(" ")), (1, 0, 0));
    assert!(log.search("sleep", 9).unwrap()[0].excerpt.contains("[sleep]"));
}

#[test]
fn what_is_pruned_is_gone_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let mut log = Log::open(&place).unwrap();
    record(&mut log, None, "Xylophonesecret", Ok(&response("Zitherkept")));
    assert_eq!(log.prune(0).unwrap(), 0);
    assert!(holds(place.database(), "Xylophonesecret"));
    assert_eq!(log.prune(i64::MAX).unwrap(), 1);
    for word in ["Xylophonesecret", "xylophonesecret", "Zitherkept", "zitherkept"] {
        assert!(!holds(place.database(), word), "{word}");
    }
    assert_eq!(log.counts().unwrap(), (0, 0));
    assert_eq!(log.search("zither*", 9).unwrap(), []);
}

#[test]
fn without_texts_there_are_only_counts() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let mut log = Log::open(&place).unwrap();
    let provider = ProviderId::new("local").unwrap();
    let mut request = Request::user("Xylophonesecret");
    request.options.stop = vec!["Stopsecret".into()];
    let answer = response("Zithersecret");
    let turn = Turn { provider: &provider, model: None, request: &request, outcome: Ok(&answer) };
    let id = log.record(None, &turn, false).unwrap().conversation;
    let kept = &log.turns(&id).unwrap()[0];
    assert_eq!((kept.prompt_chars, kept.response_chars), (15, 12));
    for word in ["secret", "hm"] {
        assert!(!holds(place.database(), word), "{word}");
    }
    let refused = log.load(None).unwrap_err();
    assert!(refused.to_string().contains("its texts were not kept"), "{refused}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder);
    let mut log = Log::open(&place).unwrap();
    record(&mut log, None, "a", Ok(&response("b")));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.database().parent().unwrap()), 0o700);
    let files: Vec<_> = fs::read_dir(folder.path().join("state")).unwrap().flatten().collect();
    assert_eq!(files.len(), 3, "the database and its two side files: {files:?}");
    for file in files {
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
    }
}

#[test]
fn what_is_no_log_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        Log::open(&Place::new(folder.path(), Some(folder.path().join(name)))).unwrap_err()
    };
    let junk = "no database".repeat(500);
    fs::write(folder.path().join("junk"), &junk).unwrap();
    assert!(open("junk").to_string().contains("damaged or not a log"));
    assert_eq!(fs::read_to_string(folder.path().join("junk")).unwrap(), junk);

    let other = rusqlite::Connection::open(folder.path().join("other")).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(open("other").to_string().contains("another program's"));

    let place = place(&folder);
    drop(Log::open(&place).unwrap());
    let newer = rusqlite::Connection::open(place.database()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let refused = Log::open(&place).unwrap_err();
    assert!(refused.to_string().contains("newer textport (layout 99"), "{refused}");
    assert!(refused.hint().unwrap().contains("update textport"));
}

/// Whether any file of the log has these bytes.
fn holds(database: &Path, word: &str) -> bool {
    let folder = fs::read_dir(database.parent().unwrap()).unwrap();
    folder.flatten().any(|file| {
        let bytes = fs::read(file.path()).unwrap();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    })
}
