//! The section `[webhook]` of a table.

use super::handshake::Handshake;
use super::hmac_scheme::HmacScheme;
use super::tink_scheme::TinkScheme;
use super::users::Users;
use super::{Scheme, Webhook};
use crate::provider::nested;
use crate::reader::Section;

/// What an accepted delivery is answered with where the table does not say.
const REPLY_STATUS: u16 = 204;
/// What a wrong signature is answered with where the table does not say.
const REFUSED_STATUS: u16 = 401;
/// The highest limit that a table may state.
const REQUESTS_MAX: u32 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hmac,
    EcdsaTink,
    Unsigned,
}

impl Webhook {
    pub(crate) fn parse(section: &mut Section) -> Option<Self> {
        section.demand(&["scheme"]);
        let kinds = [("hmac", Kind::Hmac), ("ecdsa_tink", Kind::EcdsaTink), ("unsigned", Kind::Unsigned)];
        let kind = section.choice("scheme", &kinds);
        let scheme = match kind {
            Some(Kind::Hmac) => HmacScheme::parse(section).map(Scheme::Hmac),
            Some(Kind::EcdsaTink) => TinkScheme::parse(section).map(Scheme::Tink),
            Some(Kind::Unsigned) => Some(Scheme::Unsigned),
            None => {
                section.forget_rest();
                return None;
            }
        };
        let may_be_unsigned = match &scheme {
            Some(Scheme::Hmac(scheme)) => scheme.unsigned_allowed(),
            Some(Scheme::Tink(_)) | None => false,
            Some(Scheme::Unsigned) => true,
        };
        let path_secret = section.flag("path_secret");
        if may_be_unsigned && path_secret == Some(false) {
            section.refuse("path_secret", "must be true: nothing else may vouch for a delivery");
        }
        let reply_status = section.whole("reply_status", 200..=299).unwrap_or(REPLY_STATUS);
        let refused_status = section.whole("refused_status", 400..=499).unwrap_or(REFUSED_STATUS);
        let addresses_published = section.text("addresses_published");
        let requests_per_5_minutes = section.whole("requests_per_5_minutes", 1..=REQUESTS_MAX);
        let authorization = section.flag("authorization").unwrap_or(false);
        let client_id_header = section.parsed("client_id_header");
        let subscription = section.parsed("subscription_pointer");
        if subscription.is_some() && scheme.is_some() && !may_be_unsigned {
            section.refuse("subscription_pointer", "is only for deliveries that may be unsigned");
        }
        let is_form = section.choice("body", &[("json", false), ("form", true)]).unwrap_or(false);
        if is_form && subscription.is_some() {
            section.refuse("subscription_pointer", "is there, but the body is a form");
        }
        let has_user = section.has("user");
        let users = nested(section, "user", |section| Users::parse(section, is_form));
        let has_handshake = section.has("handshake");
        let handshake = nested(section, "handshake", Handshake::parse);
        check_handshake(section, handshake.as_ref(), scheme.as_ref(), authorization);
        Some(Self {
            path_secret: path_secret.unwrap_or(false) || may_be_unsigned,
            reply_status,
            refused_status,
            addresses_published,
            requests_per_5_minutes,
            scheme: scheme?,
            authorization,
            client_id_header,
            subscription,
            users: if has_user { users? } else { Users::Nobody },
            handshake: if has_handshake { Some(handshake?) } else { None },
        })
    }
}

fn check_handshake(
    section: &mut Section,
    handshake: Option<&Handshake>,
    scheme: Option<&Scheme>,
    authorization: bool,
) {
    if handshake.is_some_and(Handshake::is_authorization) && !authorization {
        section.refuse("authorization", "must be true: the handshake lives by it");
    }
    // Both would be kept in the same place, and one would do for the other.
    if handshake.is_some_and(Handshake::has_token) && authorization {
        section.refuse("authorization", "can't be beside a handshake with a token");
    }
    let is_late = matches!(scheme, Some(Scheme::Hmac(scheme)) if scheme.is_given_after_handshake());
    if is_late && !handshake.is_some_and(Handshake::is_unsigned_ping) {
        section.refuse("key_after_handshake", "is there without a handshake that needs no key");
    }
}
