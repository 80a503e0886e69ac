//! Exports.

use std::fs;
use std::path::Path;

use tlog::{CheckpointError, Hash, LogSigner, TreeHead};

use crate::export::{ExportReader, ReadExportError, verify_export};
use crate::samples::{LOG, ORIGIN, events, export, head_of, signer, verifier, write};
use crate::{ExportError, Exported};

/// The whole file, for four events. Written once by another program (Python, with `cryptography`).
const GOLDEN: &str = include_str!("export.ndjson");

fn verify(path: &Path, text: impl AsRef<[u8]>) -> Result<Exported, ReadExportError> {
    fs::write(path, text).unwrap();
    verify_export(path, &verifier(), |_, _| {})
}

/// The error's name and where it is.
fn wrong(path: &Path, text: impl AsRef<[u8]>) -> String {
    format!("{:?}", verify(path, text).unwrap_err())
}

#[test]
fn golden_export() {
    let (folder, path, text) = export();
    assert_eq!(text, GOLDEN);
    let mut told = Vec::new();
    let exported = verify_export(&path, &verifier(), |done, of| told.push((done, of))).unwrap();
    let head = head_of(&events());
    assert_eq!((exported.log.as_str(), exported.events, exported.root), (LOG, 4, head.root));
    assert_eq!(verifier().open(&exported.checkpoint), Ok(head));
    assert_eq!(told, [(4, 4)]);
    let mut reader = ExportReader::open(&path, &verifier()).unwrap();
    let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, events());
    assert_eq!(reader.verified(), Some(&exported));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_empty_log_has_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.ndjson");
    let head = TreeHead { size: 0, root: Hash::of_nothing() };
    write(&path, &[], head, signer().sign(head)).unwrap();
    let exported = verify_export(&path, &verifier(), |_, _| {}).unwrap();
    assert_eq!((exported.events, exported.root), (0, head.root));
    assert_eq!(ExportReader::open(&path, &verifier()).unwrap().count(), 0);
}

#[test]
fn what_was_not_signed_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let head = head_of(&events());
    let mut changed = events();
    changed[1].bytes = b"true".to_vec();
    for events in [&changed[..], &events()[..3]] {
        let written = write(&path, events, head, signer().sign(head));
        assert!(matches!(written, Err(ExportError::NotWhatWasSigned)), "{written:?}");
    }
    fs::write(&path, "another").unwrap();
    let written = write(&path, &events(), head, signer().sign(head));
    assert!(matches!(written, Err(ExportError::File(_))), "{written:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn cut_anywhere_it_is_cut_short() {
    let (_folder, path, text) = export();
    for end in 0..text.len() {
        assert_eq!(wrong(&path, &text.as_bytes()[..end]), "CutShort", "at {end}");
    }
}

#[test]
fn any_flipped_bit_is_found() {
    let (_folder, path, text) = export();
    for at in 0..text.len() {
        for bit in [0, 2, 5, 7] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            assert!(verify(&path, &bytes).is_err(), "bit {bit} at {at}");
        }
    }
}

#[test]
fn lines_are_all_there_once_and_in_order() {
    let (_folder, path, text) = export();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let of = |order: &[usize]| wrong(&path, order.iter().map(|line| lines[*line]).collect::<String>());
    assert_eq!(of(&[0, 1, 2, 4, 5]), "Missing { sequence: 3 }");
    assert_eq!(of(&[0, 1, 2, 3, 5]), "Missing { sequence: 4 }");
    assert_eq!(of(&[0, 5]), "Missing { sequence: 1 }");
    assert_eq!(of(&[0, 1, 2, 2, 3, 4, 5]), "Repeated { sequence: 2 }");
    assert_eq!(of(&[0, 1, 3, 2, 4, 5]), "Missing { sequence: 2 }");
    assert_eq!(of(&[1, 2, 3, 4, 5]), "NotInForm { line: 1 }");
    assert_eq!(of(&[0, 0, 1, 2, 3, 4, 5]), "NotInForm { line: 2 }");
    assert_eq!(of(&[0, 1, 2, 3, 4]), "CutShort");
    assert_eq!(of(&[0, 1, 2, 3, 4, 5, 5]), "GoesOn");
    assert_eq!(wrong(&path, format!("{text}x")), "GoesOn");
    assert_eq!(wrong(&path, format!("{text}\n")), "GoesOn");
    let long = text.replace("null", &"1".repeat(2 << 20));
    assert_eq!(wrong(&path, long), "TooLong { line: 3 }");
    let fifth = lines[4].replace(":4,", ":5,").replace("v1.4", "v1.5");
    let more = [&lines[..5], &[&fifth, lines[5]]].concat().concat();
    assert_eq!(wrong(&path, more), "NotInForm { line: 6 }");
    assert_eq!(wrong(&path, text.replace("export\":1", "export\":2")), "Version { found: 2 }");
    assert_eq!(wrong(&path, text.replace("null", "true")), "Damaged");
    assert_eq!(wrong(&path, text.replace("v1.3.", "v1.9.")), "Damaged");
}

#[test]
fn sums_made_anew_are_not_a_signature() {
    let (folder, path, _) = export();
    let mut changed = events();
    changed[0].bytes = b"{}".to_vec();
    let (head, other) = (head_of(&events()), head_of(&changed));
    let forger = LogSigner::new(ORIGIN, &[8; 32]).unwrap();
    let stranger = LogSigner::new("other.example", &[7; 32]).unwrap();
    let shorter = head_of(&events()[..3]);
    for (note, expected) in [
        (signer().sign(head), "NotWhatWasSigned"),
        (signer().sign(shorter), "NotWhatWasSigned"),
        (forger.sign(other), "Checkpoint(Forged)"),
        (signer().sign(head).replace("\n4\n", "\n5\n"), "Checkpoint(Forged)"),
        ("no note".to_owned(), "Checkpoint(Malformed)"),
    ] {
        let changed_path = folder.path().join("changed.ndjson");
        write(&changed_path, &changed, other, note).unwrap();
        let error = verify_export(&changed_path, &verifier(), |_, _| {}).unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
        fs::remove_file(&changed_path).unwrap();
    }
    fs::remove_file(&path).unwrap();
    write(&path, &events(), head, stranger.sign(head)).unwrap();
    let error = verify_export(&path, &verifier(), |_, _| {}).unwrap_err();
    let ReadExportError::Checkpoint(CheckpointError::OtherLog { found, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(found, "other.example");
}

#[test]
fn a_reader_ends_at_the_first_error() {
    let (_folder, path, text) = export();
    fs::write(&path, text.replace("null", "nul")).unwrap();
    let read: Vec<_> = ExportReader::open(&path, &verifier()).unwrap().collect();
    assert_eq!(read.len(), 2);
    assert!(matches!(read[1], Err(ReadExportError::NotInForm { line: 3 })));
    let missing = verify_export(&path.with_file_name("missing"), &verifier(), |_, _| {});
    assert!(matches!(missing, Err(ReadExportError::File(_))));
}
