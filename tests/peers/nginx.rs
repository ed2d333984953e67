//! nginx as an upstream.

use crate::harness::certs::Authority;
use crate::harness::gateway::folder;
use crate::harness::program::Program;
use crate::harness::{Gateway, one_route};

const ONE_WORKER: &str = "workers = 1\nlisteners = [{ address = \"127.0.0.1:0\" }]\n";

async fn gateway(nginx: &Program) -> Gateway {
    Gateway::start(&format!("{ONE_WORKER}{}", one_route(nginx.address, ""))).await
}

#[tokio::test]
async fn files_and_what_it_says_about_requests() {
    let page = "All is well.\n".repeat(1000);
    let servers = r#"server {
        listen PORT;
        location /files/ { alias ./; }
        location /told { default_type text/plain; return 200 "$host $http_x_real_ip $http_via $server_protocol"; }
        location /moved { return 301 /told; }
        location /gone { return 410 "gone"; }
    }"#;
    let nginx = Program::nginx(servers, &[("page.txt", page.as_bytes())]).await;
    let gateway = gateway(&nginx).await;
    let mut client = gateway.client().await;

    let answer = client.send("GET", "/files/page.txt", &[], "").await;
    assert_eq!((answer.status, answer.text()), (200, page.as_str()));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let etag = answer.header("etag").unwrap().to_owned();
    let answer = client.send("GET", "/files/page.txt", &[("if-none-match", &etag)], "").await;
    assert_eq!((answer.status, answer.text(), answer.header("etag")), (304, "", Some(etag.as_str())));
    let answer = client.send("GET", "/files/page.txt", &[("range", "bytes=0-11")], "").await;
    assert_eq!((answer.status, answer.text()), (206, "All is well."));
    let answer = client.send("HEAD", "/files/page.txt", &[], "").await;
    assert_eq!((answer.text(), answer.header("content-length")), ("", Some(page.len().to_string().as_str())));

    let told = client.send("GET", "/told", &[], "").await;
    let (before, after) = told.text().split_once("-").unwrap();
    assert_eq!((before, after.split_once(' ')), ("127.0.0.1 127.0.0.1 1.1 tidegate", Some((&after[..8], "HTTP/1.1"))));
    assert_eq!(client.send("GET", "/moved", &[], "").await.status, 301);
    let gone = client.send("GET", "/gone", &[], "").await;
    assert_eq!((gone.status, gone.text()), (410, "gone"));
    assert_eq!(client.send("GET", "/files/nothing", &[], "").await.status, 404);
}

#[tokio::test]
async fn connections_are_kept_for_as_long_as_it_likes() {
    let servers = r#"server {
        listen PORT;
        keepalive_requests 5;
        location / { default_type text/plain; return 200 "$connection $connection_requests"; }
    }"#;
    let nginx = Program::nginx(servers, &[]).await;
    let gateway = gateway(&nginx).await;
    let mut client = gateway.client().await;
    let mut on_connection = Vec::new();
    for _ in 0..50 {
        let answer = client.send("GET", "/", &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        on_connection.push(answer.text().split(' ').next_back().unwrap().to_owned());
    }
    for turn in on_connection.chunks(5) {
        assert_eq!(turn, ["1", "2", "3", "4", "5"], "it closes after five");
    }
}

#[tokio::test]
async fn an_idle_timeout_that_is_shorter_than_ours_costs_no_request() {
    let servers = "server { listen PORT; keepalive_timeout 1s; location / { return 200 ok; } }";
    let nginx = Program::nginx(servers, &[]).await;
    let gateway = gateway(&nginx).await;
    let mut client = gateway.client().await;
    // The pauses lie around the second after which it closes.
    for pause in [980, 1000, 1020] {
        assert_eq!(client.send("GET", "/", &[], "").await.text(), "ok");
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        assert_eq!(client.send("GET", "/", &[], "").await.text(), "ok", "after {pause} ms");
    }
}

