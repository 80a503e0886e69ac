//! One pass over the log: the tree grows, every checkpoint is held against it, every event is read.

use std::collections::BTreeMap;

use events::{Envelope, Event, EventDiscarded, RecordedEvent};
use keys::{KeyClient, KeyError, SigningKeys, UserRef};
use notary::{CheckpointWalk, CheckpointsError};
use tlog::{Frontier, Hash, TreeHead};
use tokio::task::JoinHandle;

use super::report::{LeftOut, Report};

/// What opening every event takes.
#[derive(Clone)]
pub(super) struct Revealing {
    pub(super) keys: KeyClient,
    pub(super) signing: SigningKeys,
}

/// The log, held against everything known of it on the way.
pub(super) struct Walk {
    pub(super) tree: Frontier,
    checkpoints: CheckpointWalk,
    /// The tree at the last checkpoint that holds.
    pub(super) good: Frontier,
    /// The first checkpoint that does not.
    pub(super) broken: Option<TreeHead>,
    /// Roots that are wanted later: those of a view, of an attestation.
    wanted: BTreeMap<u64, Option<Hash>>,
    revealing: Option<Revealing>,
    /// What operators left out.
    pub(super) left_out: Vec<LeftOut>,
}

impl Walk {
    pub(super) fn new(
        checkpoints: CheckpointWalk,
        wanted: impl IntoIterator<Item = u64>,
        revealing: Option<Revealing>,
    ) -> Self {
        let wanted = wanted.into_iter().map(|size| (size, (size == 0).then(Hash::of_nothing))).collect();
        let (tree, good) = (Frontier::default(), Frontier::default());
        Self { tree, checkpoints, good, broken: None, wanted, revealing, left_out: Vec::new() }
    }

    /// The root of the tree of this size, if the log had so many events and it was asked for.
    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.wanted.get(&size).copied().flatten()
    }

    /// The next events.
    pub(super) async fn take(
        &mut self,
        events: Vec<RecordedEvent>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // Reading events is work for another processor than growing the tree.
        let events = std::sync::Arc::new(events);
        let words: JoinHandle<Vec<Word>> = {
            let events = events.clone();
            tokio::task::spawn_blocking(move || events.iter().filter_map(read).collect())
        };
        for event in events.iter() {
            self.tree.push(Hash::of_leaf(event.bytes()));
            let size = self.tree.size();
            if let Some(root) = self.wanted.get_mut(&size) {
                *root = Some(self.tree.root());
            }
            self.hold_checkpoints(size, report).await?;
        }
        for word in words.await? {
            match word {
                Word::Bad(sequence, kind, detail) => report.find(Some(sequence), kind, detail),
                Word::LeavesOut(left_out) => self.left_out.push(left_out),
            }
        }
        if let Some(revealing) = self.revealing.clone() {
            let wanted = events.iter().filter_map(|event| {
                let head = Envelope::read_head(event.bytes()).ok()?;
                Some((head.user, head.key_id?))
            });
            revealing.keys.prefetch(wanted).await;
            for event in events.iter() {
                verify(event, &revealing, report).await?;
            }
        }
        report.events = self.tree.size();
        Ok(())
    }

    async fn hold_checkpoints(&mut self, size: u64, report: &mut Report) -> anyhow::Result<()> {
        loop {
            match self.checkpoints.next_size().await {
                Ok(Some(signed)) if signed <= size => {
                    let Some(checkpoint) = self.checkpoints.take() else { return Ok(()) };
                    if signed < size {
                        let detail = format!(
                            "checkpoint {} is of {signed} events, fewer than the one before",
                            checkpoint.number
                        );
                        report.find(None, "checkpoint", detail);
                    } else if checkpoint.head.root == self.tree.root() {
                        report.checkpoints += 1;
                        report.signed = signed;
                        if self.broken.is_none() {
                            self.good = self.tree.clone();
                        }
                    } else if self.broken.is_none() {
                        self.broken = Some(checkpoint.head);
                    }
                }
                Ok(_) => return Ok(()),
                Err(CheckpointsError::Checkpoint { number, source }) => {
                    report.find(None, "checkpoint", format!("checkpoint {number} does not hold: {source}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many events were signed behind those that were read so far, where some were.
    pub(super) async fn signed_behind(&mut self, report: &mut Report) -> anyhow::Result<Option<u64>> {
        self.hold_checkpoints(self.tree.size(), report).await?;
        Ok(self.checkpoints.next_size().await?)
    }
}

/// What reading an event without any key says of it.
enum Word {
    /// The bytes are no event, or stand where they do not belong.
    Bad(u64, &'static str, String),
    /// It leaves another one out.
    LeavesOut(LeftOut),
}

fn read(event: &RecordedEvent) -> Option<Word> {
    let sequence = event.sequence().get();
    let envelope = match Envelope::read(event.bytes()) {
        Ok(envelope) => envelope,
        Err(error) => return Some(Word::Bad(sequence, "schema", error.to_string())),
    };
    if !event.is_filed_under(&envelope.head.user) {
        let detail = "the event is filed under another user".to_owned();
        return Some(Word::Bad(sequence, "misfiled", detail));
    }
    if !envelope.head.kind.is_clear() {
        return None;
    }
    match Event::read_clear(&envelope) {
        Ok(Event::EventDiscarded(EventDiscarded { by, sequence, reason, .. }))
            if envelope.head.user == UserRef::SYSTEM =>
        {
            Some(Word::LeavesOut(LeftOut { sequence: sequence.get(), by: by.person, reason }))
        }
        Ok(_) => None,
        Err(error) => Some(Word::Bad(sequence, "schema", error.to_string())),
    }
}

/// Opens an event, and verifies the phone's signature once more.
async fn verify(event: &RecordedEvent, revealing: &Revealing, report: &mut Report) -> anyhow::Result<()> {
    let sequence = Some(event.sequence().get());
    let Ok(envelope) = Envelope::read(event.bytes()) else { return Ok(()) };
    let head = envelope.head.clone();
    let Some(key_id) = head.key_id else { return Ok(()) };
    let key = match revealing.keys.get(&head.user, key_id).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            report.find(
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
            report.find(sequence, "key", error.to_string());
            return Ok(());
        }
    };
    match Event::open(envelope, &key) {
        Ok(Event::SummaryReceived(received) | Event::DeviceReported(received)) => {
            let signing = revealing.signing.key(&head.user, received.signing_key);
            let verifies = signing.is_some_and(|key| {
                key.verify(&received.timestamp, received.body.as_bytes(), &received.signature)
            });
            if verifies {
                *report.signatures.get_or_insert(0) += 1;
            } else {
                report.find(sequence, "signature", "the phone's signature does not verify");
            }
        }
        Ok(
            Event::DeviceEnrolled(_)
            | Event::DeviceRevoked(_)
            | Event::ConnectionRequested(_)
            | Event::ConnectionAuthorized(_)
            | Event::ConnectionReauthRequested(_)
            | Event::ConnectionRevocationRequested(_)
            | Event::ConnectionActivated(_)
            | Event::ConnectionReauthNeeded(_)
            | Event::ConnectionRevoked(_)
            | Event::WebhookReceived(_)
            | Event::BreakGlass(_)
            | Event::AccessRecorded(_)
            | Event::EventDiscarded(_)
            | Event::RetentionApplied(_)
            | Event::ExportRequested(_)
            | Event::ExportReady(_)
            | Event::ExportFailed(_)
            | Event::Erasure(_),
        ) => {}
        Err(error) => report.find(sequence, "sealed", error.to_string()),
    }
    Ok(())
}
