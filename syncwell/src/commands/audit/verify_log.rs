//! One pass over the log: the tree grows, every checkpoint is held against it, every event is read.

use std::collections::BTreeMap;

use events::{ContentEncoding, Event, EventDiscarded, OperatorEvent, RecordedEvent};
use keys::{KeyClient, KeyError, SigningKeys, UserRef};
use notary_client::{CheckpointCursor, CheckpointsError};
use tlog::{Frontier, Hash, TreeHead};
use tokio::task::JoinHandle;

use super::report::{AuditReport, DiscardNotice};

/// What opening every event takes.
#[derive(Clone)]
pub(super) struct VerificationKeys {
    pub(super) keys: KeyClient,
    pub(super) signing: SigningKeys,
}

/// The log, held against everything known of it on the way.
pub(super) struct LogVerification {
    pub(super) tree: Frontier,
    checkpoints: CheckpointCursor,
    /// The tree at the last checkpoint that holds.
    pub(super) last_valid_tree: Frontier,
    /// The first checkpoint that does not.
    pub(super) first_invalid_head: Option<TreeHead>,
    /// Roots that are wanted later: those of a view, of an attestation.
    requested_roots: BTreeMap<u64, Option<Hash>>,
    verification_keys: Option<VerificationKeys>,
    /// What operators left out.
    pub(super) discarded: Vec<DiscardNotice>,
}

impl LogVerification {
    pub(super) fn new(
        checkpoints: CheckpointCursor,
        wanted: impl IntoIterator<Item = u64>,
        revealing: Option<VerificationKeys>,
    ) -> Self {
        let wanted = wanted.into_iter().map(|size| (size, (size == 0).then(Hash::empty_root))).collect();
        let (tree, good) = (Frontier::default(), Frontier::default());
        Self {
            tree,
            checkpoints,
            last_valid_tree: good,
            first_invalid_head: None,
            requested_roots: wanted,
            verification_keys: revealing,
            discarded: Vec::new(),
        }
    }

