//! How a provider finds out that a callback is ours.
//!
//! A challenge is echoed only to who knows the token, and only within a JSON text: this must not become a place that
//! says whatever it is told to.

use serde_json::Value;
use std::collections::BTreeMap;

use super::{
    WebhookError, WebhookMethod, WebhookRequest, WebhookResponse, WebhookSecrets, form_parameter, is_one_of,
};
use crate::JsonPointer;
use crate::table_reader::Section;

/// The longest challenge that is echoed, in characters.
const CHALLENGE_CHARS_MAX: usize = 512;
/// What a wrong token is answered with where the table does not say.
const REFUSED_STATUS_DEFAULT: u16 = 403;

#[derive(Debug, Clone)]
pub(super) enum Handshake {
    /// `GET ?verify=CODE`, answered by a status alone.
    VerifyCode { parameter: String, status: u16, refused_status: u16 },
    /// `GET` with a token and a challenge, answered with the challenge.
    Challenge(Challenge),
    /// A `POST` with just this in it, signed by nobody: it comes before there is a secret.
    Ping { key: String, value: String, ignored: Vec<String>, status: u16 },
    /// A `POST` with this in it and the right `Authorization`, and one without.
    Authorization { pointer: JsonPointer, value: String },
    /// `HEAD`, answered by a status alone.
    Head { status: u16 },
}

#[derive(Debug, Clone)]
pub(super) struct Challenge {
    token_parameter: String,
    challenge_parameter: String,
    answer_key: String,
    /// Other parameters, and what they must be.
    expected: BTreeMap<String, String>,
    refused_status: u16,
}

#[derive(Clone, Copy)]
enum HandshakeKind {
    VerifyCode,
    Challenge,
    Ping,
    Authorization,
    Head,
}

impl Handshake {
    pub(super) fn has_verify_token(&self) -> bool {
        match self {
            Self::VerifyCode { .. } | Self::Challenge(_) => true,
            Self::Ping { .. } | Self::Authorization { .. } | Self::Head { .. } => false,
        }
    }

    /// Whether it lives by the `Authorization` header.
    pub(super) fn is_by_authorization(&self) -> bool {
        matches!(self, Self::Authorization { .. })
    }

    /// Whether a delivery's secret may only be there after it.
    pub(super) fn is_unsigned_ping(&self) -> bool {
        matches!(self, Self::Ping { .. })
    }

    /// The answer, if the request is a handshake that needs no signature.
    pub(super) fn respond(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Option<Result<WebhookResponse, WebhookError>> {
        match (self, request.method) {
            (Self::VerifyCode { parameter, status, refused_status }, WebhookMethod::Get) => {
                let code =
                    form_parameter::single_parameter(request.query.unwrap_or_default().as_bytes(), parameter);
                let right =
                    code.ok().flatten().is_some_and(|code| is_one_of(code.as_bytes(), &secrets.verify));
                let wrong = WebhookError::InvalidVerifyToken { status: *refused_status };
                Some(if right { Ok(WebhookResponse::empty(*status)) } else { Err(wrong) })
            }
            (Self::Challenge(challenge), WebhookMethod::Get) => Some(challenge.respond(secrets, request)),
            (Self::Ping { key, value, ignored, status }, WebhookMethod::Post) => {
                is_ping(request.body, key, value, ignored).then(|| Ok(WebhookResponse::empty(*status)))
            }
            (Self::Head { status }, WebhookMethod::Head) => Some(Ok(WebhookResponse::empty(*status))),
            (
                Self::VerifyCode { .. }
                | Self::Challenge(_)
                | Self::Ping { .. }
                | Self::Authorization { .. }
                | Self::Head { .. },
                WebhookMethod::Get | WebhookMethod::Head | WebhookMethod::Post,
            ) => None,
        }
    }

    /// Whether it is the probe of a handshake by `Authorization`; whether that was right is judged before.
    pub(super) fn is_authorized_probe(&self, body: &[u8]) -> bool {
        match self {
            Self::Authorization { pointer, value } => {
                let body: Result<Value, _> = serde_json::from_slice(body);
                body.is_ok_and(|body| body.pointer(pointer.as_str()) == Some(&Value::String(value.clone())))
            }
            Self::VerifyCode { .. } | Self::Challenge(_) | Self::Ping { .. } | Self::Head { .. } => false,
        }
    }

    pub(super) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["kind"]);
        let kinds = [
            ("verify_code", HandshakeKind::VerifyCode),
            ("challenge", HandshakeKind::Challenge),
            ("ping", HandshakeKind::Ping),
            ("authorization", HandshakeKind::Authorization),
            ("head", HandshakeKind::Head),
        ];
        let Some(kind) = section.choice("kind", &kinds) else {
            section.discard_rest();
            return None;
        };
        match kind {
            HandshakeKind::VerifyCode => {
                section.require_keys(&["parameter"]);
                let parameter = section.string("parameter");
                let (status, refused_status) = (reply_status(section), refused_status(section));
                Some(Self::VerifyCode { parameter: parameter?, status, refused_status })
            }
            HandshakeKind::Challenge => Challenge::parse(section).map(Self::Challenge),
            HandshakeKind::Ping => {
                section.require_keys(&["key", "value"]);
                let (key, value) = (section.string("key"), section.string("value"));
                let ignored = section.strings("ignored").unwrap_or_default();
                let status = reply_status(section);
                Some(Self::Ping { key: key?, value: value?, ignored, status })
            }
            HandshakeKind::Authorization => {
                section.require_keys(&["pointer", "value"]);
                let (pointer, value) = (section.parse_string("pointer"), section.string("value"));
                Some(Self::Authorization { pointer: pointer?, value: value? })
            }
            HandshakeKind::Head => Some(Self::Head { status: reply_status(section) }),
        }
    }
}

