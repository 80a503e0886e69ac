//! Where exports are kept, and the links by which they are fetched. Knows nothing of what is in them.
//!
//! In a folder they are sealed by us ([`sealed_file`]), fetched by links of ours ([`download_link`]) and swept when they are old. In S3, or
//! what speaks like it, the server seals them, signs links and deletes them by a rule of the bucket; that it does is checked
//! before anything is put there ([`s3_store`]).

mod download_link;
mod local_store;
mod object_name;
mod s3_store;
mod sealed_file;
mod store;

pub use download_link::{DownloadLink, DownloadLinkError};
pub use object_name::ObjectName;
pub use s3_store::BucketError;
pub use store::{ExportObjectReader, ExportObjectWriter, ExportStore, ExportStoreError};
