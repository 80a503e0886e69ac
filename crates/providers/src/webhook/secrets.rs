//! What this installation and a provider share.

use std::fmt;

use zeroize::Zeroizing;

use super::TinkKeyset;

/// A secret's text. It is wiped when it goes, never printed, and compared by nobody but this crate.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// The text can't be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is not empty and has no control characters or spaces around it")]
pub struct InvalidSecret;

impl Secret {
    /// Takes a secret's text as it is. An empty one is refused, as anybody could sign with it; so is one that a line
    /// end slipped into.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidSecret> {
        let text = Zeroizing::new(text.into());
        let fine = !text.is_empty() && text.trim() == text.as_str() && !text.chars().any(char::is_control);
        if fine { Ok(Self(text)) } else { Err(InvalidSecret) }
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The secrets of one provider's webhook as this installation has them. Where there are several, any of them is right:
/// so that one can be replaced while the provider still uses the other.
#[derive(Clone, Default)]
pub struct WebhookSecrets {
    /// What signs: see [`super::ProviderWebhook::signing_secret_kind`].
    pub signing: Vec<Secret>,
    /// What stands in the callback's path.
    pub path: Vec<Secret>,
    /// Verification codes and tokens, or the whole values of the `Authorization` header, with their scheme.
    pub verify: Vec<Secret>,
    /// The OAuth client's id, where a header must be it.
    pub client_id: Option<String>,
    /// The ids of our subscriptions, where a body must name one.
    pub subscriptions: Vec<String>,
    /// The provider's public keys.
    pub keyset: Option<TinkKeyset>,
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecrets([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = Secret::new("hunter2-hunter2").unwrap();
        let secrets = WebhookSecrets {
            signing: vec![secret.clone()],
            client_id: Some("hunter2".to_owned()),
            ..WebhookSecrets::default()
        };
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn texts_that_are_no_secrets() {
        for text in ["", " ", "a ", " a", "a\n", "a\nb", "\0"] {
            assert_eq!(Secret::new(text).unwrap_err(), InvalidSecret, "{text:?}");
        }
        assert_eq!(Secret::new("a b&+/=").unwrap().expose(), "a b&+/=");
    }
}
