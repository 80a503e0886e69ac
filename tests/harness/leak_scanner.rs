//! Looks for what must not stand anywhere.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use data_encoding::{BASE64_NOPAD, HEXLOWER};

/// So many bytes of every needle are looked up at once.
const PREFIX_BYTES: usize = 6;

/// What is looked for, in all its spellings.
#[derive(Default)]
pub(crate) struct LeakScanner {
    /// A value's name, and one of its spellings.
    patterns: Vec<(String, Vec<u8>)>,
    by_prefix: HashMap<[u8; PREFIX_BYTES], Vec<usize>>,
    /// The first two bytes of any: most places are passed over by a glance.
    first_two_bytes: BTreeSet<[u8; 2]>,
}

impl LeakScanner {
    pub(crate) fn new<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut needles = Self::default();
        for value in values {
            for spelling in encodings(value.as_ref()) {
                needles.add_pattern(value.as_ref(), spelling);
            }
        }
        needles
    }

    /// Looks for these bytes too, as they are.
    pub(crate) fn add_pattern(&mut self, name: &str, bytes: Vec<u8>) {
        let beginning =
            *bytes.first_chunk().unwrap_or_else(|| panic!("{name} is too short to be looked for"));
        self.first_two_bytes.insert([beginning[0], beginning[1]]);
        self.by_prefix.entry(beginning).or_default().push(self.patterns.len());
        self.patterns.push((name.to_owned(), bytes));
    }

    /// What stands in these bytes, each once.
    pub(crate) fn scan(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let mut found = BTreeSet::new();
        let mut glance = vec![false; 1 << 16];
        self.first_two_bytes.iter().for_each(|pair| glance[usize::from(u16::from_be_bytes(*pair))] = true);
        for (at, here) in bytes.windows(PREFIX_BYTES).enumerate() {
            if !glance[usize::from(u16::from_be_bytes([here[0], here[1]]))] {
                continue;
            }
            for needle in self.by_prefix.get(here).into_iter().flatten() {
                let (name, spelling) = &self.patterns[*needle];
                if bytes[at..].starts_with(spelling) {
                    found.insert(format!("{name} in {place}"));
                }
            }
        }
        found.into_iter().collect()
    }

    /// What stands in the files below a folder; and how many files there are.
    pub(crate) fn scan_folder(&self, folder: &Path) -> (usize, Vec<String>) {
        let (mut files, mut found) = (0, Vec::new());
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let (more_files, more) = self.scan_folder(&path);
                files += more_files;
                found.extend(more);
                continue;
            }
            files += 1;
            // A running server may have taken it away.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            found.extend(self.scan(&path.display().to_string(), &bytes));
        }
        (files, found)
    }
}

/// Every way in which a value could stand in a file: plain, hex, and base64 in all three alignments.
fn encodings(value: &str) -> Vec<Vec<u8>> {
    let mut spellings = vec![value.as_bytes().to_vec(), HEXLOWER.encode(value.as_bytes()).into_bytes()];
    for skipped in 0..3 {
        // The characters that the value alone decides, whatever stands before and behind it.
        let shifted = [vec![0; skipped], value.as_bytes().to_vec()].concat();
        let encoded = BASE64_NOPAD.encode(&shifted);
        let (from, to) = ((skipped * 8).div_ceil(6), shifted.len() * 8 / 6);
        spellings.push(encoded.as_bytes()[from..to].to_vec());
    }
    spellings
}
