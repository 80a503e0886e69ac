//! Key versions, and tombstones that mean what they say.

use keys::{AccessIndexKey, AccessIndexRecipient, KeysStream, KekRotation};
use nats_server::Role;

use super::{Check, Patient};
use crate::roles;

pub(super) async fn check(patient: &Patient) -> Vec<Check> {
    let mut checks = vec![signing(patient), people(patient), recipient(patient)];
    match patient.connect(Role::Keys).await {
        None => checks.push(Check::skipped("the data keys", "the keeper's credentials are not here")),
        Some(Err(error)) => {
            checks.push(Check::fail("the data keys", format!("{error:#}"), "is the broker there?"));
        }
        Some(Ok(broker)) => {
            checks.push(match KeysStream::verify(&KeysStream::open(broker.clone())).await {
                Ok(()) => Check::pass("the keys' stream", "keeps its promises"),
                Err(error) => Check::fail(
                    "the keys' stream",
                    format!("{:#}", anyhow::Error::from(error)),
                    "its owner must look at it: keys could be lost",
                ),
            });
            checks.extend(data_keys(patient, broker).await);
        }
    }
    checks
}

fn signing(patient: &Patient) -> Check {
    const NAME: &str = "the signing masters";
    match patient.config.signing.read() {
        Ok(secrets) => {
            let accepted: Vec<_> =
                secrets.versions().take(2).map(|version| format!("version {version}")).collect();
            Check::pass(NAME, format!("{} accepted", accepted.join(" and ")))
        }
        Err(error) => Check::fail(NAME, format!("{error:#}"), "restore the file from its backup"),
    }
}

fn people(patient: &Patient) -> Check {
    const NAME: &str = "who may break the glass";
    match patient.config.glass.people.number() {
        0 => Check::skipped(NAME, "nobody is named in [breakglass] people"),
        1 => Check::fail(NAME, "one person", "it takes two: name another in [breakglass] people"),
        number => Check::pass(NAME, format!("{number} people")),
    }
}

/// An index that is sealed to another key is of no use on the day that it is needed.
fn recipient(patient: &Patient) -> Check {
    const NAME: &str = "the break-glass key";
    let glass = &patient.config.glass;
    let (Ok(secrets), Ok(recipient)) = (glass.key.read(), AccessIndexRecipient::read(&glass.recipient)) else {
        return Check::skipped(NAME, "the secret and its public half are not both here");
    };
    if AccessIndexKey::new(secrets).is_key_of(&recipient) {
        Check::pass(NAME, format!("opens what is sealed to {}", glass.recipient.display()))
    } else {
        let mend = "`syncwell keys create` writes the public half anew; bring it to every ingest";
        Check::fail(NAME, format!("{} is of another secret", glass.recipient.display()), mend)
    }
}

async fn data_keys(patient: &Patient, broker: jetstream::Broker) -> Vec<Check> {
    const KEK: &str = "the key-encryption key";
    let kek = match roles::kek(&patient.config).await {
        Ok(kek) => kek,
        Err(error) => {
            return vec![Check::fail(KEK, format!("{error:#}"), "restore the secret from its backup")];
        }
    };
    let rewrap = KekRotation::new(broker, kek.clone());
    if let Err(error) = rewrap.verify_kek_checks().await {
        let mend = "give the secret that this installation was made with, every version that is in use";
        return vec![Check::fail(KEK, format!("{:#}", anyhow::Error::from(error)), mend)];
    }
    let survey = match rewrap.read_usage().await {
        Ok(survey) => survey,
        Err(error) => {
            let found = format!("{:#}", anyhow::Error::from(error));
            return vec![Check::fail(KEK, found, "a record is of no known format: look at the keys' stream")];
        }
    };
    let newest = kek.current_version();
    let keys: u64 = survey.keys.values().sum();
    let older = survey.keys_below(newest);
    let versions = if older == 0 {
        Check::pass(KEK, format!("version {newest} wraps all {keys} data keys"))
    } else {
        let found = format!("{older} of {keys} data keys are wrapped under older versions than {newest}");
        Check::fail(KEK, found, "a rotation was not finished: `syncwell keys rotate-kek` goes on with it")
    };
    let tombstones = if survey.erased_users_with_keys == 0 {
        Check::pass("tombstones", format!("{} erased users, none with a key left", survey.erased_users))
    } else {
        let found = format!("{} of {} erased users have a key left", survey.erased_users_with_keys, survey.erased_users);
        Check::fail("tombstones", found, "INCIDENT: their keys were not destroyed; erase them again")
    };
    vec![versions, tombstones]
}
