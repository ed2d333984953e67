use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// From the reference program's own tests: "password", "somesalt".
const ARGON2: [&str; 4] = [
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
    "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
];

/// From crypt_blowfish's own tests.
const BCRYPT: [(&str, &[u8]); 6] = [
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U"),
    ("$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", b"U*U"),
    ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", b"U*U*"),
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", b""),
    ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", b"\xff\xff\xa3"),
    (
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
    ),
];

#[test]
fn the_right_password_matches_and_others_do_not() {
    for stored in ARGON2 {
        assert_eq!(verify(stored, b"password"), Ok(Verdict::Match), "{stored}");
        assert_eq!(verify(stored, b"Password"), Ok(Verdict::Mismatch), "{stored}");
        assert_eq!(verify(stored, b""), Ok(Verdict::Mismatch), "{stored}");
    }
    for (stored, password) in BCRYPT {
        assert_eq!(verify(stored, password), Ok(Verdict::Match), "{stored}");
        assert_eq!(verify(stored, b"U*V"), Ok(Verdict::Mismatch), "{stored}");
    }
}

#[test]
fn what_takes_too_much_is_refused_before_it_begins() {
    let argon2 =
        |costs: &str| format!("$argon2id$v=19${costs}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    for costs in [
        "m=65537,t=1,p=1",
        "m=4294967295,t=4294967295,p=1",
        "m=65536,t=9,p=1",
        "m=8,t=4294967295,p=1",
        "m=256,t=1,p=17",
    ] {
        let error = verify(&argon2(costs), b"password").unwrap_err();
        assert!(matches!(error, PasswordError::TooCostly(_)), "{costs}: {error}");
    }
    for cost in ["15", "31"] {
        let stored = BCRYPT[0].0.replace("$05$", &format!("${cost}$"));
        assert!(matches!(verify(&stored, b"U*U"), Err(PasswordError::TooCostly(_))), "{cost}");
    }
    assert!(Stored::parse(&argon2("m=65536,t=3,p=4")).is_ok(), "RFC 9106 recommends these");
    let long = vec![b'x'; limits::PASSWORD_BYTES + 1];
    assert_eq!(verify(ARGON2[0], &long), Err(PasswordError::TooLong(long.len())));
}

#[test]
fn what_is_no_hash_is_refused() {
    let tail = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let owned = |costs: &str| format!("$argon2id$v=19${costs}{tail}");
    for stored in [
        String::new(),
        "$".to_owned(),
        "password".to_owned(),
        "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_owned(),
        format!("$argon2id$v=18$m=256,t=2,p=1{tail}"),
        owned("m=256,t=2"),
        owned("m=256,t=2,p=1,data=AAAA"),
        owned("t=2,m=256,p=1"),
        owned("m=+256,t=2,p=1"),
        owned("m=0,t=2,p=1"),
        owned("m=256,t=0,p=1"),
        owned("m=256,t=2,p=0"),
        owned("m=4,t=2,p=1"),
        owned("m=4294967296,t=2,p=1"),
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$".to_owned(),
        "$argon2id$v=19$m=256,t=2,p=1$$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_owned(),
        format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${}", "AAAA".repeat(30)),
        format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${}", "AAAA".repeat(300)),
        BCRYPT[0].0.replace("$2a$", "$2x$"),
        BCRYPT[0].0.replace("$05$", "$03$"),
        BCRYPT[0].0.replace("$05$", "$0x$"),
        BCRYPT[0].0.replace("CC.", "C\u{20ac}"),
        BCRYPT[0].0[..59].to_owned(),
    ] {
        assert_eq!(verify(&stored, b"password"), Err(PasswordError::Form), "{stored}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_kept_can_panic(kind in "\\$(argon2id|argon2i|2a|2b)\\$", rest in "[v=0-9mtp,$A-Za-z./+\u{e9}]{0,80}") {
        // Whatever it is, it is not verified: that may take its time.
        drop(Stored::parse(&format!("{kind}{rest}")));
        drop(Stored::parse(&rest));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_pool_tells_the_same_as_the_function() {
    let pool = Passwords::start().unwrap();
    block_on(async {
        assert_eq!(pool.verify(ARGON2[0], b"password").await, Ok(Verdict::Match));
        assert_eq!(pool.verify(BCRYPT[0].0, b"U*V").await, Ok(Verdict::Mismatch));
        assert_eq!(pool.verify("x", b"password").await, Err(PasswordError::Form));
        let long = vec![0; limits::PASSWORD_BYTES + 1];
        assert_eq!(pool.verify(ARGON2[0], &long).await, Err(PasswordError::TooLong(long.len())));
    });
}

#[test]
fn a_pool_that_is_full_says_so_and_recovers() {
    let pool = Arc::new(Passwords::with(1, 2).unwrap());
    // Slow enough that the others come while it is under way.
    let slow = BCRYPT[0].0.replace("$05$", "$08$");
    block_on(async {
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let (pool, slow) = (Arc::clone(&pool), slow.clone());
                tokio::spawn(async move { pool.verify(&slow, b"U*U").await })
            })
            .collect();
        let mut busy = 0;
        for verdict in asked {
            match verdict.await.unwrap() {
                Err(PasswordError::Busy) => busy += 1,
                other => assert_eq!(other, Ok(Verdict::Mismatch), "another cost makes another hash"),
            }
        }
        assert!((15..20).contains(&busy), "{busy}");
        assert_eq!(pool.verify(ARGON2[0], b"password").await, Ok(Verdict::Match));
    });
}

#[test]
fn who_goes_away_leaves_the_queue() {
    let pool = Passwords::with(1, 8).unwrap();
    let slow = BCRYPT[0].0.replace("$05$", "$10$");
    block_on(async {
        for _ in 0..8 {
            let gone = tokio::time::timeout(Duration::ZERO, pool.verify(&slow, b"U*U")).await;
            assert!(gone.is_err());
        }
        // Behind one that is under way, at most.
        let start = std::time::Instant::now();
        while pool.verify(ARGON2[0], b"password").await == Err(PasswordError::Busy) {
            tokio::task::yield_now().await;
        }
        let all = {
            let start = std::time::Instant::now();
            verify(&slow, b"U*U").unwrap();
            8 * start.elapsed()
        };
        assert!(start.elapsed() < all, "{:?} of {all:?}", start.elapsed());
    });
}

#[test]
fn a_new_hash_verifies_its_password_only_and_is_never_the_same() {
    let kept = hash(b"open sesame").unwrap();
    assert!(is_hash(&kept) && !is_hash("open sesame"));
    assert_eq!(verify(&kept, b"open sesame"), Ok(Verdict::Match));
    assert_eq!(verify(&kept, b"open barley"), Ok(Verdict::Mismatch));
    assert_ne!(hash(b"open sesame").unwrap(), kept);
}
