//! The tree, its proofs and its tiles against two other implementations: `ct-merkle` and `tlog_tiles`' own.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::{Hash as TheirHash, Tile, TileHashReader, TileReader, tlog};

use crate::{Frontier, Hash, ProofError, TileStore, TileWriter, verify_consistency, verify_inclusion};

const SIZE_MAX: u64 = 600;

fn entry(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

fn leaf(index: u64) -> Hash {
    Hash::from_leaf(&entry(index))
}

/// The roots of all sizes up to this one.
fn roots(size: u64) -> Vec<Hash> {
    let mut frontier = Frontier::default();
    let grown = (0..size).map(|index| {
        frontier.push(leaf(index));
        frontier.root()
    });
    [Hash::empty_root()].into_iter().chain(grown).collect()
}

async fn stored_tiles(size: u64) -> TileStore {
    let store = TileStore::open("memory:///", []).unwrap();
    let mut writer = TileWriter::new(store.clone());
    for index in 0..size {
        writer.push(leaf(index)).await.unwrap();
    }
    writer.flush().await.unwrap();
    store
}

/// Every file of a store.
async fn files(store: &TileStore) -> BTreeMap<String, Vec<u8>> {
    let found: Vec<_> = store.objects.list(None).try_collect().await.unwrap();
    let mut files = BTreeMap::new();
    for file in found {
        let bytes = store.objects.get(&file.location).await.unwrap().bytes().await.unwrap();
        files.insert(file.location.to_string(), bytes.to_vec());
    }
    files
}

fn ct_merkle(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|index| tree.push(entry(index)));
    tree
}

