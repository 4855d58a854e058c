//! `mock-openai [--listen ADDR] [--api-key KEY]... [--model NAME]... [--delay-ms N]`: the mock upstream as a program.
//!
//! Prints its base URL and runs until it is interrupted.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use proofmark_testkit::{MockConfig, MockUpstream, Pace};

const USAGE: &str =
    "usage: mock-openai [--listen ADDR] [--api-key KEY]... [--model NAME]... [--delay-ms N]";

fn main() -> ExitCode {
    match read_arguments(std::env::args().skip(1)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nothing is left to do if even this cannot be written.
            let _unwritable = writeln!(std::io::stderr(), "mock-openai: {problem}");
            ExitCode::from(2)
        }
    }
}

fn read_arguments(mut arguments: impl Iterator<Item = String>) -> Result<MockConfig, String> {
    let mut config = MockConfig {
        pace: Pace::Delay(Duration::from_millis(50)),
        ..MockConfig::default()
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--listen" => {
                config.listen = value
                    .parse()
                    .map_err(|_| format!("{value} is no address such as 127.0.0.1:9000"))?;
            }
            "--api-key" => config.api_keys.push(value),
            "--model" => config.models.push(value),
            "--delay-ms" => {
                let delay_ms = value
                    .parse()
                    .map_err(|_| format!("{value} is no number of milliseconds"))?;
                config.pace = Pace::Delay(Duration::from_millis(delay_ms));
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(config)
}

#[tokio::main]
async fn run(config: MockConfig) -> Result<(), String> {
    let listen = config.listen;
    let upstream = MockUpstream::start(config)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    writeln!(std::io::stdout(), "{}", upstream.base_url()).map_err(|error| error.to_string())?;
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| error.to_string())?;
    upstream.stop().await;
    Ok(())
}
