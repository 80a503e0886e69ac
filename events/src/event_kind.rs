//! The event kinds, listed once. Names and numbers are stored or reserved: append, never change.

/// How the content of a kind is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentEncoding {
    /// `data_base64`: encrypted under the user's data key.
    Sealed,
    /// `data`: every reader of the log can read it.
    Plaintext,
}

/// The table. A category is what one reader handles: one aggregate, or one job.
///
/// `Category(type) { Kind = number, stored name, encoding, stored source, decoder => wrapper; }`
///
/// [`EventKind`] is made from it here, [`crate::Event`] beside the payloads.
macro_rules! event_table {
    ($define:ident) => {
        $define! {
            /// A day's summary, as a phone signed it.
            Summary(SignedRequest) {
                /// A phone's summary was accepted.
                SummaryReceivedV1 = 1, "syncwell.summary.received.v1", Sealed, "/ingest", SignedRequest::decode => identity;
            }
            /// A change of a device's signing key.
            Device(DeviceEvent) {
                /// A device got a signing key.
                DeviceEnrolledV1 = 2, "syncwell.device.enrolled.v1", Sealed, "/ingest", DeviceEnrolled::decode => DeviceEvent::Enrolled;
                /// A device's signing keys were revoked.
                DeviceRevokedV1 = 3, "syncwell.device.revoked.v1", Sealed, "/ingest", DeviceRevoked::decode => DeviceEvent::Revoked;
            }
            /// A device's report on itself, as it signed it.
            DeviceReport(SignedRequest) {
                /// A device reported its state.
                DeviceReportedV1 = 4, "syncwell.device.reported.v1", Sealed, "/ingest", SignedRequest::decode => identity;
            }
            /// A change of a connection to a provider.
            Connection(ConnectionEvent) {
                /// A user requested a connection to a provider.
                ConnectionRequestedV1 = 5, "syncwell.connection.requested.v1", Sealed, "/ingest", decode_json => ConnectionEvent::Requested;
                /// The app posted the provider's authorisation code.
                ConnectionAuthorizedV1 = 6, "syncwell.connection.authorized.v1", Sealed, "/ingest", decode_json => ConnectionEvent::Authorized;
                /// The app asked for another authorisation.
                ConnectionReauthRequestedV1 = 7, "syncwell.connection.reauth_requested.v1", Sealed, "/ingest", decode_json => ConnectionEvent::ReauthRequested;
                /// The user asked to end the connection.
                ConnectionRevocationRequestedV1 = 8, "syncwell.connection.revocation_requested.v1", Sealed, "/ingest", decode_json => ConnectionEvent::RevocationRequested;
                /// The provider issued tokens.
                ConnectionActivatedV1 = 9, "syncwell.connection.activated.v1", Sealed, "/worker", decode_json => ConnectionEvent::Activated;
                /// No valid tokens are left.
                ConnectionReauthNeededV1 = 10, "syncwell.connection.reauth_needed.v1", Sealed, "/worker", decode_json => ConnectionEvent::ReauthNeeded;
                /// The tokens are destroyed.
                ConnectionRevokedV1 = 11, "syncwell.connection.revoked.v1", Sealed, "/worker", decode_json => ConnectionEvent::Revoked;
            }
            /// A provider's delivery.
            Webhook(WebhookReceived) {
                /// A provider's delivery was accepted.
                WebhookReceivedV1 = 12, "syncwell.webhook.received.v1", Sealed, "/ingest", decode_json => identity;
            }
            /// A change of an export of a user's data.
            Export(ExportEvent) {
                /// A user requested an export.
                ExportRequestedV1 = 13, "syncwell.export.requested.v1", Sealed, "/ingest", decode_json => ExportEvent::Requested;
                /// An export can be downloaded.
                ExportReadyV1 = 14, "syncwell.export.ready.v1", Sealed, "/worker", decode_json => ExportEvent::Ready;
                /// An export failed for good.
                ExportFailedV1 = 15, "syncwell.export.failed.v1", Sealed, "/worker", decode_json => ExportEvent::Failed;
            }
            /// A step of an account's erasure. Not authenticated: see `Event::verify_erasure`.
            Account(ErasureEvent) {
                /// A user requested the erasure of their account.
                ErasureRequestedV1 = 16, "syncwell.erasure.requested.v1", Plaintext, "/ingest", |content| ErasureEvent::decode(EventKind::ErasureRequestedV1, content) => identity;
                /// The user cancelled the erasure before it began.
                ErasureCancelledV1 = 17, "syncwell.erasure.cancelled.v1", Plaintext, "/ingest", |content| ErasureEvent::decode(EventKind::ErasureCancelledV1, content) => identity;
                /// A step of an erasure was done.
                ErasureStepDoneV1 = 18, "syncwell.erasure.step_done.v1", Plaintext, "/worker", |content| ErasureEvent::decode(EventKind::ErasureStepDoneV1, content) => identity;
                /// Every step was done: no content of the account can be decrypted.
                AccountErasedV1 = 19, "syncwell.account.erased.v1", Plaintext, "/worker", |content| ErasureEvent::decode(EventKind::AccountErasedV1, content) => identity;
            }
            /// A break-glass step; the kind says which.
            BreakGlass(BreakGlassStep) {
                /// A person asked to look up a user's requests.
                BreakGlassRequestedV1 = 20, "syncwell.breakglass.requested.v1", Plaintext, "/breakglass", BreakGlassStep::decode => identity;
                /// A second person approved.
                BreakGlassApprovedV1 = 21, "syncwell.breakglass.approved.v1", Plaintext, "/breakglass", BreakGlassStep::decode => identity;
                /// The user's requests were looked up.
                BreakGlassLookedUpV1 = 22, "syncwell.breakglass.looked_up.v1", Plaintext, "/breakglass", BreakGlassStep::decode => identity;
                /// A step was refused.
                BreakGlassRefusedV1 = 23, "syncwell.breakglass.refused.v1", Plaintext, "/breakglass", BreakGlassStep::decode => identity;
            }
            /// An operator's or auditor's action.
            Operator(OperatorEvent) {
                /// An operator or auditor saw contents.
                AccessRecordedV1 = 24, "syncwell.access.recorded.v1", Plaintext, "/projector", AccessRecorded::decode => OperatorEvent::AccessRecorded;
                /// An operator excluded an event that can't be folded from every view.
                EventDiscardedV1 = 25, "syncwell.event.discarded.v1", Plaintext, "/projector", EventDiscarded::decode => OperatorEvent::EventDiscarded;
                /// An operator destroyed the data of past years.
                RetentionAppliedV1 = 26, "syncwell.retention.applied.v1", Plaintext, "/projector", RetentionApplied::decode => OperatorEvent::RetentionApplied;
            }
        }
    };
}
pub(crate) use event_table;

macro_rules! define_kinds {
    ($($(#[$category_doc:meta])* $category:ident($event:ty) {
        $($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $encoding:ident, $source:literal, $decode:expr => $wrap:expr;)*
    })*) => {
        /// The event kinds. The name is stored, the number is reserved for storage. Add versions, never change one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum EventKind { $($($(#[$doc])* $kind = $number,)*)* }

        /// The category of an event kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EventCategory { $($(#[$category_doc])* $category,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$($(Self::$kind,)*)*];

            /// The stored `type`.
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$kind => $name,)*)* }
            }

            /// How the content is stored.
            pub const fn encoding(self) -> ContentEncoding {
                match self { $($(Self::$kind => ContentEncoding::$encoding,)*)* }
            }

            /// The stored `source`: the role that appends this kind.
            pub(crate) const fn source(self) -> &'static str {
                match self { $($(Self::$kind => $source,)*)* }
            }

            /// The category.
            pub const fn category(self) -> EventCategory {
                match self { $($(Self::$kind => EventCategory::$category,)*)* }
            }
        }
    };
}

event_table!(define_kinds);

impl EventKind {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
