//! The day's single values. Each is a register of its own in the merge, so they are handled alike.

use std::ops::{Index, IndexMut};

/// A field of a summary that holds one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// Steps, a whole number.
    Steps,
    /// Resting heart rate, beats per minute.
    RestingHr,
    /// Sleep, hours.
    SleepHours,
    /// Heart-rate variability, milliseconds.
    Hrv,
}

impl Scalar {
    /// Every scalar, in the contract's order. Rows are stored in this order: append, never reorder.
    pub const ALL: [Self; 4] = [Self::Steps, Self::RestingHr, Self::SleepHours, Self::Hrv];

    /// The field's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::RestingHr => "resting_hr",
            Self::SleepHours => "sleep_hours",
            Self::Hrv => "hrv",
        }
    }

    /// The field's unit, for messages.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::RestingHr => "beats per minute",
            Self::SleepHours => "hours",
            Self::Hrv => "milliseconds",
        }
    }

    /// The scalar whose field has this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scalar| scalar.name() == name)
    }
}

/// One `T` for each scalar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerScalar<T>([T; Scalar::ALL.len()]);

impl<T> PerScalar<T> {
    /// Builds one from a function of the scalar.
    pub fn from_fn(mut of: impl FnMut(Scalar) -> T) -> Self {
        Self(Scalar::ALL.map(&mut of))
    }

    /// Every scalar with its `T`.
    pub fn iter(&self) -> impl Iterator<Item = (Scalar, &T)> {
        Scalar::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Scalar> for PerScalar<T> {
    type Output = T;

    fn index(&self, scalar: Scalar) -> &T {
        &self.0[scalar as usize]
    }
}

impl<T> IndexMut<Scalar> for PerScalar<T> {
    fn index_mut(&mut self, scalar: Scalar) -> &mut T {
        &mut self.0[scalar as usize]
    }
}
