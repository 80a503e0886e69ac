//! The roles that the broker knows.

use std::collections::BTreeMap;

/// A role with an account of its own in `nats.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Verifies and appends.
    Ingest,
    /// Folds and serves reads.
    Projector,
    /// Keeps the tree over the log and signs its checkpoints.
    Notary,
    /// Does what events ask for.
    Worker,
    /// Keeps the wrapped data keys.
    Keys,
    /// Reads the break-glass index.
    BreakGlass,
    /// Reads the log.
    Auditor,
    /// Reads the log and the view.
    Operator,
    /// Copies what is stored.
    Backup,
    /// Creates the streams, once, and fills them anew from a backup.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Ingest,
        Self::Projector,
        Self::Notary,
        Self::Worker,
        Self::Keys,
        Self::BreakGlass,
        Self::Auditor,
        Self::Operator,
        Self::Backup,
        Self::Owner,
    ];

    /// The role's name, also in its inbox: `_INBOX_<name>.>`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Projector => "projector",
            Self::Notary => "notary",
            Self::Worker => "worker",
            Self::Keys => "keys",
            Self::BreakGlass => "breakglass",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Backup => "backup",
            Self::Owner => "owner",
        }
    }

    /// The environment variable in which `nats.conf` looks for the role's public key.
    pub fn nkey_env_name(self) -> String {
        format!("SYNCWELL_NKEY_{}", self.name().to_ascii_uppercase())
    }
}

/// Every role's public nkey.
pub type RoleKeys = BTreeMap<Role, String>;
