//! Reads the `value` events of the api's event stream.

use anyhow::Result;
use contract::ValueEvent;
use reqwest::Response;

pub struct ValueEvents {
    stream: Response,
    received: Vec<u8>,
}

impl ValueEvents {
    pub fn new(stream: Response) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Waits for the next value; `None` when the stream has ended.
    pub async fn next(&mut self) -> Result<Option<ValueEvent>> {
        loop {
            while let Some(end) = self.received.windows(2).position(|end| end == b"\n\n") {
                let event: Vec<u8> = self.received.drain(..end + 2).collect();
                if let Some(data) = event.strip_prefix(b"event: value\ndata: ") {
                    return Ok(Some(serde_json::from_slice(data)?));
                }
            }
            match self.stream.chunk().await? {
                Some(chunk) => self.received.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}
