//! Exports in S3, or in what speaks like it: an object per export, below a prefix of the bucket.

mod bucket_policy;
mod s3_api;

use std::fmt;
use std::time::Duration;

use futures_util::TryStreamExt;
use http::Method;
use keys::UserRef;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ClientConfigKey, MultipartUpload, ObjectStore, ObjectStoreExt};
use url::Url;

use crate::object_name::ObjectName;
pub use bucket_policy::BucketError;
use s3_api::{S3Api, S3Endpoint};

/// Pages of unfinished uploads of one user, who has one export made at a time.
const UPLOAD_PAGES_MAX: usize = 100;

/// A bucket, or what is below a prefix in it.
pub(crate) struct S3Store {
    store: AmazonS3,
    api: S3Api,
    prefix: String,
}

/// Why no bucket can be had by this URL and these options.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenS3StoreError {
    #[error("a folder or s3://bucket/prefix")]
    Scheme,
    #[error("it names no bucket")]
    Name,
    #[error(transparent)]
    Options(#[from] object_store::Error),
    #[error(transparent)]
    Endpoint(#[from] url::ParseError),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl S3Store {
    /// `s3://bucket/prefix`, with the options of AWS by their lowercase names, such as `aws_region`. Nothing is asked yet.
    pub(crate) fn open(
        place: &Url,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenS3StoreError> {
        if place.scheme() != "s3" {
            return Err(OpenS3StoreError::Scheme);
        }
        let name = place.host_str().ok_or(OpenS3StoreError::Name)?;
        // Asked for with every upload, whatever the bucket does by itself.
        let sealed = [("aws_server_side_encryption".to_owned(), "AES256".to_owned())];
        let mut builder = AmazonS3Builder::new().with_bucket_name(name);
        for (key, value) in sealed.into_iter().chain(options) {
            if let Ok(key) = key.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let server = S3Endpoint::from_builder(&builder, name)?;
        let prefix = place.path().trim_matches('/').to_owned();
        let store = builder.build()?;
        let asking = S3Api::new(server, store.credentials().clone())?;
        Ok(Self { store, api: asking, prefix })
    }

    fn prefixed_path(&self, path: &str) -> Path {
        Path::from_iter(self.prefix.split('/').chain(path.split('/')).filter(|part| !part.is_empty()))
    }

    fn object_path(&self, name: &ObjectName) -> Path {
        self.prefixed_path(&name.to_string())
    }

    pub(crate) async fn start_upload(
        &self,
        name: &ObjectName,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart(&self.object_path(name)).await
    }

    pub(crate) async fn presigned_url(
        &self,
        name: &ObjectName,
        lasts: Duration,
    ) -> object_store::Result<Url> {
        self.store.signed_url(Method::GET, &self.object_path(name), lasts).await
    }

    /// One that is not there is no error.
    pub(crate) async fn delete(&self, name: &ObjectName) -> object_store::Result<()> {
        self.delete_at(&self.object_path(name)).await
    }

    async fn delete_at(&self, path: &Path) -> object_store::Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn delete_objects_of_user(&self, user: &UserRef) -> object_store::Result<u64> {
        let found: Vec<_> =
            self.store.list(Some(&self.prefixed_path(&user.to_string()))).try_collect().await?;
        for object in &found {
            self.delete_at(&object.location).await?;
        }
        Ok(found.len() as u64)
    }

    /// Aborts what was begun of a user and not finished: its parts lie there, and no list of objects shows them.
    pub(crate) async fn abort_uploads_of_user(&self, user: &UserRef) -> Result<u64, AbortUploadsError> {
        let folder = self.prefixed_path(&user.to_string());
        let query = [("uploads", ""), ("prefix", &format!("{folder}/"))];
        let mut aborted = 0;
        for _ in 0..UPLOAD_PAGES_MAX {
            // One page after the other: what is aborted is not in the next.
            let answer = self.api.get(&query).await?;
            let uploads: Vec<_> = answer.iter().flat_map(|answer| answer.elements("Upload")).collect();
            if uploads.is_empty() {
                return Ok(aborted);
            }
            for upload in uploads {
                let (key, id) = (upload.texts("Key").next(), upload.texts("UploadId").next());
                let (Some(key), Some(id)) = (key, id) else {
                    return Err(BucketError::Unavailable("uploads: one without a name".to_owned()).into());
                };
                let name = key.rsplit('/').next().unwrap_or_default();
                match self.store.abort_multipart(&folder.clone().join(name), &id.to_owned()).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => aborted += 1,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(BucketError::Unavailable("uploads: what is aborted stays in the list".to_owned()).into())
    }
}

/// Why an upload is not aborted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AbortUploadsError {
    #[error(transparent)]
    Api(#[from] BucketError),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api.url, self.prefix)
    }
}

impl S3Endpoint {
    /// The one that the store asks, as the store reaches it.
    fn from_builder(builder: &AmazonS3Builder, bucket: &str) -> Result<Self, url::ParseError> {
        let config = |key| builder.get_config_value(&key);
        let is_enabled = |key| config(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let region = config(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = config(AmazonS3ConfigKey::S3Endpoint).or_else(|| config(AmazonS3ConfigKey::Endpoint));
        let url = match endpoint {
            Some(endpoint) if is_enabled(AmazonS3ConfigKey::VirtualHostedStyleRequest) => endpoint,
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => format!("https://s3.{region}.amazonaws.com/{bucket}"),
        };
        let allows_http = is_enabled(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
        Ok(Self { url: url.parse()?, region, allows_http })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_server_is_asked_that_the_store_writes_to() {
        let server = |options: &[(AmazonS3ConfigKey, &str)]| {
            let builder = AmazonS3Builder::new().with_bucket_name("people");
            let with = |builder: AmazonS3Builder, (key, value): &(AmazonS3ConfigKey, &str)| {
                builder.with_config(*key, *value)
            };
            let server = S3Endpoint::from_builder(&options.iter().fold(builder, with), "people").unwrap();
            (server.url.to_string(), server.region, server.allows_http)
        };
        let plain = |url: &str| (url.to_owned(), "us-east-1".to_owned(), false);
        let (one, other) = ("https://one.example", "https://other.example/");
        assert_eq!(server(&[]), plain("https://s3.us-east-1.amazonaws.com/people"));
        assert_eq!(server(&[(AmazonS3ConfigKey::Endpoint, one)]), plain("https://one.example/people"));
        assert_eq!(
            server(&[(AmazonS3ConfigKey::Endpoint, one), (AmazonS3ConfigKey::S3Endpoint, other)]),
            plain("https://other.example/people")
        );
        assert_eq!(
            server(&[
                (AmazonS3ConfigKey::Endpoint, other),
                (AmazonS3ConfigKey::VirtualHostedStyleRequest, "true"),
                (AmazonS3ConfigKey::Region, "eu-west-1"),
                (AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true"),
            ]),
            (other.to_owned(), "eu-west-1".to_owned(), true)
        );
    }
}
