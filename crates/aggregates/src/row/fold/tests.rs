use jiff::Timestamp;
use proptest::prelude::*;
use schemas::{EventId, Sequence, SummaryBounds, Workout, WorkoutKey};

use super::*;

/// Few clocks, values and keys, so that ties of every kind happen all the time.
fn summaries() -> impl Strategy<Value = Vec<(Summary, ValueOrigin)>> {
    let value = || proptest::option::of((1u32..4).prop_map(Quantity::from));
    let workout =
        (0i64..2, 0..2usize, 1u32..3, value()).prop_map(|(start, kind, duration, calories)| Workout {
            key: WorkoutKey {
                start_time: Timestamp::from_second(start).unwrap(),
                kind: ["run", "swim"][kind].to_owned(),
            },
            duration: duration.into(),
            calories,
        });
    let summary = (0i64..4, [value(), value(), value(), value()], proptest::collection::vec(workout, 0..4));
    proptest::collection::vec(summary, 1..12).prop_map(|summaries| {
        let events = (1..).zip(summaries).map(|(number, (clock, scalars, mut workouts))| {
            workouts.sort_by(|a, b| a.key.cmp(&b.key));
            workouts.dedup_by(|a, b| a.key == b.key);
            let generated_at = Timestamp::from_second(clock).unwrap();
            let mut scalars = scalars.into_iter();
            let summary = Summary {
                date: jiff::civil::date(2026, 2, 16),
                generated_at,
                scalars: PerScalar::from_fn(|_| scalars.next().flatten()),
                workouts,
            };
            (summary, origin(number, generated_at))
        });
        events.collect()
    })
}

fn origin(number: u64, generated_at: Timestamp) -> ValueOrigin {
    let event_id = EventId::new(number, [number as u8; 10]);
    ValueOrigin { generated_at, sequence: Sequence::new(number).unwrap(), event_id }
}

fn fold_all<'e>(events: impl IntoIterator<Item = &'e (Summary, ValueOrigin)>) -> (Row, Vec<Outcome>) {
    let mut outcomes = Vec::new();
    let row = events.into_iter().fold(None, |row, (summary, origin)| {
        let (row, outcome) = fold(row, summary, *origin);
        outcomes.push(outcome);
        Some(row)
    });
    (row.unwrap(), outcomes)
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_gives_the_same_row(
        events in summaries(),
        picks in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        seed in any::<u64>(),
    ) {
        let (expected, _) = fold_all(&events);
        let mut shuffled: Vec<_> = events.iter().chain(picks.iter().map(|pick| pick.get(&events))).collect();
        // A permutation from the seed: sort by a hash of the position.
        let mut at = 0u64;
        shuffled.sort_by_cached_key(|_| { at += 1; (at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) });
        prop_assert_eq!(&fold_all(shuffled).0, &expected);
        prop_assert_eq!(&fold_all(events.iter().rev()).0, &expected);
    }

    /// The rules once more, written as a search over the whole set instead of a fold.
    #[test]
    fn the_row_is_what_the_rules_say_of_the_set(events in summaries()) {
        let (row, _) = fold_all(&events);
        for scalar in Scalar::ALL {
            let best = events.iter()
                .filter_map(|(summary, origin)| summary.scalars[scalar].map(|value| (origin.generated_at, value, origin.sequence)))
                .reduce(|best, other| match (other.0, other.1).cmp(&(best.0, best.1)) {
                    std::cmp::Ordering::Greater => other,
                    std::cmp::Ordering::Equal if other.2 < best.2 => other,
                    std::cmp::Ordering::Less | std::cmp::Ordering::Equal => best,
                });
            let found = row.scalars[scalar].map(|register| (register.origin.generated_at, register.value, register.origin.sequence));
            prop_assert_eq!(found, best);
        }
        for (key, registers) in &row.workouts {
            let first = events.iter().filter(|(summary, _)| summary.workouts.iter().any(|workout| workout.key == *key))
                .map(|(_, origin)| (origin.generated_at, origin.sequence)).min().unwrap();
            prop_assert_eq!((registers.first_reported.generated_at, registers.first_reported.sequence), first);
        }
        prop_assert_eq!(row.generated_at, events.iter().map(|(_, origin)| origin.generated_at).max().unwrap());
        prop_assert_eq!((row.first_sequence.get(), row.last_sequence.get()), (1, events.len() as u64));
    }

    /// An outcome says whether a phone would see another row.
    #[test]
    fn an_outcome_tells_whether_a_value_changed(events in summaries()) {
        let (_, outcomes) = fold_all(&events);
        prop_assert_eq!(outcomes[0], Outcome::Created);
        for (count, outcome) in outcomes.iter().enumerate().skip(1) {
            let values = |row: Row| (
                Scalar::ALL.map(|scalar| row.scalars[scalar].map(|register| register.value)),
                row.workouts.into_iter().map(|(key, w)| (key, w.duration.value, w.calories.map(|c| c.value))).collect::<Vec<_>>(),
            );
            let before = values(fold_all(&events[..count]).0);
            let after = values(fold_all(&events[..=count]).0);
            prop_assert_eq!(*outcome == Outcome::Merged, before != after);
        }
    }
}

