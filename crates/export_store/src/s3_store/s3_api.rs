//! What a bucket says of itself, asked with the S3 API itself: signed like every other request, answered with XML.

use std::time::Duration;

use http::{Method, Request};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::HttpRequest;
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

use super::BucketError;

/// A server that takes longer is one that can't be asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer. A list of a thousand uploads is shorter.
const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which server, and what its requests are signed for.
pub(super) struct S3Endpoint {
    pub(super) url: Url,
    pub(super) region: String,
    pub(super) allows_http: bool,
}

/// Asks.
pub(super) struct S3Api {
    pub(super) url: Url,
    region: String,
    credentials: AwsCredentialProvider,
    http: reqwest::Client,
}

/// What stands in an answer: the text of each element, by its path.
#[derive(Default)]
pub(super) struct XmlDocument(Vec<(String, String)>);

impl S3Api {
    pub(super) fn new(server: S3Endpoint, credentials: AwsCredentialProvider) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!server.allows_http)
            .timeout(REQUEST_TIMEOUT);
        Ok(Self { url: server.url, region: server.region, credentials, http: http.build()? })
    }

    /// `None` where there is no such thing.
    pub(super) async fn get(&self, query: &[(&str, &str)]) -> Result<Option<XmlDocument>, BucketError> {
        let what = query.first().map_or("", |(name, _)| name);
        let unavailable = |why: &dyn std::fmt::Display| BucketError::Unavailable(format!("{what}: {why}"));
        let credential = self.credentials.get_credential().await.map_err(|error| unavailable(&error))?;
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let request = Request::builder().method(Method::GET).uri(url.as_str());
        let mut request: HttpRequest = request
            .body(bytes::Bytes::new().into())
            .unwrap_or_else(|_| unreachable!("BUG: a bucket's URL is one"));
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| unavailable(&error))?;
        let asked = self.http.get(url).headers(request.headers().clone()).send().await;
        let mut answer = asked.map_err(|error| unavailable(&error.without_url()))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unavailable(&error.without_url()))? {
            if bytes.len() + chunk.len() > RESPONSE_BYTES_MAX {
                return Err(unavailable(&"the answer is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer = std::str::from_utf8(&bytes).ok().and_then(XmlDocument::parse);
        if status == http::StatusCode::NOT_FOUND {
            // No bucket, and a bucket of which nothing was said, are told apart by the code alone.
            let is_missing = answer.is_some_and(|answer| answer.has_text("Code", "NoSuchBucket"));
            return if is_missing { Err(unavailable(&"there is no such bucket")) } else { Ok(None) };
        }
        if !status.is_success() {
            return Err(unavailable(&status));
        }
        answer.map(Some).ok_or_else(|| unavailable(&"no XML"))
    }
}

impl XmlDocument {
    /// The texts of all elements of this name; of several names, each directly in the one before.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = format!("/{name}");
        self.0.iter().filter(move |(path, _)| path.ends_with(&name)).map(|(_, text)| text.as_str())
    }

    pub(super) fn has_text(&self, name: &str, text: &str) -> bool {
        self.texts(name).any(|found| found == text)
    }

    /// What stands in each element of this name.
    pub(super) fn elements(&self, name: &str) -> Vec<Self> {
        let name = format!("/{name}");
        let mut found: Vec<(&str, Self)> = Vec::new();
        for (path, text) in &self.0 {
            if path.ends_with(&name) {
                found.push((path, Self::default()));
            } else if let Some((within, element)) = found.last_mut()
                && path.strip_prefix(*within).is_some_and(|rest| rest.starts_with('/'))
            {
                element.0.push((path.clone(), text.clone()));
            }
        }
        found.into_iter().map(|(_, element)| element).collect()
    }

    /// Every element with its text, in the order in which they begin; `None` for what is no XML.
    pub(super) fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let mut found: Vec<(String, String)> = Vec::new();
        let mut open: Vec<(String, usize)> = Vec::new();
        let path = |open: &[(String, usize)], name: &[u8]| {
            let above = open.last().map_or("", |(path, _)| path.as_str());
            Some(format!("{above}/{}", std::str::from_utf8(name).ok()?))
        };
        loop {
            match reader.read_event().ok()? {
                Event::Start(element) => {
                    let path = path(&open, element.local_name().as_ref())?;
                    open.push((path.clone(), found.len()));
                    found.push((path, String::new()));
                }
                Event::Empty(element) => {
                    found.push((path(&open, element.local_name().as_ref())?, String::new()));
                }
                Event::Text(text) => {
                    if let Some((_, at)) = open.last() {
                        found[*at].1.push_str(text.decode().ok()?.trim());
                    }
                }
                Event::End(_) => drop(open.pop()?),
                Event::Eof => return (open.is_empty() && !found.is_empty()).then_some(Self(found)),
                Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }
}
