//! Where exports are kept, and the links by which they are fetched. Knows nothing of what is in them.
//!
//! In a folder they are sealed by us ([`sealed`]), fetched by links of ours ([`link`]) and swept when they are old. In S3, or
//! what speaks like it, the server seals them, signs links and deletes them by a rule of the bucket; that it does is checked
//! before anything is put there ([`bucket`]).

mod bucket;
mod folder;
mod link;
mod name;
mod objects;
mod sealed;

pub use bucket::BucketError;
pub use link::{Link, LinkError};
pub use name::ObjectName;
pub use objects::{ObjectError, Objects, Opened, Writer};
