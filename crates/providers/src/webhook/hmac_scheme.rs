//! Signatures with a shared secret: one way for all of them, told apart by the table.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha1::Sha1;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::signed_content::{SignedContentTemplate, TemplateValues};
use super::timestamp::TimestampRule;
use super::{Secret, SignatureEvidence, WebhookError, WebhookRequest, WebhookSecrets, single_header};
use crate::json_pointer::is_valid_id;
use crate::table_reader::Section;
use crate::whsec;

/// The most signatures that are compared of one header.
const SIGNATURES_MAX: usize = 16;
/// How long a `whsec_` secret is, in bytes. The standard says 24 to 64; Svix has given out others.
const WHSEC_BYTES: std::ops::RangeInclusive<usize> = 16..=75;

/// Which of the configured secrets signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningSecretKind {
    /// The OAuth client's secret.
    ClientSecret,
    /// A secret of the webhook's own.
    SigningSecret,
}

#[derive(Debug, Clone)]
pub(super) struct HmacScheme {
    header: HeaderName,
    algorithm: Algorithm,
    secret_kind: SigningSecretKind,
    key_suffix: String,
    is_whsec: bool,
    is_key_issued_after_handshake: bool,
    encoding: Encoding,
    signed: SignedContentTemplate,
    header_format: SignatureHeaderFormat,
    timestamp: Option<TimestampRule>,
    id_header: Option<HeaderName>,
    is_unsigned_allowed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Base64,
    Hex,
}

/// What the signature header looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignatureHeaderFormat {
    /// One signature and nothing else.
    Plain,
    /// `t=…,v1=…[,v1=…]`, with the timestamp inside; other elements are left alone.
    Elements,
    /// `v1,… v1,…`; those of another version are left alone.
    Versions,
}

impl HmacScheme {
    pub(super) fn secret_kind(&self) -> SigningSecretKind {
        self.secret_kind
    }

    pub(super) fn is_key_issued_after_handshake(&self) -> bool {
        self.is_key_issued_after_handshake
    }

    pub(super) fn is_unsigned_allowed(&self) -> bool {
        self.is_unsigned_allowed
    }

