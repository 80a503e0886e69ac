//! Backups.

use std::fs;
use std::path::Path;

use events::LogIdentity;
use tlog::LogSigner;

use crate::backup_folder::{
    BackupFile, BackupManifest, CHECKPOINTS_FILE, EVENTS_FILE, FILES, KEYS_FILE, KeyRecord, MANIFEST_FILE,
    render_note, verify_backup,
};
use crate::hashed_file::HashedFileWriter;
use crate::tests::fixtures::{LOG, ORIGIN, events, signer, tree_head, verifier, write_export};
use crate::{ReadBackupError, log_export};

fn write_lines(path: &Path, lines: &[Vec<u8>]) -> BackupFile {
    let mut file = HashedFileWriter::create(path).unwrap();
    lines.iter().for_each(|line| file.line(line).unwrap());
    let name = path.file_name().unwrap().to_str().unwrap();
    BackupFile::new(name, file.finish().unwrap())
}

fn notes() -> Vec<Vec<u8>> {
    [1, 3, 4].map(|size| render_note(&signer().sign_checkpoint(tree_head(&events()[..size])))).to_vec()
}

/// A backup whose sums are right, whatever its lines are.
fn write_backup(folder: &Path, notes: &[Vec<u8>]) {
    let path = folder.join(EVENTS_FILE);
    let _ = fs::remove_file(&path);
    let head = tree_head(&events());
    write_export(&path, &events(), head, signer().sign_checkpoint(head)).unwrap();
    let (_, sum) = log_export::verify_with_digest(&path, &verifier(), |_, _| {}).unwrap();
    let keys = ["kek.1", "gaytemzugu3doobzmfrggzdfmy.abc", "gaytemzugu3doobzmfrggzdfmy.erased"]
        .map(|rest| KeyRecord { subject: format!("$KV.keys.{rest}"), record: vec![1, 1, 7] }.render());
    let backup = BackupManifest {
        created_at: "2026-02-17T00:00:00Z".parse().unwrap(),
        log: LogIdentity::from(LOG),
        files: [
            BackupFile::new(EVENTS_FILE, sum),
            write_lines(&folder.join(KEYS_FILE), &keys),
            write_lines(&folder.join(CHECKPOINTS_FILE), notes),
        ],
    };
    write_lines(&folder.join(MANIFEST_FILE), &[backup.render()]);
}

fn verify(folder: &Path) -> Result<BackupManifest, ReadBackupError> {
    verify_backup(folder, &verifier(), |_, _| {})
}

fn error_text(folder: &Path) -> String {
    format!("{:?}", verify(folder).unwrap_err())
}

#[test]
fn a_whole_backup_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_backup(folder.path(), &notes());
    fs::write(folder.path().join("README"), "unknown files are fine").unwrap();
    let backup = verify(folder.path()).unwrap();
    assert_eq!(backup.log.as_str(), LOG);
    assert_eq!(backup.files.map(|file| file.lines), [6, 3, 3]);
}

#[test]
fn a_missing_file_is_named() {
    for file in FILES.into_iter().chain([MANIFEST_FILE]) {
        let folder = tempfile::tempdir().unwrap();
        write_backup(folder.path(), &notes());
        fs::remove_file(folder.path().join(file)).unwrap();
        assert_eq!(error_text(folder.path()), format!("MissingFile {{ file: {file:?} }}"));
    }
}

#[test]
fn a_file_that_is_cut_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_backup(folder.path(), &notes());
    for file in FILES.into_iter().chain([MANIFEST_FILE]) {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(3).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..end]).unwrap();
            let expected = match file {
                EVENTS_FILE => "InvalidExport(Truncated)".to_owned(),
                _ => format!("Truncated {{ file: {file:?} }}"),
            };
            assert_eq!(error_text(folder.path()), expected, "at {end}");
        }
        fs::write(&path, whole).unwrap();
    }
    verify(folder.path()).unwrap();
}

#[test]
fn any_flipped_bit_is_found() {
    let folder = tempfile::tempdir().unwrap();
    write_backup(folder.path(), &notes());
    for file in FILES {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            assert!(verify(folder.path()).is_err(), "{file} at {at}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn lines_that_come_go_or_change_are_found() {
    let folder = tempfile::tempdir().unwrap();
    write_backup(folder.path(), &notes());
    let path = folder.path().join(KEYS_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    for (order, expected) in [
        (&[0, 1][..], "Truncated { file: \"keys.ndjson\" }"),
        (&[0, 2, 1], "DigestMismatch { file: \"keys.ndjson\" }"),
        (&[0, 1, 2, 2], "DigestMismatch { file: \"keys.ndjson\" }"),
    ] {
        fs::write(&path, order.iter().map(|line| lines[*line]).collect::<String>()).unwrap();
        assert_eq!(error_text(folder.path()), expected);
    }
    fs::write(&path, whole.replace(".abc", "..c")).unwrap();
    assert_eq!(error_text(folder.path()), "MalformedLine { file: \"keys.ndjson\", line: 2 }");
    fs::write(&path, whole).unwrap();
    let path = folder.path().join(MANIFEST_FILE);
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("backup\":1", "backup\":9")).unwrap();
    assert_eq!(error_text(folder.path()), "UnsupportedVersion { found: 9 }");
    fs::write(&path, format!("{manifest}{manifest}")).unwrap();
    assert_eq!(error_text(folder.path()), "MalformedLine { file: \"backup.json\", line: 2 }");
    fs::write(&path, manifest.replace(LOG, "2026-01-02T00:00:00Z")).unwrap();
    assert_eq!(error_text(folder.path()), "BackupMismatch { file: \"events.ndjson\" }");
}

#[test]
fn notes_are_signed_and_end_with_the_exports() {
    let folder = tempfile::tempdir().unwrap();
    let forged = LogSigner::new(ORIGIN, &[8; 32]).unwrap().sign_checkpoint(tree_head(&events()[..2]));
    let mut lines = notes();
    lines.insert(1, render_note(&forged));
    write_backup(folder.path(), &lines);
    assert_eq!(error_text(folder.path()), "InvalidCheckpoint { line: 2, source: Forged }");
    for lines in [&notes()[..2], &[]] {
        write_backup(folder.path(), lines);
        assert_eq!(error_text(folder.path()), "BackupMismatch { file: \"checkpoints.ndjson\" }");
    }
}
