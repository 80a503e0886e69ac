//! Who may break the glass, by their Ed25519 keys (RFC 8032).

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use keys::{SecretFileError, VersionedSecrets, create_secret_file};

/// The longest name of a person, in characters.
const NAME_CHARS_MAX: usize = 32;

/// A person as the configuration names them: `ana=<64 hex characters of the public key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedOperator {
    name: String,
    public_key: [u8; 32],
}

/// Not a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizedOperatorError {
    /// Not in the form above.
    #[error("a person is `name=<64 hex characters>`, the name of at most 32 characters of a-z 0-9 _ . -")]
    Malformed,
    /// One name or one key stands twice: two people would be one.
    #[error("two people have the same name or the same key")]
    Duplicate,
}

impl AuthorizedOperator {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for AuthorizedOperator {
    type Err = AuthorizedOperatorError;

    fn from_str(text: &str) -> Result<Self, AuthorizedOperatorError> {
        let (name, key) = text.split_once('=').ok_or(AuthorizedOperatorError::Malformed)?;
        let is_name = (1..=NAME_CHARS_MAX).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
        let key = HEXLOWER.decode(key.as_bytes()).ok().and_then(|key| key.try_into().ok());
        match key {
            Some(public_key) if is_name => Ok(Self { name: name.to_owned(), public_key }),
            _ => Err(AuthorizedOperatorError::Malformed),
        }
    }
}

impl fmt::Display for AuthorizedOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, HEXLOWER.encode(&self.public_key))
    }
}

/// Everybody who may take a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizedOperators(Vec<AuthorizedOperator>);

impl AuthorizedOperators {
    /// Demands that they are different people.
    pub fn new(people: Vec<AuthorizedOperator>) -> Result<Self, AuthorizedOperatorError> {
        let is_twice = people.iter().enumerate().any(|(at, one)| {
            people[..at].iter().any(|other| other.name == one.name || other.public_key == one.public_key)
        });
        if is_twice { Err(AuthorizedOperatorError::Duplicate) } else { Ok(Self(people)) }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whose signature this is.
    pub fn find_signer(&self, statement: &str, signature: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|person| is_valid_signature(person, statement, signature))
            .map(AuthorizedOperator::name)
    }

    /// Whether this very person signed.
    pub fn is_signed_by(&self, name: &str, statement: &str, signature: &str) -> bool {
        self.0.iter().any(|person| person.name == name && is_valid_signature(person, statement, signature))
    }
}

fn is_valid_signature(person: &AuthorizedOperator, statement: &str, signature: &str) -> bool {
    let Ok(signature) = HEXLOWER.decode(signature.as_bytes()) else { return false };
    UnparsedPublicKey::new(&ED25519, person.public_key).verify(statement.as_bytes(), &signature).is_ok()
}

/// A person's own key. Never on a server.
pub struct OperatorKey(Ed25519KeyPair);

impl OperatorKey {
    /// Reads the key's file; makes it, readable by its owner alone, where `create` says so and there is none.
    pub fn load(path: &Path, create: bool) -> Result<Self, SecretFileError> {
        if create {
            create_secret_file(path).map_err(|error| SecretFileError::Write(path.to_owned(), error))?;
        }
        let secrets = VersionedSecrets::read(path)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&**secrets.current().1);
        Ok(Self(pair.unwrap_or_else(|_| unreachable!("BUG: any 32 bytes are a seed"))))
    }

    /// What the configuration must say of this person.
    pub fn to_authorized_operator(&self, name: &str) -> Result<AuthorizedOperator, AuthorizedOperatorError> {
        format!("{name}={}", HEXLOWER.encode(self.0.public_key().as_ref())).parse()
    }

    /// Signs.
    pub fn sign(&self, statement: &str) -> String {
        HEXLOWER.encode(self.0.sign(statement.as_bytes()).as_ref())
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_apart_by_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| OperatorKey::load(&folder.path().join(name), true).unwrap();
        let (ana, ben) = (key("ana"), key("ben"));
        let people = AuthorizedOperators::new(vec![
            ana.to_authorized_operator("ana").unwrap(),
            ben.to_authorized_operator("ben").unwrap(),
        ])
        .unwrap();
        let signature = ben.sign("text");
        assert_eq!(people.find_signer("text", &signature), Some("ben"));
        assert_eq!(people.find_signer("other text", &signature), None);
        assert_eq!(people.find_signer("text", &key("eve").sign("text")), None);
        assert!(
            people.is_signed_by("ben", "text", &signature) && !people.is_signed_by("ana", "text", &signature)
        );
        assert_eq!(
            key("ana").to_authorized_operator("ana"),
            ana.to_authorized_operator("ana"),
            "a key that exists is read"
        );
    }

    #[test]
    fn one_person_can_not_be_two() {
        let key = "ab".repeat(32);
        let person = |text: String| text.parse::<AuthorizedOperator>().unwrap();
        let (ana, also_ana) = (person(format!("ana={key}")), person(format!("also-ana={key}")));
        assert_eq!(
            AuthorizedOperators::new(vec![ana.clone(), also_ana]),
            Err(AuthorizedOperatorError::Duplicate)
        );
        let other_key = person(format!("ana={}", "ac".repeat(32)));
        assert_eq!(
            AuthorizedOperators::new(vec![ana.clone(), other_key]),
            Err(AuthorizedOperatorError::Duplicate)
        );
        assert_eq!(ana.to_string(), format!("ana={key}"));
        for wrong in
            ["", "ana", "ana=", &format!("={key}"), &format!("Ana={key}"), &format!("ana={}", &key[1..])]
        {
            assert_eq!(
                wrong.parse::<AuthorizedOperator>(),
                Err(AuthorizedOperatorError::Malformed),
                "{wrong}"
            );
        }
    }
}
