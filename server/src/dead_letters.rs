//! The command `server dead-letters`, by which an operator looks at dead letters and retries them.

use std::fmt::Write;
use std::process::ExitCode;

use contract::Index;
use queue::{DeadLetter, DeadLetters, QueueError, RedisClient};
use service::config::RedisConfig;

use crate::config::DeadLettersCommand;

/// Runs the command and prints what it did. Exit code 1, after a line on stderr, when Redis fails
/// or when an index to retry has no dead letter.
pub async fn run(command: &DeadLettersCommand, redis: &RedisConfig) -> ExitCode {
    let done = async {
        let dead_letters = DeadLetters::new(RedisClient::open(&redis.url())?);
        match command {
            DeadLettersCommand::List => Ok((table(&dead_letters.list().await?), true)),
            DeadLettersCommand::Retry { all: true, .. } => {
                Ok((format!("{} dead letters deleted\n", dead_letters.retry_all().await?), true))
            }
            DeadLettersCommand::Retry { indices, .. } => retry(&dead_letters, indices).await,
        }
    };
    match done.await {
        Ok((text, is_complete)) => {
            print!("{text}");
            if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let error: QueueError = error;
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns what to print, and whether each index had a dead letter.
async fn retry(dead_letters: &DeadLetters, indices: &[u32]) -> Result<(String, bool), QueueError> {
    let index = |number: &u32| Index::from_number((*number).into(), Index::LARGEST).ok();
    let indices: Vec<Index> = indices.iter().filter_map(index).collect();
    let retried = dead_letters.retry(&indices).await?;
    let mut text = String::new();
    for index in &indices {
        let outcome =
            if retried.contains(index) { "dead letter deleted" } else { "no dead letter" };
        let _ = writeln!(text, "{index}: {outcome}");
    }
    Ok((text, retried.len() == indices.len()))
}

fn table(letters: &[DeadLetter]) -> String {
    let mut text = format!("{:>12}  {:>10}  {:<36}  entry\n", "index", "deliveries", "request id");
    for DeadLetter { entry, index, request_id, deliveries } in letters {
        let index = index.map_or("none".to_owned(), |index| index.to_string());
        let _ = writeln!(text, "{index:>12}  {deliveries:>10}  {request_id:<36}  {entry}");
    }
    text
}