#[tokio::test]
async fn compressed_answers_pass_as_they_are() {
    let page = "All is well.\n".repeat(1000);
    // Without `gzip_proxied`, nothing that came through a proxy is compressed.
    let servers = "gzip on; gzip_proxied any; gzip_types text/plain; types { text/plain txt; }
                   server { listen PORT; }";
    let nginx = Program::nginx(servers, &[("page.txt", page.as_bytes())]).await;
    let gateway = gateway(&nginx).await;
    let mut client = gateway.client().await;
    let packed = client.send("GET", "/page.txt", &[("accept-encoding", "gzip")], "").await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    assert!(packed.body.starts_with(&[0x1F, 0x8B]) && packed.body.len() < page.len() / 4);
    let plain = client.send("GET", "/page.txt", &[], "").await;
    assert_eq!((plain.header("content-encoding"), plain.text()), (None, page.as_str()));
}

#[tokio::test]
async fn uploads_arrive_whole() {
    let servers = "server {
        listen PORT;
        client_max_body_size 64m;
        location /small { client_max_body_size 1k; dav_methods PUT; }
        location / { dav_methods PUT DELETE; create_full_put_path on; client_body_in_file_only off; }
    }";
    let nginx = Program::nginx(servers, &[]).await;
    let gateway = gateway(&nginx).await;
    let body: String = (0..400_000).map(|number| format!("{number:07} ")).collect();
    let answer = gateway.client().await.send("PUT", "/up/file", &[], &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(std::fs::read_to_string(nginx.folder.path().join("up/file")).unwrap() == body);
    assert_eq!(gateway.client().await.send("DELETE", "/up/file", &[], "").await.status, 204);
    let answer = gateway.client().await.send("PUT", "/small", &[], &body[..100_000]).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn https_with_and_without_http_2() {
    let ours = Authority::new("ours");
    let leaf = ours.server(&["localhost"]);
    let servers = r#"server {
        listen PORT ssl http2;
        ssl_certificate server.pem;
        ssl_certificate_key server.key;
        location / { default_type text/plain; return 200 "$server_protocol $ssl_server_name $connection_requests"; }
    }"#;
    let files = [("server.pem", leaf.cert_pem.as_bytes()), ("server.key", leaf.key_pem.as_bytes())];
    let nginx = Program::nginx(servers, &files).await;
    for (http, expected) in [("1", "HTTP/1.1"), ("2", "HTTP/2.0"), ("auto", "HTTP/2.0")] {
        let config = format!(
            "{ONE_WORKER}[[services]]\nname = \"s\"\nurl = \"https://localhost:{}\"\nhttp = \"{http}\"\n\
             tls = {{ ca = \"ca.pem\" }}\nroutes = [{{ name = \"r\", paths = [\"/\"] }}]\n",
            nginx.address.port()
        );
        let folder = folder(&config, &[]);
        ours.write(folder.path(), "ca");
        let gateway = Gateway::start_in(folder).await;
        for turn in 1..5 {
            let answer = gateway.client().await.send("GET", "/", &[], "").await;
            assert_eq!(answer.text(), format!("{expected} localhost {turn}"), "{http}: the connection is kept");
        }
    }
}

#[tokio::test]
async fn plain_http_where_tls_is_spoken_is_told_as_it_is() {
    let ours = Authority::new("ours");
    let leaf = ours.server(&["localhost"]);
    let servers = "server { listen PORT ssl; ssl_certificate server.pem; ssl_certificate_key server.key; }";
    let files = [("server.pem", leaf.cert_pem.as_bytes()), ("server.key", leaf.key_pem.as_bytes())];
    let nginx = Program::nginx(servers, &files).await;
    let answer = gateway(&nginx).await.get("/").await;
    assert_eq!((answer.status, answer.header("x-gateway-error")), (400, None));
    assert!(answer.text().contains("plain HTTP request was sent to HTTPS port"), "{}", answer.text());
}
