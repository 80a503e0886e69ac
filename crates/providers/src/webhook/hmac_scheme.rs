//! Signatures with a shared secret: one way for all of them, told apart by the table.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha1::Sha1;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::template::{Filling, Template};
use super::timestamp::TimestampRule;
use super::{Secret, Vouched, WebhookRefusal, WebhookRequest, WebhookSecrets, header};
use crate::pointer::is_id;
use crate::reader::Section;
use crate::whsec;

/// The most signatures that are compared of one header.
const CANDIDATES_MAX: usize = 16;
/// How long a `whsec_` secret is, in bytes. The standard says 24 to 64; Svix has given out others.
const WHSEC_BYTES: std::ops::RangeInclusive<usize> = 16..=75;

/// Which of the configured secrets signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningKey {
    /// The OAuth client's secret.
    ClientSecret,
    /// A secret of the webhook's own.
    SigningSecret,
}

#[derive(Debug, Clone)]
pub(super) struct HmacScheme {
    header: HeaderName,
    algorithm: Algorithm,
    key: SigningKey,
    key_suffix: String,
    is_whsec: bool,
    given_after_handshake: bool,
    encoding: Encoding,
    signed: Template,
    form: Form,
    timestamp: Option<TimestampRule>,
    id_header: Option<HeaderName>,
    unsigned_allowed: bool,
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
enum Form {
    /// One signature and nothing else.
    Plain,
    /// `t=…,v1=…[,v1=…]`, with the timestamp inside; other elements are left alone.
    Elements,
    /// `v1,… v1,…`; those of another version are left alone.
    Versions,
}

impl HmacScheme {
    pub(super) fn key(&self) -> SigningKey {
        self.key
    }

    pub(super) fn is_given_after_handshake(&self) -> bool {
        self.given_after_handshake
    }

    pub(super) fn unsigned_allowed(&self) -> bool {
        self.unsigned_allowed
    }

    pub(super) fn parse(section: &mut Section) -> Option<Self> {
        section.demand(&["signature_header", "algorithm", "key", "encoding", "signed"]);
        let header = section.parsed("signature_header");
        let algorithms = [("hmac-sha1", Algorithm::Sha1), ("hmac-sha256", Algorithm::Sha256)];
        let algorithm = section.choice("algorithm", &algorithms);
        let keys =
            [("client_secret", SigningKey::ClientSecret), ("signing_secret", SigningKey::SigningSecret)];
        let key = section.choice("key", &keys);
        let key_suffix = section.text("key_suffix").unwrap_or_default();
        let is_whsec = section.choice("key_encoding", &[("text", false), ("whsec", true)]).unwrap_or(false);
        if is_whsec && !key_suffix.is_empty() {
            section.refuse("key_suffix", "is there, but the key is whsec");
        }
        let given_after_handshake = section.flag("key_after_handshake").unwrap_or(false);
        let encoding = section.choice("encoding", &[("base64", Encoding::Base64), ("hex", Encoding::Hex)]);
        let forms = [("plain", Form::Plain), ("elements", Form::Elements), ("versions", Form::Versions)];
        let has_form = section.has("signature_form");
        let form = section.choice("signature_form", &forms).or((!has_form).then_some(Form::Plain));
        let signed: Option<Template> = section.parsed("signed");
        let id_header: Option<HeaderName> = section.parsed("id_header");
        let unsigned_allowed = section.flag("unsigned_allowed").unwrap_or(false);
        let in_signature = form == Some(Form::Elements);
        let has_timestamp = in_signature || section.has("timestamp_header");
        let timestamp = if has_timestamp { TimestampRule::parse(section, in_signature) } else { None };
        if signed.as_ref().is_some_and(|signed| form.is_some() && signed.has_timestamp() != has_timestamp) {
            section.refuse("signed", "must have {timestamp} in it exactly if there is a timestamp");
        }
        if signed.as_ref().is_some_and(|signed| signed.has_id() != id_header.is_some()) {
            section.refuse("signed", "must have {id} in it exactly if there is an `id_header`");
        }
        Some(Self {
            header: header?,
            algorithm: algorithm?,
            key: key?,
            key_suffix,
            is_whsec,
            given_after_handshake,
            encoding: encoding?,
            signed: signed?,
            form: form?,
            timestamp: if has_timestamp { Some(timestamp?) } else { None },
            id_header,
            unsigned_allowed,
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
    ) -> Result<Option<Vouched>, WebhookRefusal> {
        let wrong = WebhookRefusal::Signature { status };
        let Some(signature) = header::single(request.headers, &self.header).map_err(|_| wrong)? else {
            return if self.unsigned_allowed { Ok(None) } else { Err(wrong) };
        };
        let keys: Vec<_> = secrets.signing.iter().filter_map(|secret| self.key_bytes(secret)).collect();
        if keys.is_empty() {
            return Err(WebhookRefusal::NotConfigured("the signing secret"));
        }
        let (inside, candidates) = self.candidates(signature).ok_or(wrong)?;
        let mut evidence_headers = vec![(self.header.as_str().to_owned(), signature.to_owned())];
        let mut beside = |name: &HeaderName| {
            let value = header::single(request.headers, name).ok().flatten().ok_or(wrong)?;
            evidence_headers.push((name.as_str().to_owned(), value.to_owned()));
            Ok(value)
        };
        let timestamp_header = self.timestamp.as_ref().and_then(|rule| rule.header.as_ref());
        let timestamp = timestamp_header.map(&mut beside).transpose()?.or(inside).unwrap_or_default();
        let id = self.id_header.as_ref().map(&mut beside).transpose()?;
        // A dot would make the signed text ambiguous: where does the id end?
        if id.is_some_and(|id| !is_id(id) || id.contains('.')) {
            return Err(wrong);
        }
        let filling = Filling { timestamp, id: id.unwrap_or_default(), body: request.body };
        if !self.is_right(&keys, filling, &candidates) {
            return Err(wrong);
        }
        if let Some(rule) = &self.timestamp {
            rule.check(timestamp, request.now)?;
        }
        Ok(Some(Vouched { id: id.map(str::to_owned), evidence_headers }))
    }

    /// The timestamp inside the header, if this form has one there, and the signatures.
    fn candidates<'h>(&self, text: &'h str) -> Option<(Option<&'h str>, Vec<Vec<u8>>)> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        match self.form {
            Form::Plain => signatures.push(text),
            Form::Elements => {
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
            Form::Versions => {
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
        let decoded = decoded.filter(|decoded| (1..=CANDIDATES_MAX).contains(&decoded.len()))?;
        Some((timestamp, decoded))
    }

    /// Compares every signature under every key, so that the time tells nothing of which.
    fn is_right(&self, keys: &[Zeroizing<Vec<u8>>], filling: Filling<'_>, candidates: &[Vec<u8>]) -> bool {
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

fn sign<M: Mac + KeyInit>(key: &[u8], signed: &Template, filling: Filling<'_>) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("BUG: HMAC takes keys of any length"));
    signed.fill(filling).for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}
