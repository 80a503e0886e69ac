//! Between the auditor and the broker sits somebody who changes what the auditor is told.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;

use super::{audit, signed};
use crate::harness::{Cluster, Frame, Part, man_in_the_middle, post_many, run_in};

const EVENTS: u64 = 40;
/// The event that is tampered with.
const TARGET: u64 = 23;

async fn filled() -> Cluster {
    let cluster = Cluster::start().await;
    post_many(&cluster.data_dir(), cluster.url(Part::IngestOne), &["ana", "ben"], EVENTS / 2, 0).await;
    signed(&cluster.data_dir(), EVENTS).await;
    // A proxy in the way does no harm by itself.
    let proxy = man_in_the_middle(cluster.nats_url(), |frame| vec![frame]).await;
    let (code, report) = audit(&cluster.data_dir(), &["--nats", &proxy]);
    assert_eq!((code, &report["events"]), (Some(0), &EVENTS.into()), "{report}");
    cluster
}

fn findings(report: &Value) -> Vec<(Option<u64>, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (finding["sequence"].as_u64(), finding["kind"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_named_by_its_sequence() {
    let cluster = filled().await;
    // In the sealed content: what is in clear is all in order.
    let proxy = man_in_the_middle(cluster.nats_url(), |frame| {
        vec![if frame.delivers() == Some(TARGET) { frame.spoiled(40) } else { frame }]
    });
    let (code, report) = audit(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET), "changed")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_hidden_altogether_is_a_hole_with_its_sequence() {
    let cluster = filled().await;
    // The consumer counts on as if there had never been such an event, and who asks for it is told that there is none.
    let proxy = man_in_the_middle(cluster.nats_url(), |frame| match (frame.delivers(), frame.answers()) {
        (Some(TARGET), _) => vec![],
        (Some(sequence), _) if sequence > TARGET => vec![frame.renumbered()],
        (_, Some(TARGET)) => vec![frame.not_found()],
        (_, _) => vec![frame],
    });
    let (code, report) = audit(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET), "hole")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_stands_twice_is_named_by_the_sequence_where_it_should_not() {
    let cluster = filled().await;
    // Behind the target the log tells the target once more.
    let told: Mutex<Option<Frame>> = Mutex::default();
    let proxy = man_in_the_middle(cluster.nats_url(), move |frame| {
        let mut told = told.lock().unwrap();
        if frame.delivers() == Some(TARGET) {
            *told = Some(frame.clone());
        }
        vec![match &*told {
            Some(told) if frame.delivers() == Some(TARGET + 1) => frame.saying(told),
            Some(_) | None => frame,
        }]
    });
    let (code, report) = audit(&cluster.data_dir(), &["--nats", &proxy.await]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &(TARGET + 1).into()), "{report}");
    assert!(findings(&report).contains(&(Some(TARGET + 1), "changed")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_lost_on_the_way_again_and_again_is_never_passed_over() {
    let cluster = filled().await;
    let proxy = man_in_the_middle(cluster.nats_url(), |frame| match frame.delivers() {
        Some(TARGET) => vec![],
        Some(_) | None => vec![frame],
    });
    let ran = run_in(&cluster.data_dir(), &["audit", "verify", "--json", "--nats", &proxy.await]);
    assert_eq!((ran.code, ran.output.as_str()), (Some(1), ""), "{}", ran.text());
    assert!(ran.complaint.contains("the log can't be read now"), "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_arrives_twice_is_not_counted_twice() {
    let cluster = filled().await;
    let head = signed(&cluster.data_dir(), EVENTS).await;
    let proxy = man_in_the_middle(cluster.nats_url(), |frame| match frame.delivers() {
        Some(TARGET) => vec![frame.clone(), frame],
        Some(_) | None => vec![frame],
    });
    // Reading is taken up again from before the doubt; whether it gets past it is up to where the network cuts.
    let ran = run_in(&cluster.data_dir(), &["audit", "verify", "--json", "--nats", &proxy.await]);
    if ran.code == Some(0) {
        let report = ran.json();
        assert_eq!((&report["events"], &report["root"]), (&EVENTS.into(), &head.root.to_string().into()));
    } else {
        assert_eq!((ran.code, ran.output.as_str()), (Some(1), ""), "{}", ran.text());
        assert!(ran.complaint.contains("the log can't be read now"), "{}", ran.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_broker_once_fails_to_read_is_there_all_the_same() {
    let cluster = filled().await;
    let show = |what: &str, nats: &str| {
        run_in(&cluster.data_dir(), &["events", "show", what, "--json", "--nats", nats])
    };
    let whole = show(&TARGET.to_string(), &cluster.nats_url()).json();
    let id = whole["event_id"].as_str().unwrap();
    for what in [TARGET.to_string().as_str(), id] {
        // A server that can't read its store says "not found": at the end of a page, and where the next one begins.
        let failures = AtomicUsize::new(2);
        let proxy = man_in_the_middle(cluster.nats_url(), move |frame| {
            let fails = frame.answers() == Some(TARGET)
                && failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            vec![if fails { frame.not_found() } else { frame }]
        });
        let shown = show(what, &proxy.await);
        assert_eq!((shown.code, &shown.json()), (Some(0), &whole), "{what}: {}", shown.text());
    }
}
