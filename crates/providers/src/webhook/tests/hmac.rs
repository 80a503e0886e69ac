//! Every scheme with a shared secret, through its shipped table.

use super::*;

/// A delivery with its right signature. `NOW` is when it came.
struct Golden {
    provider: &'static str,
    secret: &'static str,
    signature_header: &'static str,
    signature: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    path: Option<&'static str>,
    came_at: i64,
    /// How old it may be, in seconds.
    tolerance: Option<i64>,
    id: Option<&'static str>,
    user: Option<&'static str>,
    reply: u16,
    refused: u16,
}

/// Junction's is the example of Svix's documentation; the other signatures were computed with Python's hmac module, as
/// the providers publish none.
const GOLDEN: [Golden; 8] = [
    Golden {
        provider: "fitbit",
        secret: "golden-secret",
        signature_header: "x-fitbit-signature",
        // With a plus and a slash, which must not be decoded.
        signature: "kJTLSWm/ek9Sg1vpYV4br+Jkfck=",
        headers: &[],
        body: r#"[{"collectionType":"foods","date":"2026-11-14","ownerId":"228S74","ownerType":"user","subscriptionId":"13"}]"#,
        path: None,
        came_at: NOW,
        tolerance: None,
        id: None,
        user: Some("228S74"),
        reply: 204,
        refused: 404,
    },
    Golden {
        provider: "oura",
        secret: "golden-secret",
        signature_header: "x-oura-signature",
        signature: "FC7A88617BD50B4A06DEEDF1A23CB6794D6E294F8695A40F2CD2B336322F5AB3",
        headers: &[("x-oura-timestamp", "1800000000")],
        body: r#"{"event_type":"create","data_type":"sleep","object_id":"o-1","user_id":"oura-1"}"#,
        path: None,
        came_at: NOW,
        tolerance: Some(300),
        id: None,
        user: Some("oura-1"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "whoop",
        secret: "golden-secret",
        signature_header: "x-whoop-signature",
        signature: "uOGF4lWwyByko0tXzSUeGXIDIoMjRG5CV3Te8o1+yS4=",
        headers: &[("x-whoop-signature-timestamp", "1800000000123")],
        body: r#"{"user_id":10129,"id":"550e8400-e29b-41d4-a716-446655440000","type":"sleep.updated","trace_id":"t-1"}"#,
        path: None,
        came_at: NOW,
        tolerance: Some(300),
        id: None,
        user: Some("10129"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "polar",
        secret: "golden-secret",
        signature_header: "polar-webhook-signature",
        signature: "06595e21fb2884883b0a50238518be00c57cd7330125d7167f8771cec2fd5b25",
        headers: &[("polar-webhook-event", "EXERCISE")],
        body: r#"{"event":"EXERCISE","user_id":475,"entity_id":"aQlC83","timestamp":"2026-11-22T08:00:00Z","url":"https://www.polaraccesslink.com/v3/exercises/aQlC83"}"#,
        path: None,
        came_at: NOW,
        tolerance: None,
        id: None,
        user: Some("475"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "strava",
        secret: "golden-secret",
        signature_header: "x-strava-signature",
        signature: "t=1800000000,v1=a5aa47252843b39d41031ddec4cdc2219cdc362e14e6d94790db5c5becb49535",
        headers: &[],
        body: r#"{"aspect_type":"create","event_time":1800000000,"object_id":1360128428,"object_type":"activity","owner_id":134815,"subscription_id":120475}"#,
        path: Some(PATH),
        came_at: NOW,
        tolerance: Some(300),
        id: None,
        user: Some("134815"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "suunto",
        secret: "golden-secret",
        signature_header: "x-hmac-sha256-signature",
        signature: "850b1c0dbbb29ab5346965bdc683aa48f018da3f83266f0eb401a943f05e0ac4",
        headers: &[],
        body: r#"{"type":"SUUNTO_247_SLEEP_CREATED","username":"runner42","samples":[{"timestamp":"2026-11-22T06:00:00Z"}]}"#,
        path: None,
        came_at: NOW,
        tolerance: None,
        id: None,
        user: Some("runner42"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "terra",
        secret: "golden-secret",
        signature_header: "terra-signature",
        signature: "t=1800000000,v1=0a763d299b963e9d10c4afd866029f451ba0d711cbd389aba7914bb6fe00dee0",
        headers: &[],
        body: r#"{"type":"sleep","user":{"user_id":"4a350a74","provider":"OURA"},"data":[]}"#,
        path: None,
        came_at: NOW,
        tolerance: Some(93_600),
        id: None,
        user: Some("4a350a74"),
        reply: 200,
        refused: 401,
    },
    Golden {
        provider: "junction",
        secret: "whsec_plJ3nmyCDGBKInavdOK15jsl",
        signature_header: "svix-signature",
        signature: "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        headers: &[("svix-id", "msg_loFOjxBNrRLzqYUf"), ("svix-timestamp", "1731705121")],
        body: r#"{"event_type":"ping","data":{"success":true}}"#,
        path: None,
        came_at: 1_731_705_121,
        tolerance: Some(300),
        id: Some("msg_loFOjxBNrRLzqYUf"),
        user: None,
        reply: 204,
        refused: 401,
    },
];

impl Golden {
    fn sent(&self) -> TestRequest {
        let pairs = [&[(self.signature_header, self.signature)], self.headers].concat();
        TestRequest { path: self.path, ..TestRequest::post(&pairs, self.body).at(self.came_at) }
    }

    fn signed(&self, signature: &str) -> TestRequest {
        let mut sent = self.sent();
        let name: HeaderName = self.signature_header.parse().unwrap();
        sent.headers.insert(name, HeaderValue::from_str(signature).unwrap());
        sent
    }

    fn secrets(&self, signing: &[&str]) -> WebhookSecrets {
        WebhookSecrets {
            signing: signing.iter().map(|text| secret(text)).collect(),
            path: self.path.into_iter().map(secret).collect(),
            subscriptions: vec!["120475".to_owned()],
            ..WebhookSecrets::default()
        }
    }

    fn to(&self, sent: &TestRequest) -> Result<VerifiedWebhook, WebhookError> {
        self.to_with(sent, &[self.secret])
    }

    fn to_with(&self, sent: &TestRequest, signing: &[&str]) -> Result<VerifiedWebhook, WebhookError> {
        let provider = provider(self.provider);
        sent.verify_by(provider.webhook.as_ref().unwrap(), &self.secrets(signing))
    }

    fn wrong(&self) -> Result<VerifiedWebhook, WebhookError> {
        Err(WebhookError::InvalidSignature { status: self.refused })
    }

    /// Another secret of the right form.
    fn other(&self) -> &'static str {
        if self.secret.starts_with("whsec_") {
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        } else {
            "other-secret"
        }
    }
}

#[test]
fn right_signatures_are_accepted() {
    for golden in &GOLDEN {
        let delivery = delivery(golden.to(&golden.sent()));
        let provider_user = golden.user.map(str::to_owned);
        let part = DeliveryPart { provider_user, body: golden.body.as_bytes().to_vec(), is_whole_body: true };
        assert_eq!(delivery.parts, [part], "{}", golden.provider);
        assert_eq!(delivery.id.as_deref(), golden.id, "{}", golden.provider);
        assert_eq!(delivery.response, WebhookResponse::empty(golden.reply), "{}", golden.provider);
    }
}

#[test]
fn the_headers_that_verify_it_again_are_kept() {
    for golden in &GOLDEN {
        let delivery = delivery(golden.to(&golden.sent()));
        let kept: Vec<_> =
            delivery.evidence_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let again = TestRequest { headers: headers(&kept), ..golden.sent() };
        assert_eq!(golden.to(&again), Ok(VerifiedWebhook::Delivery(delivery.clone())), "{}", golden.provider);
        assert_eq!(kept[0], (golden.signature_header, golden.signature));
    }
}

#[test]
fn a_body_changed_by_one_bit_is_refused() {
    for golden in &GOLDEN {
        for bit in 0..golden.body.len() * 8 {
            let mut sent = golden.sent();
            sent.body[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(golden.to(&sent), golden.wrong(), "{} bit {bit}", golden.provider);
        }
        let mut longer = golden.sent();
        longer.body.push(b' ');
        assert_eq!(golden.to(&longer), golden.wrong(), "{}", golden.provider);
    }
}

#[test]
fn other_secrets_are_refused_and_several_work() {
    for golden in &GOLDEN {
        let sent = golden.sent();
        let (right, other) = (golden.secret, golden.other());
        assert_eq!(golden.to_with(&sent, &[other]), golden.wrong(), "{}", golden.provider);
        assert!(golden.to_with(&sent, &[other, right]).is_ok(), "{}", golden.provider);
        assert!(golden.to_with(&sent, &[right, other]).is_ok(), "{}", golden.provider);
        let missing = Err(WebhookError::NotConfigured("the signing secret"));
        assert_eq!(golden.to_with(&sent, &[]), missing, "{}", golden.provider);
    }
}

#[test]
fn wrong_signatures_are_refused() {
    for golden in &GOLDEN {
        for (at, old) in golden.signature.char_indices() {
            let new = if old == 'A' { 'B' } else { 'A' };
            // Hexadecimal has two spellings of one digit.
            if old == 'a' {
                continue;
            }
            let mut changed = golden.signature.to_owned();
            changed.replace_range(at..=at, &new.to_string());
            assert_eq!(golden.to(&golden.signed(&changed)), golden.wrong(), "{} {changed}", golden.provider);
        }
        for length in 0..golden.signature.len() {
            let cut = &golden.signature[..length];
            assert_eq!(golden.to(&golden.signed(cut)), golden.wrong(), "{} {cut}", golden.provider);
        }
        let longer = format!("{}00", golden.signature);
        assert_eq!(golden.to(&golden.signed(&longer)), golden.wrong(), "{}", golden.provider);
    }
}

#[test]
fn headers_stand_exactly_once() {
    for golden in &GOLDEN {
        let sent = golden.sent();
        for name in sent.headers.keys().filter(|name| *name != "polar-webhook-event") {
            let mut twice = golden.sent();
            twice.headers.append(name, sent.headers[name].clone());
            assert_eq!(golden.to(&twice), golden.wrong(), "{} {name}", golden.provider);
            let mut missing = golden.sent();
            missing.headers.remove(name);
            let is_optional = golden.provider == "strava";
            assert_eq!(golden.to(&missing).is_ok(), is_optional, "{} {name}", golden.provider);
            if !is_optional {
                assert_eq!(golden.to(&missing), golden.wrong(), "{} {name}", golden.provider);
            }
        }
    }
}

#[test]
fn stale_is_what_is_rightly_signed() {
    for golden in &GOLDEN {
        let came_at = |seconds| golden.sent().at(golden.came_at + seconds);
        let Some(tolerance) = golden.tolerance else {
            assert!(golden.to(&came_at(365 * 86_400)).is_ok(), "{}: it signs no time", golden.provider);
            continue;
        };
        // WHOOP's golden timestamp has a fraction of a second.
        for fresh in [-299, 0, tolerance] {
            assert!(golden.to(&came_at(fresh)).is_ok(), "{} {fresh}", golden.provider);
        }
        for stale in [-301, tolerance + 1] {
            assert_eq!(
                golden.to(&came_at(stale)),
                Err(WebhookError::StaleTimestamp),
                "{} {stale}",
                golden.provider
            );
            let other = golden.to_with(&came_at(stale), &[golden.other()]);
            assert_eq!(other, golden.wrong(), "{}: a wrong signature comes first", golden.provider);
        }
    }
}

#[test]
fn a_timestamp_or_an_id_that_was_not_signed_is_refused() {
    for golden in &GOLDEN {
        for (name, value) in golden.headers.iter().filter(|(name, _)| *name != "polar-webhook-event") {
            for other in [format!("{value}0"), value[1..].to_owned(), "1".to_owned(), String::new()] {
                let mut sent = golden.sent();
                let name: HeaderName = name.parse().unwrap();
                sent.headers.insert(name, HeaderValue::from_str(&other).unwrap());
                assert_eq!(golden.to(&sent), golden.wrong(), "{} {other}", golden.provider);
            }
        }
    }
}

#[test]
fn several_signatures_in_one_header() {
    let find = |name| GOLDEN.iter().find(|golden| golden.provider == name).unwrap();
    let (terra, junction) = (find("terra"), find("junction"));
    let zeros = "0".repeat(64);
    let (time, right) = terra.signature.split_once(',').unwrap();
    for signature in [
        format!("{time},v1={zeros},{right}"),
        format!("{time},{right},v1={zeros}"),
        format!("{right},{time}"),
        format!("{time},v0=anything,{right}"),
        terra.signature.replace("v1=0a7", "v1=0A7"),
    ] {
        assert!(terra.to(&terra.signed(&signature)).is_ok(), "{signature}");
    }
    for signature in [
        right.to_owned(),
        format!("{time},{time},{right}"),
        format!("{time},v1={zeros}"),
        format!("{time},v0={}", &right[3..]),
        format!("{time}, {right}"),
        format!("{time},{right},"),
        format!("{time},{}", [right; 17].join(",")),
    ] {
        assert_eq!(terra.to(&terra.signed(&signature)), terra.wrong(), "{signature}");
    }
    let right = junction.signature;
    let zeros = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for signature in [format!("{zeros} {right}"), format!("{right} {zeros}"), format!("v1a,x {right}")] {
        assert!(junction.to(&junction.signed(&signature)).is_ok(), "{signature}");
    }
    for signature in
        [zeros.to_owned(), right.replace("v1,", "v2,"), right.replace("v1,", ""), format!("{right} ")]
    {
        assert_eq!(junction.to(&junction.signed(&signature)), junction.wrong(), "{signature}");
    }
}

#[test]
fn a_plus_is_not_decoded() {
    let fitbit = &GOLDEN[0];
    assert!(fitbit.signature.contains('+') && fitbit.signature.contains('/'));
    for changed in [('+', " "), ('+', "%2B"), ('/', "%2F"), ('+', "-"), ('/', "_"), ('=', "%3D"), ('=', "")] {
        let signature = fitbit.signature.replace(changed.0, changed.1);
        assert_eq!(fitbit.to(&fitbit.signed(&signature)), fitbit.wrong(), "{signature}");
    }
}

#[test]
fn terra_has_events_about_nobody() {
    // The signature was computed with Python's hmac module.
    let signature = "t=1800000000,v1=ab5a46e90795a79d17001c69a4aa3de2e20c0631bc3fc0f5400919883416428d";
    let terra = GOLDEN.iter().find(|golden| golden.provider == "terra").unwrap();
    let body = br#"{"status":"success","type":"healthcheck"}"#.to_vec();
    let delivery = delivery(terra.to(&TestRequest { body: body.clone(), ..terra.signed(signature) }));
    assert_eq!(delivery.parts, [DeliveryPart { provider_user: None, body, is_whole_body: true }]);
}
