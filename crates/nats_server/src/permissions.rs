//! The one table of NATS permissions: which role may send which request, and who answers it.
//!
//! `nats.conf` is generated from this table (`cargo run -p nats_server`); `syncwell doctor` probes a running broker
//! against it. `tests.rs` states in its own words what no change of the table may allow.

use crate::Role;
use Role::{Auditor, Backup, BreakGlass, Ingest, Keys, Notary, Operator, Owner, Projector, Worker};

/// Subject of the events that record what operators did: the user ref of zeros.
pub const OPERATOR_EVENTS: &str = "events.v1.47.aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A stream, and the roles that may use each part of its API. No role may update, purge, snapshot or delete a stream.
pub struct StreamPermissions {
    /// The account that holds the stream. It has no users.
    pub account: &'static str,
    /// The stream's name.
    pub stream: &'static str,
    /// Subjects that the stream stores, with the roles that may publish to each.
    pub publish: &'static [(&'static str, &'static [Role])],
    /// `STREAM.INFO`.
    pub info: &'static [Role],
    /// `DIRECT.GET`: reads messages by sequence or subject.
    pub read: &'static [Role],
    /// `STREAM.MSG.DELETE`: overwrites one message on disk.
    pub erase: &'static [Role],
    /// Durable consumers, made by the owner, with the role that resets and pulls each.
    pub consumers: &'static [(&'static str, Role)],
}

/// Every stream. Only the owner creates streams and consumers.
pub const STREAMS: [StreamPermissions; 10] = [
    StreamPermissions {
        account: "LOG",
        stream: "EVENTS",
        publish: &[("events.v1.>", &[Ingest, Worker, BreakGlass, Owner]), (OPERATOR_EVENTS, &[Projector])],
        info: &[Ingest, Projector, Notary, Worker, BreakGlass, Auditor, Operator, Backup, Owner],
        read: &[Projector, Notary, Worker, BreakGlass, Auditor, Operator, Backup, Owner],
        erase: &[],
        consumers: &[
            ("projector", Projector),
            ("rebuild", Projector),
            ("shadow", Projector),
            ("notary", Notary),
            ("auditor", Auditor),
            ("backup", Backup),
        ],
    },
    StreamPermissions {
        account: "KEYS",
        stream: "KV_keys",
        publish: &[("$KV.keys.>", &[Keys, Owner])],
        info: &[Keys, Backup, Owner],
        read: &[Keys, Backup, Owner],
        erase: &[Keys],
        consumers: &[],
    },
    StreamPermissions {
        account: "GLASS",
        stream: "KV_breakglass",
        publish: &[("$KV.breakglass.*", &[Ingest])],
        info: &[BreakGlass, Owner],
        read: &[BreakGlass],
        erase: &[],
        consumers: &[],
    },
    StreamPermissions {
        account: "CHECKPOINTS",
        stream: "CHECKPOINTS",
        publish: &[("checkpoints.v1", &[Notary, Owner])],
        info: &[Notary, Auditor, Operator, Backup, Owner],
        read: &[Notary, Auditor, Operator, Backup, Owner],
        erase: &[],
        consumers: &[],
    },
    StreamPermissions {
        account: "DELIVERIES",
        stream: "KV_deliveries",
        publish: &[("$KV.deliveries.>", &[Ingest])],
        info: &[Ingest, Owner],
        read: &[Ingest],
        erase: &[],
        consumers: &[],
    },
    work_bucket("KV_connections", &[("$KV.connections.>", &[Worker])], &[Worker]),
    work_bucket("KV_leases", &[("$KV.leases.>", &[Worker])], &[]),
    StreamPermissions {
        info: &[Worker, Projector, Owner],
        ..work_bucket("KV_endpoints", &[("$KV.endpoints.>", &[Worker])], &[Worker])
    },
    work_bucket("KV_work", &[("$KV.work.>", &[Worker])], &[Worker]),
    StreamPermissions {
        info: &[Worker, Projector, Owner],
        ..work_bucket("CHANGES", &[("changes.v1", &[Projector])], &[])
    },
];

const fn work_bucket(
    stream: &'static str,
    publish: &'static [(&'static str, &'static [Role])],
    erase: &'static [Role],
) -> StreamPermissions {
    let info = &[Worker, Owner];
    StreamPermissions { account: "WORK", stream, publish, info, read: &[Worker], erase, consumers: &[] }
}

