//! Files by grant: plugins that use the standard library find the folders that they may, and nothing around them.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::gateway::run;
use crate::harness::{Answer, Gateway, Upstream, built, folder, one_route, until};

fn prepare(config: &str) -> tempfile::TempDir {
    let folder = folder(config, &[("visitor.wasm", &built("guests/visitor.wasm"))]);
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir_all(folder.path().join("data/deep")).unwrap();
    write("data/here", "what is here");
    write("data/deep/there", "what is there");
    write("secret", "a secret");
    symlink("../secret", folder.path().join("data/out")).unwrap();
    symlink("/etc/hostname", folder.path().join("data/absolute")).unwrap();
    symlink("here", folder.path().join("data/in")).unwrap();
    folder
}

fn config(upstream: &Upstream, rest: &str) -> String {
    let route = one_route(upstream.address, &format!("plugins = [{{ use = \"visitor\", {rest} }}]"));
    format!("{route}\n[components.visitor]\npath = \"visitor.wasm\"\n")
}

async fn gateway(upstream: &Upstream, rest: &str) -> Gateway {
    Gateway::start_in(prepare(&config(upstream, rest))).await
}

async fn visit(gateway: &Gateway, how: &str, path: &str) -> Answer {
    gateway.request("GET", "/", &[(how, path)]).await
}

const READ: &str = "grants = { files = [{ path = \"data\", at = \"/data\" }] }";

#[tokio::test]
async fn files_are_read_below_the_granted_folder_and_nowhere_else() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, READ).await;
    for (path, text) in [
        ("/data/here", "what is here"),
        ("/data/deep/there", "what is there"),
        ("/data/deep/../here", "what is here"),
        ("/data/in", "what is here"),
    ] {
        let answer = visit(&gateway, "x-read", path).await;
        assert_eq!((answer.status, answer.text()), (200, text), "{path}");
    }
    assert_eq!(visit(&gateway, "x-list", "/data").await.text(), "absolute deep here in out");
    for path in
        ["/etc/hostname", "/data/../secret", "/data/deep/../../secret", "/data/out", "/data/absolute", "/secret", "/"]
    {
        let answer = visit(&gateway, "x-read", path).await;
        assert_eq!(answer.status, 599, "{path}: {answer:?}");
        assert!(!answer.text().contains("a secret"), "{path}");
    }
    let answer = visit(&gateway, "x-read", "/data/out").await;
    assert!(answer.text().starts_with("PermissionDenied"), "{answer:?}");
    assert_eq!(gateway.get("/").await.status, 200, "none of it is a trap");
    assert!(!gateway.has_logged("code", "plugin_failed"));
}

#[tokio::test]
async fn files_are_written_only_where_the_grant_says_so() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, READ).await;
    for path in ["/data/new", "/data/here", "/new"] {
        let answer = visit(&gateway, "x-write", path).await;
        assert_eq!(answer.status, 599, "{path}: {answer:?}");
    }
    assert_eq!(std::fs::read_to_string(gateway.path("data/here")).unwrap(), "what is here");
    assert!(!gateway.path("data/new").exists());

    let gateway = self::gateway(&upstream, &READ.replace("\"/data\"", "\"/data\", write = true")).await;
    assert_eq!(visit(&gateway, "x-write", "/data/new").await.text(), "written");
    assert_eq!(std::fs::read_to_string(gateway.path("data/new")).unwrap(), "written");
    assert_eq!(visit(&gateway, "x-write", "/data/out").await.status, 599);
    assert_eq!(std::fs::read_to_string(gateway.path("secret")).unwrap(), "a secret");
}

#[tokio::test]
async fn files_can_be_read_while_the_plugin_is_loaded_whatever_its_isolation() {
    let upstream = Upstream::echo("u").await;
    for isolation in ["worker", "request"] {
        let rest = format!("{READ}, isolation = \"{isolation}\", config = {{ prepare = \"/data/here\" }}");
        let gateway = gateway(&upstream, &rest).await;
        for _ in 0..3 {
            assert_eq!(visit(&gateway, "x-prepared", "1").await.text(), "what is here", "{isolation}");
            assert_eq!(visit(&gateway, "x-read", "/data/deep/there").await.text(), "what is there", "{isolation}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_takes_the_place_of_another_is_found_with_the_next_generation() {
    let upstream = Upstream::echo("u").await;
    let config = config(&upstream, READ);
    let gateway = Gateway::start_in(prepare(&config)).await;
    assert_eq!(visit(&gateway, "x-read", "/data/here").await.text(), "what is here");
    std::fs::rename(gateway.path("data"), gateway.path("before")).unwrap();
    std::fs::create_dir(gateway.path("data")).unwrap();
    std::fs::write(gateway.path("data/here"), "what is here now").unwrap();
    gateway.write_config(&format!("{config}# again\n"));
    until("the next generation", async || (gateway.generation() == 2).then_some(())).await;
    assert_eq!(visit(&gateway, "x-read", "/data/here").await.text(), "what is here now");
}

#[tokio::test]
async fn nobody_holds_more_files_than_an_instance_may() {
    let upstream = Upstream::echo("u").await;
    let gateway = gateway(&upstream, READ).await;
    let answer = visit(&gateway, "x-hoard", "/data/here").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (500, Some("plugin_failed")), "{answer:?}");
    assert_eq!(visit(&gateway, "x-read", "/data/here").await.text(), "what is here");
}

#[tokio::test]
async fn without_a_grant_there_are_no_files() {
    let upstream = Upstream::echo("u").await;
    for rest in ["enabled = true", "grants = { sockets = [\"tcp://127.0.0.1:9\"] }"] {
        let gateway = gateway(&upstream, rest).await;
        for path in ["/data/here", "data/here", "/etc/hostname", "."] {
            assert_eq!(visit(&gateway, "x-read", path).await.status, 599, "{rest}: {path}");
        }
        assert_eq!(gateway.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn folders_that_cannot_be_granted_are_faults_with_their_place() {
    let upstream = Upstream::echo("u").await;
    for (rest, told) in [
        ("grants = { files = [{ path = \"missing\", at = \"/data\" }] }", "missing is no folder that can be read"),
        ("grants = { files = [{ path = \"secret\", at = \"/data\" }] }", "secret is no folder that can be read"),
        ("grants = { files = [{ path = \"data\", at = \"data\" }] }", "\"data\" is no place for a folder"),
        ("grants = { files = [{ path = \"data\", at = \"/a/../b\" }] }", "\"/a/../b\" is no place for a folder"),
        ("grants = { files = [{ path = \"data\" }] }", "`at` is missing"),
        (
            &READ.replace("] }", ", { path = \"data/deep\", at = \"/data\" }] }"),
            "another folder is at \"/data\" already",
        ),
        (
            "grants = { files = [{ path = \"data\", at = \"/data\", write = true }, \
             { path = \"data/deep\", at = \"/deep\" }] }",
            "data/deep is below",
        ),
        ("grants = { files = [\"data\"] }", "each of `files` must be a table"),
        (
            &format!("{READ}, config = {{ prepare = \"/data/none\" }}"),
            "visitor refuses this config: /data/none: NotFound",
        ),
    ] {
        let folder = prepare(&config(&upstream, rest));
        let outcome = run(Path::new(folder.path()), &["check"]);
        assert_eq!(outcome.status.code(), Some(1), "{rest}: {}", outcome.stdout);
        assert!(
            outcome.stderr.contains(told) && outcome.stderr.contains("gateway.toml:"),
            "{rest}: {}",
            outcome.stderr
        );
    }
}
