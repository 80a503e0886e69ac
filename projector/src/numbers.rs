//! Enums of the wire as numbers of the store: not by where a variant stands, which may change, but by these. Persisted:
//! append, never change.

use schemas::{AtProvider, ConnectionStatus, KeyStorage, ReauthReason};

/// An enum whose variants have numbers.
pub(crate) trait Numbered: Copy + 'static {
    const ALL: &'static [Self];

    fn number(self) -> u8;

    /// `None` for a number that nothing has.
    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|variant| variant.number() == number)
    }

    /// What was left out stays left out.
    fn optional(number: Option<u8>) -> Option<Option<Self>> {
        match number {
            Some(number) => Self::numbered(number).map(Some),
            None => Some(None),
        }
    }
}

impl Numbered for ConnectionStatus {
    const ALL: &'static [Self] = &Self::ALL;

    fn number(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Active => 2,
            Self::NeedsReauth => 3,
            Self::Revoking => 4,
            Self::Revoked => 5,
        }
    }
}

impl Numbered for ReauthReason {
    const ALL: &'static [Self] = &[
        Self::ExchangeRefused,
        Self::ExchangeUnknown,
        Self::RefreshRefused,
        Self::RefreshUnknown,
        Self::RefreshMissing,
        Self::TokensMissing,
    ];

    fn number(self) -> u8 {
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

impl Numbered for AtProvider {
    const ALL: &'static [Self] = &[Self::Revoked, Self::Unsupported, Self::Unconfirmed, Self::NoTokens];

    fn number(self) -> u8 {
        match self {
            Self::Revoked => 1,
            Self::Unsupported => 2,
            Self::Unconfirmed => 3,
            Self::NoTokens => 4,
        }
    }
}

impl Numbered for KeyStorage {
    const ALL: &'static [Self] = &[Self::Hardware, Self::Software, Self::None];

    fn number(self) -> u8 {
        match self {
            Self::Hardware => 1,
            Self::Software => 2,
            Self::None => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the order of the numbers, from 1, so that none is missing and none is twice.
    fn golden<T: Numbered + PartialEq + std::fmt::Debug>() {
        for (number, variant) in (1..).zip(T::ALL) {
            assert_eq!((variant.number(), T::numbered(number)), (number, Some(*variant)));
            assert_eq!(T::optional(Some(number)), Some(Some(*variant)));
        }
        let unknown = u8::try_from(T::ALL.len()).unwrap() + 1;
        assert_eq!((T::numbered(0), T::numbered(unknown)), (None, None));
        assert_eq!((T::optional(None), T::optional(Some(unknown))), (Some(None), None));
    }

    #[test]
    fn every_variant_has_its_number() {
        golden::<ConnectionStatus>();
        golden::<ReauthReason>();
        golden::<AtProvider>();
        golden::<KeyStorage>();
    }
}
