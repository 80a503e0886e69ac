use tlog::Hash;

use super::*;
use crate::parked_event::ParkReason;
use crate::view_digest::{DigestSum, EntryHasher};
use ::keys::{DataKey, DataKeyId, Pseudonymizer};

fn log(created: &str, last: u64) -> LogState {
    LogState { identity: created.into(), last: Sequence::new(last) }
}

/// A tree of so many events, and the last of them.
fn moved(size: u64) -> Option<(Tip, Frontier)> {
    let mut tree = Frontier::default();
    (1..=size).for_each(|event| tree.push(Hash::from_leaf(&event.to_be_bytes())));
    let tip = Tip { sequence: Sequence::new(size).unwrap(), leaf: Hash::from_leaf(&size.to_be_bytes()) };
    Some((tip, tree))
}

fn key(user: u8, day: i8) -> RowKey {
    RowKey { user: UserRef::from_bytes([user; 16]), date: jiff::civil::date(2026, 2, day) }
}

fn sealed(key: &RowKey, plain: u8) -> SealedValue {
    sealed_at(&key.encode(), plain)
}

fn sealed_at(key: &[u8], plain: u8) -> SealedValue {
    let data_key = DataKey::new(DataKeyId::from_bytes([4; 10]), 2026, &[7; 32]);
    let digester = EntryHasher::new(Pseudonymizer::new(vault_secret()));
    SealedValue::seal(key, &[plain], &data_key, &digester)
}

fn vault_secret() -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new([7; 32])
}

fn rows(rows: &[(RowKey, u8)]) -> ViewChanges {
    let mut changes = ViewChanges::default();
    for (key, plain) in rows {
        changes.write_entry(key.encode().to_vec(), None, sealed(key, *plain));
    }
    changes
}

fn open(folder: &Path, log: &LogState) -> Result<View, ViewError> {
    View::open(folder, log, Timestamp::UNIX_EPOCH)
}

fn sum(view: &View) -> DigestSum {
    view.state().meta.sum
}

#[test]
fn a_view_is_refused_by_any_log_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path(), &log("a", 9)).unwrap();
    view.apply(rows(&[(key(1, 16), 7)]), moved(5)).unwrap();
    let head = view.head();
    view.flush().unwrap();
    drop(view);
    assert!(matches!(
        open(folder.path(), &log("a", 4)),
        Err(ViewError::AheadOfLog { position: 5, last: 4, .. })
    ));
    assert!(matches!(open(folder.path(), &log("b", 9)), Err(ViewError::LogMismatch { .. })));
    let view = open(folder.path(), &log("a", 5)).unwrap();
    assert_eq!(view.head(), head);
    let (row, position) = view.entry(&key(1, 16).encode()).unwrap();
    assert_eq!((row.unwrap().hash(), position), (sealed(&key(1, 16), 7).hash(), Sequence::new(5)));
    assert!(view.check_fits_log(&log("a", 4)).is_err());
}

#[test]
fn a_view_of_another_fold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path(), &log("a", 9)).unwrap();
    let mut meta = ViewMeta::new("a".to_owned()).encode();
    meta[4] += 1;
    view.store.insert(KeyKind::Meta.prefix(), meta).unwrap();
    drop(view);
    assert!(matches!(open(folder.path(), &log("a", 9)), Err(ViewError::VersionMismatch { fold: 2, .. })));
}

#[test]
fn a_damaged_store_is_set_aside() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("view");
    drop(open(&folder, &log("a", 9)).unwrap());
    std::fs::write(folder.join("conf"), "this is not how sled writes its settings").unwrap();
    let view = open(&folder, &log("a", 9)).unwrap();
    assert_eq!(view.position(), None);
    assert!(parent.path().join("view.damaged-0").exists());
}

#[test]
fn ranges_are_one_user_s_and_inclusive() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path(), &log("a", 9)).unwrap();
    view.apply(rows(&[(key(1, 1), 1), (key(1, 2), 2), (key(1, 28), 28), (key(2, 2), 2)]), moved(1)).unwrap();
    let (found, position) = view.rows(UserRef::from_bytes([1; 16]), key(1, 2).date, key(1, 28).date).unwrap();
    assert_eq!(found.into_iter().map(|(date, _)| date.day()).collect::<Vec<_>>(), [2, 28]);
    assert_eq!(position, Some(Sequence::FIRST));
    let some = view.entries(Some(&key(1, 1).encode()), 2).unwrap();
    assert_eq!(
        some.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
        [key(1, 2), key(1, 28)].map(|key| key.encode().to_vec())
    );
}

#[test]
fn the_sum_is_of_what_is_there_whatever_the_way() {
    let one = tempfile::tempdir().unwrap();
    let one = open(one.path(), &log("a", 9)).unwrap();
    one.apply(rows(&[(key(1, 1), 1), (key(2, 1), 2)]), moved(2)).unwrap();
    let other = tempfile::tempdir().unwrap();
    let other = open(other.path(), &log("a", 9)).unwrap();
    other.apply(rows(&[(key(2, 1), 9), (key(3, 1), 3)]), moved(1)).unwrap();
    assert_ne!(sum(&one), sum(&other));
    let mut changes = rows(&[(key(1, 1), 1)]);
    changes.write_entry(key(2, 1).encode().to_vec(), Some(&sealed(&key(2, 1), 9)), sealed(&key(2, 1), 2));
    changes.remove_entry(&key(3, 1).encode(), &sealed(&key(3, 1), 3));
    other.apply(changes, moved(2)).unwrap();
    assert_eq!(one.head(), other.head());
}

