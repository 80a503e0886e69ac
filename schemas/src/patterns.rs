//! Patterns (ECMA-262 regular expressions) of texts in the JSON Schemas.
//!
//! A pattern of a request is at most as wide as the parser: the parser accepts every text that matches. It may be
//! narrower, where only the configuration or the token can tell what the parser's caller accepts.

/// Id that this service makes: 26 characters of lowercase base32.
pub(crate) const OWN_ID: &str = "^[a-z2-7]{26}$";
/// PKCE verifier or challenge (RFC 7636, sections 4.1 and 4.2).
pub(crate) const PKCE: &str = "^[A-Za-z0-9._~-]{43,128}$";
/// Name of a health provider.
pub(crate) const PROVIDER_NAME: &str = "^[a-z][a-z0-9_-]{0,31}$";
/// Authorisation code.
pub(crate) const AUTHORIZATION_CODE: &str = "^[!-~]{1,2048}$";
/// Issuer of an authorisation response (RFC 9207).
pub(crate) const ISSUER: &str = "^[!-~]{0,2048}$";
/// Text of a device report.
pub(crate) const REPORT_TEXT: &str = "^[ -~]{1,64}$";
/// User id, the `sub` of a token.
pub(crate) const USER_ID: &str = "^[!-~]{1,128}$";
/// 32 bytes as lowercase hex.
pub(crate) const HEX_32_BYTES: &str = "^[0-9a-f]{64}$";
/// Value of `X-Sync-Timestamp`: unix seconds, unix milliseconds or RFC 3339.
pub(crate) const SIGNED_TIMESTAMP: &str = concat!(
    "^([0-9]{1,11}|[0-9]{13}|",
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?",
    "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))$",
);
/// Value of `X-Sync-Signature`: 1 to 4 signatures.
pub(crate) const SIGNATURES: &str = "^(v1=)?[0-9a-f]{64}( *, *(v1=)?[0-9a-f]{64}){0,3}$";
/// Value of `X-Sync-Key-Id`: version of the master secret, and the device or `default`.
pub(crate) const SIGNING_KEY_ID: &str = r"^[1-9][0-9]{0,9}\.(default|[a-z2-7]{26})$";
/// Expiry of a download link, unix seconds.
pub(crate) const LINK_EXPIRY: &str = "^-?[0-9]{1,19}$";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuthorizeRequest, ConnectRequest, DeviceReport, EraseRequest, ReauthRequest};

    type IsAccepted<'a> = &'a dyn Fn(&str) -> bool;

    /// A text of this length that the class of every pattern below allows.
    fn text(chars: usize) -> String {
        "a".repeat(chars)
    }

    /// The lengths that a pattern of the form `^[class]{low,high}$` allows.
    fn lengths(pattern: &str) -> std::ops::RangeInclusive<usize> {
        let (_, counts) = pattern.trim_end_matches("}$").rsplit_once('{').unwrap();
        let (low, high) = counts.split_once(',').unwrap();
        low.parse().unwrap()..=high.parse().unwrap()
    }

    #[test]
    fn parsers_accept_the_lengths_that_the_patterns_allow() {
        let connect = |value: &str| {
            ConnectRequest::parse(
                format!(r#"{{"provider":"p","redirect_uri":"a:b","code_challenge":"{value}"}}"#).as_bytes(),
            )
            .is_ok()
        };
        let reauth = |value: &str| {
            ReauthRequest::parse(format!(r#"{{"code_challenge":"{value}"}}"#).as_bytes()).is_ok()
        };
        let authorize = |code: &str, iss: &str| {
            AuthorizeRequest::parse(format!(r#"{{"code":"{code}","state":"s","iss":"{iss}"}}"#).as_bytes())
                .is_ok()
        };
        let report = |value: &str| {
            DeviceReport::parse(
                format!(r#"{{"os_compromised":false,"key_storage":"none","app_version":"{value}","os":"{value}","os_version":"{value}"}}"#)
                    .as_bytes(),
            )
            .is_ok()
        };
        let cases: [(&str, IsAccepted<'_>); 5] = [
            (PKCE, &connect),
            (PKCE, &reauth),
            (AUTHORIZATION_CODE, &|code| authorize(code, "")),
            (ISSUER, &|iss| authorize("c", iss)),
            (REPORT_TEXT, &report),
        ];
        for (pattern, is_accepted) in cases {
            let lengths = lengths(pattern);
            assert!(is_accepted(&text(*lengths.start())), "{pattern}: the shortest");
            assert!(is_accepted(&text(*lengths.end())), "{pattern}: the longest");
            assert!(!is_accepted(&text(lengths.end() + 1)), "{pattern}: too long");
            if *lengths.start() > 0 {
                assert!(!is_accepted(&text(lengths.start() - 1)), "{pattern}: too short");
            }
        }
        // The token decides which user id is right; the parser takes all.
        for chars in [*lengths(USER_ID).start(), *lengths(USER_ID).end()] {
            let body = format!(r#"{{"user_id":"{}"}}"#, text(chars));
            assert!(EraseRequest::parse(body.as_bytes()).is_ok());
        }
    }

    #[test]
    fn parsers_accept_the_characters_that_the_patterns_allow() {
        // Each byte alone, in a text of an allowed length, where JSON writes it as itself.
        let plain = (b' '..=b'~').filter(|byte| !matches!(byte, b'"' | b'\\')).map(char::from);
        for char in plain {
            let pkce = format!(r#"{{"code_challenge":"{}"}}"#, char.to_string().repeat(43));
            let in_pkce = char.is_ascii_alphanumeric() || "._~-".contains(char);
            assert_eq!(ReauthRequest::parse(pkce.as_bytes()).is_ok(), in_pkce, "PKCE {char:?}");
            let code = format!(r#"{{"code":"{char}","state":"s"}}"#);
            assert_eq!(AuthorizeRequest::parse(code.as_bytes()).is_ok(), char != ' ', "code {char:?}");
            let report = format!(
                r#"{{"os_compromised":false,"key_storage":"none","app_version":"{char}","os_version":"1"}}"#
            );
            assert!(DeviceReport::parse(report.as_bytes()).is_ok(), "report {char:?}");
        }
    }
}
