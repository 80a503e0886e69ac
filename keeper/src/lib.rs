//! The keeper: the one role that reaches the stream of wrapped data keys, of revoked devices and of compromised ones.
//!
//! It is asked over core NATS, one subject per kind of question, so that the broker can say who may ask what:
//!
//! | subject | who asks | for |
//! |---|---|---|
//! | `keys.v1.current.<user ref>` | ingest | the key of a year, made now where there is none |
//! | `keys.v1.ring.<user ref>` | projector, worker | all the user's keys |
//! | `keys.v1.rings` | projector, worker | all the keys of several users |
//! | `keys.v1.revoke.<user ref>` | ingest | a device to be revoked |
//! | `keys.v1.revoked` | ingest | the devices that were revoked since it last asked |
//! | `keys.v1.report.<user ref>` | ingest | a device to be marked as compromised, or not |
//! | `keys.v1.compromised` | ingest | the marks that changed since it last asked |
//! | `keys.v1.erase.<user ref>` | worker | a step of an erasure ([`keys::protocol::EraseStep`]) |
//! | `keys.v1.erasing` | ingest | who is being erased, or was, since it last asked |

mod erasure;
mod error;
mod holder_flags;
mod kek_rotation;
mod request_handler;
mod retention;
mod server;

pub use error::KeeperError;
pub use kek_rotation::{KekRotation, KekUsage, RewrapProgress};
pub use retention::DataKeyRetention;
pub use server::KeeperServer;
