//! The fold (contract, section 3): a pure function of the row and one event.
//!
//! The row it ends in is a function of the *set* of events: every register takes the greatest of what it is offered
//! under a total order (clock, then value, then the lower sequence), and taking a maximum does not care for order or
//! repetition. Only the outcome of an event depends on what came before it.

#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;

use schemas::{Outcome, PerScalar, Quantity, Scalar, Summary};

use crate::row::{Register, Row, ValueOrigin, WorkoutRegisters};

/// The version of these rules. A view folded by an older version is refused: raise it with every change that can give
/// another row for the same events.
pub const FOLD_VERSION: u32 = 1;

/// Folds one event into its row. `origin.generated_at` is the summary's.
pub fn fold(row: Option<Row>, summary: &Summary, origin: ValueOrigin) -> (Row, Outcome) {
    let Some(mut row) = row else { return (new_row(summary, origin), Outcome::Created) };
    let mut changed = false;
    for scalar in Scalar::ALL {
        if let Some(value) = summary.scalars[scalar] {
            changed |= merge_optional_register(&mut row.scalars[scalar], Register { value, origin });
        }
    }
    for workout in &summary.workouts {
        match row.workouts.entry(workout.key.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(new_workout(workout.duration, workout.calories, origin));
                changed = true;
            }
            Entry::Occupied(mut occupied) => {
                let known = occupied.get_mut();
                changed |= merge_register(&mut known.duration, Register { value: workout.duration, origin });
                if let Some(value) = workout.calories {
                    changed |= merge_optional_register(&mut known.calories, Register { value, origin });
                }
                known.first_reported = earliest(known.first_reported, origin);
            }
        }
    }
    row.generated_at = row.generated_at.max(origin.generated_at);
    row.first_sequence = row.first_sequence.min(origin.sequence);
    row.last_sequence = row.last_sequence.max(origin.sequence);
    (row, if changed { Outcome::Merged } else { Outcome::Unchanged })
}

fn new_row(summary: &Summary, origin: ValueOrigin) -> Row {
    Row {
        scalars: PerScalar::from_fn(|scalar| summary.scalars[scalar].map(|value| Register { value, origin })),
        workouts: summary
            .workouts
            .iter()
            .map(|workout| (workout.key.clone(), new_workout(workout.duration, workout.calories, origin)))
            .collect(),
        generated_at: origin.generated_at,
        first_sequence: origin.sequence,
        last_sequence: origin.sequence,
    }
}

fn new_workout(duration: Quantity, calories: Option<Quantity>, origin: ValueOrigin) -> WorkoutRegisters {
    WorkoutRegisters {
        duration: Register { value: duration, origin },
        calories: calories.map(|value| Register { value, origin }),
        first_reported: origin,
    }
}

/// Offers a value to a register that may be empty. Says whether the row's value changed.
fn merge_optional_register(register: &mut Option<Register>, offered: Register) -> bool {
    match register {
        Some(register) => merge_register(register, offered),
        None => {
            *register = Some(offered);
            true
        }
    }
}

/// The later clock wins, at equal clocks the larger value, at equal values the lower sequence is the one named.
fn merge_register(register: &mut Register, offered: Register) -> bool {
    let rank = |register: &Register| {
        (register.origin.generated_at, register.value, std::cmp::Reverse(register.origin.sequence))
    };
    if rank(&offered) <= rank(register) {
        return false;
    }
    let changed = offered.value != register.value;
    *register = offered;
    changed
}

/// The earliest report: the smallest `generated_at`, at equal ones the lower sequence.
fn earliest(known: ValueOrigin, offered: ValueOrigin) -> ValueOrigin {
    let rank = |origin: &ValueOrigin| (origin.generated_at, origin.sequence);
    if rank(&offered) < rank(&known) { offered } else { known }
}
