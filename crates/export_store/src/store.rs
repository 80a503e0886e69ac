//! The two places, behind one interface.

use std::fmt;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keys::{DataKey, DataKeyId, Pseudonymizer, UserRef};
use object_store::WriteMultipart;
use tokio::runtime::Handle;
use url::Url;

use crate::download_link::DownloadLink;
use crate::local_store::{LocalStore, LocalWriter};
use crate::object_name::ObjectName;
use crate::s3_store::{AbortUploadsError, BucketError, S3Store};
use crate::sealed_file::OpeningReader;

/// Parts of an upload that are under way at the same time: with their 5 MiB each this bounds its memory.
const UPLOAD_PARTS_IN_FLIGHT_MAX: usize = 4;

/// Objects can't be kept, or had.
#[derive(Debug, thiserror::Error)]
pub enum ExportStoreError {
    /// Not where objects can be.
    #[error("exports can't be kept at {0}")]
    Location(String),
    /// The bucket is no place for them.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The folder does not do what was asked.
    #[error("the folder of exports can't be used")]
    Local(#[from] io::Error),
    /// The bucket does not.
    #[error("the bucket of exports can't be reached")]
    S3(#[from] object_store::Error),
}

impl From<AbortUploadsError> for ExportStoreError {
    fn from(error: AbortUploadsError) -> Self {
        match error {
            AbortUploadsError::Api(error) => Self::Bucket(error),
            AbortUploadsError::Store(error) => Self::S3(error),
        }
    }
}

/// Where exports are kept. Clones are the same place.
#[derive(Clone)]
pub struct ExportStore(Arc<Backend>);

enum Backend {
    Folder(LocalStore),
    S3(S3Store),
}

impl ExportStore {
    /// A folder, made for its owner alone where it is missing; or `s3://bucket/prefix`, with the options of AWS by their
    /// lowercase names, such as `aws_region`. Nothing is asked yet.
    pub fn open(
        location: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ExportStoreError> {
        let refused = |why: &dyn fmt::Display| ExportStoreError::Location(format!("{location:?}: {why}"));
        if !location.contains("://") {
            let folder = LocalStore::open(Path::new(location)).map_err(|error| refused(&error))?;
            return Ok(Self(Arc::new(Backend::Folder(folder))));
        }
        let place: Url = location.parse().map_err(|error| refused(&error))?;
        let bucket = S3Store::open(&place, options).map_err(|error| refused(&error))?;
        Ok(Self(Arc::new(Backend::S3(bucket))))
    }

    /// Refuses a place where exports would not be safe.
    pub async fn check(&self) -> Result<(), ExportStoreError> {
        match &*self.0 {
            // What it must be was seen when it was opened.
            Backend::Folder(_) => Ok(()),
            Backend::S3(bucket) => Ok(bucket.check_policy().await?),
        }
    }

    /// Begins an object, for a thread that may block. `key` is what seals it where nobody else does.
    pub fn create(
        &self,
        name: ObjectName,
        key: Arc<DataKey>,
        runtime: &Handle,
    ) -> Result<ExportObjectWriter, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => {
                Ok(ExportObjectWriter(WriterBackend::Local(Box::new(folder.create(name, key)?))))
            }
            Backend::S3(bucket) => {
                let upload = runtime.block_on(bucket.start_upload(&name))?;
                Ok(ExportObjectWriter(WriterBackend::S3 {
                    upload: WriteMultipart::new(upload),
                    runtime: runtime.clone(),
                }))
            }
        }
    }

    /// A link to an object, which ends then: path and query for one of ours, and a whole URL for one of S3's.
    pub async fn download_url(
        &self,
        name: ObjectName,
        expires: jiff::Timestamp,
        now: jiff::Timestamp,
        secret: &Pseudonymizer,
    ) -> Result<String, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(_) => {
                Ok(DownloadLink { object: name, expires: expires.as_second() }.path_and_query(secret))
            }
            Backend::S3(bucket) => {
                let lasts = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
                Ok(bucket.presigned_url(&name, lasts).await?.into())
            }
        }
    }

    /// The data key of an object in the folder, and its length. Blocks.
    pub fn metadata(&self, name: &ObjectName) -> Result<Option<(DataKeyId, u64)>, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => Ok(folder.open_file(name)?.map(|(id, length, _)| (id, length))),
            Backend::S3(_) => Ok(None),
        }
    }

    /// Opens an object in the folder. Blocks.
    pub fn open_reader(
        &self,
        name: ObjectName,
        key: Arc<DataKey>,
    ) -> Result<Option<ExportObjectReader>, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => Ok(folder
                .open_file(&name)?
                .map(|(_, _, file)| ExportObjectReader(LocalStore::chunk_reader(file, name, key)))),
            Backend::S3(_) => Ok(None),
        }
    }

    /// Deletes this one alone; one that is not there is no error. May block for a moment.
    pub async fn delete(&self, name: &ObjectName) -> Result<(), ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => Ok(folder.delete(name)?),
            Backend::S3(bucket) => Ok(bucket.delete(name).await?),
        }
    }

    /// Deletes everything of a user, also what was never finished. Returns how many objects that were, in a folder with those
    /// that were not finished. May block for a moment.
    pub async fn delete_all_of_user(&self, user: &UserRef) -> Result<u64, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => Ok(folder.delete_all_of_user(user)?),
            Backend::S3(bucket) => {
                // First what could still become an object.
                bucket.abort_uploads_of_user(user).await?;
                Ok(bucket.delete_objects_of_user(user).await?)
            }
        }
    }

    /// Deletes what is older than this, where no rule of a bucket does. Blocks.
    pub fn delete_expired(&self, age_max: Duration, now: SystemTime) -> Result<u64, ExportStoreError> {
        match &*self.0 {
            Backend::Folder(folder) => Ok(folder.delete_expired(age_max, now)?),
            Backend::S3(_) => Ok(0),
        }
    }
}

