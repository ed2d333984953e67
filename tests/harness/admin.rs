//! A client of the admin API, on this machine.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Client, Gateway};

pub struct Admin {
    pub address: SocketAddr,
}

impl Admin {
    /// That of `gateway`, whose configuration has one.
    pub async fn of(gateway: &Gateway) -> Self {
        let line = gateway.logged("message", "admin listening").await;
        Self { address: line["address"].as_str().unwrap().parse().unwrap() }
    }

    /// One request on a connection of its own, with JSON unless the body is null.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("content-type", "application/json")], &body).await
    }

    /// Whoever asks too fast is told to wait, and does.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("host", "localhost")], headers].concat();
        let headers = if body.is_empty() { &headers[..1] } else { &headers };
        loop {
            let answer = Client::connect(self.address).await.send(method, path, headers, body).await;
            if answer.status != 429 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}
