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

use crate::bucket::{AbortError, Bucket, BucketError};
use crate::folder::{Draft, Folder};
use crate::link::Link;
use crate::name::ObjectName;
use crate::sealed::Opening;

/// Parts of an upload that are under way at the same time: with their 5 MiB each this bounds its memory.
const PARTS_IN_FLIGHT_MAX: usize = 4;

/// Objects can't be kept, or had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not where objects can be.
    #[error("exports can't be kept at {0}")]
    Location(String),
    /// The bucket is no place for them.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The folder does not do what was asked.
    #[error("the folder of exports can't be used")]
    Folder(#[from] io::Error),
    /// The bucket does not.
    #[error("the bucket of exports can't be reached")]
    Store(#[from] object_store::Error),
}

impl From<AbortError> for ObjectError {
    fn from(error: AbortError) -> Self {
        match error {
            AbortError::Asked(error) => Self::Bucket(error),
            AbortError::Store(error) => Self::Store(error),
        }
    }
}

/// Where exports are kept. Clones are the same place.
#[derive(Clone)]
pub struct Objects(Arc<Place>);

enum Place {
    Folder(Folder),
    S3(Bucket),
}

impl Objects {
    /// A folder, made for its owner alone where it is missing; or `s3://bucket/prefix`, with the options of AWS by their
    /// lowercase names, such as `aws_region`. Nothing is asked yet.
    pub fn open(
        location: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ObjectError> {
        let refused = |why: &dyn fmt::Display| ObjectError::Location(format!("{location:?}: {why}"));
        if !location.contains("://") {
            let folder = Folder::open(Path::new(location)).map_err(|error| refused(&error))?;
            return Ok(Self(Arc::new(Place::Folder(folder))));
        }
        let place: Url = location.parse().map_err(|error| refused(&error))?;
        let bucket = Bucket::open(&place, options).map_err(|error| refused(&error))?;
        Ok(Self(Arc::new(Place::S3(bucket))))
    }

    /// Refuses a place where exports would not be safe.
    pub async fn check(&self) -> Result<(), ObjectError> {
        match &*self.0 {
            // What it must be was seen when it was opened.
            Place::Folder(_) => Ok(()),
            Place::S3(bucket) => Ok(bucket.check().await?),
        }
    }

    /// Begins an object, for a thread that may block. `key` is what seals it where nobody else does.
    pub fn create(
        &self,
        name: ObjectName,
        key: Arc<DataKey>,
        runtime: &Handle,
    ) -> Result<Writer, ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => Ok(Writer(Writing::Folder(Box::new(folder.create(name, key)?)))),
            Place::S3(bucket) => {
                let upload = runtime.block_on(bucket.begin(&name))?;
                Ok(Writer(Writing::S3 { upload: WriteMultipart::new(upload), runtime: runtime.clone() }))
            }
        }
    }

    /// A link to an object, which ends then: path and query for one of ours, and a whole URL for one of S3's.
    pub async fn link(
        &self,
        name: ObjectName,
        expires: jiff::Timestamp,
        now: jiff::Timestamp,
        secret: &Pseudonymizer,
    ) -> Result<String, ObjectError> {
        match &*self.0 {
            Place::Folder(_) => Ok(Link { name, expires: expires.as_second() }.render(secret)),
            Place::S3(bucket) => {
                let lasts = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
                Ok(bucket.link(&name, lasts).await?.into())
            }
        }
    }

    /// The data key of an object in the folder, and its length. Blocks.
    pub fn find(&self, name: &ObjectName) -> Result<Option<(DataKeyId, u64)>, ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => Ok(folder.read(name)?.map(|(id, length, _)| (id, length))),
            Place::S3(_) => Ok(None),
        }
    }

    /// Opens an object in the folder. Blocks.
    pub fn open_object(&self, name: ObjectName, key: Arc<DataKey>) -> Result<Option<Opened>, ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => {
                Ok(folder.read(&name)?.map(|(_, _, file)| Opened(Folder::open_chunks(file, name, key))))
            }
            Place::S3(_) => Ok(None),
        }
    }

    /// Deletes this one alone; one that is not there is no error. May block for a moment.
    pub async fn delete(&self, name: &ObjectName) -> Result<(), ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => Ok(folder.delete(name)?),
            Place::S3(bucket) => Ok(bucket.delete(name).await?),
        }
    }

    /// Deletes everything of a user, also what was never finished. Returns how many objects that were, in a folder with those
    /// that were not finished. May block for a moment.
    pub async fn delete_all_of(&self, user: &UserRef) -> Result<u64, ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => Ok(folder.delete_all_of(user)?),
            Place::S3(bucket) => {
                // First what could still become an object.
                bucket.abort_uploads_of(user).await?;
                Ok(bucket.delete_objects_of(user).await?)
            }
        }
    }

    /// Deletes what is older than this, where no rule of a bucket does. Blocks.
    pub fn sweep(&self, age_max: Duration, now: SystemTime) -> Result<u64, ObjectError> {
        match &*self.0 {
            Place::Folder(folder) => Ok(folder.sweep(age_max, now)?),
            Place::S3(_) => Ok(0),
        }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Place::Folder(folder) => folder.fmt(f),
            Place::S3(bucket) => bucket.fmt(f),
        }
    }
}

/// An object being written, by a thread that may block. Dropped unfinished it is none.
pub struct Writer(Writing);

enum Writing {
    Folder(Box<Draft>),
    S3 { upload: WriteMultipart, runtime: Handle },
}

impl Writer {
    /// Returns when the object is whole and on stable storage.
    pub fn finish(self) -> Result<(), ObjectError> {
        match self.0 {
            Writing::Folder(draft) => Ok(draft.finish()?),
            Writing::S3 { upload, runtime } => {
                runtime.block_on(upload.finish())?;
                Ok(())
            }
        }
    }

    /// Gives it up. Of one in a folder nothing is left.
    pub fn abort(self) {
        if let Writing::S3 { upload, runtime } = self.0 {
            // Where that fails the bucket's rule does it.
            let _ = runtime.block_on(upload.abort());
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Writing::Folder(draft) => draft.write(bytes),
            Writing::S3 { upload, runtime } => {
                runtime.block_on(upload.wait_for_capacity(PARTS_IN_FLIGHT_MAX)).map_err(io::Error::other)?;
                let _entered = runtime.enter();
                upload.write(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Writing::Folder(draft) => draft.flush(),
            Writing::S3 { .. } => Ok(()),
        }
    }
}

/// An object of the folder, opened while it is read.
pub struct Opened(Opening<BufReader<std::fs::File>>);

impl Opened {
    /// The next plain bytes; `None` behind the last. Blocks.
    pub fn next_chunk(&mut self) -> io::Result<Option<bytes::Bytes>> {
        Ok(self.0.next()?.map(|chunk| bytes::Bytes::copy_from_slice(&chunk)))
    }
}
