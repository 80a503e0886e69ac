//! What a bucket must be before anything is put into it: private, sealed by the server, without old versions, and emptied
//! after 3 days.
//!
//! Asked with the S3 API itself, signed like every other request: `GetPublicAccessBlock`, `GetBucketAcl`,
//! `GetBucketPolicyStatus`, `GetBucketEncryption`, `GetBucketVersioning`, `GetBucketLifecycleConfiguration`.

use http::{Method, Request};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::HttpRequest;
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

/// Days after which a rule of the bucket must delete an export.
const EXPIRATION_DAYS_MAX: u32 = 3;

/// Why a bucket is no place for exports.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It does not answer, or not to us.
    #[error("the bucket can't be asked what it is ({0}): may these credentials read its settings?")]
    Unavailable(String),
    /// Others may read it.
    #[error("the bucket is not private: {0}; turn on all four settings of Block Public Access")]
    Public(&'static str),
    /// The server does not seal what is put there.
    #[error("the bucket has no default server-side encryption: turn on SSE-S3 or SSE-KMS")]
    Unsealed,
    /// What is deleted stays.
    #[error(
        "the bucket keeps old versions, so that nothing in it is ever deleted: exports need one without versioning"
    )]
    Versioned,
    /// Nothing deletes what is old.
    #[error(
        "no enabled lifecycle rule of the bucket deletes what is below {0:?} after {EXPIRATION_DAYS_MAX} days at most and aborts what was not finished"
    )]
    Everlasting(String),
}

/// A bucket, to be asked.
pub(crate) struct Bucket {
    pub(crate) store: AmazonS3,
    pub(crate) url: Url,
    pub(crate) region: String,
    pub(crate) prefix: String,
    pub(crate) http: reqwest::Client,
}

/// What stands in an answer: the text of each element, by its path.
struct Answer(Vec<(String, String)>);

impl Bucket {
    /// Refuses a bucket that is no place for exports.
    pub(crate) async fn check(&self) -> Result<(), BucketError> {
        match self.get("publicAccessBlock").await? {
            Some(block) => {
                let flags =
                    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
                if !flags.iter().all(|flag| block.has(flag, "true")) {
                    return Err(BucketError::Public("Block Public Access is not on"));
                }
            }
            // Of a server that does not know it, or a bucket that has none, the rest says.
            None => self.check_grants().await?,
        }
        let encryption = self.get("encryption").await?.ok_or(BucketError::Unsealed)?;
        if encryption.all("SSEAlgorithm").next().is_none() {
            return Err(BucketError::Unsealed);
        }
        if self.get("versioning").await?.is_some_and(|versioning| versioning.has("Status", "Enabled")) {
            return Err(BucketError::Versioned);
        }
        let lifecycle = self.get("lifecycle").await?;
        let is_emptied = lifecycle.is_some_and(|lifecycle| lifecycle.rules().any(|rule| self.empties(&rule)));
        if is_emptied { Ok(()) } else { Err(BucketError::Everlasting(self.prefix.clone())) }
    }

    async fn check_grants(&self) -> Result<(), BucketError> {
        let acl = self.get("acl").await?;
        let groups = ["AllUsers", "AuthenticatedUsers"];
        if acl.is_some_and(|acl| acl.all("URI").any(|uri| groups.iter().any(|group| uri.ends_with(group)))) {
            return Err(BucketError::Public("its access control list grants everybody something"));
        }
        if self.get("policyStatus").await?.is_some_and(|status| status.has("IsPublic", "true")) {
            return Err(BucketError::Public("its policy is public"));
        }
        Ok(())
    }

    fn empties(&self, rule: &Answer) -> bool {
        let days = rule
            .0
            .iter()
            .find(|(path, _)| path.ends_with("Expiration/Days"))
            .and_then(|(_, days)| days.parse().ok());
        let covers = rule.all("Prefix").all(|prefix| self.prefix.starts_with(prefix));
        let aborts = rule.all("DaysAfterInitiation").next().is_some();
        rule.has("Status", "Enabled")
            && covers
            && aborts
            && days.is_some_and(|days: u32| days <= EXPIRATION_DAYS_MAX)
    }

    /// `None` where there is no such configuration.
    async fn get(&self, what: &str) -> Result<Option<Answer>, BucketError> {
        let unavailable = |why: &dyn std::fmt::Display| BucketError::Unavailable(format!("{what}: {why}"));
        let credential = self.store.credentials().get_credential().await;
        let credential = credential.map_err(|error| unavailable(&error))?;
        let mut url = self.url.clone();
        url.set_query(Some(what));
        let request = Request::builder().method(Method::GET).uri(url.as_str());
        let mut request: HttpRequest = request
            .body(bytes::Bytes::new().into())
            .unwrap_or_else(|_| unreachable!("BUG: a bucket's URL is one"));
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| unavailable(&error))?;
        let asked = self.http.get(url).headers(request.headers().clone()).send().await;
        let answer = asked.map_err(|error| unavailable(&error.without_url()))?;
        let status = answer.status();
        if status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(unavailable(&status));
        }
        let text = answer.text().await.map_err(|error| unavailable(&error.without_url()))?;
        parse(&text).map(Some).ok_or_else(|| unavailable(&"no XML"))
    }
}

impl Answer {
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let name = format!("/{name}");
        self.0.iter().filter(move |(path, _)| path.ends_with(&name)).map(|(_, text)| text.as_str())
    }

    fn has(&self, name: &str, text: &str) -> bool {
        self.all(name).any(|found| found == text)
    }

    /// Each lifecycle rule by itself.
    fn rules(&self) -> impl Iterator<Item = Self> {
        let mut rules: Vec<Self> = Vec::new();
        for (path, text) in &self.0 {
            if path.ends_with("/Rule") {
                rules.push(Self(Vec::new()));
            } else if let Some(rule) = rules.last_mut() {
                rule.0.push((path.clone(), text.clone()));
            }
        }
        rules.into_iter()
    }
}

/// Every element with its text, in the order in which they begin.
fn parse(xml: &str) -> Option<Answer> {
    let mut reader = Reader::from_str(xml);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open: Vec<(String, usize)> = Vec::new();
    let path = |open: &[(String, usize)], name: &str| {
        let above = open.last().map_or("", |(path, _)| path.as_str());
        format!("{above}/{name}")
    };
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let path = path(&open, std::str::from_utf8(element.local_name().as_ref()).ok()?);
                open.push((path.clone(), found.len()));
                found.push((path, String::new()));
            }
            Event::Empty(element) => {
                let path = path(&open, std::str::from_utf8(element.local_name().as_ref()).ok()?);
                found.push((path, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, at)) = open.last() {
                    found[*at].1.push_str(text.decode().ok()?.trim());
                }
            }
            Event::End(_) => drop(open.pop()?),
            Event::Eof => return open.is_empty().then_some(Answer(found)),
            Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}