impl fmt::Debug for ExportStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Backend::Folder(folder) => folder.fmt(f),
            Backend::S3(bucket) => bucket.fmt(f),
        }
    }
}

/// An object being written, by a thread that may block. Dropped unfinished it is none.
pub struct ExportObjectWriter(WriterBackend);

enum WriterBackend {
    Local(Box<LocalWriter>),
    S3 { upload: WriteMultipart, runtime: Handle },
}

impl ExportObjectWriter {
    /// Returns when the object is whole and on stable storage.
    pub fn finish(self) -> Result<(), ExportStoreError> {
        match self.0 {
            WriterBackend::Local(draft) => Ok(draft.finish()?),
            WriterBackend::S3 { upload, runtime } => {
                runtime.block_on(upload.finish())?;
                Ok(())
            }
        }
    }

    /// Gives it up. Of one in a folder nothing is left.
    pub fn abort(self) {
        if let WriterBackend::S3 { upload, runtime } = self.0 {
            // Where that fails the bucket's rule does it.
            let _ = runtime.block_on(upload.abort());
        }
    }
}

impl Write for ExportObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            WriterBackend::Local(draft) => draft.write(bytes),
            WriterBackend::S3 { upload, runtime } => {
                runtime
                    .block_on(upload.wait_for_capacity(UPLOAD_PARTS_IN_FLIGHT_MAX))
                    .map_err(io::Error::other)?;
                let _entered = runtime.enter();
                upload.write(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            WriterBackend::Local(draft) => draft.flush(),
            WriterBackend::S3 { .. } => Ok(()),
        }
    }
}

/// An object of the folder, opened while it is read.
pub struct ExportObjectReader(OpeningReader<BufReader<std::fs::File>>);

impl ExportObjectReader {
    /// The next plain bytes; `None` behind the last. Blocks.
    pub fn next_chunk(&mut self) -> io::Result<Option<bytes::Bytes>> {
        Ok(self.0.next_chunk()?.map(|chunk| bytes::Bytes::copy_from_slice(&chunk)))
    }
}
