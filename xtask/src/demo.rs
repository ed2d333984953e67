//! `cargo xtask demo`: the gateway in front of an echo server, with real plugins.
//!
//! In: the repository's own gateway.toml. Out: a running gateway and lines to try,
//! or, with `--check`, the same requests made here and a verdict as exit code.
//! However it ends, the gateway ends with it.

mod checks;
mod load;

use std::{net::TcpListener, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    echo,
    gateway::{Gateway, Output},
    plugins::{self, example, release, replace},
    server,
    setup::{self, Report},
    workspace::Workspace,
};

/// What the demo is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A person tries things.
    Serve,
    /// The demo tries them itself and judges.
    Check,
}

/// Builds everything, then runs the demo until it is stopped or has its verdict.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<ExitCode> {
    // Before the long build: nobody should wait for it to learn this.
    drop(claim(GATEWAY_PORT, "the gateway")?);
    let upstream = claim(UPSTREAM_PORT, "the demo's echo server")?;

    setup::run(workspace, Report::Changes)?;
    plugins::run(workspace)?;
    let program = workspace.build_gateway("release")?;
    // The texts and the checks below begin with blue, whatever the last demo ended with.
    replace(&example(workspace, "blue"), &release(workspace))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(play(workspace, mode, &program, upstream))
}

/// The gateway's listener in gateway.toml.
const GATEWAY_PORT: u16 = 8000;
/// The target of gateway.toml's service `echo`.
const UPSTREAM_PORT: u16 = 9000;
/// Long enough to compile every plugin on a slow machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

fn claim(port: u16, who: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).with_context(|| {
        format!(
            "port {port} is needed by {who} and is taken; find the program with `ss -ltnp 'sport = :{port}'`, \
             stop it, and try again"
        )
    })
}

async fn play(workspace: &Workspace, mode: Mode, program: &Path, upstream: TcpListener) -> Result<ExitCode> {
    // Before the gateway starts, so that no signal can end us without ending it.
    let mut stop = StopSignals::listen()?;
    let _upstream = server::start(upstream, echo::echo)?;
    let output = match mode {
        Mode::Serve => Output::Shown,
        Mode::Check => Output::File(workspace.target.join("demo/gateway.log")),
    };
    let mut gateway = Gateway::start(program, &workspace.root, output)?;
    // Whichever is dropped was only waiting or asking; the gateway is stopped below.
    let outcome = tokio::select! {
        outcome = serve(workspace, mode, &mut gateway) => outcome,
        () = stop.received() => Ok(stopped(mode)),
    };
    let ended = gateway.stop().await;
    let code = outcome?;
    ended?;
    Ok(code)
}

async fn serve(workspace: &Workspace, mode: Mode, gateway: &mut Gateway) -> Result<ExitCode> {
    gateway.accepts(GATEWAY_PORT, START_DEADLINE).await?;
    match mode {
        // A check that cannot even be made is the gateway's to explain.
        Mode::Check => match checks::run(workspace, gateway).await {
            Ok(code) => Ok(code),
            Err(error) => bail!("{error:#}{}", gateway.last_lines()),
        },
        Mode::Serve => {
            println!("{}", welcome(workspace));
            let status = gateway.exited().await?;
            bail!("the gateway ended by itself ({status}); its last lines above say why")
        }
    }
}

/// Ctrl-C is how a demo ends, and how a check does not.
fn stopped(mode: Mode) -> ExitCode {
    match mode {
        Mode::Serve => {
            println!("\nstopping");
            ExitCode::SUCCESS
        }
        Mode::Check => {
            println!("\nstopped before the checks were done");
            ExitCode::FAILURE
        }
    }
}

/// The signals that end the demo; a closed terminal sends SIGHUP.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        // A dropped wait loses nothing: any one of them ends the demo.
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

fn welcome(workspace: &Workspace) -> String {
    let (green, release) = (example(workspace, "green"), release(workspace));
    let (green, release) = (workspace.short(&green), workspace.short(&release));
    format!(
        "
Tidegate listens on http://127.0.0.1:{GATEWAY_PORT}, in front of an echo server. In another terminal:

  curl -i http://127.0.0.1:{GATEWAY_PORT}/echo -H 'apikey: demo-key'
      200: the key is known. The echo shows what reached the upstream: x-consumer-username: demo.
      A plugin has set `x-release: blue` on the answer.
  curl -i http://127.0.0.1:{GATEWAY_PORT}/echo
      401: key-auth refuses a request without a key.
  curl -i http://127.0.0.1:{GATEWAY_PORT}/nothing
      404: no route.
  cp {green} {release}
      Swaps the plugin while traffic flows: the first line now answers `x-release: green`.

What is configured: gateway.toml. Ctrl-C stops the demo.",
        green = green.display(),
        release = release.display(),
    )
}