fn bytes(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn to_reference_hash(hash: Hash) -> TheirHash {
    TheirHash(*hash.as_bytes())
}

fn to_reference_hashes(proof: &[Hash]) -> Vec<TheirHash> {
    proof.iter().copied().map(to_reference_hash).collect()
}

/// Every proof that differs from this one in a bit, a hash more or a hash less.
fn mutations(proof: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    let bits = (0..proof.len() * 256).map(|bit| {
        let mut changed = proof.to_vec();
        let mut bytes = *changed[bit / 256].as_bytes();
        bytes[bit % 256 / 8] ^= 1 << (bit % 8);
        changed[bit / 256] = Hash::from_bytes(bytes);
        changed
    });
    let longer = [proof, &[Hash::empty_root()]].concat();
    let shorter = (!proof.is_empty()).then(|| proof[1..].to_vec());
    bits.chain([longer]).chain(shorter)
}

#[tokio::test]
async fn every_size_has_the_same_root() {
    let store = stored_tiles(SIZE_MAX).await;
    let mut tree = ct_merkle(0);
    for (size, root) in (0..).zip(roots(SIZE_MAX)) {
        assert_eq!(tree.root().as_bytes()[..], root.as_bytes()[..], "size {size}");
        assert_eq!(store.root(SIZE_MAX, size).await.unwrap(), root, "size {size}");
        tree.push(entry(size));
    }
}

#[tokio::test]
async fn every_size_has_the_same_proofs() {
    let store = stored_tiles(SIZE_MAX).await;
    let roots = roots(SIZE_MAX);
    let root = |size: u64| roots[usize::try_from(size).unwrap()];
    let mut tree = ct_merkle(0);
    for size in 1..=SIZE_MAX {
        tree.push(entry(size - 1));
        // All of the small trees; of the others the edges and a few in between that change from size to size.
        let few = [0, 1, size / 3, size / 2, size * 5 / 7, size.saturating_sub(2), size - 1].into_iter();
        let indexes: Vec<_> = if size <= 40 { (0..size).collect() } else { few.collect() };
        for index in indexes {
            let proof = store.inclusion_proof(SIZE_MAX, index, size).await.unwrap();
            let other = tree.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(bytes(&proof), other.as_bytes(), "{index} in {size}");
            assert_eq!(verify_inclusion(index, size, leaf(index), root(size), &proof), Ok(()));
            let proof = to_reference_hashes(&proof);
            tlog::check_record(
                &proof,
                size,
                to_reference_hash(root(size)),
                index,
                to_reference_hash(leaf(index)),
            )
            .unwrap();
            assert_eq!(store.leaf_hash(SIZE_MAX, index).await.unwrap(), leaf(index));

            let old = index + 1;
            let proof = store.consistency_proof(SIZE_MAX, old, size).await.unwrap();
            assert_eq!(
                verify_consistency(old, root(old), size, root(size), &proof),
                Ok(()),
                "{old} to {size}"
            );
            if old < size {
                let other = tree.prove_consistency(usize::try_from(size - old).unwrap());
                assert_eq!(bytes(&proof), other.as_bytes(), "{old} to {size}");
            }
            let proof = to_reference_hashes(&proof);
            tlog::check_tree(&proof, size, to_reference_hash(root(size)), old, to_reference_hash(root(old)))
                .unwrap();
        }
    }
}

#[tokio::test]
async fn sizes_out_of_range_are_refused() {
    let store = stored_tiles(10).await;
    for error in [
        store.inclusion_proof(10, 5, 5).await.unwrap_err(),
        store.inclusion_proof(10, 5, 11).await.unwrap_err(),
        store.consistency_proof(10, 6, 5).await.unwrap_err(),
        store.consistency_proof(10, 5, 11).await.unwrap_err(),
        store.root(10, 11).await.unwrap_err(),
        store.leaf_hash(10, 10).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the sizes and the index do not fit together");
    }
    assert_eq!(store.consistency_proof(10, 0, 10).await.unwrap(), []);
    assert_eq!(store.consistency_proof(10, 10, 10).await.unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_proof_of_inclusion_proves_nothing_else(size in 1..=SIZE_MAX, at in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let index = at.index(usize::try_from(size).unwrap()) as u64;
        let roots = roots(size);
        let root = roots[usize::try_from(size).unwrap()];
        let proof = runtime.block_on(async { stored_tiles(size).await.inclusion_proof(size, index, size).await }).unwrap();
        prop_assert_eq!(verify_inclusion(index, size, leaf(index), root, &proof), Ok(()));
        for changed in mutations(&proof) {
            prop_assert!(verify_inclusion(index, size, leaf(index), root, &changed).is_err());
        }
        for other in (0..size + 2).filter(|other| *other != index) {
            prop_assert!(verify_inclusion(other, size, leaf(index), root, &proof).is_err());
            prop_assert!(verify_inclusion(index, size, leaf(other), root, &proof).is_err());
        }
        for (other, root) in (0..).zip(&roots).take(usize::try_from(size).unwrap()) {
            prop_assert!(verify_inclusion(index, other, leaf(index), *root, &proof).is_err());
        }
    }

    #[test]
    fn a_proof_of_consistency_proves_nothing_else(new in 2..=SIZE_MAX, at in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let old = 1 + at.index(usize::try_from(new - 1).unwrap()) as u64;
        let roots = roots(new);
        let root = |size: u64| roots[usize::try_from(size).unwrap()];
        let proof = runtime.block_on(async { stored_tiles(new).await.consistency_proof(new, old, new).await }).unwrap();
        prop_assert_eq!(verify_consistency(old, root(old), new, root(new), &proof), Ok(()));
        for changed in mutations(&proof) {
            prop_assert!(verify_consistency(old, root(old), new, root(new), &changed).is_err());
        }
        for other in (0..new).filter(|other| *other != old) {
            // From the empty tree and between equal sizes there is nothing to show.
            prop_assert!(verify_consistency(other, root(other), new, root(new), &proof).is_err());
            prop_assert!(verify_consistency(old, root(other), new, root(new), &proof).is_err());
            prop_assert!(verify_consistency(old, root(old), other, root(other), &proof).is_err());
        }
        let swapped = verify_consistency(new, root(new), old, root(old), &proof);
        prop_assert_eq!(swapped, Err(ProofError::SizesOutOfOrder { old_size: new, new_size: old }));
    }
}

/// Our tiles as the other implementation asks for them.
struct StoredTileReader(BTreeMap<String, Vec<u8>>);

impl TileReader for StoredTileReader {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        Ok(tiles.iter().map(|tile| self.0[&crate::tile::path(*tile).to_string()].clone()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[tokio::test]
async fn tiles_of_sizes_around_the_edges() {
    for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
        let store = stored_tiles(size).await;
        let files = files(&store).await;
        // Exactly the tiles that the other implementation would write.
        let mut expected: Vec<_> = Tile::new_tiles(8, 0, size)
            .iter()
            .map(|tile| (crate::tile::path(*tile).to_string(), tile.width() as usize * 32))
            .collect();
        expected.sort();
        let found: Vec<_> = files.iter().map(|(path, bytes)| (path.clone(), bytes.len())).collect();
        assert_eq!(found, expected, "size {size}");

        let mut frontier = Frontier::default();
        (0..size).for_each(|index| frontier.push(leaf(index)));
        let root = frontier.root();
        assert_eq!(store.root(size, size).await.unwrap(), root, "size {size}");
        // Every proof of theirs out of our tiles is ours, and their reader finds nothing wrong in the tiles.
        let ours = StoredTileReader(files);
        let reader = TileHashReader::new(size, to_reference_hash(root), &ours);
        for index in
            [0, 254, 255, 256, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size)
        {
            let proof = store.inclusion_proof(size, index, size).await.unwrap();
            assert_eq!(verify_inclusion(index, size, leaf(index), root, &proof), Ok(()));
            assert_eq!(
                tlog::prove_record(size, index, &reader).unwrap(),
                to_reference_hashes(&proof),
                "{index} in {size}"
            );
            let proof = store.consistency_proof(size, index + 1, size).await.unwrap();
            assert_eq!(
                tlog::prove_tree(size, index + 1, &reader).unwrap(),
                to_reference_hashes(&proof),
                "{index} in {size}"
            );
        }
    }
}

/// The example of C2SP tlog-tiles.
#[tokio::test]
async fn seventy_thousand_leaves() {
    let files = files(&stored_tiles(70_000).await).await;
    let full = (0..273).map(|number| format!("tile/0/{number:03}"));
    let rest = ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"].map(str::to_owned);
    let expected: Vec<_> = full.chain(rest).collect();
    assert_eq!(files.into_keys().collect::<Vec<_>>(), expected);
}
