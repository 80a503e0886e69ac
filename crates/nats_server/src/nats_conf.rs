//! Renders `nats.conf` from the table of permissions.

use std::fmt::Write as _;

use crate::Role;
use crate::permissions::{BROADCASTS, DENIED, Grant, Responses, SERVICES, grants};

/// Everything before the accounts: why they are cut as they are, the listener, JetStream.
const HEAD: &str = include_str!("nats_conf_head.conf");

/// What each account is for, printed above it; also the order of the accounts.
const ACCOUNTS: [(&str, &str); 17] = [
    ("SYS", "Has no users. Operators may ask it one thing: how JetStream is configured (`syncwell doctor`)."),
    ("LOG", "The log."),
    ("KEYS", "Wrapped data keys."),
    ("GLASS", "The break-glass index: who made which request in the last 72 hours."),
    ("CHECKPOINTS", "Signed checkpoints of the log."),
    ("DELIVERIES", "Keyed hashes of the provider deliveries of the last 25 hours."),
    ("WORK", "Connections with sealed tokens, leases, webhook endpoints, progress, and the view's changes."),
    ("INGEST", "Appends events. Reads neither events nor the keys' stream nor the break-glass index."),
    ("PROJECTOR", "Follows the log and answers reads. Appends what operators were shown, and nothing else."),
    ("NOTARY", "Signs checkpoints and proves inclusion. Has no data key."),
    ("WORKER", "Calls providers and endpoints, makes exports, erases accounts."),
    ("KEEPER", "Hands out wrapped data keys. The only role that reaches the keys' stream."),
    ("BREAKGLASS", "Reads the break-glass index and a user's steps in the log. Has no data key."),
    ("AUDITOR", "Reads the log and its checkpoints, asks for proofs and the view's digest."),
    ("BACKUP", "Copies events, wrapped keys and checkpoints. Writes nothing."),
    ("OPERATOR", "Reads the log, asks the projector, the worker and break-glass."),
    ("OWNER", "`syncwell setup` and `syncwell restore`. Keep its seed offline between them."),
];

/// The text of `nats.conf`.
pub fn render() -> String {
    let grants = grants();
    let mut conf = HEAD.to_owned();
    conf.push_str("\naccounts {\n");
    for (account, purpose) in ACCOUNTS {
        let role = Role::ALL.into_iter().find(|role| role.account() == account);
        let _ = writeln!(conf, "  # {purpose}\n  {account}: {{");
        match role {
            Some(role) => conf.push_str(&user(role, &grants)),
            None if account != "SYS" => conf.push_str("    jetstream: enabled\n"),
            None => {}
        }
        push_list(&mut conf, "exports", exports(account, &grants));
        if let Some(role) = role {
            push_list(&mut conf, "imports", imports(role, &grants));
        }
        conf.push_str("  }\n\n");
    }
    conf.truncate(conf.trim_end().len());
    conf.push_str("\n}\n");
    conf
}

fn user(role: Role, grants: &[Grant]) -> String {
    let publish =
        grants.iter().filter(|grant| grant.callers.contains(&role)).map(|grant| grant.imported_as.as_str());
    let broadcast = BROADCASTS.iter().filter(|(_, from, _)| *from == role).map(|(subject, _, _)| *subject);
    let denied: Vec<_> =
        DENIED.iter().filter(|(denied, _)| *denied == role).map(|(_, subject)| quote(subject)).collect();
    let served: Vec<_> = SERVICES.iter().filter(|service| service.server == role).collect();
    let inbox = format!("_INBOX_{}.>", role.name());
    let heard = BROADCASTS.iter().filter(|(_, _, to)| to.contains(&role)).map(|(subject, _, _)| *subject);
    let subscribe =
        std::iter::once(inbox.as_str()).chain(served.iter().map(|service| service.subject)).chain(heard);

    let mut text = format!("    users: [{{ nkey: ${}, permissions: {{\n", role.nkey_env_name());
    let deny = if denied.is_empty() { String::new() } else { format!(", deny: [{}] ", denied.join(", ")) };
    let _ =
        writeln!(text, "      publish: {{ allow: [\n{}      ]{deny}}}", lines(publish.chain(broadcast), 8));
    let _ = writeln!(text, "      subscribe: {{ allow: [\n{}      ]}}", lines(subscribe, 8));
    if !served.is_empty() {
        text.push_str("      allow_responses: { max: 1, expires: \"10s\" }\n");
    }
    text.push_str("    }}]\n");
    text
}

fn exports(account: &str, grants: &[Grant]) -> Vec<String> {
    let broadcasts = BROADCASTS
        .iter()
        .filter(|(_, from, _)| from.account() == account)
        .map(|(subject, _, to)| format!("{{ stream: {}, accounts: [{}] }}", quote(subject), accounts(to)));
    let services = grants.iter().filter(|grant| grant.account == account).map(|grant| {
        let responses = match grant.responses {
            Responses::One => "singleton",
            Responses::Many => "stream",
        };
        let timeout = grant.timeout_seconds.map(|seconds| format!(", response_threshold: \"{seconds}s\""));
        format!(
            "{{ service: {}, accounts: [{}], response_type: {responses}{} }}",
            quote(&grant.subject),
            accounts(&grant.callers),
            timeout.unwrap_or_default(),
        )
    });
    broadcasts.chain(services).collect()
}

fn imports(role: Role, grants: &[Grant]) -> Vec<String> {
    let services = grants.iter().filter(|grant| grant.callers.contains(&role)).map(|grant| {
        let to = if grant.imported_as == grant.subject {
            String::new()
        } else {
            format!(", to: {}", quote(&grant.imported_as))
        };
        format!("{{ service: {{ account: {}, subject: {} }}{to} }}", grant.account, quote(&grant.subject))
    });
    let heard = BROADCASTS.iter().filter(|(_, _, to)| to.contains(&role)).map(|(subject, from, _)| {
        format!("{{ stream: {{ account: {}, subject: {} }} }}", from.account(), quote(subject))
    });
    services.chain(heard).collect()
}

fn push_list(conf: &mut String, name: &str, items: Vec<String>) {
    if !items.is_empty() {
        let _ = writeln!(conf, "    {name}: [");
        for item in items {
            let _ = writeln!(conf, "      {item}");
        }
        conf.push_str("    ]\n");
    }
}

fn lines<'s>(subjects: impl Iterator<Item = &'s str>, indent: usize) -> String {
    subjects.map(|subject| format!("{:indent$}{}\n", "", quote(subject))).collect()
}

fn accounts(roles: &[Role]) -> String {
    roles.iter().map(|role| role.account()).collect::<Vec<_>>().join(", ")
}

fn quote(text: &str) -> String {
    format!("\"{text}\"")
}
