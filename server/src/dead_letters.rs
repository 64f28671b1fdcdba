//! The command `server dead-letters`, with which an operator lists and retries dead letters.

use std::fmt::Write;
use std::process::ExitCode;

use contract::Index;
use queue::{DeadLetter, DeadLetters, QueueError, RedisClient};
use service::config::RedisConfig;

use crate::config::DeadLettersCommand;

/// Runs the command and prints its result. The exit code is 1 when an index to retry has no dead
/// letter, and when Redis fails, with the error on stderr.
pub async fn run(command: &DeadLettersCommand, redis: &RedisConfig) -> ExitCode {
    match execute(command, redis).await {
        Ok(CommandOutput { text, exit_code }) => {
            print!("{text}");
            exit_code
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct CommandOutput {
    text: String,
    exit_code: ExitCode,
}

async fn execute(
    command: &DeadLettersCommand,
    redis: &RedisConfig,
) -> Result<CommandOutput, QueueError> {
    let dead_letters = DeadLetters::new(RedisClient::open(&redis.url())?);
    let text = match command {
        DeadLettersCommand::List => table(&dead_letters.list().await?),
        DeadLettersCommand::Retry { all: true, .. } => {
            format!("{} dead letters deleted\n", dead_letters.retry_all().await?)
        }
        DeadLettersCommand::Retry { indices, .. } => return retry(&dead_letters, indices).await,
    };
    Ok(CommandOutput { text, exit_code: ExitCode::SUCCESS })
}

async fn retry(dead_letters: &DeadLetters, indices: &[u32]) -> Result<CommandOutput, QueueError> {
    let index = |number: &u32| Index::from_number((*number).into(), Index::LARGEST).ok();
    let indices: Vec<Index> = indices.iter().filter_map(index).collect();
    let retried = dead_letters.retry(&indices).await?;
    let mut text = String::new();
    for index in &indices {
        let outcome =
            if retried.contains(index) { "dead letter deleted" } else { "no dead letter" };
        let _ = writeln!(text, "{index}: {outcome}");
    }
    let is_complete = retried.len() == indices.len();
    let exit_code = if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok(CommandOutput { text, exit_code })
}

fn table(dead_letters: &[DeadLetter]) -> String {
    let mut text = format!("{:>12}  {:>10}  {:<36}  entry\n", "index", "deliveries", "request id");
    for DeadLetter { entry, index, request_id, deliveries } in dead_letters {
        let index = index.map_or("none".to_owned(), |index| index.to_string());
        let _ = writeln!(text, "{index:>12}  {deliveries:>10}  {request_id:<36}  {entry}");
    }
    text
}
