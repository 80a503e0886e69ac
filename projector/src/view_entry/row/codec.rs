//! A row's bytes, before they are sealed.
//!
//! One byte of format, then postcard's encoding (its wire format is specified and stable) of the structs below. The
//! view can always be folded anew, but a format that changes unseen would look like damage: raise [`FORMAT`] instead.

use aggregates::row::{Register, Row, ValueOrigin, WorkoutRegisters};
use jiff::Timestamp;
use schemas::{EventId, PerScalar, Quantity, Scalar, Sequence, WorkoutKey};
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

/// The bytes are not those of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not those of a row of a known format")]
pub(super) struct RowCodecError;

/// Origins are stored once each: most values of a row come from the same few events.
#[derive(Serialize, Deserialize)]
struct StoredRow<'b> {
    origins: Vec<StoredOrigin>,
    /// In the order of [`Scalar::ALL`].
    scalars: [Option<StoredRegister>; Scalar::ALL.len()],
    #[serde(borrow)]
    workouts: Vec<StoredWorkout<'b>>,
    generated_at_ns: i128,
    first: u64,
    last: u64,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct StoredOrigin {
    generated_at_ns: i128,
    sequence: u64,
    event_id: [u8; 16],
}

#[derive(Serialize, Deserialize)]
struct StoredRegister {
    value: f64,
    /// Index into the origins.
    origin: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredWorkout<'b> {
    start_time_ns: i128,
    kind: &'b str,
    duration: StoredRegister,
    calories: Option<StoredRegister>,
    first_reported: u32,
}

/// Writes a row.
pub(super) fn encode(row: &Row) -> Vec<u8> {
    let mut origins = Vec::new();
    let scalars = Scalar::ALL
        .map(|scalar| row.scalars[scalar].as_ref().map(|register| encode_register(register, &mut origins)));
    let workouts = row.workouts.iter().map(|(key, workout)| StoredWorkout {
        start_time_ns: key.start_time.as_nanosecond(),
        kind: &key.kind,
        duration: encode_register(&workout.duration, &mut origins),
        calories: workout.calories.as_ref().map(|register| encode_register(register, &mut origins)),
        first_reported: encode_origin(&workout.first_reported, &mut origins),
    });
    let workouts = workouts.collect();
    let stored = StoredRow {
        origins,
        scalars,
        workouts,
        generated_at_ns: row.generated_at.as_nanosecond(),
        first: row.first_sequence.get(),
        last: row.last_sequence.get(),
    };
    postcard::to_extend(&stored, vec![FORMAT])
        .unwrap_or_else(|_| unreachable!("BUG: a row has no unwritable part"))
}

/// Reads a row.
pub(super) fn decode(bytes: &[u8]) -> Result<Row, RowCodecError> {
    let Some((&FORMAT, bytes)) = bytes.split_first() else { return Err(RowCodecError) };
    let (stored, rest) = postcard::take_from_bytes::<StoredRow<'_>>(bytes).map_err(|_| RowCodecError)?;
    if !rest.is_empty() {
        return Err(RowCodecError);
    }
    decode_row(stored).ok_or(RowCodecError)
}

fn encode_register(register: &Register, origins: &mut Vec<StoredOrigin>) -> StoredRegister {
    StoredRegister { value: register.value.get(), origin: encode_origin(&register.origin, origins) }
}

fn encode_origin(origin: &ValueOrigin, origins: &mut Vec<StoredOrigin>) -> u32 {
    let stored = StoredOrigin {
        generated_at_ns: origin.generated_at.as_nanosecond(),
        sequence: origin.sequence.get(),
        event_id: *origin.event_id.as_bytes(),
    };
    let index = origins.iter().rposition(|known| *known == stored).unwrap_or_else(|| {
        origins.push(stored);
        origins.len() - 1
    });
    u32::try_from(index)
        .unwrap_or_else(|_| unreachable!("BUG: a row of four billion events does not fit memory"))
}

fn decode_row(stored: StoredRow<'_>) -> Option<Row> {
    let origins = stored.origins.iter().map(decode_origin).collect::<Option<Vec<_>>>()?;
    let origin = |index: u32| origins.get(usize::try_from(index).ok()?).copied();
    let register = |stored: &StoredRegister| {
        Some(Register { value: Quantity::new(stored.value)?, origin: origin(stored.origin)? })
    };
    let mut scalars = PerScalar::default();
    for (scalar, stored) in Scalar::ALL.into_iter().zip(&stored.scalars) {
        if let Some(stored) = stored {
            scalars[scalar] = Some(register(stored)?);
        }
    }
    let workouts = stored.workouts.iter().map(|workout| {
        let key = WorkoutKey {
            start_time: timestamp_from_ns(workout.start_time_ns)?,
            kind: workout.kind.to_owned(),
        };
        let calories = match &workout.calories {
            Some(stored) => Some(register(stored)?),
            None => None,
        };
        let first_reported = origin(workout.first_reported)?;
        Some((key, WorkoutRegisters { duration: register(&workout.duration)?, calories, first_reported }))
    });
    Some(Row {
        scalars,
        workouts: workouts.collect::<Option<_>>()?,
        generated_at: timestamp_from_ns(stored.generated_at_ns)?,
        first_sequence: Sequence::new(stored.first)?,
        last_sequence: Sequence::new(stored.last)?,
    })
}

fn decode_origin(stored: &StoredOrigin) -> Option<ValueOrigin> {
    Some(ValueOrigin {
        generated_at: timestamp_from_ns(stored.generated_at_ns)?,
        sequence: Sequence::new(stored.sequence)?,
        event_id: EventId::from_bytes(stored.event_id)?,
    })
}

fn timestamp_from_ns(ns: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(ns).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aggregates::fold;
    use schemas::{Summary, SummaryBounds};

    fn row() -> Row {
        let body = br#"{"date":"2026-02-16","steps":9234,"hrv":46.2,"generated_at":"2026-02-16T23:59:45Z",
            "workouts":[{"type":"run","duration":42,"start_time":"2026-02-16T06:22:00Z"}]}"#;
        let summary =
            Summary::parse(body, &SummaryBounds::default(), "2026-02-17T00:00:00Z".parse().unwrap()).unwrap();
        let origin = |number: u64| ValueOrigin {
            generated_at: summary.generated_at,
            sequence: Sequence::new(number).unwrap(),
            event_id: EventId::new(number, [7; 10]),
        };
        let (row, _) = fold(None, &summary, origin(4711));
        fold(Some(row), &summary, origin(4700)).0
    }

    #[test]
    fn golden_bytes() {
        let bytes = encode(&row());
        assert_eq!(
            data_encoding::HEXLOWER.encode(&bytes),
            "010180a8c9d6a3e5ef9431dc2400000000125c7707870707070707070701000000000009c240000000019a99999999194740000180c08aca90f7d294310372756e000000000000454000000080a8c9d6a3e5ef9431dc24e724"
        );
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        assert_eq!(decode(&encode(&row())).unwrap(), row());
    }

    #[test]
    fn no_cut_or_changed_row_decodes_to_the_same() {
        let bytes = encode(&row());
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), Err(RowCodecError));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Err(RowCodecError), "cut to {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(decode(&changed), Ok(row()), "bit {bit}");
        }
    }
}
