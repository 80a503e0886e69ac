//! The fold (contract, section 3): a pure function of the row and one event.
//!
//! The row it ends in is a function of the *set* of events: every register takes the greatest of what it is offered
//! under a total order (clock, then value, then the lower sequence), and taking a maximum does not care for order or
//! repetition. Only the outcome of an event depends on what came before it.

#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;

use schemas::{Outcome, PerScalar, Quantity, Scalar, Summary};

use crate::row::{Origin, Register, Row, WorkoutRegisters};

/// The version of these rules. A view folded by an older version is refused: raise it with every change that can give
/// another row for the same events.
pub const FOLD_VERSION: u32 = 1;

/// Folds one event into its row. `origin.generated_at` is the summary's.
pub fn fold(row: Option<Row>, summary: &Summary, origin: Origin) -> (Row, Outcome) {
    let Some(mut row) = row else { return (first(summary, origin), Outcome::Created) };
    let mut changed = false;
    for scalar in Scalar::ALL {
        if let Some(value) = summary.scalars[scalar] {
            changed |= offer(&mut row.scalars[scalar], Register { value, origin });
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
                changed |= take_greater(&mut known.duration, Register { value: workout.duration, origin });
                if let Some(value) = workout.calories {
                    changed |= offer(&mut known.calories, Register { value, origin });
                }
                known.first_reported = earlier(known.first_reported, origin);
            }
        }
    }
    row.generated_at = row.generated_at.max(origin.generated_at);
    row.first = row.first.min(origin.sequence);
    row.last = row.last.max(origin.sequence);
    (row, if changed { Outcome::Merged } else { Outcome::Unchanged })
}

fn first(summary: &Summary, origin: Origin) -> Row {
    Row {
        scalars: PerScalar::from_fn(|scalar| summary.scalars[scalar].map(|value| Register { value, origin })),
        workouts: summary
            .workouts
            .iter()
            .map(|workout| (workout.key.clone(), new_workout(workout.duration, workout.calories, origin)))
            .collect(),
        generated_at: origin.generated_at,
        first: origin.sequence,
        last: origin.sequence,
    }
}

fn new_workout(duration: Quantity, calories: Option<Quantity>, origin: Origin) -> WorkoutRegisters {
    WorkoutRegisters {
        duration: Register { value: duration, origin },
        calories: calories.map(|value| Register { value, origin }),
        first_reported: origin,
    }
}

/// Offers a value to a register that may be empty. Says whether the row's value changed.
fn offer(register: &mut Option<Register>, offered: Register) -> bool {
    match register {
        Some(register) => take_greater(register, offered),
        None => {
            *register = Some(offered);
            true
        }
    }
}

/// The later clock wins, at equal clocks the larger value, at equal values the lower sequence is the one named.
fn take_greater(register: &mut Register, offered: Register) -> bool {
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
fn earlier(known: Origin, offered: Origin) -> Origin {
    let rank = |origin: &Origin| (origin.generated_at, origin.sequence);
    if rank(&offered) < rank(&known) { offered } else { known }
}
