use keys::VersionedSecrets;
use proptest::prelude::*;

use super::*;

const GOLDEN: &str = concat!(
    r#"{"version":1,"id":"aeaqcaibaeaqcaibaeaqcaibae","url":"https://receiver.example/hook?a=b","#,
    r#""kinds":["summary.changed","account.erased"],"user_refs":"pairwise","created_at":"2026-02-16T12:00:00Z","#,
    r#""secret_version":1,"begins":{"stream":"2026-02-16T00:00:00Z","sequence":4711}}"#
);

fn endpoint() -> Endpoint {
    let begins = StartPosition { stream: "2026-02-16T00:00:00Z".to_owned(), sequence: 4_711 };
    Endpoint::new(
        EndpointId::from_bytes([1; 16]),
        "https://receiver.example/hook?a=b".parse().unwrap(),
        &[ChangeKind::AccountErased, ChangeKind::SummaryChanged, ChangeKind::SummaryChanged],
        UserRefMode::Pairwise,
        1,
        ("2026-02-16T12:00:00Z".parse().unwrap(), begins),
    )
}

fn seal() -> TokenSealer {
    TokenSealer::new(VersionedSecrets::parse(&format!("1 {}\n", "05".repeat(32))).unwrap())
}

#[test]
fn golden_bytes() {
    assert_eq!(String::from_utf8(endpoint().encode()).unwrap(), GOLDEN);
    assert_eq!(Endpoint::decode(GOLDEN.as_bytes()), Some(endpoint()));
    let disabled = Endpoint {
        kinds: None,
        user_refs: UserRefMode::Shared,
        disabled: Some(DisabledState {
            at: "2026-02-17T12:00:00Z".parse().unwrap(),
            reason: DisabledReason::TooManyParked,
        }),
        ..endpoint()
    };
    let text = String::from_utf8(disabled.encode()).unwrap();
    assert!(
        text.ends_with(r#","disabled":{"at":"2026-02-17T12:00:00Z","reason":"too_many_parked"}}"#)
            && text.contains(r#""user_refs":"shared""#)
            && !text.contains("kinds"),
        "{text}"
    );
    assert_eq!(Endpoint::decode(text.as_bytes()), Some(disabled));
}

#[test]
fn what_is_no_endpoint() {
    for wrong in [
        GOLDEN.replace("\"version\":1", "\"version\":2"),
        GOLDEN.replace("\"id\":\"ae", "\"id\":\"AE"),
        GOLDEN.replace("https://", "//"),
        GOLDEN.replace("account.erased", "account.renamed"),
        GOLDEN.replace("pairwise", "mine"),
        GOLDEN.replace("\"secret_version\":1,", ""),
        GOLDEN.replace("\"sequence\"", "\"sequense\""),
        format!("{GOLDEN} {{}}"),
        String::new(),
    ] {
        assert_eq!(Endpoint::decode(wrong.as_bytes()), None, "{wrong}");
    }
}

#[test]
fn ids_read_back_and_nothing_else_does() {
    let id = EndpointId::from_bytes([1; 16]);
    assert_eq!(id.to_string().parse(), Ok(id));
    // The last character carries 3 bits.
    for wrong in
        ["", "ae", "aeaqcaibaeaqcaibaeaqcaibaf", "AEAQCAIBAEAQCAIBAEAQCAIBAE", "aeaqcaibaeaqcaibaeaqcaib.e"]
    {
        assert_eq!(wrong.parse::<EndpointId>(), Err(ParseEndpointIdError), "{wrong}");
    }
}

#[test]
fn an_endpoint_wants_what_it_names_or_everything() {
    let wants = |endpoint: &Endpoint| ChangeKind::ALL.map(|kind| endpoint.is_subscribed_to(kind));
    assert_eq!(wants(&endpoint()), [true, false, false, true]);
    assert_eq!(wants(&Endpoint { kinds: None, ..endpoint() }), [true; 4]);
}

#[test]
fn names_are_one_endpoint_s_own() {
    let user = UserRef::from_bytes([2; 16]);
    let event = EventId::new(1_771_286_385_000, [7; 10]);
    let secrets = EndpointSecrets::derive(&endpoint(), &seal()).unwrap();
    // Computed once with Python's hmac and base64 modules.
    assert_eq!(secrets.user(&user), PAIRWISE);
    assert_eq!(secrets.message_id(event), MESSAGE_ID);
    assert_eq!(secrets.signing.expose().as_str(), SIGNING);
    assert!(!secrets.message_id(event).contains('.') && secrets.message_id(event).is_ascii());

    let other = Endpoint { id: EndpointId::from_bytes([3; 16]), ..endpoint() };
    let other = EndpointSecrets::derive(&other, &seal()).unwrap();
    assert_ne!(other.user(&user), secrets.user(&user), "two receivers can't compare users");
    assert_ne!(other.message_id(event), secrets.message_id(event), "nor messages");
    let shared =
        EndpointSecrets::derive(&Endpoint { user_refs: UserRefMode::Shared, ..endpoint() }, &seal()).unwrap();
    assert_eq!(shared.user(&user), user.to_string());
    let next = EventId::new(1_771_286_385_000, [8; 10]);
    assert_ne!(secrets.message_id(next), secrets.message_id(event));
    assert!(
        EndpointSecrets::derive(&Endpoint { secret_version: 2, ..endpoint() }, &seal()).is_none(),
        "its version is gone"
    );
}

const PAIRWISE: &str = "dlsduo2ewnhdzvtcyvhf3reehu";
const MESSAGE_ID: &str = "msg_jjltpohnhaetqom32lkndn5uze";
const SIGNING: &str = "whsec_TGzh017Bl/nvZqa4C0tGe/MrfwflRRZztgTmmp5kp70=";

proptest! {
    #[test]
    fn an_endpoint_reads_back(
        id: [u8; 16], path in "[a-z0-9/]{0,40}", wanted in 0usize..16, shared: bool, version: u32,
        second in 0i64..4_000_000_000, sequence: u64, disabled: bool,
    ) {
        let time = Timestamp::from_second(second).unwrap();
        let kinds: Vec<_> = ChangeKind::ALL.into_iter().enumerate().filter(|(at, _)| wanted & (1 << at) > 0).collect();
        let kinds: Vec<_> = kinds.into_iter().map(|(_, kind)| kind).collect();
        let url = format!("https://receiver.example/{path}").parse().unwrap();
        let user_refs = if shared { UserRefMode::Shared } else { UserRefMode::Pairwise };
        let begins = StartPosition { stream: time.to_string(), sequence };
        let mut endpoint = Endpoint::new(EndpointId::from_bytes(id), url, &kinds, user_refs, version, (time, begins));
        endpoint.disabled = disabled.then_some(DisabledState { at: time, reason: DisabledReason::Gone });
        prop_assert_eq!(Endpoint::decode(&endpoint.encode()), Some(endpoint));
    }
}
