//! Between the auditor and the broker sits somebody who changes what the auditor is told.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::{run_audit_verify, wait_until_signed};
use crate::harness::{Cluster, NatsMessage, Node, post_summaries, run_cli, start_tampering_proxy};

const EVENTS: u64 = 40;
/// The event that is tampered with.
const TARGET: u64 = 23;

async fn start_filled_cluster() -> Cluster {
    let cluster = Cluster::start().await;
    post_summaries(&cluster.data_dir(), cluster.url(Node::IngestOne), &["ana", "ben"], EVENTS / 2, 0).await;
    wait_until_signed(&cluster.data_dir(), EVENTS).await;
    // A proxy in the way does no harm by itself.
    let proxy = start_tampering_proxy(cluster.nats_url(), |frame| vec![frame]).await;
    let (code, report) = run_audit_verify(&cluster.data_dir(), &["--nats", &proxy]);
    assert_eq!((code, &report["events"]), (Some(0), &EVENTS.into()), "{report}");
    cluster
}

fn findings(report: &Value) -> Vec<(Option<u64>, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (finding["sequence"].as_u64(), finding["kind"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_event_is_reported_with_its_sequence() {
    let cluster = start_filled_cluster().await;
    // In the sealed content: what is in clear is all in order.
    let proxy = start_tampering_proxy(cluster.nats_url(), |frame| {
        vec![if frame.delivered_sequence() == Some(TARGET) {
            frame.with_corrupted_payload(40)
        } else {
            frame
        }]
    });
    let (code, report) = run_audit_verify(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET), "changed")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_event_is_reported_as_a_hole() {
    let cluster = start_filled_cluster().await;
    // The consumer counts on as if there had never been such an event, and who asks for it is told that there is none.
    let proxy = start_tampering_proxy(cluster.nats_url(), |frame| {
        match (frame.delivered_sequence(), frame.direct_get_sequence()) {
            (Some(TARGET), _) => vec![],
            (Some(sequence), _) if sequence > TARGET => vec![frame.with_consumer_sequence_decremented()],
            (_, Some(TARGET)) => vec![frame.into_not_found()],
            (_, _) => vec![frame],
        }
    });
    let (code, report) = run_audit_verify(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET), "hole")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicated_event_is_reported_at_the_wrong_sequence() {
    let cluster = start_filled_cluster().await;
    // Behind the target the log tells the target once more.
    let told: Mutex<Option<NatsMessage>> = Mutex::default();
    let proxy = start_tampering_proxy(cluster.nats_url(), move |frame| {
        let mut told = told.lock().unwrap();
        if frame.delivered_sequence() == Some(TARGET) {
            *told = Some(frame.clone());
        }
        vec![match &*told {
            Some(told) if frame.delivered_sequence() == Some(TARGET + 1) => frame.with_content_of(told),
            Some(_) | None => frame,
        }]
    });
    let (code, report) = run_audit_verify(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &(TARGET + 1).into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET + 1), "changed")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_lost_in_transit_is_never_skipped() {
    let cluster = start_filled_cluster().await;
    let proxy = start_tampering_proxy(cluster.nats_url(), |frame| match frame.delivered_sequence() {
        Some(TARGET) => vec![],
        Some(_) | None => vec![frame],
    });
    let ran = run_cli(&cluster.data_dir(), &["audit", "verify", "--json", "--nats", &proxy.await]);
    assert_eq!((ran.exit_code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.combined_output());
    assert!(ran.stderr.contains("the log can't be read now"), "{}", ran.combined_output());
}

#[tokio::test(flavor = "multi_thread")]
async fn event_delivered_twice_is_counted_once() {
    let cluster = start_filled_cluster().await;
    let head = wait_until_signed(&cluster.data_dir(), EVENTS).await;
    let proxy = start_tampering_proxy(cluster.nats_url(), |frame| match frame.delivered_sequence() {
        Some(TARGET) => vec![frame.clone(), frame],
        Some(_) | None => vec![frame],
    });
    // Reading is taken up again from before the doubt; whether it gets past it is up to where the network cuts.
    let ran = run_cli(&cluster.data_dir(), &["audit", "verify", "--json", "--nats", &proxy.await]);
    if ran.exit_code == Some(0) {
        let report = ran.json();
        assert_eq!((&report["events"], &report["root"]), (&EVENTS.into(), &head.root.to_string().into()));
    } else {
        assert_eq!((ran.exit_code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.combined_output());
        assert!(ran.stderr.contains("the log can't be read now"), "{}", ran.combined_output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_found_after_a_transient_not_found() {
    let cluster = start_filled_cluster().await;
    let show = |what: &str, nats: &str| {
        run_cli(&cluster.data_dir(), &["events", "show", what, "--json", "--nats", nats])
    };
    let whole = show(&TARGET.to_string(), &cluster.nats_url()).json();
    let id = whole["event_id"].as_str().unwrap();
    for what in [TARGET.to_string().as_str(), id] {
        // A server that can't read its store says "not found": at the end of a page, and where the next one begins.
        let failures = AtomicUsize::new(2);
        let proxy = start_tampering_proxy(cluster.nats_url(), move |frame| {
            let fails = frame.direct_get_sequence() == Some(TARGET)
                && failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            vec![if fails { frame.into_not_found() } else { frame }]
        });
        let shown = show(what, &proxy.await);
        assert_eq!(
            (shown.exit_code, &shown.json()),
            (Some(0), &whole),
            "{what}: {}",
            shown.combined_output()
        );
    }
}