    pub(super) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["signature_header", "algorithm", "key", "encoding", "signed"]);
        let header = section.parse_string("signature_header");
        let algorithms = [("hmac-sha1", Algorithm::Sha1), ("hmac-sha256", Algorithm::Sha256)];
        let algorithm = section.choice("algorithm", &algorithms);
        let keys = [
            ("client_secret", SigningSecretKind::ClientSecret),
            ("signing_secret", SigningSecretKind::SigningSecret),
        ];
        let key = section.choice("key", &keys);
        let key_suffix = section.string("key_suffix").unwrap_or_default();
        let is_whsec = section.choice("key_encoding", &[("text", false), ("whsec", true)]).unwrap_or(false);
        if is_whsec && !key_suffix.is_empty() {
            section.add_error("key_suffix", "is there, but the key is whsec");
        }
        let given_after_handshake = section.boolean("key_after_handshake").unwrap_or(false);
        let encoding = section.choice("encoding", &[("base64", Encoding::Base64), ("hex", Encoding::Hex)]);
        let forms = [
            ("plain", SignatureHeaderFormat::Plain),
            ("elements", SignatureHeaderFormat::Elements),
            ("versions", SignatureHeaderFormat::Versions),
        ];
        let has_form = section.contains("signature_form");
        let form =
            section.choice("signature_form", &forms).or((!has_form).then_some(SignatureHeaderFormat::Plain));
        let signed: Option<SignedContentTemplate> = section.parse_string("signed");
        let id_header: Option<HeaderName> = section.parse_string("id_header");
        let unsigned_allowed = section.boolean("unsigned_allowed").unwrap_or(false);
        let in_signature = form == Some(SignatureHeaderFormat::Elements);
        let has_timestamp = in_signature || section.contains("timestamp_header");
        let timestamp = if has_timestamp { TimestampRule::parse(section, in_signature) } else { None };
        if signed.as_ref().is_some_and(|signed| form.is_some() && signed.has_timestamp() != has_timestamp) {
            section.add_error("signed", "must have {timestamp} in it exactly if there is a timestamp");
        }
        if signed.as_ref().is_some_and(|signed| signed.has_id() != id_header.is_some()) {
            section.add_error("signed", "must have {id} in it exactly if there is an `id_header`");
        }
        Some(Self {
            header: header?,
            algorithm: algorithm?,
            secret_kind: key?,
            key_suffix,
            is_whsec,
            is_key_issued_after_handshake: given_after_handshake,
            encoding: encoding?,
            signed: signed?,
            header_format: form?,
            timestamp: if has_timestamp { Some(timestamp?) } else { None },
            id_header,
            is_unsigned_allowed: unsigned_allowed,
        })
    }

    /// The key that a secret stands for, `None` if it is not of the table's form.
    pub(super) fn key_bytes(&self, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
        if self.is_whsec {
            return whsec::decode(secret.expose(), WHSEC_BYTES);
        }
        Some(Zeroizing::new([secret.bytes(), self.key_suffix.as_bytes()].concat()))
    }

    /// Judges signature and timestamp, in this order. `None`: there is no signature, and there need not be.
    pub(super) fn verify(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
        status: u16,
    ) -> Result<Option<SignatureEvidence>, WebhookError> {
        let wrong = WebhookError::InvalidSignature { status };
        let Some(signature) =
            single_header::try_single_header(request.headers, &self.header).map_err(|_| wrong)?
        else {
            return if self.is_unsigned_allowed { Ok(None) } else { Err(wrong) };
        };
        let keys: Vec<_> = secrets.signing.iter().filter_map(|secret| self.key_bytes(secret)).collect();
        if keys.is_empty() {
            return Err(WebhookError::NotConfigured("the signing secret"));
        }
        let (inside, candidates) = self.parse_signature_header(signature).ok_or(wrong)?;
        let mut evidence_headers = vec![(self.header.as_str().to_owned(), signature.to_owned())];
        let mut beside = |name: &HeaderName| {
            let value =
                single_header::try_single_header(request.headers, name).ok().flatten().ok_or(wrong)?;
            evidence_headers.push((name.as_str().to_owned(), value.to_owned()));
            Ok(value)
        };
        let timestamp_header = self.timestamp.as_ref().and_then(|rule| rule.header.as_ref());
        let timestamp = timestamp_header.map(&mut beside).transpose()?.or(inside).unwrap_or_default();
        let id = self.id_header.as_ref().map(&mut beside).transpose()?;
        // A dot would make the signed text ambiguous: where does the id end?
        if id.is_some_and(|id| !is_valid_id(id) || id.contains('.')) {
            return Err(wrong);
        }
        let filling = TemplateValues { timestamp, id: id.unwrap_or_default(), body: request.body };
        if !self.contains_valid_signature(&keys, filling, &candidates) {
            return Err(wrong);
        }
        if let Some(rule) = &self.timestamp {
            rule.check_age(timestamp, request.now)?;
        }
        Ok(Some(SignatureEvidence { id: id.map(str::to_owned), evidence_headers }))
    }

    /// The timestamp inside the header, if this form has one there, and the signatures.
    fn parse_signature_header<'h>(&self, text: &'h str) -> Option<(Option<&'h str>, Vec<Vec<u8>>)> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        match self.header_format {
            SignatureHeaderFormat::Plain => signatures.push(text),
            SignatureHeaderFormat::Elements => {
                for element in text.split(',') {
                    match element.split_once('=')? {
                        ("t", value) if timestamp.is_none() => timestamp = Some(value),
                        ("t", _) => return None,
                        ("v1", value) => signatures.push(value),
                        _ => {}
                    }
                }
                timestamp?;
            }
            SignatureHeaderFormat::Versions => {
                for entry in text.split(' ') {
                    if let ("v1", value) = entry.split_once(',')? {
                        signatures.push(value);
                    }
                }
            }
        }
        let encoding = match self.encoding {
            Encoding::Base64 => BASE64,
            Encoding::Hex => HEXLOWER_PERMISSIVE,
        };
        let decoded: Option<Vec<_>> =
            signatures.into_iter().map(|signature| encoding.decode(signature.as_bytes()).ok()).collect();
        let decoded = decoded.filter(|decoded| (1..=SIGNATURES_MAX).contains(&decoded.len()))?;
        Some((timestamp, decoded))
    }

    /// Compares every signature under every key, so that the time tells nothing of which.
    fn contains_valid_signature(
        &self,
        keys: &[Zeroizing<Vec<u8>>],
        filling: TemplateValues<'_>,
        candidates: &[Vec<u8>],
    ) -> bool {
        let mut found = Choice::from(0);
        for key in keys {
            let signature = match self.algorithm {
                Algorithm::Sha1 => sign::<Hmac<Sha1>>(key, &self.signed, filling),
                Algorithm::Sha256 => sign::<Hmac<Sha256>>(key, &self.signed, filling),
            };
            for candidate in candidates {
                found |= signature.ct_eq(candidate);
            }
        }
        found.into()
    }
}

fn sign<M: Mac + KeyInit>(
    key: &[u8],
    signed: &SignedContentTemplate,
    filling: TemplateValues<'_>,
) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("BUG: HMAC takes keys of any length"));
    signed.render(filling).for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}
