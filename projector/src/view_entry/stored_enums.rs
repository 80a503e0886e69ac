//! Enums of the wire as numbers of the store: not by where a variant stands, which may change, but by these. Persisted:
//! append, never change.

use schemas::{ConnectionStatus, ExportFailure, KeyStorage, ProviderRevocation, ReauthReason};

/// An enum whose variants have numbers.
pub(crate) trait StoredEnum: Copy + 'static {
    const ALL: &'static [Self];

    fn to_u8(self) -> u8;

    /// `None` for a number that nothing has.
    fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|variant| variant.to_u8() == number)
    }

    /// What was left out stays left out.
    fn from_optional_u8(number: Option<u8>) -> Option<Option<Self>> {
        match number {
            Some(number) => Self::from_u8(number).map(Some),
            None => Some(None),
        }
    }
}

impl StoredEnum for ConnectionStatus {
    const ALL: &'static [Self] = &Self::ALL;

    fn to_u8(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Active => 2,
            Self::NeedsReauth => 3,
            Self::Revoking => 4,
            Self::Revoked => 5,
        }
    }
}

impl StoredEnum for ReauthReason {
    const ALL: &'static [Self] = &[
        Self::ExchangeRefused,
        Self::ExchangeUnknown,
        Self::RefreshRefused,
        Self::RefreshUnknown,
        Self::RefreshMissing,
        Self::TokensMissing,
    ];

    fn to_u8(self) -> u8 {
        match self {
            Self::ExchangeRefused => 1,
            Self::ExchangeUnknown => 2,
            Self::RefreshRefused => 3,
            Self::RefreshUnknown => 4,
            Self::RefreshMissing => 5,
            Self::TokensMissing => 6,
        }
    }
}

impl StoredEnum for ProviderRevocation {
    const ALL: &'static [Self] = &[Self::Revoked, Self::Unsupported, Self::Unconfirmed, Self::NoTokens];

    fn to_u8(self) -> u8 {
        match self {
            Self::Revoked => 1,
            Self::Unsupported => 2,
            Self::Unconfirmed => 3,
            Self::NoTokens => 4,
        }
    }
}

impl StoredEnum for KeyStorage {
    const ALL: &'static [Self] = &[Self::Hardware, Self::Software, Self::None];

    fn to_u8(self) -> u8 {
        match self {
            Self::Hardware => 1,
            Self::Software => 2,
            Self::None => 3,
        }
    }
}

impl StoredEnum for ExportFailure {
    const ALL: &'static [Self] = &[Self::NotMadeInTime];

    fn to_u8(self) -> u8 {
        match self {
            // 0, not 1: the first version stored the variant's position, and this was the only variant.
            Self::NotMadeInTime => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the order of the numbers, from `first`, so that none is missing and none is there twice.
    fn golden<T: StoredEnum + PartialEq + std::fmt::Debug>(first: u8) {
        for (number, variant) in (first..).zip(T::ALL) {
            assert_eq!((variant.to_u8(), T::from_u8(number)), (number, Some(*variant)));
            assert_eq!(T::from_optional_u8(Some(number)), Some(Some(*variant)));
        }
        let unknown = u8::try_from(T::ALL.len()).unwrap() + first;
        assert_eq!((T::from_u8(first.wrapping_sub(1)), T::from_u8(unknown)), (None, None));
        assert_eq!((T::from_optional_u8(None), T::from_optional_u8(Some(unknown))), (Some(None), None));
    }

    #[test]
    fn every_variant_has_its_number() {
        golden::<ConnectionStatus>(1);
        golden::<ReauthReason>(1);
        golden::<ProviderRevocation>(1);
        golden::<KeyStorage>(1);
        golden::<ExportFailure>(0);
    }
}
