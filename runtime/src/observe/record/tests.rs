use std::net::Ipv4Addr;

use fastrand::Rng;
use serde_json::{Value, json};

use super::clock::{Clock, rfc3339};
use super::*;
use crate::limits;

/// A record in which nothing is special.
pub(crate) fn plain(request_id: &str) -> Record<'_> {
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_415_409_123),
        request_id,
        client: Ipv4Addr::new(203, 0, 113, 9).into(),
        client_port: 50_123,
        peer: None,
        scheme: "http",
        protocol: "HTTP/1.1",
        tls: None,
        method: "GET",
        host: b"api.example.com",
        path: "/v1/orders?page=2",
        user_agent: None,
        referer: None,
        status: 200,
        bytes_in: 0,
        bytes_out: 1_234,
        route: None,
        service: None,
        chosen: None,
        consumer: None,
        upstream_status: None,
        attempts: &[],
        total: Duration::from_micros(12_345),
        upstream: None,
        plugins: Duration::ZERO,
        failure: None,
    }
}

fn json_line(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    json(&mut line, &mut Clock::default(), record);
    String::from_utf8(line).unwrap()
}

fn text_line(record: &Record<'_>, paint: Paint) -> String {
    let mut line = Vec::new();
    text(&mut line, &mut Clock::default(), record, paint);
    String::from_utf8(line).unwrap()
}

/// What a reader makes of a field of bytes: `\xff` is a byte.
fn unescaped(shown: &str) -> Vec<u8> {
    let mut rest = shown;
    let mut bytes = Vec::new();
    while let Some(first) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&digits[..2], 16).unwrap());
            rest = &digits[2..];
        } else {
            bytes.extend_from_slice(&rest.as_bytes()[..first.len_utf8()]);
            rest = &rest[first.len_utf8()..];
        }
    }
    bytes
}

/// Bytes that are likely to be trouble.
fn bytes(random: &mut Rng) -> Vec<u8> {
    let trouble: [&[u8]; 14] = [
        b"\\x",
        b"\\",
        b"\"",
        b"\r\n",
        b"\x1b[2J",
        b"\0",
        b"\x7f",
        b"\xff",
        b"\xc3",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x8c\x8a",
        b"\xc2\x9b",
        b"plain text of some length, ",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.usize(0..6) {
        match random.u8(0..4) {
            0 => bytes.push(random.u8(..)),
            1 => bytes.extend_from_slice(random.char(..).encode_utf8(&mut [0; 4]).as_bytes()),
            _ => bytes.extend_from_slice(trouble[random.usize(0..trouble.len())]),
        }
    }
    bytes
}

fn string(random: &mut Rng) -> String {
    String::from_utf8_lossy(&bytes(random)).into_owned()
}

fn duration(random: &mut Rng) -> Duration {
    let bits = random.u32(0..45);
    Duration::from_micros(random.u64(..1 << bits))
}

fn maybe<T>(random: &mut Rng, value: T) -> Option<T> {
    random.bool().then_some(value)
}

fn ip(random: &mut Rng) -> IpAddr {
    if random.bool() { random.u32(..).to_be_bytes().into() } else { random.u128(..).to_be_bytes().into() }
}

fn attempt(random: &mut Rng, target: &str) -> Attempt {
    let time = |random: &mut Rng| {
        let time = duration(random);
        maybe(random, time)
    };
    Attempt {
        target: target.into(),
        dns: time(random),
        connect: time(random),
        tls: time(random),
        wait: time(random),
        address: match random.bool() {
            true => Address::Tcp((ip(random), random.u16(..)).into()),
            false => Address::Unix(std::path::Path::new("/run/a.sock").into()),
        },
        connection: *random.choice(&[None, Some(Connection::Fresh), Some(Connection::Reused)]).unwrap(),
        outcome: random.choice(&[Attempt::OK, "upstream_connect_refused"]).unwrap(),
    }
}

fn millis(time: Duration) -> Value {
    // As the decimal that a reader would see.
    format!("{}.{:03}", time.as_millis(), time.as_micros() % 1_000).parse::<f64>().unwrap().into()
}

fn attempt_fields(attempt: &Attempt) -> Value {
    json!({
        "target": &*attempt.target, "address": attempt.address.to_string(),
        "connection": attempt.connection.map(Connection::as_str), "dns_ms": attempt.dns.map(millis),
        "connect_ms": attempt.connect.map(millis), "tls_ms": attempt.tls.map(millis),
        "wait_ms": attempt.wait.map(millis), "outcome": attempt.outcome,
    })
}

/// `value` without what is null, as absent fields have no key.
fn present(mut value: Value) -> Value {
    value.as_object_mut().unwrap().retain(|_, field| !field.is_null());
    value
}

#[test]
fn every_json_line_parses_and_carries_the_very_values() {
    let mut random = Rng::with_seed(29);
    for _ in 0..5_000 {
        let random = &mut random;
        let texts: [String; 9] = std::array::from_fn(|_| string(random));
        let [id, tls, method, path, route, service, chosen, consumer, detail] = &texts;
        let (host, agent, referer) = (bytes(random), bytes(random), bytes(random));
        let targets: Vec<String> = (0..random.usize(0..4)).map(|_| string(random)).collect();
        let attempts: Vec<Attempt> = targets.iter().map(|target| attempt(random, target)).collect();
        let record = Record {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(random.u64(..4_000_000_000_000)),
            request_id: id,
            client: ip(random),
            client_port: random.u16(..),
            peer: { Some(ip(random)).filter(|_| random.bool()) },
            scheme: "https",
            protocol: "HTTP/2",
            tls: maybe(random, tls),
            method,
            host: &host,
            path,
            user_agent: maybe(random, &agent),
            referer: maybe(random, &referer),
            status: random.u16(..),
            bytes_in: random.u64(..),
            bytes_out: random.u64(..),
            route: maybe(random, route),
            service: maybe(random, service),
            chosen: maybe(random, chosen),
            consumer: maybe(random, consumer),
            upstream_status: { Some(random.u16(..)).filter(|_| random.bool()) },
            attempts: &attempts,
            total: duration(random),
            upstream: { Some(duration(random)).filter(|_| random.bool()) },
            plugins: duration(random),
            failure: maybe(random, Failing { code: "upstream_tls_failed", phase: Phase::Tls, detail }),
        };
        let line = json_line(&record);
        let (body, end) = line.split_at(line.len() - 1);
        assert_eq!(end, "\n");
        assert!(!body.chars().any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)), "{body:?}");
        let mut parsed: Value = serde_json::from_str(body).unwrap();

        let fields = parsed.as_object_mut().unwrap();
        for (key, sent) in [("host", Some(&*host)), ("user_agent", record.user_agent), ("referer", record.referer)] {
            let shown = fields.remove(key).map(|shown| unescaped(shown.as_str().unwrap()));
            assert_eq!(shown.as_deref(), sent, "{key}");
        }
        let failure = record.failure.as_ref();
        let mut expected = json!({
            "time": rfc3339(record.time), "request_id": id, "client": record.client.to_string(),
            "client_port": record.client_port, "peer": record.peer.map(|peer| peer.to_string()),
            "scheme": "https", "protocol": "HTTP/2", "tls": record.tls, "method": method, "path": path,
            "status": record.status, "bytes_in": record.bytes_in, "bytes_out": record.bytes_out,
            "route": record.route, "service": record.service, "upstream": record.chosen,
            "consumer": record.consumer,
            "upstream_status": record.upstream_status, "duration_ms": millis(record.total),
            "upstream_ms": record.upstream.map(millis), "plugins_ms": millis(record.plugins),
            "error": failure.map(|failure| failure.code), "error_phase": failure.map(|_| "tls"),
            "error_detail": failure.map(|failure| failure.detail),
        });
        if !attempts.is_empty() {
            let listed = attempts.iter().map(|listed| present(attempt_fields(listed))).collect();
            expected.as_object_mut().unwrap().insert("attempts".to_owned(), listed);
        }
        assert_eq!(parsed, present(expected));

        let text = text_line(&record, Paint::Plain);
        assert_eq!(text.matches(char::is_control).collect::<String>(), "\n", "{text:?}");
    }
}

