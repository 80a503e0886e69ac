//! The JSON API of KMS (`TrentService`): signed requests, error codes, retries.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderValue, Method, Request, StatusCode, header};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner};
use reqsign_core::{Context, OsEnv, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use reqsign_http_send_reqwest::ReqwestHttpSend;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::KmsError;

/// Limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Retries after the first attempt, and the pause before the first of them.
const RETRIES_MAX: usize = 2;
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Bytes of a response. KMS encrypts at most 4 KiB.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// A KMS endpoint and the credentials for it.
pub(super) struct KmsApi {
    http: reqwest::Client,
    context: Context,
    endpoint: Option<String>,
}

/// A key, and the signer for its region.
pub(super) struct KmsKey {
    id: String,
    endpoint: String,
    signer: Signer<Credential>,
}

/// A call to KMS failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// KMS answered with an error.
    #[error("KMS answered {status} {code}")]
    Service {
        /// Status of the response.
        status: StatusCode,
        /// Name of the error, without its namespace.
        code: String,
    },
    /// There are no credentials, or the request could not be signed with them.
    #[error("the request to KMS could not be signed")]
    Sign(#[source] reqsign_core::Error),
    /// The request could not be sent, or the response not read.
    #[error("KMS could not be reached")]
    Http(#[source] reqwest::Error),
    /// The response is longer than any that KMS sends.
    #[error("the response of KMS is too long")]
    TooLong,
    /// KMS did not answer in time.
    #[error("KMS did not answer in time")]
    Timeout,
}

impl CallError {
    /// The error's name in the API; empty if KMS gave none.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Service { code, .. } => code,
            Self::Sign(_) | Self::Http(_) | Self::TooLong | Self::Timeout => "",
        }
    }

    /// Both operations are idempotent, so whatever may pass by itself is retried.
    fn is_transient(&self) -> bool {
        match self {
            Self::Service { status, code } => {
                status.is_server_error()
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || matches!(code.as_str(), "ThrottlingException" | "LimitExceededException")
            }
            Self::Http(_) => true,
            Self::Sign(_) | Self::TooLong | Self::Timeout => false,
        }
    }
}

impl KmsKey {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl KmsApi {
    pub(super) fn new(endpoint: Option<String>) -> reqwest::Result<Self> {
        let builder = || {
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ATTEMPT_TIMEOUT)
        };
        // Metadata services of containers and instances speak plain HTTP on a link-local address.
        let credentials = builder().no_proxy().build()?;
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_http_send(ReqwestHttpSend::new(credentials))
            .with_env(OsEnv);
        // Not https only: `[secrets] kms_endpoint` may name a plain one, and its form is checked with the configuration.
        Ok(Self { http: builder().build()?, context, endpoint })
    }

    /// A key's region is that of its ARN, else the environment's.
    pub(super) fn key(&self, id: String) -> Result<KmsKey, KmsError> {
        let variable = |name: &str| self.context.env_var(name).filter(|value| !value.is_empty());
        let region = region_of(&id)
            .map(str::to_owned)
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"));
        let Some(region) = region else { return Err(KmsError::NoRegion(id)) };
        let endpoint = self.endpoint.clone().unwrap_or_else(|| {
            let uses_fips = variable("AWS_USE_FIPS_ENDPOINT").is_some_and(|value| value == "true");
            default_endpoint(&region, uses_fips)
        });
        let signer = Signer::new(
            self.context.clone(),
            DefaultCredentialProvider::new(),
            RequestSigner::new("kms", &region),
        );
        Ok(KmsKey { id, endpoint, signer })
    }

    /// Calls an operation, and returns the response's body.
    pub(super) async fn call(
        &self,
        key: &KmsKey,
        operation: &'static str,
        request: &Value,
    ) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let body = Bytes::from(request.to_string());
        let backoff = ExponentialBuilder::default()
            .with_min_delay(RETRY_PAUSE_MIN)
            .with_max_times(RETRIES_MAX)
            .with_jitter();
        (|| self.attempt(key, operation, body.clone())).retry(backoff).when(CallError::is_transient).await
    }

    async fn attempt(
        &self,
        key: &KmsKey,
        operation: &'static str,
        body: Bytes,
    ) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&key.endpoint)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{operation}"))
            .header("x-amz-content-sha256", HEXLOWER.encode(&Sha256::digest(&body)))
            .body(());
        let (mut head, ()) = request
            .unwrap_or_else(|_| unreachable!("BUG: an endpoint is a URL by its configuration"))
            .into_parts();
        key.signer.sign(&mut head, None).await.map_err(CallError::Sign)?;
        let sent = self.http.post(&key.endpoint).headers(head.headers).body(body).send().await;
        let mut response = sent.map_err(CallError::Http)?;
        let status = response.status();
        let code = response.headers().get("x-amzn-errortype").and_then(error_code);
        let mut received = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(CallError::Http)? {
            if received.len() + chunk.len() > RESPONSE_BYTES_MAX {
                return Err(CallError::TooLong);
            }
            received.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(received);
        }
        Err(CallError::Service { status, code: code.unwrap_or_else(|| error_code_of_body(&received)) })
    }
}

/// `arn:<partition>:kms:<region>:<account>:…`
fn region_of(id: &str) -> Option<&str> {
    let mut parts = id.split(':');
    let is_arn = parts.next() == Some("arn");
    parts.nth(2).filter(|region| is_arn && !region.is_empty())
}

fn default_endpoint(region: &str, uses_fips: bool) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let service = if uses_fips { "kms-fips" } else { "kms" };
    format!("https://{service}.{region}.{suffix}/")
}

fn error_code(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(bare_code)
}

fn error_code_of_body(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorBody {
        #[serde(rename = "__type", alias = "code")]
        code: String,
    }
    serde_json::from_slice::<ErrorBody>(body).map(|error| bare_code(&error.code)).unwrap_or_default()
}

/// Strips the namespace before `#` and the URL after `:`, as the protocol's clients must.
fn bare_code(code: &str) -> String {
    let code = code.rsplit('#').next().unwrap_or(code);
    code.split(':').next().unwrap_or(code).to_owned()
}

#[cfg(test)]
mod tests;