    /// The root of the tree of this size, if the log had so many events and it was asked for.
    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.requested_roots.get(&size).copied().flatten()
    }

    /// The next events.
    pub(super) async fn verify_events(
        &mut self,
        events: Vec<RecordedEvent>,
        report: &mut AuditReport,
    ) -> anyhow::Result<()> {
        // Reading events is work for another processor than growing the tree.
        let events = std::sync::Arc::new(events);
        let words: JoinHandle<Vec<EventFinding>> = {
            let events = events.clone();
            tokio::task::spawn_blocking(move || events.iter().filter_map(check_envelope).collect())
        };
        for event in events.iter() {
            self.tree.push(Hash::from_leaf(event.bytes()));
            let size = self.tree.size();
            if let Some(root) = self.requested_roots.get_mut(&size) {
                *root = Some(self.tree.root());
            }
            self.verify_checkpoints(size, report).await?;
        }
        for word in words.await? {
            match word {
                EventFinding::Invalid(sequence, kind, detail) => {
                    report.add_finding(Some(sequence), kind, detail)
                }
                EventFinding::Discards(left_out) => self.discarded.push(left_out),
            }
        }
        if let Some(revealing) = self.verification_keys.clone() {
            let wanted = events.iter().filter_map(|event| {
                let head = event.header().ok()?;
                Some((head.user, head.key_id?))
            });
            revealing.keys.prefetch(wanted).await;
            for event in events.iter() {
                verify_signature(event, &revealing, report).await?;
            }
        }
        report.events = self.tree.size();
        Ok(())
    }

    async fn verify_checkpoints(&mut self, size: u64, report: &mut AuditReport) -> anyhow::Result<()> {
        loop {
            match self.checkpoints.peek_size().await {
                Ok(Some(signed)) if signed <= size => {
                    let Some(checkpoint) = self.checkpoints.pop() else { return Ok(()) };
                    if signed < size {
                        let detail = format!(
                            "checkpoint {} is of {signed} events, fewer than the one before",
                            checkpoint.number
                        );
                        report.add_finding(None, "checkpoint", detail);
                    } else if checkpoint.head.root == self.tree.root() {
                        report.checkpoints += 1;
                        report.signed = signed;
                        if self.first_invalid_head.is_none() {
                            self.last_valid_tree = self.tree.clone();
                        }
                    } else if self.first_invalid_head.is_none() {
                        self.first_invalid_head = Some(checkpoint.head);
                    }
                }
                Ok(_) => return Ok(()),
                Err(CheckpointsError::InvalidCheckpoint { number, source }) => {
                    report.add_finding(
                        None,
                        "checkpoint",
                        format!("checkpoint {number} does not hold: {source}"),
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many events were signed behind those that were read so far, where some were.
    pub(super) async fn signed_beyond(&mut self, report: &mut AuditReport) -> anyhow::Result<Option<u64>> {
        self.verify_checkpoints(self.tree.size(), report).await?;
        Ok(self.checkpoints.peek_size().await?)
    }
}

/// What reading an event without any key says of it.
enum EventFinding {
    /// The bytes are no event, or stand where they do not belong.
    Invalid(u64, &'static str, String),
    /// It leaves another one out.
    Discards(DiscardNotice),
}

fn check_envelope(event: &RecordedEvent) -> Option<EventFinding> {
    let sequence = event.sequence().get();
    let envelope = match event.envelope() {
        Ok(envelope) => envelope,
        Err(error) => return Some(EventFinding::Invalid(sequence, "schema", error.to_string())),
    };
    if !event.has_user(&envelope.header.user) {
        let detail = "the event is filed under another user".to_owned();
        return Some(EventFinding::Invalid(sequence, "misfiled", detail));
    }
    if envelope.header.kind.encoding() == ContentEncoding::Sealed {
        return None;
    }
    match Event::read_plaintext(&envelope) {
        Ok(Event::Operator(OperatorEvent::EventDiscarded(EventDiscarded {
            by, sequence, reason, ..
        }))) if envelope.header.user == UserRef::SYSTEM => {
            Some(EventFinding::Discards(DiscardNotice { sequence: sequence.get(), by: by.person, reason }))
        }
        Ok(_) => None,
        Err(error) => Some(EventFinding::Invalid(sequence, "schema", error.to_string())),
    }
}

/// Opens an event, and verifies the phone's signature once more.
async fn verify_signature(
    event: &RecordedEvent,
    revealing: &VerificationKeys,
    report: &mut AuditReport,
) -> anyhow::Result<()> {
    let sequence = Some(event.sequence().get());
    let Ok(envelope) = event.envelope() else { return Ok(()) };
    let head = envelope.header;
    let Some(key_id) = head.key_id else { return Ok(()) };
    let key = match revealing.keys.get(&head.user, key_id).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            report.add_finding(
                sequence,
                "key",
                format!("its data key {key_id} is missing, and no tombstone says why"),
            );
            return Ok(());
        }
        Err(KeyError::Erased) => {
            *report.erased.get_or_insert(0) += 1;
            return Ok(());
        }
        Err(error @ KeyError::Unavailable) => return Err(error.into()),
        Err(error @ KeyError::Unwrap(_)) => {
            report.add_finding(sequence, "key", error.to_string());
            return Ok(());
        }
    };
    match Event::open(envelope, &key) {
        Ok(Event::Summary(received) | Event::DeviceReport(received)) => {
            let signing = revealing.signing.key(&head.user, received.signing_key_id);
            let verifies = signing.is_some_and(|key| {
                key.verify(&received.timestamp, received.body.as_bytes(), &received.signature)
            });
            if verifies {
                *report.signatures.get_or_insert(0) += 1;
            } else {
                report.add_finding(sequence, "signature", "the phone's signature does not verify");
            }
        }
        Ok(
            Event::Device(_)
            | Event::Connection(_)
            | Event::Webhook(_)
            | Event::Export(_)
            | Event::Account(_)
            | Event::BreakGlass(_)
            | Event::Operator(_),
        ) => {}
        Err(error) => report.add_finding(sequence, "sealed", error.to_string()),
    }
    Ok(())
}