fn read(body: &str) -> Summary {
    Summary::parse(body.as_bytes(), &SummaryBounds::default(), "2026-02-17T00:00:00Z".parse().unwrap())
        .unwrap()
}

fn events(bodies: &[&str]) -> (Row, Vec<Outcome>) {
    let events: Vec<_> = (1..)
        .zip(bodies)
        .map(|(number, body)| {
            let summary = read(body);
            let origin = origin(number, summary.generated_at);
            (summary, origin)
        })
        .collect();
    fold_all(&events)
}

#[test]
fn an_older_summary_fills_a_gap_and_moves_nothing_else() {
    let (row, outcomes) = events(&[
        r#"{"date":"2026-02-16","generated_at":"2026-02-16T20:00:00Z","steps":9000}"#,
        r#"{"date":"2026-02-16","generated_at":"2026-02-16T10:00:00Z","steps":4000,"hrv":46.2}"#,
    ]);
    assert_eq!(outcomes, [Outcome::Created, Outcome::Merged]);
    assert_eq!(row.scalars[Scalar::Steps].unwrap().value, Quantity::from(9000));
    assert_eq!(row.scalars[Scalar::Hrv].unwrap().origin.sequence.get(), 2);
    assert_eq!(row.generated_at.to_string(), "2026-02-16T20:00:00Z");
}

#[test]
fn a_workout_is_listed_once_and_keeps_its_earliest_report() {
    let (row, outcomes) = events(&[
        r#"{"date":"2026-02-16","generated_at":"2026-02-16T20:00:00Z","workouts":[{"type":"run","start_time":"2026-02-16T06:00:00Z","duration":40}]}"#,
        r#"{"date":"2026-02-16","generated_at":"2026-02-16T10:00:00Z","workouts":[{"type":"run","start_time":"2026-02-16T08:00:00+02:00","duration":30}]}"#,
        r#"{"date":"2026-02-16","generated_at":"2026-02-16T21:00:00Z","workouts":[{"type":"run","start_time":"2026-02-16T06:00:00Z","duration":40}]}"#,
    ]);
    assert_eq!(outcomes, [Outcome::Created, Outcome::Unchanged, Outcome::Unchanged]);
    let (_, workout) = row.workouts.first_key_value().unwrap();
    assert_eq!((row.workouts.len(), workout.duration.value), (1, Quantity::from(40)));
    assert_eq!(
        workout.first_reported.sequence.get(),
        2,
        "the second event told of it with the smallest clock"
    );
    assert_eq!(
        workout.duration.origin.sequence.get(),
        3,
        "the same value under a later clock is the later event's"
    );
}
