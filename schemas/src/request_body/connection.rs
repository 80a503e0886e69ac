//! What an app sends to begin, agree to and renew a connection.

use crate::body_reader::{BodyReader, ReadBodyError};
use crate::{AuthorizeRequest, ConnectRequest, ReauthRequest};

/// Characters of an authorisation code.
const CODE_CHARS_MAX: usize = 2_048;
/// Bytes of an issuer.
const ISSUER_BYTES_MAX: usize = 2_048;
const PKCE_FORM: &str = "must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~ (RFC 7636)";

impl ConnectRequest {
    /// Parses a body. The caller checks the provider and the redirect URI.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            reader.require(&fields, &["provider", "redirect_uri"]);
            let provider = reader.text_field(&mut fields, "provider", "must be a provider's name", any_text);
            let redirect_uri =
                reader.text_field(&mut fields, "redirect_uri", "must be a redirect URI", any_text);
            let code_challenge = reader.text_field(&mut fields, "code_challenge", PKCE_FORM, parse_pkce);
            reader.reject_unknown(fields);
            Some(Self { provider: provider?, redirect_uri: redirect_uri?, code_challenge })
        })
    }
}

impl ReauthRequest {
    /// Parses a body. An empty body is an empty request.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            let code_challenge = reader.text_field(&mut fields, "code_challenge", PKCE_FORM, parse_pkce);
            reader.reject_unknown(fields);
            Some(Self { code_challenge })
        })
    }
}

impl AuthorizeRequest {
    /// Parses a body. The caller checks the state.
    pub fn parse(body: &[u8]) -> Result<Self, ReadBodyError> {
        BodyReader::read(body, |reader, root| {
            let mut fields = reader.object("", root)?;
            reader.require(&fields, &["code", "state"]);
            let code_form = "must be 1 to 2048 visible ASCII characters";
            let code = reader.text_field(&mut fields, "code", code_form, parse_code);
            let state = reader.text_field(&mut fields, "state", "must be a text", any_text);
            let code_verifier = reader.text_field(&mut fields, "code_verifier", PKCE_FORM, parse_pkce);
            let iss = reader.text_field(&mut fields, "iss", "must be a text of at most 2048 bytes", |text| {
                (text.len() <= ISSUER_BYTES_MAX).then(|| text.to_owned())
            });
            reader.reject_unknown(fields);
            Some(Self { code: code?, state: state?, code_verifier, iss })
        })
    }
}

fn parse_code(text: &str) -> Option<String> {
    let is_allowed = (1..=CODE_CHARS_MAX).contains(&text.len());
    (is_allowed && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

fn any_text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A verifier, or a challenge, which is of the same form (RFC 7636, sections 4.1 and 4.2).
fn parse_pkce(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    ((43..=128).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::violations;
    use super::*;
    use crate::ViolationCode as Is;

    #[test]
    fn a_request_for_a_connection() {
        let challenge = "c".repeat(43);
        let body =
            format!(r#"{{"code_challenge":"{challenge}","redirect_uri":"app://x","provider":"fitbit"}}"#);
        let request = ConnectRequest::parse(body.as_bytes()).unwrap();
        assert_eq!((request.provider.as_str(), request.redirect_uri.as_str()), ("fitbit", "app://x"));
        assert_eq!(request.code_challenge, Some(challenge));
        let without = br#"{"provider":"fitbit","redirect_uri":"app://x","code_challenge":null}"#;
        assert_eq!(ConnectRequest::parse(without).unwrap().code_challenge, None);
    }

    #[test]
    fn every_violation_is_told() {
        let body = br#"{"provider":1,"provider":"fitbit","code_challenge":"short","else":{}}"#;
        let found = violations(ConnectRequest::parse(body));
        let expected = [
            ("/code_challenge", Is::InvalidFormat),
            ("/else", Is::UnknownField),
            ("/provider", Is::DuplicateKey),
            ("/provider", Is::WrongType),
            ("/redirect_uri", Is::Required),
        ];
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        for body in ["[]", "null", "\"x\"", "1", "true"] {
            assert_eq!(violations(ConnectRequest::parse(body.as_bytes())), [(String::new(), Is::WrongType)]);
        }
        assert!(matches!(ConnectRequest::parse(b"{"), Err(ReadBodyError::NotJson)));
        let surrogate = br#"{"provider":"\ud800","redirect_uri":"x"}"#;
        assert_eq!(
            violations(ConnectRequest::parse(surrogate)),
            [("/provider".to_owned(), Is::InvalidFormat)]
        );
    }

    #[test]
    fn what_the_provider_handed_back() {
        let verifier = "V-._~9".repeat(8);
        let body = format!(r#"{{"code":"4/0A","state":"","code_verifier":"{verifier}","iss":""}}"#);
        let request = AuthorizeRequest::parse(body.as_bytes()).unwrap();
        assert_eq!((request.code.as_str(), request.state.as_str()), ("4/0A", ""));
        assert_eq!((request.code_verifier, request.iss.as_deref()), (Some(verifier), Some("")));
        let long = "x".repeat(2_049);
        for code in ["", "a b", "a\\n", "é", &long] {
            let body = format!(r#"{{"code":"{code}","state":"s"}}"#);
            let found = violations(AuthorizeRequest::parse(body.as_bytes()));
            assert_eq!(found, [("/code".to_owned(), Is::InvalidFormat)], "{code}");
        }
        for verifier in ["v".repeat(42), "v".repeat(129), "v+".repeat(30)] {
            let body = format!(r#"{{"code":"c","state":"s","code_verifier":"{verifier}"}}"#);
            let found = violations(AuthorizeRequest::parse(body.as_bytes()));
            assert_eq!(found, [("/code_verifier".to_owned(), Is::InvalidFormat)], "{verifier}");
        }
        assert_eq!(
            violations(AuthorizeRequest::parse(b"{}")),
            [("/code".to_owned(), Is::Required), ("/state".to_owned(), Is::Required)]
        );
    }

    #[test]
    fn nothing_at_all_asks_for_another_authorisation() {
        for body in [&b""[..], b"{}", br#"{"code_challenge":null}"#] {
            assert_eq!(ReauthRequest::parse(body).unwrap(), ReauthRequest::default());
        }
        let found = violations(ReauthRequest::parse(br#"{"provider":"x"}"#));
        assert_eq!(found, [("/provider".to_owned(), Is::UnknownField)]);
    }
}
