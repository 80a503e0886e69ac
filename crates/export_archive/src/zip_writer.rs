//! The zip, file by file, each with its length and its sum. It is written from its beginning to its end and never sought in.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

use crate::error::ArchiveError;
use crate::manifest::{ArchiveManifest, ArchiveManifestFile, ArchiveMetadata};

pub(crate) struct ArchiveWriter<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    files: Vec<ArchiveManifestFile>,
}

impl<W: Write> ArchiveWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { zip: ZipWriter::new_stream(out), files: Vec::new() }
    }

    /// Writes a file.
    pub(crate) fn write_file(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        // A file may be longer than 4 GiB.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true)
            .unix_permissions(0o600);
        self.zip.start_file(name, options)?;
        let mut summing = HashingWriter { out: &mut self.zip, hash: Sha256::new(), bytes: 0 };
        write(&mut summing)?;
        let HashingWriter { hash, bytes, .. } = summing;
        let sha256 = HEXLOWER.encode(&hash.finalize());
        self.files.push(ArchiveManifestFile { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Writes the manifest and the end.
    pub(crate) fn finish(
        mut self,
        about: &ArchiveMetadata,
        stale: bool,
    ) -> Result<ArchiveManifest, ArchiveError> {
        let manifest = ArchiveManifest::new(about, stale, std::mem::take(&mut self.files));
        self.write_file("manifest.json", |file| {
            serde_json::to_writer_pretty(&mut *file, &manifest).map_err(io::Error::from)?;
            Ok(file.write_all(b"\n")?)
        })?;
        self.zip.finish()?.into_inner().flush()?;
        Ok(manifest)
    }
}

struct HashingWriter<'w, W: Write> {
    out: &'w mut W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for HashingWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