/// A subject that one role answers and others ask.
pub struct ServicePermissions {
    /// The subject; `*` is a user ref or a request kind.
    pub subject: &'static str,
    /// The role that answers.
    pub server: Role,
    /// The roles that ask.
    pub callers: &'static [Role],
    /// How long the broker waits for the answer.
    pub timeout_seconds: u32,
}

/// Every subject of request and reply between roles.
pub const SERVICES: [ServicePermissions; 19] = [
    service("view.v1.ask", Projector, &[Operator], 5),
    service("view.v1.digest", Projector, &[Auditor, Operator], 5),
    service("view.v1.connection", Projector, &[Ingest], 5),
    service("view.v1.feed", Projector, &[Worker], 5),
    service("view.v1.erase", Projector, &[Worker], 10),
    service("view.v1.export", Projector, &[Ingest], 5),
    service("tree.v1.*", Notary, &[Projector, Auditor, Operator], 10),
    service("feed.v1.*", Worker, &[Operator], 20),
    service("exports.v1.progress", Worker, &[Projector], 5),
    service("keys.v1.current.*", Keys, &[Ingest], 5),
    service("keys.v1.ring.*", Keys, &[Projector, Worker], 5),
    service("keys.v1.rings", Keys, &[Projector, Worker], 5),
    service("keys.v1.revoke.*", Keys, &[Ingest], 5),
    service("keys.v1.revoked", Keys, &[Ingest], 5),
    service("keys.v1.report.*", Keys, &[Ingest], 5),
    service("keys.v1.compromised", Keys, &[Ingest], 5),
    service("keys.v1.erasing", Keys, &[Ingest], 5),
    service("keys.v1.erase.*", Keys, &[Worker], 5),
    service("breakglass.v1.*", BreakGlass, &[Operator], 10),
];

const fn service(
    subject: &'static str,
    server: Role,
    callers: &'static [Role],
    timeout_seconds: u32,
) -> ServicePermissions {
    ServicePermissions { subject, server, callers, timeout_seconds }
}

/// Messages without a reply: the subject, its publisher, its subscribers.
pub const BROADCASTS: [(&str, Role, &[Role]); 1] = [("outcome.v1.*", Projector, &[Ingest])];

/// Subjects taken out of a wider one that the role may publish to.
pub const DENIED: [(Role, &str); 3] =
    [(Ingest, OPERATOR_EVENTS), (Worker, OPERATOR_EVENTS), (BreakGlass, OPERATOR_EVENTS)];

/// The system account's one export, under the name that operators use.
pub const SYSTEM_REQUEST: (&str, &str, &[Role]) = ("$SYS.REQ.SERVER.PING.JSZ", "BROKER.JSZ", &[Operator]);

/// How many responses an export expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responses {
    /// `singleton`.
    One,
    /// `stream`.
    Many,
}

/// One export of one account, and its imports: the form that `nats.conf`, doctor and the tests read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The account that exports.
    pub account: &'static str,
    /// The subject in that account.
    pub subject: String,
    /// The subject in the callers' accounts.
    pub imported_as: String,
    /// The roles that import it.
    pub callers: Vec<Role>,
    /// How many responses to a request pass.
    pub responses: Responses,
    /// How long responses pass; the server's default (2 minutes) without one.
    pub timeout_seconds: Option<u32>,
}

/// Every service grant, streams first.
pub fn grants() -> Vec<Grant> {
    let mut grants: Vec<Grant> = STREAMS.iter().flat_map(StreamPermissions::grants).collect();
    grants.extend(SERVICES.iter().map(|service| Grant {
        account: service.server.account(),
        subject: service.subject.to_owned(),
        imported_as: service.subject.to_owned(),
        callers: service.callers.to_vec(),
        responses: Responses::One,
        timeout_seconds: Some(service.timeout_seconds),
    }));
    let (subject, imported_as, callers) = SYSTEM_REQUEST;
    grants.push(Grant {
        account: "SYS",
        subject: subject.to_owned(),
        imported_as: imported_as.to_owned(),
        callers: callers.to_vec(),
        responses: Responses::Many,
        timeout_seconds: Some(5),
    });
    grants
}

