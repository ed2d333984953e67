//! `demo --check`: the requests of the demo's text, each with its verdict.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    GATEWAY_PORT,
    load::{self, Plan},
};
use crate::{
    client::{Answer, Connection},
    gateway::Gateway,
    plugins::{example, release, replace},
    workspace::Workspace,
};

/// Runs all checks, prints each, and fails if any failed.
pub(super) async fn run(workspace: &Workspace, gateway: &Gateway) -> Result<ExitCode> {
    let start = Instant::now();
    let mut verdicts = Verdicts::default();
    known_key(&mut verdicts).await?;
    refused(&mut verdicts, &[]).await?;
    refused(&mut verdicts, &[("apikey", "not-the-key")]).await?;
    no_route(&mut verdicts).await?;
    let swapped = swap(workspace, &mut verdicts).await;
    // Whatever came of it: the next demo and gateway.toml's reader expect blue.
    replace(&example(workspace, "blue"), &release(workspace))?;
    swapped?;

    println!("\n{} of {} checks passed in {} s", verdicts.passed, verdicts.total, start.elapsed().as_secs());
    if verdicts.passed == verdicts.total {
        return Ok(ExitCode::SUCCESS);
    }
    println!("the gateway's side{}", gateway.last_lines());
    Ok(ExitCode::FAILURE)
}

async fn known_key(verdicts: &mut Verdicts) -> Result<()> {
    let answer = ask("/echo", &[KEY]).await?;
    verdicts.equal("status", &answer.status.as_u16(), &200);
    let seen: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let at_upstream = |name: &str| seen["headers"][name].as_str().unwrap_or("absent").to_owned();
    verdicts.equal("x-consumer-username at the upstream", &at_upstream("x-consumer-username"), &"demo".to_owned());
    let id = answer.header(REQUEST_ID).unwrap_or_default();
    verdicts.that("a kong-request-id in the answer", !id.is_empty(), "none");
    verdicts.equal("the same kong-request-id at the upstream", &at_upstream(REQUEST_ID), &id.to_owned());
    Ok(())
}

async fn refused(verdicts: &mut Verdicts, headers: &[(&str, &str)]) -> Result<()> {
    let answer = ask("/echo", headers).await?;
    verdicts.equal("status", &answer.status.as_u16(), &401);
    verdicts.message(&answer);
    Ok(())
}

async fn no_route(verdicts: &mut Verdicts) -> Result<()> {
    let answer = ask("/nothing", &[KEY]).await?;
    verdicts.equal("status", &answer.status.as_u16(), &404);
    verdicts.message(&answer);
    Ok(())
}

/// Swaps the plugin under load, and holds the gateway to its word: nothing lost.
async fn swap(workspace: &Workspace, verdicts: &mut Verdicts) -> Result<()> {
    let (blue, green) = (example(workspace, "blue"), example(workspace, "green"));
    let file = release(workspace);
    replace(&blue, &file)?;
    wait_for("blue").await?;
    println!("\nswap {} from blue to green under load", workspace.short(&file).display());
    let plan = Plan { port: GATEWAY_PORT, path: "/echo", headers: &[KEY], swap: &|| replace(&green, &file).map(drop) };
    let tally = load::run(&plan).await?;
    println!(
        "  {} requests over {} connections in {:.1} s: {} failed, {} blue, {} green",
        tally.total(),
        load::CONNECTIONS,
        tally.took.as_secs_f64(),
        tally.failed,
        tally.blue,
        tally.green,
    );
    for reason in &tally.reasons {
        println!("  failed: {reason}");
    }
    verdicts.that("at least 10000 requests done", tally.total() >= load::REQUESTS, &tally.total().to_string());
    verdicts.equal("failed requests", &tally.failed, &0);
    verdicts.that("blue was seen", tally.blue > 0, "never");
    verdicts.that("green was seen at least 1000 times", tally.green >= load::GREENS, &tally.green.to_string());
    verdicts.equal("blue answers to requests begun 250 ms after the first green one", &tally.late_blue, &0);
    Ok(())
}

async fn wait_for(mark: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let answer = Connection::open(GATEWAY_PORT).await?.get("/echo", &[KEY]).await?;
        let seen = answer.header(load::MARK).unwrap_or("absent");
        if seen == mark {
            return Ok(());
        }
        if start.elapsed() > MARK_DEADLINE {
            bail!("expected {}: {mark} within {} s, got {seen}", load::MARK, MARK_DEADLINE.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// One request on a connection of its own, printed with its answer.
async fn ask(path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let sent: String = headers.iter().map(|(name, value)| format!("  {name}: {value}")).collect();
    println!("\nGET {path}{sent}");
    let answer = Connection::open(GATEWAY_PORT).await?.get(path, headers).await?;
    println!("  {}", answer.status);
    for name in SHOWN {
        if let Some(value) = answer.header(name) {
            println!("  {name}: {value}");
        }
    }
    println!("  {}", short(&answer.body));
    Ok(answer)
}

/// A body on one line, cut where a person stops reading.
fn short(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(BODY_SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

#[derive(Default)]
struct Verdicts {
    passed: usize,
    total: usize,
}

impl Verdicts {
    fn that(&mut self, what: &str, holds: bool, got: &str) {
        self.total += 1;
        if holds {
            self.passed += 1;
            println!("  ok: {what}");
        } else {
            println!("  FAILED: {what}: got {got}");
        }
    }

    fn equal<T: PartialEq + std::fmt::Display>(&mut self, what: &str, got: &T, expected: &T) {
        self.that(&format!("{what} is {expected}"), got == expected, &got.to_string());
    }

    /// Kong's shape of an error: `{"message": "…"}`.
    fn message(&mut self, answer: &Answer) {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        self.that("a JSON body with a message", body["message"].is_string(), &short(&answer.body));
    }
}

const KEY: (&str, &str) = ("apikey", "demo-key");
const REQUEST_ID: &str = "kong-request-id";
const SHOWN: [&str; 5] = ["content-type", "www-authenticate", REQUEST_ID, load::MARK, "via"];
const BODY_SHOWN: usize = 300;
const MARK_DEADLINE: Duration = Duration::from_secs(30);
