//! `syncwell events`: the log, for operators and auditors. Metadata by default; contents only with the keys for them.

mod export_import;
mod parked;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use events::{Envelope, Event, EventHeader, Log, RecordedEvent};
use jetstream::ScanFrom;
use keys::KeyClient;
use nats_server::Role;
use projector::record_access;
use runtime::system_clock;
use schemas::{EventId, Sequence};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cli::{BrokerArgs, EventDisplayArgs, EventsCommand};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::event_lookup::find_event;
use crate::exit_code::{FAILED, UsageError};
use crate::shutdown::shutdown_signal;
use crate::terminal::{eprint, print};
use crate::{broker_connection, roles};

/// How often a followed log is asked for more. An auditor has no consumer of its own, and so nothing to lose.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(300);

pub(super) async fn run(command: EventsCommand) -> anyhow::Result<ExitCode> {
    match command {
        EventsCommand::Tail { broker, number, follow, show } => tail(broker, number, follow, show).await,
        EventsCommand::Show { which, broker, show } => self::show(which, broker, show).await,
        EventsCommand::Parked(command) => parked::run(command).await,
        EventsCommand::Export(args) => export_import::export(args).await,
        EventsCommand::Import { copy, check } => export_import::import(copy, check).await,
    }
}

async fn tail(
    broker: BrokerArgs,
    number: u64,
    follow: bool,
    show: EventDisplayArgs,
) -> anyhow::Result<ExitCode> {
    let mut viewer = EventPrinter::connect(&broker, &show).await?;
    // Before the record of the look itself.
    let mut end = viewer.log.open().await?.last.map_or(0, Sequence::get);
    let mut next = end.saturating_sub(number) + 1;
    let of =
        if follow { format!("the events from {next} on") } else { format!("the events {next} to {end}") };
    viewer.load_keys(&broker, &show, "events tail", of).await?;
    let interrupted = shutdown_signal();
    tokio::pin!(interrupted);
    loop {
        if follow {
            end = viewer.log.open().await?.last.map_or(0, Sequence::get);
        }
        while next <= end {
            let events = viewer.log.scan(ScanFrom::Sequence(next), None).await?;
            anyhow::ensure!(
                !events.is_empty(),
                "sequence {next} is missing: `syncwell audit verify` tells more"
            );
            for event in events.iter().take_while(|event| event.sequence().get() <= end) {
                viewer.print(event).await?;
                next = event.sequence().get() + 1;
            }
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            ended = &mut interrupted => { ended?; return Ok(ExitCode::SUCCESS) }
            () = sleep(FOLLOW_INTERVAL) => {}
        }
    }
}

async fn show(which: String, broker: BrokerArgs, show: EventDisplayArgs) -> anyhow::Result<ExitCode> {
    let (sequence, id) = (which.parse::<u64>().ok().and_then(Sequence::new), which.parse::<EventId>().ok());
    if sequence.is_none() && id.is_none() {
        return Err(UsageError(format!("{which} is neither a sequence nor an event id")).into());
    }
    let mut viewer = EventPrinter::connect(&broker, &show).await?;
    let event = match (sequence, id) {
        (Some(sequence), _) => viewer.log.get(sequence).await?,
        (None, Some(id)) => find_event(&viewer.log, id).await?,
        (None, None) => None,
    };
    match event {
        Some(event) => {
            let of = format!("the event {}", event.sequence());
            viewer.load_keys(&broker, &show, "events show", of).await?;
            viewer.print(&event).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            eprint("there is no such event");
            Ok(ExitCode::from(FAILED))
        }
    }
}

/// Shows events, as much of them as was asked for.
struct EventPrinter {
    log: Log,
    /// With `--reveal`: only the projector's role may both read events and ask for keys.
    keys: Option<KeyClient>,
    json: bool,
}

impl EventPrinter {
    async fn connect(args: &BrokerArgs, show: &EventDisplayArgs) -> anyhow::Result<Self> {
        let role = if show.reveal { Role::Projector } else { Role::Auditor };
        let log = Log::new(broker_connection::connect(args, role).await?);
        Ok(Self { log, keys: None, json: show.json })
    }

    /// With `--reveal`, gets the keys, once who looks at what and why stands in the log.
    async fn load_keys(
        &mut self,
        args: &BrokerArgs,
        show: &EventDisplayArgs,
        command: &str,
        of: String,
    ) -> anyhow::Result<()> {
        if !show.reveal {
            return Ok(());
        }
        let (broker, config) =
            (self.log.broker().clone(), Config::read(None, &DataDir::new(&args.data_dir))?);
        let keys = KeyClient::new(broker.clone(), roles::load_kek(&config).await?);
        record_access(broker, &show.access.to_access_context(Role::Projector, command), of, system_clock)
            .await
            .context("what is shown can't be recorded, so nothing is shown")?;
        self.keys = Some(keys);
        Ok(())
    }

    async fn print(&self, event: &RecordedEvent) -> anyhow::Result<()> {
        let sequence = event.sequence();
        let Ok(envelope) = event.envelope() else {
            // Somebody put it there, and it is for an operator to see.
            let shown = json!({
                "sequence": sequence, "type": "malformed", "subject": event.subject(), "stored_at": event.stored_at(),
                "bytes": event.bytes().len(),
            });
            print(if self.json { shown.to_string() } else { to_plain_text(&shown) });
            return Ok(());
        };
        let head = envelope.header;
        let mut shown = json!({
            "sequence": sequence, "event_id": head.id, "type": head.kind.as_str(), "user_ref": head.user.to_string(),
            "received_at": head.time, "stored_at": event.stored_at(), "keyid": head.key_id.map(|key_id| key_id.to_string()),
            "bytes": event.bytes().len(),
        });
        if let Some(content) = self.content(&head, envelope).await? {
            shown["content"] = content;
        }
        print(if self.json { shown.to_string() } else { to_plain_text(&shown) });
        Ok(())
    }
}

impl EventPrinter {
    /// What is in clear, for everybody; what is sealed, only with the keys.
    async fn content(&self, head: &EventHeader, envelope: Envelope<'_>) -> anyhow::Result<Option<Value>> {
        let event = match (head.key_id, &self.keys) {
            (None, _) => Event::read_plaintext(&envelope)?,
            (Some(_), None) => return Ok(None),
            (Some(key_id), Some(keys)) => {
                let key =
                    keys.get(&head.user, key_id).await?.context("the event's data key does not exist")?;
                Event::open(envelope, &key)?
            }
        };
        Ok(Some(event.to_redacted_json()))
    }
}

fn to_plain_text(shown: &Value) -> String {
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!(
        "{:>8}  {}  {}  {}  {}  {} bytes",
        shown["sequence"],
        text("received_at"),
        text("type"),
        text("user_ref"),
        text("event_id"),
        shown["bytes"]
    );
    if let Some(content) = shown.get("content") {
        let whole = content.to_string();
        line.push_str(&format!("\n          {}", content["body"].as_str().unwrap_or(&whole)));
    }
    line
}
