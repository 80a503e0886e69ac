//! Accounts on their way out: key `07` user ref (16), value as [`aggregates::AccountErasure`] writes it, in clear.

use std::collections::HashSet;

use aggregates::AccountErasure;
use keys::UserRef;

use super::keys::{KeyKind, split_user, user_prefix};

pub(super) fn account_key(user: &UserRef) -> [u8; 17] {
    user_prefix(KeyKind::Account, *user)
}

/// Everybody whose account is closed.
pub(super) fn load_closed_accounts(store: &sled::Db) -> sled::Result<HashSet<UserRef>> {
    let mut closed = HashSet::new();
    for entry in store.scan_prefix(KeyKind::Account.prefix()) {
        let (key, value) = entry?;
        // One that can't be read is held for closed: nothing is shown of it until the view is folded anew.
        let is_open = AccountErasure::decode(&value).is_some_and(|account| !account.is_closed());
        if let Some((user, _)) = split_user(KeyKind::Account, &key).filter(|_| !is_open) {
            closed.insert(user);
        }
    }
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_key() {
        let key = account_key(&UserRef::from_bytes([0xab; 16]));
        assert_eq!(data_encoding::HEXLOWER.encode(&key), format!("07{}", "ab".repeat(16)));
    }
}
