pub(in crate::dns) mod server;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::ResponseCode;

use super::*;
use server::{Reply, Server, a, aaaa, cname, srv};

/// Asks `server` alone, and looks at no file of this machine.
fn settings(server: &Server) -> Settings {
    Settings {
        nameservers: vec![server.address],
        search: None,
        timeout: Duration::from_secs(10),
        stale: Duration::from_secs(60),
        hosts: None,
    }
}

fn resolver(server: &Server) -> Resolver {
    Resolver::new(&settings(server)).unwrap()
}

fn shown(answer: &Answer) -> Vec<String> {
    answer.addresses.iter().map(|resolved| format!("{}*{}", resolved.address, resolved.weight)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_come_sorted_once_and_live_as_long_as_the_shortest_ttl() {
    let server = Server::start().await;
    server.set("api.test.", [a(60, "10.0.0.2"), a(30, "10.0.0.1"), a(60, "10.0.0.2"), aaaa(90, "2001:db8::1")]);
    let resolver = resolver(&server);
    let before = Instant::now();
    let answer = resolver.addresses("API.test", 80).await.unwrap();
    assert_eq!(shown(&answer), ["10.0.0.1:80*1", "10.0.0.2:80*1", "[2001:db8::1]:80*1"]);
    let seconds = |answer: &Answer| answer.valid_until.duration_since(before).as_secs();
    assert!((30..40).contains(&seconds(&answer)), "{}", seconds(&answer));

    let again = resolver.addresses("api.test.", 81).await.unwrap();
    assert_eq!(shown(&again).first().unwrap(), "10.0.0.1:81*1");
    let again = resolver.addresses("api.TEST", 82).await.unwrap();
    assert_eq!(again.valid_until, answer.valid_until, "from memory");

    server.set("short.test.", [a(0, "10.0.0.1")]);
    let short = resolver.addresses("short.test", 80).await.unwrap();
    assert!(short.valid_until.duration_since(before) >= limits::DNS_TTL_MIN);
    server.set("long.test.", [a(u32::MAX >> 1, "10.0.0.1")]);
    let long = resolver.addresses("long.test", 80).await.unwrap();
    assert!(long.valid_until <= Instant::now() + limits::DNS_TTL_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_again_when_its_ttl_is_over_and_not_before() {
    let server = Server::start().await;
    server.set("api.test.", [a(1, "10.0.0.1")]);
    let resolver = resolver(&server);
    let first = resolver.addresses("api.test", 80).await.unwrap();
    server.set("api.test.", [a(1, "10.0.0.2")]);
    while Instant::now() < first.valid_until {
        let answer = resolver.addresses("api.test", 80).await.unwrap();
        assert!(shown(&answer) == ["10.0.0.1:80*1"] || Instant::now() >= first.valid_until);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shown(&resolver.addresses("api.test", 80).await.unwrap()), ["10.0.0.2:80*1"]);
    assert_eq!(server.asked("api.test.", "A"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_askers_make_one_query_per_type_and_one_that_leaves_takes_nobody_along() {
    let server = Server::start().await;
    server.set("api.test.", [a(60, "10.0.0.1")]);
    server.hold();
    let resolver = resolver(&server);
    let started = Arc::new(AtomicUsize::new(0));
    let ask = || {
        let (resolver, started) = (resolver.clone(), Arc::clone(&started));
        tokio::spawn(async move {
            started.fetch_add(1, Ordering::Relaxed);
            resolver.addresses("api.test", 80).await
        })
    };
    let first = ask();
    server.wait_until_asked("api.test.", "A").await;
    let others: Vec<_> = (0..100).map(|_| ask()).collect();
    while started.load(Ordering::Relaxed) < 101 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    server.release();
    for other in others {
        assert_eq!(shown(&other.await.unwrap().unwrap()), ["10.0.0.1:80*1"]);
    }
    assert_eq!((server.asked("api.test.", "A"), server.asked("api.test.", "AAAA")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_kind_and_says_what_was_asked_of_whom() {
    let server = Server::start().await;
    server.set("mail.test.", [cname(60, "mx.test.")]);
    server.set("mx.test.", []);
    server.set("empty.test.", []);
    server.reply("broken.test.", Reply::Code(ResponseCode::ServFail));
    server.reply("closed.test.", Reply::Code(ResponseCode::Refused));
    server.reply("odd.test.", Reply::Code(ResponseCode::NotImp));
    server.reply("silent.test.", Reply::Silence);
    let settings = Settings { timeout: Duration::from_millis(500), ..settings(&server) };
    let resolver = Resolver::new(&settings).unwrap();
    for (name, kind, words) in [
        ("none.test", Kind::NxDomain, "no such name (NXDOMAIN)"),
        ("empty.test", Kind::NoRecords, "no records"),
        ("mail.test", Kind::NoRecords, "no records"),
        ("broken.test", Kind::ServFail, "the server failed (SERVFAIL)"),
        ("closed.test", Kind::Refused, "the server refused to answer (REFUSED)"),
        ("odd.test", Kind::Failed, "the lookup failed, "),
        ("silent.test", Kind::Timeout, "no answer in time"),
    ] {
        let fault = resolver.addresses(name, 80).await.unwrap_err();
        let text = fault.to_string();
        assert_eq!(fault.kind, kind, "{text}");
        assert!(text.starts_with(&format!("{name}: {words}")), "{text}");
        let asked = format!("; asked {} for A and AAAA of {name}., waited ", server.address);
        assert!(text.contains(&asked) && text.ends_with(" ms"), "{text}");
        assert!(!text.contains('\n'));
    }
    let fault = resolver.service("_http._tcp.none.test").await.unwrap_err();
    assert_eq!(fault.kind, Kind::NxDomain);
    assert!(fault.to_string().contains(" for SRV of _http._tcp.none.test."), "{fault}");
    let before = Instant::now();
    for _ in 0..20 {
        resolver.addresses("missing.test", 80).await.unwrap_err();
    }
    assert!(server.asked("missing.test.", "A") == 1 || before.elapsed() > limits::DNS_NEGATIVE_TTL);
    for name in ["", ".", "a..b", "a b", &"x".repeat(300)] {
        assert_eq!(resolver.addresses(name, 80).await.unwrap_err().kind, Kind::Failed, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_family_alone_will_do() {
    let server = Server::start().await;
    server.set("v4.test.", [a(3_000, "10.0.0.1")]);
    server.reply_to("v4.test.", "AAAA", Reply::Code(ResponseCode::ServFail));
    server.set("v6.test.", [aaaa(3_000, "2001:db8::1")]);
    server.reply_to("v6.test.", "A", Reply::Silence);
    let resolver = resolver(&server);
    let v4 = resolver.addresses("v4.test", 80).await.unwrap();
    assert_eq!(shown(&v4), ["10.0.0.1:80*1"]);
    assert!(v4.valid_until <= Instant::now() + limits::DNS_PARTIAL_TTL, "the other may come back");
    let before = Instant::now();
    let v6 = resolver.addresses("v6.test", 80).await.unwrap();
    assert_eq!(shown(&v6), ["[2001:db8::1]:80*1"]);
    assert!(before.elapsed() < Duration::from_secs(5), "no wait for the whole timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_leaves_the_word_to_the_others() {
    let (broken, sound) = (Server::start().await, Server::start().await);
    broken.reply("api.test.", Reply::Code(ResponseCode::ServFail));
    broken.reply("none.test.", Reply::Code(ResponseCode::Refused));
    sound.set("api.test.", [a(60, "10.0.0.1")]);
    let nameservers = vec![broken.address, sound.address];
    let resolver = Resolver::new(&Settings { nameservers, ..settings(&sound) }).unwrap();
    assert_eq!(shown(&resolver.addresses("api.test", 80).await.unwrap()), ["10.0.0.1:80*1"]);
    let fault = resolver.addresses("none.test", 80).await.unwrap_err();
    assert_eq!(fault.kind, Kind::NxDomain);
    assert!(fault.to_string().contains(&format!("asked {}, {} for", broken.address, sound.address)), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_are_followed_their_ttl_counts_and_a_loop_ends() {
    let server = Server::start().await;
    // The whole chain in one answer, as resolvers send it.
    server.set("www.test.", [cname(7, "edge.test."), a(60, "10.0.0.9").owned("edge.test.")]);
    // One by one, as some do.
    server.set("one.test.", [cname(60, "two.test.")]);
    server.set("two.test.", [a(60, "10.0.0.2")]);
    server.set("loop.test.", [cname(60, "pool.test.")]);
    server.set("pool.test.", [cname(60, "loop.test.")]);
    server.set("dangling.test.", [cname(60, "gone.test.")]);
    let resolver = resolver(&server);
    let www = resolver.addresses("www.test", 80).await.unwrap();
    assert_eq!(shown(&www), ["10.0.0.9:80*1"]);
    assert!(www.valid_until <= Instant::now() + Duration::from_secs(7));
    assert_eq!(shown(&resolver.addresses("one.test", 80).await.unwrap()), ["10.0.0.2:80*1"]);
    assert_eq!(resolver.addresses("loop.test", 80).await.unwrap_err().kind, Kind::Failed);
    assert_eq!(resolver.addresses("dangling.test", 80).await.unwrap_err().kind, Kind::NxDomain);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_datagram_comes_over_tcp_and_is_bounded() {
    let server = Server::start().await;
    let records: Vec<_> = (0..400).map(|n: u32| a(60, &format!("10.0.{}.{}", n / 200, n % 200))).collect();
    server.set("many.test.", records);
    server.reply_to("many.test.", "A", Reply::Truncated);
    let answer = resolver(&server).addresses("many.test", 80).await.unwrap();
    assert_eq!(answer.addresses.len(), limits::DNS_ADDRESSES);
    assert_eq!(shown(&answer).first().unwrap(), "10.0.0.0:80*1");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_give_the_best_priority_that_has_addresses_with_ports_and_weights() {
    let server = Server::start().await;
    server.set(
        "_http._tcp.test.",
        [
            srv(60, 10, 5, 8001, "dead.test."),
            srv(60, 20, 30, 8002, "b.test."),
            srv(60, 20, 0, 8003, "c.test."),
            srv(60, 20, 7, 8004, "dead.test."),
            srv(60, 20, 12, 8002, "also-b.test."),
            srv(60, 30, 9, 8005, "d.test."),
        ],
    );
    server.set("b.test.", [a(600, "10.0.0.2"), aaaa(600, "2001:db8::2")]);
    server.set("also-b.test.", [a(60, "10.0.0.2")]);
    server.set("c.test.", [a(20, "10.0.0.3")]);
    server.set("d.test.", [a(60, "10.0.0.4")]);
    // The target is a full name: it is not looked for under this.
    let settings = Settings { search: Some(vec!["dead.test".into()]), ..settings(&server) };
    let resolver = Resolver::new(&settings).unwrap();
    let answer = resolver.service("_HTTP._tcp.test").await.unwrap();
    assert_eq!(shown(&answer), ["10.0.0.2:8002*42", "10.0.0.3:8003*1", "[2001:db8::2]:8002*30"]);
    assert!(answer.valid_until <= Instant::now() + Duration::from_secs(20), "c.test is the first to expire");
    assert_eq!(server.asked("d.test.", "A"), 0);

    server.set("_off._tcp.test.", [srv(60, 0, 0, 0, ".")]);
    assert_eq!(resolver.service("_off._tcp.test").await.unwrap_err().kind, Kind::NoRecords);
    server.set("_dead._tcp.test.", [srv(60, 1, 1, 80, "dead.test.")]);
    server.set("_spare._tcp.test.", [srv(3_000, 1, 1, 80, "dead.test."), srv(3_000, 2, 1, 81, "b.test.")]);
    let spare = resolver.service("_spare._tcp.test").await.unwrap();
    assert_eq!(shown(&spare), ["10.0.0.2:81*1", "[2001:db8::2]:81*1"]);
    assert!(spare.valid_until <= Instant::now() + limits::DNS_PARTIAL_TTL, "the better ones may come back");
    let fault = resolver.service("_dead._tcp.test").await.unwrap_err();
    assert_eq!(fault.kind, Kind::NxDomain);
    assert!(fault.to_string().contains("of its target dead.test.: no such name"), "{fault}");
    // An alias of a service is as good.
    server.set(
        "_alias._tcp.test.",
        [cname(60, "_one._tcp.test."), srv(60, 1, 3, 80, "d.test.").owned("_one._tcp.test.")],
    );
    assert_eq!(shown(&resolver.service("_alias._tcp.test").await.unwrap()), ["10.0.0.4:80*3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_domains_are_tried_in_order() {
    let server = Server::start().await;
    server.set("api.second.test.", [a(60, "10.0.0.2")]);
    server.set("api.", [a(60, "10.0.0.9")]);
    server.set("api.east.first.test.", [a(60, "10.0.0.3")]);
    server.set("api.east.", [a(60, "10.0.0.4")]);
    let search = Some(vec!["first.test".to_owned(), "second.test.".to_owned()]);
    let resolver = Resolver::new(&Settings { search, ..settings(&server) }).unwrap();
    let first = async |name| shown(&resolver.addresses(name, 80).await.unwrap()).concat();
    assert_eq!(first("api").await, "10.0.0.2:80*1", "few dots: the domains first");
    assert_eq!(first("api.").await, "10.0.0.9:80*1", "a last dot: no domains");
    assert_eq!(first("api.east").await, "10.0.0.4:80*1", "dots enough: the name itself first");
    let fault = resolver.addresses("none", 80).await.unwrap_err();
    assert!(fault.to_string().contains(" of none.first.test., none.second.test., none., waited"), "{fault}");

    let bad = Resolver::new(&Settings { search: Some(vec!["a..b".into()]), ..settings(&server) });
    assert!(bad.err().unwrap().to_string().starts_with("search domain \"a..b\": "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_file_goes_first_and_addresses_and_localhost_need_no_asking() {
    let server = Server::start().await;
    server.set("api.test.", [a(60, "10.0.0.1")]);
    server.set("other.test.", [a(60, "10.0.0.5")]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "192.0.2.1 API.test\n::1 api.test\n").unwrap();
    let settings = Settings { hosts: Some(file.path().to_owned()), ..settings(&server) };
    let resolver = Resolver::new(&settings).unwrap();
    let ask = async |name| shown(&resolver.addresses(name, 80).await.unwrap()).join(" ");
    assert_eq!(ask("api.test").await, "192.0.2.1:80*1 [::1]:80*1");
    assert_eq!(ask("other.test").await, "10.0.0.5:80*1");
    assert_eq!(ask("localhost").await, "127.0.0.1:80*1 [::1]:80*1");
    assert_eq!(ask("10.1.2.3").await, "10.1.2.3:80*1");
    assert_eq!(ask("[::1]").await, "[::1]:80*1");
    assert_eq!(ask("2001:db8::1").await, "[2001:db8::1]:80*1");
    let answer = resolver.addresses("10.1.2.3", 80).await.unwrap();
    assert!(answer.valid_until > Instant::now() + Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(server.asked("api.test.", "A"), 0);
}

#[test]
fn a_resolver_of_one_runtime_serves_another() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, resolver) = control.block_on(async {
        let server = Server::start().await;
        server.set("api.test.", [a(60, "10.0.0.1")]);
        let resolver = resolver(&server);
        (server, resolver)
    });
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = worker.block_on(resolver.addresses("api.test", 80)).unwrap();
    assert_eq!(answer.addresses.first().unwrap().address, "10.0.0.1:80".parse::<SocketAddr>().unwrap());
    drop(server);
    // What is not in memory cannot be had without the control plane, and nobody waits for it.
    control.shutdown_background();
    assert_eq!(worker.block_on(resolver.addresses("new.test", 80)).unwrap_err().kind, Kind::Failed);
    assert!(matches!(Resolver::new(&Settings::default()), Err(SetupError::NoRuntime | SetupError::Unreadable { .. })));
}
