//! An https server with one page, which changes: the keys of an issuer or of a provider.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Whoever publishes keys over https, as far as it matters here. Answers 503 until told otherwise.
pub(crate) struct KeyServer {
    response: Arc<Mutex<(u16, String)>>,
    fetches: Arc<AtomicUsize>,
}

impl KeyServer {
    pub(crate) fn start(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        let server = Self { response: Arc::new(Mutex::new((503, String::new()))), fetches: Arc::default() };
        let (answer, fetches) = (server.response.clone(), server.fetches.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                fetches.fetch_add(1, Ordering::SeqCst);
                let (status, body) = answer.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nlocation: https://127.0.0.1/elsewhere\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        server
    }

    pub(crate) fn set_response(&self, status: u16, body: &str) {
        *self.response.lock().unwrap() = (status, body.to_owned());
    }

    /// How often it was asked.
    pub(crate) fn fetch_count(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}