impl StreamPermissions {
    fn grants(&self) -> Vec<Grant> {
        let Self { account, stream, .. } = *self;
        let grant = |subject: String, callers: &[Role], responses, timeout_seconds| Grant {
            account,
            imported_as: subject.replace("$JS.API", &format!("{account}.API")),
            subject,
            callers: callers.to_vec(),
            responses,
            timeout_seconds,
        };
        let api = |verb: &str, name: &str, callers: &[Role]| {
            grant(format!("$JS.API.{verb}.{name}"), callers, Responses::One, None)
        };
        let mut grants: Vec<Grant> = self
            .publish
            .iter()
            .map(|(subject, callers)| grant((*subject).to_owned(), callers, Responses::One, None))
            .collect();
        grants.push(api("STREAM.INFO", stream, self.info));
        grants.push(grant(format!("$JS.API.DIRECT.GET.{stream}"), self.read, Responses::Many, Some(10)));
        grants.push(api("STREAM.MSG.DELETE", stream, self.erase));
        grants.push(api("STREAM.CREATE", stream, &[Owner]));
        for (consumer, role) in self.consumers {
            let name = format!("{stream}.{consumer}");
            grants.push(api("CONSUMER.RESET", &name, &[*role]));
            // Longer than a pull stays open (30 s): after this time, messages that count as delivered would not arrive.
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{name}");
            grants.push(grant(subject, &[*role], Responses::Many, Some(60)));
            grants.push(api("CONSUMER.CREATE", &name, &[Owner]));
        }
        grants.retain(|grant| !grant.callers.is_empty());
        grants
    }
}

/// Whether the role may publish to a subject without wildcards.
pub fn may_publish(role: Role, subject: &str) -> bool {
    let is_denied =
        DENIED.iter().any(|(denied, pattern)| *denied == role && subject_matches(pattern, subject));
    let broadcasts =
        BROADCASTS.iter().any(|(pattern, from, _)| *from == role && subject_matches(pattern, subject));
    let is_granted = grants()
        .iter()
        .any(|grant| grant.callers.contains(&role) && subject_matches(&grant.imported_as, subject));
    (is_granted && !is_denied) || broadcasts
}

/// Whether a NATS pattern (`*` one token, `>` one or more at the end) matches a subject.
fn subject_matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(expected), Some(token)) if expected == token => {}
            (_, _) => return false,
        }
    }
}

impl Role {
    /// The role's account in `nats.conf`.
    pub const fn account(self) -> &'static str {
        match self {
            Ingest => "INGEST",
            Projector => "PROJECTOR",
            Notary => "NOTARY",
            Worker => "WORKER",
            Keys => "KEEPER",
            BreakGlass => "BREAKGLASS",
            Auditor => "AUDITOR",
            Operator => "OPERATOR",
            Backup => "BACKUP",
            Owner => "OWNER",
        }
    }
}

/// Every subject that could read, forge or destroy something, with `token` for each wildcard.
pub fn probe_subjects(token: &str) -> Vec<String> {
    const VERBS: [&str; 11] = [
        "STREAM.INFO",
        "STREAM.CREATE",
        "STREAM.UPDATE",
        "STREAM.DELETE",
        "STREAM.PURGE",
        "STREAM.SNAPSHOT",
        "STREAM.RESTORE",
        "STREAM.MSG.GET",
        "STREAM.MSG.DELETE",
        "DIRECT.GET",
        "CONSUMER.CREATE",
    ];
    const CONSUMER_VERBS: [&str; 4] =
        ["CONSUMER.CREATE", "CONSUMER.DELETE", "CONSUMER.RESET", "CONSUMER.MSG.NEXT"];
    let mut subjects = vec!["$SYS.REQ.SERVER.PING.VARZ".to_owned()];
    for StreamPermissions { account, stream, publish, consumers, .. } in &STREAMS {
        // A stream is in one account: under the caller's own `$JS.API`, and under the account's prefix.
        for prefix in ["$JS.API".to_owned(), format!("{account}.API")] {
            subjects.extend(VERBS.map(|verb| format!("{prefix}.{verb}.{stream}")));
            let names = consumers.iter().map(|(name, _)| *name).chain([token]);
            for name in names {
                subjects.extend(CONSUMER_VERBS.map(|verb| format!("{prefix}.{verb}.{stream}.{name}")));
            }
            // A stream of the caller's own, which could mirror or take over the subjects of another.
            subjects.push(format!("{prefix}.STREAM.CREATE.{token}"));
        }
        subjects.extend(publish.iter().map(|(pattern, _)| concrete(pattern, token)));
    }
    subjects.extend(SERVICES.iter().map(|service| concrete(service.subject, token)));
    subjects.extend(BROADCASTS.iter().map(|(pattern, _, _)| concrete(pattern, token)));
    subjects.push(SYSTEM_REQUEST.1.to_owned());
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

fn concrete(pattern: &str, token: &str) -> String {
    pattern.replace(['*', '>'], token)
}

#[cfg(test)]
mod tests;
