//! Backups.

use std::fs;
use std::path::Path;

use events::LogIdentity;
use tlog::LogSigner;

use crate::folder::{
    Backup, BackupFile, CHECKPOINTS_FILE, EVENTS_FILE, FILES, KEYS_FILE, KeyRecord, MANIFEST_FILE,
    read_backup, render_note,
};
use crate::samples::{LOG, ORIGIN, events, head_of, signer, verifier, write};
use crate::written::WrittenFile;
use crate::{ReadBackupError, export};

fn written(path: &Path, lines: &[Vec<u8>]) -> BackupFile {
    let mut file = WrittenFile::create(path).unwrap();
    lines.iter().for_each(|line| file.line(line).unwrap());
    let name = path.file_name().unwrap().to_str().unwrap();
    BackupFile::new(name, file.finish().unwrap())
}

fn notes() -> Vec<Vec<u8>> {
    [1, 3, 4].map(|size| render_note(&signer().sign(head_of(&events()[..size])))).to_vec()
}

/// A backup whose sums are right, whatever its lines are.
fn save(folder: &Path, notes: &[Vec<u8>]) {
    let path = folder.join(EVENTS_FILE);
    let _ = fs::remove_file(&path);
    let head = head_of(&events());
    write(&path, &events(), head, signer().sign(head)).unwrap();
    let (_, sum) = export::verify_summed(&path, &verifier(), |_, _| {}).unwrap();
    let keys = ["kek.1", "gaytemzugu3doobzmfrggzdfmy.abc", "gaytemzugu3doobzmfrggzdfmy.erased"]
        .map(|rest| KeyRecord { subject: format!("$KV.keys.{rest}"), record: vec![1, 1, 7] }.render());
    let backup = Backup {
        created_at: "2026-02-17T00:00:00Z".parse().unwrap(),
        log: LogIdentity::from(LOG),
        files: [
            BackupFile::new(EVENTS_FILE, sum),
            written(&folder.join(KEYS_FILE), &keys),
            written(&folder.join(CHECKPOINTS_FILE), notes),
        ],
    };
    written(&folder.join(MANIFEST_FILE), &[backup.render()]);
}

fn read(folder: &Path) -> Result<Backup, ReadBackupError> {
    read_backup(folder, &verifier(), |_, _| {})
}

fn wrong(folder: &Path) -> String {
    format!("{:?}", read(folder).unwrap_err())
}

#[test]
fn a_whole_backup_is_told() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &notes());
    fs::write(folder.path().join("README"), "unknown files are fine").unwrap();
    let backup = read(folder.path()).unwrap();
    assert_eq!(backup.log.as_str(), LOG);
    assert_eq!(backup.files.map(|file| file.lines), [6, 3, 3]);
}

#[test]
fn a_missing_file_is_named() {
    for file in FILES.into_iter().chain([MANIFEST_FILE]) {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &notes());
        fs::remove_file(folder.path().join(file)).unwrap();
        assert_eq!(wrong(folder.path()), format!("Missing {{ file: {file:?} }}"));
    }
}

#[test]
fn a_file_that_is_cut_is_named() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &notes());
    for file in FILES.into_iter().chain([MANIFEST_FILE]) {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(3).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..end]).unwrap();
            let expected = match file {
                EVENTS_FILE => "Events(CutShort)".to_owned(),
                _ => format!("CutShort {{ file: {file:?} }}"),
            };
            assert_eq!(wrong(folder.path()), expected, "at {end}");
        }
        fs::write(&path, whole).unwrap();
    }
    read(folder.path()).unwrap();
}

#[test]
fn any_flipped_bit_is_found() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &notes());
    for file in FILES {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            assert!(read(folder.path()).is_err(), "{file} at {at}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn lines_that_come_go_or_change_are_found() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &notes());
    let path = folder.path().join(KEYS_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    for (order, expected) in [
        (&[0, 1][..], "CutShort { file: \"keys.ndjson\" }"),
        (&[0, 2, 1], "Changed { file: \"keys.ndjson\" }"),
        (&[0, 1, 2, 2], "Changed { file: \"keys.ndjson\" }"),
    ] {
        fs::write(&path, order.iter().map(|line| lines[*line]).collect::<String>()).unwrap();
        assert_eq!(wrong(folder.path()), expected);
    }
    fs::write(&path, whole.replace(".abc", "..c")).unwrap();
    assert_eq!(wrong(folder.path()), "NotInForm { file: \"keys.ndjson\", line: 2 }");
    fs::write(&path, whole).unwrap();
    let path = folder.path().join(MANIFEST_FILE);
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, manifest.replace("backup\":1", "backup\":9")).unwrap();
    assert_eq!(wrong(folder.path()), "Version { found: 9 }");
    fs::write(&path, format!("{manifest}{manifest}")).unwrap();
    assert_eq!(wrong(folder.path()), "NotInForm { file: \"backup.json\", line: 2 }");
    fs::write(&path, manifest.replace(LOG, "2026-01-02T00:00:00Z")).unwrap();
    assert_eq!(wrong(folder.path()), "OtherBackup { file: \"events.ndjson\" }");
}

#[test]
fn notes_are_signed_and_end_with_the_exports() {
    let folder = tempfile::tempdir().unwrap();
    let forged = LogSigner::new(ORIGIN, &[8; 32]).unwrap().sign(head_of(&events()[..2]));
    let mut lines = notes();
    lines.insert(1, render_note(&forged));
    save(folder.path(), &lines);
    assert_eq!(wrong(folder.path()), "Checkpoint { line: 2, source: Forged }");
    for lines in [&notes()[..2], &[]] {
        save(folder.path(), lines);
        assert_eq!(wrong(folder.path()), "OtherBackup { file: \"checkpoints.ndjson\" }");
    }
}
