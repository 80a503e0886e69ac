//! Who told that their system is compromised, as every ingest knows them ([`crate::flagged_holders`]).
//!
//! A phone signs its reports like its posts, so it is the key's holder that is marked: a device, or the user where the
//! default key signed. Of two reports the one that was signed later counts: a system that is well again has no mark, and an
//! old report that is sent again changes nothing.

use jetstream::{Broker, RequestError};
use jiff::Timestamp;

use crate::UserRef;
use crate::flagged_holders::FlaggedHolders;
use crate::protocol::{COMPROMISE_REPORT_PREFIX, CompromiseReportRequest, LIST_COMPROMISED_SUBJECT};
use crate::signing_keys::KeyHolder;

/// The list. Clones share it.
#[derive(Clone)]
pub struct CompromisedDevices(FlaggedHolders);

impl CompromisedDevices {
    /// To tell of reports; the list itself is not kept up, and nothing can be said of anybody.
    pub fn new(broker: Broker) -> Self {
        Self(FlaggedHolders::new(broker, LIST_COMPROMISED_SUBJECT))
    }

    /// Begins to keep the list up as well.
    pub fn start(broker: Broker) -> Self {
        let compromised = Self::new(broker);
        compromised.0.start_refresh("compromised devices");
        compromised
    }

    /// Whether this key's holder is marked; `None` where that can't be told now.
    pub fn is_compromised(&self, user: &UserRef, holder: KeyHolder) -> Option<bool> {
        self.0.is_flagged(user, holder)
    }

    /// Says why it can't be told of anybody yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        if self.0.is_loaded() {
            Ok(())
        } else {
            Err("which devices are compromised is not known yet".to_owned())
        }
    }

    /// Marks this key's holder, or takes the mark away: here at once, elsewhere when the list is asked for again.
    pub async fn report(
        &self,
        user: &UserRef,
        holder: KeyHolder,
        compromised: bool,
        signed_at: Timestamp,
    ) -> Result<(), RequestError> {
        let request = CompromiseReportRequest { holder: holder.to_string(), compromised, signed_at };
        self.0
            .request_flag_change(
                format!("{COMPROMISE_REPORT_PREFIX}{user}"),
                &request,
                (user, holder),
                compromised,
            )
            .await
    }
}
