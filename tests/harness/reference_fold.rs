//! The merge once more, written from the contract's section 3 as a search over all posts, for comparison.

use std::collections::BTreeMap;

use schemas::{Quantity, RowDocument, Scalar, Sequence, Summary, WorkoutKey};

/// The values that a row must have.
#[derive(Debug, PartialEq)]
pub(crate) struct ExpectedRow {
    scalars: Vec<Option<Quantity>>,
    workouts: BTreeMap<WorkoutKey, (Quantity, Option<Quantity>, jiff::Timestamp)>,
    generated_at: jiff::Timestamp,
}

impl From<&RowDocument> for ExpectedRow {
    fn from(row: &RowDocument) -> Self {
        let workouts = row.workouts.iter().map(|workout| {
            (workout.key.clone(), (workout.duration, workout.calories, workout.first_reported.generated_at))
        });
        Self {
            scalars: vec![row.steps, row.resting_hr, row.sleep_hours, row.hrv],
            workouts: workouts.collect(),
            generated_at: row.generated_at,
        }
    }
}

/// What the posts of one user and date must come to.
pub(crate) fn reference_fold(posts: &[(Sequence, Summary)]) -> ExpectedRow {
    let latest = |values: Vec<(jiff::Timestamp, Quantity)>| values.into_iter().max().map(|(_, value)| value);
    let of_scalar = |scalar: Scalar| {
        latest(
            posts.iter().filter_map(|(_, post)| Some((post.generated_at, post.scalars[scalar]?))).collect(),
        )
    };
    let mut workouts = BTreeMap::new();
    for key in posts.iter().flat_map(|(_, post)| post.workouts.iter().map(|workout| workout.key.clone())) {
        let seen: Vec<_> = posts
            .iter()
            .flat_map(|(_, post)| {
                post.workouts
                    .iter()
                    .filter(|workout| workout.key == key)
                    .map(|workout| (post.generated_at, workout))
            })
            .collect();
        let duration = latest(seen.iter().map(|(at, workout)| (*at, workout.duration)).collect()).unwrap();
        let calories =
            latest(seen.iter().filter_map(|(at, workout)| Some((*at, workout.calories?))).collect());
        let first = seen.iter().map(|(at, _)| *at).min().unwrap();
        workouts.insert(key, (duration, calories, first));
    }
    ExpectedRow {
        scalars: Scalar::ALL.map(of_scalar).into(),
        workouts,
        generated_at: posts.iter().map(|(_, post)| post.generated_at).max().unwrap(),
    }
}
