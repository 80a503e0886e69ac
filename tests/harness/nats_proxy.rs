//! A man in the middle of a connection to the broker, who changes what the broker says.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A message on its way to a client: the words of its protocol line, and its headers and payload.
#[derive(Debug, Clone)]
pub(crate) struct NatsMessage {
    words: Vec<String>,
    /// How many bytes of `content` are headers.
    header_bytes: usize,
    content: Vec<u8>,
}

impl NatsMessage {
    /// The numbers of an event that a consumer delivers: `$JS.ACK.….<stream seq>.<consumer seq>.<ns>.<pending>`.
    fn delivered_position(&self) -> Option<(usize, u64)> {
        let reply = self.words.get(3).filter(|reply| reply.starts_with("$JS.ACK."))?;
        let tokens: Vec<_> = reply.split('.').collect();
        let at = if tokens.len() >= 11 { 7 } else { 5 };
        Some((at, tokens[at].parse().ok()?))
    }

    /// The sequence of the event that a consumer delivers in this frame.
    pub(crate) fn delivered_sequence(&self) -> Option<u64> {
        self.delivered_position().map(|(_, sequence)| sequence)
    }

    /// The sequence of the event that this frame answers a direct get with.
    pub(crate) fn direct_get_sequence(&self) -> Option<u64> {
        let headers = std::str::from_utf8(&self.content[..self.header_bytes]).unwrap();
        headers.lines().find_map(|line| line.strip_prefix("Nats-Sequence: "))?.parse().ok()
    }

    /// Counts one less before it, as if an earlier one had never been delivered.
    pub(crate) fn with_consumer_sequence_decremented(mut self) -> Self {
        let (at, _) = self.delivered_position().unwrap();
        let mut tokens: Vec<_> = self.words[3].split('.').map(str::to_owned).collect();
        tokens[at + 1] = (tokens[at + 1].parse::<u64>().unwrap() - 1).to_string();
        self.words[3] = tokens.join(".");
        self
    }

    /// With another character at this distance from the end of the payload, among those that base64 has.
    pub(crate) fn with_corrupted_payload(mut self, from_end: usize) -> Self {
        let at = self.content.len() - from_end;
        self.content[at] = if self.content[at] == b'A' { b'B' } else { b'A' };
        self
    }

    /// Delivers in its own place what another frame says.
    pub(crate) fn with_content_of(mut self, other: &Self) -> Self {
        self.words[0].clone_from(&other.words[0]);
        self.words[1].clone_from(&other.words[1]);
        self.words.truncate(4);
        self.words.extend_from_slice(&other.words[4..]);
        (self.header_bytes, self.content) = (other.header_bytes, other.content.clone());
        self
    }

    /// What the broker would say if it did not have what was asked for.
    pub(crate) fn into_not_found(mut self) -> Self {
        self.content = b"NATS/1.0 404 Message Not Found\r\n\r\n".to_vec();
        self.header_bytes = self.content.len();
        self
    }

    fn encode(&self) -> Vec<u8> {
        let mut words = self.words.clone();
        let count = words.len();
        words[count - 1] = self.content.len().to_string();
        if words[0] == "HMSG" {
            words[count - 2] = self.header_bytes.to_string();
        }
        [words.join(" ").as_bytes(), b"\r\n", &self.content, b"\r\n"].concat()
    }
}

/// Puts what is returned in the place of every message. Returns the proxy's URL; it lasts as long as the test.
pub(crate) async fn start_tampering_proxy(
    nats_url: String,
    change: impl Fn(NatsMessage) -> Vec<NatsMessage> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let (broker, change) = (nats_url.strip_prefix("nats://").unwrap().to_owned(), Arc::new(change));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&broker).await else { continue };
            let (mut from_client, to_client) = client.into_split();
            let (from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            let change = change.clone();
            // Either end may go away at any time.
            tokio::spawn(async move { relay(from_server, to_client, &*change).await });
        }
    });
    url
}

async fn relay(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    change: &(impl Fn(NatsMessage) -> Vec<NatsMessage> + Sync),
) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if !line.starts_with("MSG ") && !line.starts_with("HMSG ") {
            to.write_all(line.as_bytes()).await?;
            continue;
        }
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let length = |back: usize| words[words.len() - back].parse::<usize>().unwrap();
        let headers = if words[0] == "HMSG" { length(2) } else { 0 };
        let mut content = vec![0; length(1)];
        from.read_exact(&mut content).await?;
        from.read_exact(&mut [0; 2]).await?;
        for frame in change(NatsMessage { words, header_bytes: headers, content }) {
            to.write_all(&frame.encode()).await?;
        }
    }
}
