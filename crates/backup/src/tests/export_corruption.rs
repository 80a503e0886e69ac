//! Exports.

use std::fs;
use std::path::Path;

use tlog::{CheckpointError, Hash, LogSigner, TreeHead};

use crate::log_export::{LogExportReader, ReadLogExportError, verify_log_export};
use crate::tests::fixtures::{
    LOG, ORIGIN, complete_export, events, signer, tree_head, verifier, write_export,
};
use crate::{LogExport, LogExportError};

/// The whole file, for four events. Written once by another program (Python, with `cryptography`).
const GOLDEN: &str = include_str!("export.ndjson");

fn verify(path: &Path, text: impl AsRef<[u8]>) -> Result<LogExport, ReadLogExportError> {
    fs::write(path, text).unwrap();
    verify_log_export(path, &verifier(), |_, _| {})
}

/// The error's name and where it is.
fn error_text(path: &Path, text: impl AsRef<[u8]>) -> String {
    format!("{:?}", verify(path, text).unwrap_err())
}

#[test]
fn golden_export() {
    let (folder, path, text) = complete_export();
    assert_eq!(text, GOLDEN);
    let mut told = Vec::new();
    let exported = verify_log_export(&path, &verifier(), |done, of| told.push((done, of))).unwrap();
    let head = tree_head(&events());
    assert_eq!((exported.log.as_str(), exported.events, exported.root), (LOG, 4, head.root));
    assert_eq!(verifier().open_checkpoint(&exported.checkpoint), Ok(head));
    assert_eq!(told, [(4, 4)]);
    let mut reader = LogExportReader::open(&path, &verifier()).unwrap();
    let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, events());
    assert_eq!(reader.verified(), Some(&exported));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_empty_log_has_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.ndjson");
    let head = TreeHead { size: 0, root: Hash::empty_root() };
    write_export(&path, &[], head, signer().sign_checkpoint(head)).unwrap();
    let exported = verify_log_export(&path, &verifier(), |_, _| {}).unwrap();
    assert_eq!((exported.events, exported.root), (0, head.root));
    assert_eq!(LogExportReader::open(&path, &verifier()).unwrap().count(), 0);
}

#[test]
fn what_was_not_signed_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let head = tree_head(&events());
    let mut changed = events();
    changed[1].bytes = b"true".to_vec();
    for events in [&changed[..], &events()[..3]] {
        let written = write_export(&path, events, head, signer().sign_checkpoint(head));
        assert!(matches!(written, Err(LogExportError::RootMismatch)), "{written:?}");
    }
    fs::write(&path, "another").unwrap();
    let written = write_export(&path, &events(), head, signer().sign_checkpoint(head));
    assert!(matches!(written, Err(LogExportError::File(_))), "{written:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn cut_anywhere_it_is_cut_short() {
    let (_folder, path, text) = complete_export();
    for end in 0..text.len() {
        assert_eq!(error_text(&path, &text.as_bytes()[..end]), "Truncated", "at {end}");
    }
}

#[test]
fn any_flipped_bit_is_found() {
    let (_folder, path, text) = complete_export();
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
    let (_folder, path, text) = complete_export();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let of = |order: &[usize]| error_text(&path, order.iter().map(|line| lines[*line]).collect::<String>());
    assert_eq!(of(&[0, 1, 2, 4, 5]), "MissingEvent { sequence: 3 }");
    assert_eq!(of(&[0, 1, 2, 3, 5]), "MissingEvent { sequence: 4 }");
    assert_eq!(of(&[0, 5]), "MissingEvent { sequence: 1 }");
    assert_eq!(of(&[0, 1, 2, 2, 3, 4, 5]), "RepeatedEvent { sequence: 2 }");
    assert_eq!(of(&[0, 1, 3, 2, 4, 5]), "MissingEvent { sequence: 2 }");
    assert_eq!(of(&[1, 2, 3, 4, 5]), "MalformedLine { line: 1 }");
    assert_eq!(of(&[0, 0, 1, 2, 3, 4, 5]), "MalformedLine { line: 2 }");
    assert_eq!(of(&[0, 1, 2, 3, 4]), "Truncated");
    assert_eq!(of(&[0, 1, 2, 3, 4, 5, 5]), "TrailingData");
    assert_eq!(error_text(&path, format!("{text}x")), "TrailingData");
    assert_eq!(error_text(&path, format!("{text}\n")), "TrailingData");
    let long = text.replace("null", &"1".repeat(2 << 20));
    assert_eq!(error_text(&path, long), "LineTooLong { line: 3 }");
    let fifth = lines[4].replace(":4,", ":5,").replace("v1.4", "v1.5");
    let more = [&lines[..5], &[&fifth, lines[5]]].concat().concat();
    assert_eq!(error_text(&path, more), "MalformedLine { line: 6 }");
    assert_eq!(
        error_text(&path, text.replace("export\":1", "export\":2")),
        "UnsupportedVersion { found: 2 }"
    );
    assert_eq!(error_text(&path, text.replace("null", "true")), "DigestMismatch");
    assert_eq!(error_text(&path, text.replace("v1.3.", "v1.9.")), "DigestMismatch");
}

#[test]
fn sums_made_anew_are_not_a_signature() {
    let (folder, path, _) = complete_export();
    let mut changed = events();
    changed[0].bytes = b"{}".to_vec();
    let (head, other) = (tree_head(&events()), tree_head(&changed));
    let forger = LogSigner::new(ORIGIN, &[8; 32]).unwrap();
    let stranger = LogSigner::new("other.example", &[7; 32]).unwrap();
    let shorter = tree_head(&events()[..3]);
    for (note, expected) in [
        (signer().sign_checkpoint(head), "RootMismatch"),
        (signer().sign_checkpoint(shorter), "RootMismatch"),
        (forger.sign_checkpoint(other), "InvalidCheckpoint(Forged)"),
        (signer().sign_checkpoint(head).replace("\n4\n", "\n5\n"), "InvalidCheckpoint(Forged)"),
        ("no note".to_owned(), "InvalidCheckpoint(Malformed)"),
    ] {
        let changed_path = folder.path().join("changed.ndjson");
        write_export(&changed_path, &changed, other, note).unwrap();
        let error = verify_log_export(&changed_path, &verifier(), |_, _| {}).unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
        fs::remove_file(&changed_path).unwrap();
    }
    fs::remove_file(&path).unwrap();
    write_export(&path, &events(), head, stranger.sign_checkpoint(head)).unwrap();
    let error = verify_log_export(&path, &verifier(), |_, _| {}).unwrap_err();
    let ReadLogExportError::InvalidCheckpoint(CheckpointError::OriginMismatch { found, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(found, "other.example");
}

#[test]
fn a_reader_ends_at_the_first_error() {
    let (_folder, path, text) = complete_export();
    fs::write(&path, text.replace("null", "nul")).unwrap();
    let read: Vec<_> = LogExportReader::open(&path, &verifier()).unwrap().collect();
    assert_eq!(read.len(), 2);
    assert!(matches!(read[1], Err(ReadLogExportError::MalformedLine { line: 3 })));
    let missing = verify_log_export(&path.with_file_name("missing"), &verifier(), |_, _| {});
    assert!(matches!(missing, Err(ReadLogExportError::File(_))));
}
