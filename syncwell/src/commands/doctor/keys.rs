//! Key versions, and tombstones that mean what they say.

use keeper::KekRotation;
use keys::{AccessIndexKey, AccessIndexRecipient, KEYS_STREAM};
use nats_server::Role;

use super::check_result::CheckResult;
use super::context::DoctorContext;
use crate::roles;

pub(super) async fn check(patient: &DoctorContext) -> Vec<CheckResult> {
    let mut checks =
        vec![check_signing_masters(patient), check_operators(patient), check_breakglass_recipient(patient)];
    match patient.connect(Role::Keys).await {
        None => checks.push(CheckResult::skip("the data keys", "the keeper's credentials are not here")),
        Some(Err(error)) => {
            checks.push(CheckResult::fail("the data keys", format!("{error:#}"), "is the broker there?"));
        }
        Some(Ok(broker)) => {
            checks.push(match KEYS_STREAM.stream(broker.clone()).verify().await {
                Ok(_) => CheckResult::pass("the keys' stream", "keeps its promises"),
                Err(error) => CheckResult::fail(
                    "the keys' stream",
                    format!("{:#}", anyhow::Error::from(error)),
                    "its owner must look at it: keys could be lost",
                ),
            });
            checks.extend(check_data_keys(patient, broker).await);
        }
    }
    checks
}

fn check_signing_masters(patient: &DoctorContext) -> CheckResult {
    const NAME: &str = "the signing masters";
    match patient.config.signing.read() {
        Ok(secrets) => {
            let accepted: Vec<_> =
                secrets.versions().take(2).map(|version| format!("version {version}")).collect();
            CheckResult::pass(NAME, format!("{} accepted", accepted.join(" and ")))
        }
        Err(error) => CheckResult::fail(NAME, format!("{error:#}"), "restore the file from its backup"),
    }
}

fn check_operators(patient: &DoctorContext) -> CheckResult {
    const NAME: &str = "who may break the glass";
    match patient.config.breakglass.operators.count() {
        0 => CheckResult::skip(NAME, "nobody is named in [breakglass] people"),
        1 => CheckResult::fail(NAME, "one person", "it takes two: name another in [breakglass] people"),
        number => CheckResult::pass(NAME, format!("{number} people")),
    }
}

/// An index that is sealed to another key is of no use on the day that it is needed.
fn check_breakglass_recipient(patient: &DoctorContext) -> CheckResult {
    const NAME: &str = "the break-glass key";
    let glass = &patient.config.breakglass;
    let (Ok(secrets), Ok(recipient)) = (glass.key.read(), AccessIndexRecipient::read(&glass.recipient))
    else {
        return CheckResult::skip(NAME, "the secret and its public half are not both here");
    };
    if AccessIndexKey::new(secrets).is_key_of(&recipient) {
        CheckResult::pass(NAME, format!("opens what is sealed to {}", glass.recipient.display()))
    } else {
        let mend = "`syncwell keys create` writes the public half anew; bring it to every ingest";
        CheckResult::fail(NAME, format!("{} is of another secret", glass.recipient.display()), mend)
    }
}

async fn check_data_keys(patient: &DoctorContext, broker: jetstream::Broker) -> Vec<CheckResult> {
    const KEK: &str = "the key-encryption key";
    let kek = match roles::load_kek(&patient.config).await {
        Ok(kek) => kek,
        Err(error) => {
            return vec![CheckResult::fail(KEK, format!("{error:#}"), "restore the secret from its backup")];
        }
    };
    let rewrap = KekRotation::new(broker, kek.clone());
    if let Err(error) = rewrap.verify_kek_checks().await {
        let mend = "give the secret that this installation was made with, every version that is in use";
        return vec![CheckResult::fail(KEK, format!("{:#}", anyhow::Error::from(error)), mend)];
    }
    let survey = match rewrap.read_usage().await {
        Ok(survey) => survey,
        Err(error) => {
            let found = format!("{:#}", anyhow::Error::from(error));
            return vec![CheckResult::fail(
                KEK,
                found,
                "a record is of no known format: look at the keys' stream",
            )];
        }
    };
    let newest = kek.current_version();
    let keys: u64 = survey.keys.values().sum();
    let older = survey.keys_below(newest);
    let versions = if older == 0 {
        CheckResult::pass(KEK, format!("version {newest} wraps all {keys} data keys"))
    } else {
        let found = format!("{older} of {keys} data keys are wrapped under older versions than {newest}");
        CheckResult::fail(
            KEK,
            found,
            "a rotation was not finished: `syncwell keys rotate-kek` goes on with it",
        )
    };
    let tombstones = if survey.erased_users_with_keys == 0 {
        CheckResult::pass("tombstones", format!("{} erased users, none with a key left", survey.erased_users))
    } else {
        let found = format!(
            "{} of {} erased users have a key left",
            survey.erased_users_with_keys, survey.erased_users
        );
        CheckResult::fail("tombstones", found, "INCIDENT: their keys were not destroyed; erase them again")
    };
    vec![versions, tombstones]
}
