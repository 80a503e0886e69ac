//! Measured values.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Beyond this, not every whole number has a double of its own (2^53).
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A finite number. Whole values print without a fraction, so that `58` comes back as `58`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline)]
pub struct Quantity(f64);

impl Quantity {
    /// The value, unless it is infinite or not a number. Minus zero is zero.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The plain value.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether the value has no fraction.
    pub fn is_whole(self) -> bool {
        self.0.fract() == 0.0
    }
}

impl TryFrom<f64> for Quantity {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("not a finite number")
    }
}

impl From<u32> for Quantity {
    fn from(value: u32) -> Self {
        Self(f64::from(value))
    }
}

// Finite and without minus zero, so the total order is the numeric one.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && self.is_whole() && self.0.abs() <= WHOLE_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_sent() {
        let printed = |value| serde_json::to_string(&Quantity::new(value).unwrap()).unwrap();
        assert_eq!(printed(58.0), "58");
        assert_eq!(printed(7.4), "7.4");
        assert_eq!(printed(-0.0), "0");
        assert_eq!(printed(1e300), "1e+300");
    }

    #[test]
    fn only_finite_values_exist() {
        assert_eq!(Quantity::new(f64::NAN), None);
        assert_eq!(Quantity::new(f64::INFINITY), None);
        assert!(Quantity::new(7.4) < Quantity::new(7.5));
        assert_eq!(Quantity::new(0.0), Quantity::new(-0.0));
    }
}