#[test]
fn a_line_for_people_says_what_where_and_why() {
    let address = "[2001:db8::1]:8080".parse().unwrap();
    let failed = Attempt {
        target: "orders-1".into(),
        address: Address::Tcp(address),
        connection: None,
        dns: None,
        connect: Some(Duration::from_millis(1)),
        tls: None,
        wait: None,
        outcome: "upstream_connect_refused",
    };
    let failure = Failing { code: failed.outcome, phase: Phase::Connect, detail: "Connection refused\n(os error 111)" };
    let record = Record {
        status: 502,
        service: Some("orders"),
        chosen: Some("green"),
        consumer: Some("alice"),
        attempts: &[failed.clone(), failed.clone()],
        failure: Some(failure),
        ..plain("4f2a")
    };
    assert_eq!(
        text_line(&record, Paint::Plain),
        "2026-11-23T06:30:09.123Z 502 GET http://api.example.com/v1/orders?page=2 12.345ms 1234B from 203.0.113.9 as \
         alice to orders by way of green at orders-1 ([2001:db8::1]:8080) after 2 attempts id 4f2a - upstream_connect_refused during \
         connect: Connection refused\\u{a}(os error 111)\n"
    );
    assert!(text_line(&record, Paint::Coloured).contains(" \x1b[31m502\x1b[0m "));
}

#[test]
fn a_field_or_a_list_without_end_is_cut() {
    let long = "ä".repeat(limits::ACCESS_LOG_FIELD_BYTES);
    let tried = attempt(&mut Rng::with_seed(1), "t");
    let attempts = vec![tried; 1_000];
    let record = Record { path: &long, host: long.as_bytes(), attempts: &attempts, ..plain("x") };
    let line: Value = serde_json::from_str(&json_line(&record)).unwrap();
    for key in ["path", "host"] {
        let shown = line[key].as_str().unwrap().strip_suffix('…').unwrap();
        assert_eq!(shown.len(), limits::ACCESS_LOG_FIELD_BYTES, "{key}");
        assert!(long.starts_with(shown), "{key}");
    }
    assert_eq!(line["attempts"].as_array().unwrap().len(), limits::ATTEMPTS_LISTED);
}
