//! What was sent to a provider, to be counted and searched.

use data_encoding::BASE64;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::faults::Endpoint;

/// A request as it came, before anything was done about it.
#[derive(Debug, Clone)]
pub(crate) struct RecordedRequest {
    /// None where no such thing is here.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: FormFields,
    pub(crate) headers: HeaderMap,
    /// The body's fields, where it is a form.
    pub(crate) form: FormFields,
    pub(crate) body: Vec<u8>,
}

/// Names and values, decoded, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormFields(pub(crate) Vec<(String, String)>);

impl FormFields {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A name that stands twice, which RFC 6749 (section 3.1) forbids.
    pub(super) fn repeated_name(&self) -> Option<&str> {
        let twice =
            |name: &&String| self.0.iter().filter(|(other, _)| other.as_str() == name.as_str()).count() > 1;
        self.0.iter().map(|(name, _)| name).find(twice).map(String::as_str)
    }
}

impl RecordedRequest {
    pub(super) fn new(parts: &http::request::Parts, body: Vec<u8>) -> Self {
        let is_form = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        let form = if is_form { FormFields::parse(&body) } else { FormFields::default() };
        let (method, path) = (parts.method.as_str().to_owned(), parts.uri.path().to_owned());
        let endpoint = match (method.as_str(), path.as_str(), form.get("grant_type")) {
            ("GET", "/authorize", _) => Some(Endpoint::Authorize),
            ("POST", "/token", Some("refresh_token")) => Some(Endpoint::Refresh),
            ("POST", "/token", _) => Some(Endpoint::Exchange),
            ("GET", "/me", _) => Some(Endpoint::Me),
            ("POST" | "DELETE", path, _) if path == "/revoke" || path.starts_with("/revoke/") => {
                Some(Endpoint::Revoke)
            }
            _ => None,
        };
        let query = FormFields::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Self { endpoint, method, path, query, headers: parts.headers.clone(), form, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn bearer_token(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
    }

    /// Who says to ask, by HTTP's basic authentication: form-encoded first (RFC 6749, section 2.3.1).
    pub(crate) fn basic_credentials(&self) -> Option<(String, String)> {
        let encoded = self.header(AUTHORIZATION.as_str())?.strip_prefix("Basic ")?;
        let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decoded =
            |part: &str| Some(FormFields::parse(format!("x={part}").as_bytes()).get("x")?.to_owned());
        Some((decoded(id)?, decoded(secret)?))
    }

    /// Whether this text was sent, in any part and encoding.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let fields = self.query.0.iter().chain(&self.form.0);
        let basic = self.basic_credentials().map(|(id, secret)| format!("{id}:{secret}")).unwrap_or_default();
        fields.flat_map(|(name, value)| [name, value]).any(|part| part.contains(text))
            || self.path.contains(text)
            || basic.contains(text)
            || self.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(text))
            || String::from_utf8_lossy(&self.body).contains(text)
    }
}
