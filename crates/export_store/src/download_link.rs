//! A link to an export in a folder of ours: good for whoever has it, for one export, until it ends.
//!
//! `/v1/exports/<export id>/download?user=<user ref>&expires=<unix seconds>&signature=<64 characters of lowercase hex>`; the
//! signature is a keyed hash over the user ref, the export's id and the end. The user stands there by pseudonym alone.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use keys::{ExportId, Pseudonymizer};
use subtle::ConstantTimeEq;

use crate::object_name::ObjectName;

const SIGNATURE_PURPOSE: &str = "syncwell.export-link.v1";

/// Makes and verifies links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadLink {
    /// To which export.
    pub object: ObjectName,
    /// When it ends, unix seconds.
    pub expires: i64,
}

/// Why a link is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DownloadLinkError {
    /// It was, and has ended.
    #[error("the link has ended")]
    Expired,
    /// It was never given.
    #[error("the link is not one that was given")]
    Invalid,
}

impl DownloadLink {
    /// As it is given: path and query.
    pub fn path_and_query(&self, secret: &Pseudonymizer) -> String {
        let Self { object: ObjectName { user, export }, expires } = self;
        let signature = self.signature(secret);
        format!("/v1/exports/{export}/download?user={user}&expires={expires}&signature={signature}")
    }

    /// Whether this query, to this export, is of a link that was given and has not ended. There is one spelling.
    pub fn verify(
        export: ExportId,
        query: &str,
        secret: &Pseudonymizer,
        now: Timestamp,
    ) -> Result<Self, DownloadLinkError> {
        let read = || {
            let (user, rest) = query.strip_prefix("user=")?.split_once("&expires=")?;
            let (expires, signature) = rest.split_once("&signature=")?;
            Some((user.parse().ok()?, expires, signature))
        };
        let (user, expires, signature) = read().ok_or(DownloadLinkError::Invalid)?;
        let number: i64 = expires.parse().map_err(|_| DownloadLinkError::Invalid)?;
        let link = Self { object: ObjectName { user, export }, expires: number };
        let is_spelled = number.to_string() == expires;
        let is_right: bool = link.signature(secret).as_bytes().ct_eq(signature.as_bytes()).into();
        if !is_spelled || !is_right {
            return Err(DownloadLinkError::Invalid);
        }
        if now.as_second() < number { Ok(link) } else { Err(DownloadLinkError::Expired) }
    }

    fn signature(&self, secret: &Pseudonymizer) -> String {
        let ObjectName { user, export } = self.object;
        let parts: [&[u8]; 3] = [user.as_bytes(), export.as_bytes(), &self.expires.to_be_bytes()];
        HEXLOWER.encode(&secret.keyed_hash(SIGNATURE_PURPOSE, &parts))
    }
}

#[cfg(test)]
mod tests {
    use keys::UserRef;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_link_is_for_one_export_until_it_ends() {
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = (ExportId::from_bytes([2; 16]), ExportId::from_bytes([3; 16]));
        let user = UserRef::from_bytes([1; 16]);
        let link = DownloadLink { object: ObjectName { user, export: one }, expires: 1_771_290_000 };
        let rendered = link.path_and_query(&secret);
        // The keyed hash was computed once with Python's hmac.
        assert_eq!(
            rendered,
            "/v1/exports/aibaeaqcaibaeaqcaibaeaqcai/download?user=aeaqcaibaeaqcaibaeaqcaibae&expires=1771290000\
             &signature=d937e0aa2fa78bdc34250eb634d50baab4b2a562c764a9064232e349266f4d08"
        );
        let (path, query) = rendered.split_once('?').unwrap();
        assert_eq!(path, format!("/v1/exports/{one}/download"));
        let verify = |export, query: &str, now| DownloadLink::verify(export, query, &secret, at(now));
        assert_eq!(verify(one, query, 1_771_289_999), Ok(link));
        assert_eq!(verify(one, query, 1_771_290_000), Err(DownloadLinkError::Expired));
        assert_eq!(verify(other, query, 0), Err(DownloadLinkError::Invalid), "another path");
        let signature = query.split_once("&signature=").unwrap().1;
        for changed in [
            query.replace("1771290000", "1771290001"),
            query.replace("1771290000", "+1771290000"),
            query.replace("1771290000", "01771290000"),
            format!("{query}&expires=1771290001"),
            query.replace(&user.to_string(), &UserRef::from_bytes([2; 16]).to_string()),
            format!("signature={signature}&expires=1771290000"),
            query.to_uppercase(),
            query[..query.len() - 1].to_owned(),
            String::new(),
        ] {
            assert_eq!(verify(one, &changed, 0), Err(DownloadLinkError::Invalid), "{changed}");
        }
        let stranger = Pseudonymizer::new(Zeroizing::new([9; 32]));
        assert_eq!(DownloadLink::verify(one, query, &stranger, at(0)), Err(DownloadLinkError::Invalid));
    }
}
