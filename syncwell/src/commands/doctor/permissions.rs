//! What each role can reach, tried for real with its own credentials.

use futures_util::future::join_all;
use jetstream::Broker;
use nats_server::{Role, permissions};

use super::check_result::CheckResult;
use super::context::DoctorContext;

pub(super) async fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    join_all(Role::ALL.map(|role| check_role(patient, role))).await
}

async fn check_role(patient: &DoctorContext, role: Role) -> CheckResult {
    let name = format!("permissions of {}", role.name());
    let broker = match patient.connect(role).await {
        None => return CheckResult::skip(name, "its credentials are not here"),
        Some(Err(error)) => {
            return CheckResult::fail(name, format!("{error:#}"), "does nats.conf know this role's nkey?");
        }
        Some(Ok(broker)) => broker,
    };
    // Resets are left out: a reset has no required body, so one that arrives would be carried out.
    let subjects = permissions::probe_subjects("probe").into_iter();
    let tried = subjects.filter(|subject| !subject.contains(".CONSUMER.RESET."));
    let (own, foreign): (Vec<_>, Vec<_>) = tried.partition(|subject| permissions::may_publish(role, subject));
    // Of the role's own subjects, only those that change nothing and that every stream answers.
    let infos: Vec<_> = own.into_iter().filter(|subject| subject.contains(".STREAM.INFO.")).collect();
    if let Some((subject, _)) = probe(&broker, &infos, "").await.into_iter().find(|(_, reached)| !reached) {
        let mend = "compare the broker's configuration with nats.conf";
        return CheckResult::fail(name, format!("can't reach {subject}"), mend);
    }
    let reached = probe(&broker, &foreign, "?").await.into_iter().filter(|(_, reached)| *reached);
    let reached: Vec<_> = reached.map(|(subject, _)| subject).collect();
    if reached.is_empty() {
        CheckResult::pass(name, format!("reaches its own, and none of {} others", foreign.len()))
    } else {
        let mend = "compare the broker's configuration with nats.conf: this role can do more than it should";
        CheckResult::fail(name, format!("reaches {}", reached.join(", ")), mend)
    }
}

/// Tries every subject at once. The payload is not JSON, so even a call that arrives does nothing.
async fn probe<'s>(broker: &Broker, subjects: &'s [String], payload: &'static str) -> Vec<(&'s str, bool)> {
    let reached =
        subjects.iter().map(async |subject| (subject.as_str(), broker.is_reachable(subject, payload).await));
    join_all(reached).await
}
