//! `syncwell webhooks`.

use clap::{Args, Subcommand, ValueEnum};
use events::ChangeKind;
use worker::{EndpointId, UserRefMode};

use super::broker_args::BrokerArgs;

#[derive(Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Register a receiver of the change feed; prints its id and, this once, its signing secret
    #[command(
        after_help = "Example:\n  syncwell webhooks add https://crm.example/hooks/syncwell\n  syncwell webhooks add https://crm.example/hooks --kind summary.changed --kind account.erased --user-ref shared --json\n\nMessages are signed after Standard Webhooks 1.0.0 (webhook-id, webhook-timestamp, webhook-signature). The address must be\npublic, unless the worker's configuration allows it: [feed] allow_private."
    )]
    Add {
        /// Where messages are posted to: https.
        url: String,
        /// What it is told: summary.changed, connection.needs_reauth, export.ready or account.erased. Without it, everything.
        #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
        kinds: Vec<ChangeKind>,
        /// How it is told of users.
        #[arg(long, value_enum, default_value = "pairwise")]
        user_ref: UserRefArg,
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// The endpoints: how far they are, what waits, what is parked, which are disabled
    #[command(after_help = "Example:\n  syncwell webhooks list --json")]
    List {
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// Remove an endpoint with everything that waits for it
    #[command(after_help = "Example:\n  syncwell webhooks remove dq3mz5ngxzhkldpjodm5tlnbhi")]
    Remove {
        /// The endpoint's id.
        id: EndpointId,
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// Send a signed webhook.test message now, and say what was answered; exit code 1 when that is not 2xx
    #[command(after_help = "Example:\n  syncwell webhooks test dq3mz5ngxzhkldpjodm5tlnbhi --json")]
    Test {
        /// The endpoint's id.
        id: EndpointId,
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// What an endpoint is told a user is called
    #[command(after_help = "Example:\n  syncwell webhooks ref dq3mz5ngxzhkldpjodm5tlnbhi --user ana")]
    Ref {
        /// The endpoint's id.
        id: EndpointId,
        /// The user id. It is not stored.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// Messages that were not taken for three days
    #[command(subcommand)]
    Parked(ParkedMessagesCommand),
}

#[derive(Subcommand)]
pub(crate) enum ParkedMessagesCommand {
    /// What is parked, and what was answered last
    #[command(after_help = "Example:\n  syncwell webhooks parked list --json")]
    List {
        /// Of this endpoint only.
        #[arg(long, value_name = "ID")]
        endpoint: Option<EndpointId>,
        #[command(flatten)]
        args: WebhookArgs,
    },
    /// Send parked messages again, for up to three days more
    #[command(
        after_help = "Example:\n  syncwell webhooks parked retry dq3mz5ngxzhkldpjodm5tlnbhi\n  syncwell webhooks parked retry dq3mz5ngxzhkldpjodm5tlnbhi 4711\n  syncwell webhooks parked retry --all"
    )]
    Retry {
        /// The endpoint whose messages are sent again.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        endpoint: Option<EndpointId>,
        /// One change, as `parked list` names it; without it, all of the endpoint's.
        #[arg(conflicts_with = "all")]
        change: Option<u64>,
        /// Of every endpoint.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        args: WebhookArgs,
    },
}

#[derive(Args)]
pub(crate) struct WebhookArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum UserRefArg {
    /// By names of the endpoint's own: two receivers can't find out that they know the same user
    Pairwise,
    /// By the user ref that stands in logs and in the log
    Shared,
}

impl From<UserRefArg> for UserRefMode {
    fn from(arg: UserRefArg) -> Self {
        match arg {
            UserRefArg::Pairwise => Self::Pairwise,
            UserRefArg::Shared => Self::Shared,
        }
    }
}

fn kind(text: &str) -> Result<ChangeKind, String> {
    let names = || ChangeKind::ALL.map(ChangeKind::as_str).join(", ");
    let found = ChangeKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("a kind is one of {}", names()))
}
