//! The provider's HTTPS: takes requests, writes them down, and answers them well or badly.

use std::io::Error;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures_util::stream::{StreamExt, once};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::SimulatorState;
use super::endpoints::{ProviderResponse, authorize, me, revoke};
use super::faults::{Endpoint, Fault};
use super::recorded_request::RecordedRequest;
use super::token_endpoint::{error_response, handle_token_request};

/// More than any client of ours has to send.
const REQUEST_BYTES_MAX: usize = 1 << 20;

pub(super) async fn serve(listener: TcpListener, config: Arc<ServerConfig>, state: Arc<SimulatorState>) {
    let acceptor = TlsAcceptor::from(config);
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            // Whoever doesn't trust our authority hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| record_and_respond(state.clone(), request));
            // A cut answer is an error here, and what the test wants.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn record_and_respond(
    state: Arc<SimulatorState>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), REQUEST_BYTES_MAX).await.map_err(Error::other)?;
    let request = RecordedRequest::new(&parts, body.to_vec());
    state.recorded_requests.send_modify(|recorded| recorded.push(request.clone()));
    // Begun is done, as everywhere: also when the client has gone in the meantime.
    tokio::spawn(async move { respond(&state, &request).await }).await.map_err(Error::other)?
}

async fn respond(state: &SimulatorState, request: &RecordedRequest) -> Result<Response<Body>, Error> {
    let Some(endpoint) = request.endpoint else {
        return Ok(build_response(ProviderResponse::json(404, Value::Null)));
    };
    let spoiled = state.next_fault(endpoint);
    let reply = || match endpoint {
        Endpoint::Authorize => authorize(state, request, spoiled.as_ref()),
        Endpoint::Exchange | Endpoint::Refresh => handle_token_request(state, request),
        Endpoint::Revoke => revoke(state, request),
        Endpoint::Me => me(state, request),
    };
    let Some(misbehaviour) = &spoiled else { return Ok(build_response(reply())) };
    let dropped = || Err(Error::other("the connection is closed, as was asked for"));
    Ok(match misbehaviour {
        Fault::OAuthError(error) => build_response(error_response(state, error)),
        Fault::HttpStatus(status) => status_response(*status),
        Fault::RetryAfter(status, seconds) => {
            let mut busy = status_response(*status);
            busy.headers_mut().insert(RETRY_AFTER, (*seconds).into());
            busy
        }
        Fault::EnvelopeStatus(status) => {
            build_response(ProviderResponse::json(200, json!({ "status": status, "body": {} })))
        }
        Fault::Redirect(status, location) => build_response(ProviderResponse {
            status: *status,
            location: Some(location.clone()),
            json: Value::Null,
        }),
        Fault::CloseConnection => return dropped(),
        Fault::HoldRequest(gate) => {
            gate.wait_until_open().await;
            build_response(reply())
        }
        Fault::CloseAfterProcessing => {
            reply();
            return dropped();
        }
        Fault::TruncateResponse => truncated_response(reply()),
        Fault::HttpStatusAfterProcessing(status) => {
            reply();
            status_response(*status)
        }
        Fault::HoldResponse(gate) => {
            let reply = reply();
            gate.wait_until_open().await;
            build_response(reply)
        }
        Fault::OversizeResponse(bytes) => {
            build_response(with_field(reply(), "padding", Some(json!("x".repeat(*bytes)))))
        }
        Fault::HtmlResponse => {
            reply();
            Response::builder()
                .header(CONTENT_TYPE, "text/html")
                .body(Body::from("<!doctype html><title>Well done</title>"))
                .unwrap()
        }
        Fault::SetField(name, value) => build_response(with_field(reply(), name, Some(value.clone()))),
        Fault::RemoveField(name) => build_response(with_field(reply(), name, None)),
        Fault::DenyConsent | Fault::WrongState | Fault::ReuseCode | Fault::ReplaceIssuer(_) => {
            assert_eq!(endpoint, Endpoint::Authorize, "{misbehaviour:?} is of no use elsewhere");
            build_response(reply())
        }
    })
}

/// Another value in the answer, or in what is in its envelope.
fn with_field(mut reply: ProviderResponse, name: &str, value: Option<Value>) -> ProviderResponse {
    let fields = match reply.json.get_mut("body") {
        Some(body) => body.as_object_mut(),
        None => reply.json.as_object_mut(),
    };
    let fields = fields.expect("only an answer with fields can be changed");
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    reply
}

fn status_response(status: u16) -> Response<Body> {
    build_response(ProviderResponse::json(status, json!({ "error": "server_error" })))
}

fn build_response(reply: ProviderResponse) -> Response<Body> {
    let mut response = Response::builder().status(reply.status).header(CACHE_CONTROL, "no-store");
    if let Some(location) = reply.location {
        response = response.header(LOCATION, location);
    }
    if reply.json.is_null() {
        return response.body(Body::empty()).unwrap();
    }
    response.header(CONTENT_TYPE, "application/json").body(Body::from(reply.json.to_string())).unwrap()
}

/// Announces the whole answer and sends half of it.
fn truncated_response(reply: ProviderResponse) -> Response<Body> {
    let whole = Bytes::from(reply.json.to_string());
    let half = whole.slice(..whole.len() / 2);
    let stream = once(async { Ok(half) }).chain(once(async {
        // What is pending makes hyper send what it has.
        tokio::task::yield_now().await;
        Err(Error::other("the answer is cut off, as was asked for"))
    }));
    Response::builder()
        .status(reply.status)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, whole.len())
        .body(Body::from_stream(stream))
        .unwrap()
}