#[test]
fn what_waits_and_what_is_left_out_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let view = open(folder.path(), &log("a", 9)).unwrap();
    let user = UserRef::from_bytes([1; 16]);
    let poison = |sequence| ParkedEvent {
        sequence: Sequence::new(sequence).unwrap(),
        user,
        reason: ParkReason::Sealed,
        detail: "no".to_owned(),
    };
    let mut changes = ViewChanges::default();
    changes.park(poison(3));
    view.apply(changes, moved(3)).unwrap();
    let mut changes = ViewChanges::default();
    let discarded =
        DiscardedEvent { sequence: Sequence::new(3).unwrap(), user, discarded_by: Sequence::new(4).unwrap() };
    changes.unpark(user, None);
    changes.discard(discarded);
    changes.park(poison(2));
    view.apply(changes, moved(4)).unwrap();
    view.flush().unwrap();
    drop(view);
    let view = open(folder.path(), &log("a", 9)).unwrap();
    assert_eq!((view.parked_events(), view.discarded_events()), (vec![poison(2)], vec![discarded]));
    assert_eq!(view.parked_event_of(&user), Some(poison(2)));
    assert_eq!(view.parked_event_of(&UserRef::SYSTEM), None);
}

/// A key of every kind, of each of these users, in the keys' order.
fn keys_of_every_kind(users: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for user in users {
        let row = key(*user, 16);
        let user = row.user;
        keys.push(row.encode());
        keys.push(DeviceKey { user, id: ::keys::DeviceId::from_bytes([1; 16]) }.encode());
        keys.push(ConnectionKey { user, id: ::keys::ConnectionId::from_bytes([1; 16]) }.encode());
        keys.push(DeviceReportKey::new(user, ::keys::KeyHolder::User).encode());
        keys.push(ExportKey { user, id: ::keys::ExportId::from_bytes([1; 16]) }.encode());
    }
    keys.sort_unstable();
    keys
}

/// A view with these entries, something that waits and something that is left out.
fn holding(folder: &Path, keys: &[Vec<u8>]) -> View {
    let view = open(folder, &log("a", 9)).unwrap();
    let mut changes = ViewChanges::default();
    for key in keys {
        changes.write_entry(key.clone(), None, sealed_at(key, 7));
    }
    let user = UserRef::from_bytes([1; 16]);
    let sequence = Sequence::new(3).unwrap();
    changes.park(ParkedEvent { sequence, user, reason: ParkReason::Sealed, detail: "no".to_owned() });
    changes.discard(DiscardedEvent { sequence: Sequence::FIRST, user, discarded_by: sequence });
    view.apply(changes, moved(3)).unwrap();
    view
}

/// What a page of a comparison, the sum and a verification go through.
#[test]
fn entries_of_every_kind_are_gone_through_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys_of_every_kind(&[1, 2]);
    let view = holding(folder.path(), &keys);
    for page in 1..=keys.len() + 1 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let entries = view.entries(after.as_deref(), page).unwrap();
            let is_last = entries.len() < page;
            after = entries.last().map(|(key, _)| key.clone()).or(after);
            found.extend(entries.into_iter().map(|(key, _)| key));
            if is_last {
                break;
            }
        }
        assert_eq!(found, keys, "pages of {page}");
    }
    assert!(keys.iter().all(|key| AnyEntryKey::decode(key).is_some()), "each is of a kind that is compared");
    let kinds: std::collections::BTreeSet<u8> = keys.iter().map(|key| key[0]).collect();
    assert!(
        kinds.into_iter().eq(AnyEntryKey::KINDS.iter().map(|kind| *kind as u8)),
        "a sample of every kind"
    );
}

#[test]
fn the_sum_is_of_entries_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys_of_every_kind(&[1, 2]);
    let view = holding(folder.path(), &keys);
    let kept_up = view.head();
    view.recompute_sum().unwrap();
    assert_eq!(view.head(), kept_up);
    for key in keys {
        let (whole, removed) = (view.head().digest, view.store.remove(&key).unwrap().unwrap());
        view.recompute_sum().unwrap();
        assert_ne!(view.head().digest, whole, "{key:?}");
        view.store.insert(&key, removed).unwrap();
        view.recompute_sum().unwrap();
        assert_eq!(view.head().digest, whole);
    }
}

/// What a repair replaces.
#[test]
fn a_user_s_entries_are_those_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let view = holding(folder.path(), &keys_of_every_kind(&[1, 2, 3]));
    let found = view.all_entries_of_user(UserRef::from_bytes([2; 16])).unwrap();
    assert_eq!(found.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys_of_every_kind(&[2]));
    let (connections, position) =
        view.entries_of_user::<ConnectionKey>(UserRef::from_bytes([2; 16]), 9).unwrap();
    assert_eq!((connections.len(), position), (1, Sequence::new(3)));
    assert_eq!(connections[0].0.user, UserRef::from_bytes([2; 16]));
}