impl Challenge {
    fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["token_parameter", "challenge_parameter", "answer_key"]);
        let token_parameter = section.string("token_parameter");
        let challenge_parameter = section.string("challenge_parameter");
        let answer_key = section.string("answer_key");
        let expected = section.string_map("expected").unwrap_or_default();
        let refused_status = refused_status(section);
        Some(Self {
            token_parameter: token_parameter?,
            challenge_parameter: challenge_parameter?,
            answer_key: answer_key?,
            expected,
            refused_status,
        })
    }

    fn respond(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        let query = request.query.unwrap_or_default().as_bytes();
        let wrong = WebhookError::InvalidVerifyToken { status: self.refused_status };
        let token =
            form_parameter::single_parameter(query, &self.token_parameter).ok().flatten().ok_or(wrong)?;
        if !is_one_of(token.as_bytes(), &secrets.verify) {
            return Err(wrong);
        }
        let single = |name: &str| form_parameter::single_parameter(query, name).ok().flatten();
        if self.expected.iter().any(|(name, value)| single(name).as_ref() != Some(value)) {
            return Err(WebhookError::Malformed("a parameter of the handshake is not what it must be"));
        }
        let challenge = single(&self.challenge_parameter).filter(|challenge| is_valid_challenge(challenge));
        let challenge = challenge.ok_or(WebhookError::Malformed("the challenge"))?;
        let answer = BTreeMap::from([(&self.answer_key, challenge)]);
        let answer = serde_json::to_string(&answer).unwrap_or_else(|_| unreachable!("BUG: texts are JSON"));
        Ok(WebhookResponse::json(200, answer))
    }
}

fn is_valid_challenge(text: &str) -> bool {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    printable && (1..=CHALLENGE_CHARS_MAX).contains(&text.len())
}

/// Whether the body is an object with this key and value, and with no others but those to ignore.
fn is_ping(body: &[u8], key: &str, value: &str, ignored: &[String]) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return false };
    let is_it = body.get(key).and_then(Value::as_str) == Some(value);
    is_it && body.keys().all(|name| name == key || ignored.contains(name))
}

fn reply_status(section: &mut Section) -> u16 {
    section.integer("status", 200..=299).unwrap_or(200)
}

fn refused_status(section: &mut Section) -> u16 {
    section.integer("refused_status", 400..=499).unwrap_or(REFUSED_STATUS_DEFAULT)
}
