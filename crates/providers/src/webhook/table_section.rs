//! The section `[webhook]` of a table.

use super::handshake::Handshake;
use super::hmac_scheme::HmacScheme;
use super::tink_scheme::TinkScheme;
use super::user_split::UserLocation;
use super::{ProviderWebhook, SignatureScheme};
use crate::provider::parse_subsection;
use crate::table_reader::Section;

/// What an accepted delivery is answered with where the table does not say.
const REPLY_STATUS_DEFAULT: u16 = 204;
/// What a wrong signature is answered with where the table does not say.
const REFUSED_STATUS_DEFAULT: u16 = 401;
/// The highest limit that a table may state.
const REQUESTS_PER_5_MINUTES_MAX: u32 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum SchemeKind {
    Hmac,
    EcdsaTink,
    Unsigned,
}

impl ProviderWebhook {
    pub(crate) fn parse(section: &mut Section) -> Option<Self> {
        section.require_keys(&["scheme"]);
        let kinds = [
            ("hmac", SchemeKind::Hmac),
            ("ecdsa_tink", SchemeKind::EcdsaTink),
            ("unsigned", SchemeKind::Unsigned),
        ];
        let kind = section.choice("scheme", &kinds);
        let scheme = match kind {
            Some(SchemeKind::Hmac) => HmacScheme::parse(section).map(SignatureScheme::Hmac),
            Some(SchemeKind::EcdsaTink) => TinkScheme::parse(section).map(SignatureScheme::Tink),
            Some(SchemeKind::Unsigned) => Some(SignatureScheme::Unsigned),
            None => {
                section.discard_rest();
                return None;
            }
        };
        let may_be_unsigned = match &scheme {
            Some(SignatureScheme::Hmac(scheme)) => scheme.is_unsigned_allowed(),
            Some(SignatureScheme::Tink(_)) | None => false,
            Some(SignatureScheme::Unsigned) => true,
        };
        let path_secret = section.boolean("path_secret");
        if may_be_unsigned && path_secret == Some(false) {
            section.add_error("path_secret", "must be true: nothing else may vouch for a delivery");
        }
        let reply_status = section.integer("reply_status", 200..=299).unwrap_or(REPLY_STATUS_DEFAULT);
        let refused_status = section.integer("refused_status", 400..=499).unwrap_or(REFUSED_STATUS_DEFAULT);
        let addresses_published = section.string("addresses_published");
        let requests_per_5_minutes =
            section.integer("requests_per_5_minutes", 1..=REQUESTS_PER_5_MINUTES_MAX);
        let authorization = section.boolean("authorization").unwrap_or(false);
        let client_id_header = section.parse_string("client_id_header");
        let subscription = section.parse_string("subscription_pointer");
        if subscription.is_some() && scheme.is_some() && !may_be_unsigned {
            section.add_error("subscription_pointer", "is only for deliveries that may be unsigned");
        }
        let is_form = section.choice("body", &[("json", false), ("form", true)]).unwrap_or(false);
        if is_form && subscription.is_some() {
            section.add_error("subscription_pointer", "is there, but the body is a form");
        }
        let has_user = section.contains("user");
        let users = parse_subsection(section, "user", |section| UserLocation::parse(section, is_form));
        let has_handshake = section.contains("handshake");
        let handshake = parse_subsection(section, "handshake", Handshake::parse);
        check_handshake(section, handshake.as_ref(), scheme.as_ref(), authorization);
        Some(Self {
            is_path_secret_required: path_secret.unwrap_or(false) || may_be_unsigned,
            reply_status,
            refused_status,
            addresses_published,
            requests_per_5_minutes,
            signature_scheme: scheme?,
            is_authorization_required: authorization,
            client_id_header,
            subscription_pointer: subscription,
            user_location: if has_user { users? } else { UserLocation::NoUser },
            handshake: if has_handshake { Some(handshake?) } else { None },
        })
    }
}

fn check_handshake(
    section: &mut Section,
    handshake: Option<&Handshake>,
    scheme: Option<&SignatureScheme>,
    authorization: bool,
) {
    if handshake.is_some_and(Handshake::is_by_authorization) && !authorization {
        section.add_error("authorization", "must be true: the handshake lives by it");
    }
    // Both would be kept in the same place, and one would do for the other.
    if handshake.is_some_and(Handshake::has_verify_token) && authorization {
        section.add_error("authorization", "can't be beside a handshake with a token");
    }
    let is_late =
        matches!(scheme, Some(SignatureScheme::Hmac(scheme)) if scheme.is_key_issued_after_handshake());
    if is_late && !handshake.is_some_and(Handshake::is_unsigned_ping) {
        section.add_error("key_after_handshake", "is there without a handshake that needs no key");
    }
}
