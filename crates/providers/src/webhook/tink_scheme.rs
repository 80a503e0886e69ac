//! Signatures with a provider's private key, in Tink's form: base64 of a 1, the key's id in four bytes and the
//! signature in DER, over the body.

use data_encoding::BASE64;
use http::HeaderName;
use url::Url;

use super::{SignatureEvidence, WebhookError, WebhookRequest, WebhookSecrets, single_header};
use crate::table_reader::Section;

/// What a signature with Tink's prefix begins with.
const PREFIX: u8 = 1;

#[derive(Debug, Clone)]
pub(super) struct TinkScheme {
    header: HeaderName,
    /// Another name that the header may have. Only one of the two may stand.
    other_header: Option<HeaderName>,
    keyset_url: Url,
}

impl TinkScheme {
    pub(super) fn keyset_url(&self) -> &Url {
        &self.keyset_url
    }

    pub(super) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["signature_header", "keyset_url"]);
        let header = section.parse_string("signature_header");
        let other_header = section.parse_string("other_signature_header");
        let keyset_url = section.https_url("keyset_url");
        Some(Self { header: header?, other_header, keyset_url: keyset_url? })
    }

    pub(super) fn verify(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
        status: u16,
    ) -> Result<SignatureEvidence, WebhookError> {
        let wrong = WebhookError::InvalidSignature { status };
        let (name, text) = self.signature(request).ok_or(wrong)?;
        let keyset = secrets.keyset.as_ref().ok_or(WebhookError::NotConfigured("the key set"))?;
        let signature = BASE64.decode(text.as_bytes()).map_err(|_| wrong)?;
        let [PREFIX, a, b, c, d, der @ ..] = signature.as_slice() else { return Err(wrong) };
        let key_id = u32::from_be_bytes([*a, *b, *c, *d]);
        if !keyset.contains_key(key_id) {
            return Err(WebhookError::UnknownKey { status });
        }
        if !keyset.verifies(key_id, request.body, der) {
            return Err(wrong);
        }
        Ok(SignatureEvidence {
            id: None,
            evidence_headers: vec![(name.as_str().to_owned(), text.to_owned())],
        })
    }

    fn signature<'r>(&'r self, request: &WebhookRequest<'r>) -> Option<(&'r HeaderName, &'r str)> {
        let mut found = None;
        for name in [Some(&self.header), self.other_header.as_ref()].into_iter().flatten() {
            let value = single_header::try_single_header(request.headers, name).ok()?;
            if found.is_some() && value.is_some() {
                return None;
            }
            found = found.or(value.map(|value| (name, value)));
        }
        found
    }
}
