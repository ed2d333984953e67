//! `tidegate generations`, against a gateway that serves.

use serde_json::json;

use crate::harness::admin::Admin;
use crate::harness::gateway::{Outcome, run};
use crate::harness::{Gateway, Upstream, one_route, until};

#[tokio::test]
async fn generations_are_listed_shown_and_gone_back_to() {
    let upstream = Upstream::echo("u").await;
    let place = tempfile::tempdir().unwrap();
    let at = format!("unix:{}", place.path().join("admin.sock").display());
    let admin = format!("[admin]\naddress = \"{at}\"\n");
    let gateway = Gateway::start(&format!("{}{admin}", one_route(upstream.address, ""))).await;
    gateway.logged("message", "admin listening").await;
    let moved = one_route(upstream.address, "").replace("paths = [\"/\"]", "paths = [\"/new\"]");
    gateway.write_config(&format!("{moved}{admin}"));
    gateway.logged("message", "configuration changed").await;
    gateway.replace("gateway.toml", b"services = 7\n");
    gateway.logged("message", "refused, generation 2 keeps serving").await;
    gateway.write_config(&format!("{moved}{admin}"));
    until("generation 4", async || (gateway.generation() == 4).then_some(())).await;
    let folder = gateway.folder.path().to_owned();
    let asked = async |arguments: &'static [&'static str]| {
        let (folder, at) = (folder.clone(), at.clone());
        let asked = move || run(&folder, &[&["generations", "--at", &at], arguments].concat());
        tokio::task::spawn_blocking(asked).await.unwrap()
    };
    let said = async |arguments| {
        let Outcome { status, stdout, stderr } = asked(arguments).await;
        assert!(status.success(), "{arguments:?}: {stdout}{stderr}");
        stdout
    };

    let list = said(&[]).await;
    assert_eq!(list, said(&["list"]).await);
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["GENERATION", "TIME", "SOURCE", "AUTHOR", "OUTCOME", "CHANGES"], "{list}");
    let refused = rows.iter().find(|row| row[0] == "3").unwrap();
    assert_eq!(refused[2..], ["file", "-", "refused", "-"], "{list}");
    let first = rows.last().unwrap();
    assert_eq!((first[0], &first[2..]), ("1", &["start", "-", "served", "0"][..]), "{list}");
    assert_eq!(list.matches("served, live").count(), 1, "{list}");

    let second = said(&["show", "2"]).await;
    assert!(second.contains("- services.s.routes.r.paths: [\"/\"] → [\"/new\"]\n"), "{second}");
    let third = said(&["show", "3"]).await;
    assert!(third.starts_with("generation 3: refused, ") && third.contains("- gateway.toml:1: `services`"), "{third}");

    assert_eq!(gateway.get("/").await.status, 404);
    let back = said(&["activate", "1"]).await;
    assert!(back.ends_with("what generation 1 was\n") && back.contains(" serves now: "), "{back}");
    assert_eq!(gateway.get("/").await.status, 200);
    let newest = said(&[]).await;
    let newest = newest.lines().nth(1).unwrap();
    assert!(newest.contains("activation  unix socket  served, live"), "{newest}");
    assert!(newest.starts_with(back.split_whitespace().nth(1).unwrap()), "{newest} {back}");

    for (arguments, expected) in [
        (&["activate", "3"][..], "says: generation 3 was refused, and never served"),
        (&["activate", "99"], "knows no generation 99"),
        (&["show", "99"], "knows no generation 99"),
    ] {
        let Outcome { status, stderr, .. } = asked(arguments).await;
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert_eq!(gateway.get("/").await.status, 200);
}

#[tokio::test]
async fn whoever_may_only_look_is_told_so() {
    let upstream = Upstream::echo("u").await;
    let tokens = "tokens = [{ name = \"eye\", token = \"reader-0123456789\", role = \"read\" }]";
    let config = format!("{}[admin]\naddress = \"127.0.0.1:0\"\n{tokens}\n", one_route(upstream.address, ""));
    let gateway = Gateway::start(&config).await;
    let admin = Admin::of(&gateway).await;
    gateway.replace("eye.token", b"reader-0123456789\n");
    let at = format!("http://{}", admin.address);
    let asked = |arguments: &[&str]| run(gateway.folder.path(), &[&["generations", "--at", &at], arguments].concat());
    assert!(asked(&[]).stderr.contains("No credentials"));
    let token = ["--token", "file:eye.token"];
    assert!(asked(&token).status.success());
    let refused = asked(&[&["activate", "1"][..], &token].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("has the role \"read\", and this needs \"write\""), "{}", refused.stderr);
    let answer = admin.ask("GET", "/generations", json!(null)).await;
    assert_eq!(answer.status, 401);
}
