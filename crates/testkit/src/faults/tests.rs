//! The proxy before another one that plays the server.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{Answer, End, Fault, Proxy, refusing_address};

/// What a client gets: the bytes until the end, and how it ended.
fn get(url: &str, path: &str) -> (String, io::Result<()>) {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\nx-mine: 1\r\n\r\n").unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let end = loop {
        match connection.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) => break Err(error),
        }
        if bytes.len() > 1000 {
            break Ok(()); // enough of an answer that never ends
        }
    };
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

fn pair() -> (Proxy, Proxy) {
    let server = Proxy::alone().unwrap();
    let answer = Answer::events(&[json!({"msg": "one"}), json!({"msg": "two"})]);
    server.rule("", Fault::Instead(answer));
    let proxy = Proxy::before(server.url()).unwrap();
    (server, proxy)
}

#[test]
fn an_answer_passes_and_the_request_is_noted_with_what_was_added() {
    let (server, proxy) = pair();
    proxy.add_header("X-IP-Token", "t");
    let (answer, end) = get(proxy.url(), "/a?b=c");
    assert!(end.is_ok() && answer.ends_with("0\r\n\r\n"), "{answer}");
    assert!(answer.contains("\"one\"") && answer.contains("\"two\""), "{answer}");
    assert_eq!(proxy.journal()[0].header("x-mine"), Some("1"));
    assert_eq!(server.requests("GET /a?b=c")[0].header("x-ip-token"), Some("t"));
}

#[test]
fn a_cut_ends_as_the_rule_says() {
    let (_server, proxy) = pair();
    proxy.rule("/closed", Fault::cut_after("\"o", End::Closed));
    proxy.rule("/complete", Fault::cut_after("\"one\"}\n\n", End::Complete));
    proxy.rule("/reset", Fault::cut_after("\"one\"", End::Reset));
    proxy.rule("/silence", Fault::cut_after("\"one\"", End::Silence));
    proxy.rule("/beats", Fault::cut_after("\"one\"}\n\n", End::Heartbeats));
    let (answer, end) = get(proxy.url(), "/closed");
    assert!(end.is_ok() && answer.ends_with("\"o\r\n"), "{answer}");
    let (answer, end) = get(proxy.url(), "/complete");
    assert!(end.is_ok() && answer.ends_with("0\r\n\r\n") && !answer.contains("two"), "{answer}");
    let (answer, end) = get(proxy.url(), "/reset");
    assert!(answer.contains("one"), "{answer}");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let (answer, end) = get(proxy.url(), "/silence");
    assert!(end.is_err() && !answer.contains("two"), "{answer}");
    let (answer, _) = get(proxy.url(), "/beats");
    assert!(answer.matches("heartbeat").count() > 2 && !answer.contains("two"), "{answer}");
}

#[test]
fn resets_come_before_and_after_the_head() {
    let (server, proxy) = pair();
    proxy.rule("/before", Fault::ResetBeforeHead);
    proxy.rule("/after", Fault::ResetAfterHead);
    let (answer, end) = get(proxy.url(), "/before");
    assert_eq!((answer.as_str(), end.is_err()), ("", true));
    assert_eq!(server.journal().len(), 0, "the request reached the server");
    let (answer, end) = get(proxy.url(), "/after");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(end.is_err());
}

#[test]
fn dripping_changes_no_byte() {
    let (_server, proxy) = pair();
    proxy.rule("/slowly", Fault::byte_by_byte());
    let (answer, _) = get(proxy.url(), "/slowly");
    let body: String = answer.split("\r\n").skip(6).step_by(2).collect();
    assert!(
        body.contains("{\"msg\":\"two\"}") || answer.contains("1\r\nt\r\n1\r\nw\r\n"),
        "{answer}"
    );
}

#[test]
fn a_rule_may_hold_for_some_requests_only() {
    let (_server, proxy) = pair();
    proxy.rule_times("GET /", 1, Fault::Instead(Answer::html(502, "Bad Gateway")));
    assert!(get(proxy.url(), "/").0.starts_with("HTTP/1.1 502"));
    assert!(get(proxy.url(), "/").0.starts_with("HTTP/1.1 200"));
}

#[test]
fn when_the_client_goes_nothing_stays_open() {
    let (_server, proxy) = pair();
    proxy.rule(
        "",
        Fault::EndlessBody(Answer::status(200).with_body("text/plain", "x"), Duration::ZERO),
    );
    drop(TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap());
    let mut connection = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
    write!(connection, "GET / HTTP/1.1\r\n\r\n").unwrap();
    connection.read_exact(&mut [0; 64]).unwrap();
    drop(connection);
    for _ in 0..200 {
        if proxy.open_connections() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} connections are open", proxy.open_connections());
}

#[test]
fn nobody_listens_at_a_refusing_address() {
    let address = refusing_address().unwrap();
    let refused = TcpStream::connect(address.trim_start_matches("http://")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}
