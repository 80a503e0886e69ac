//! A sealed file, format 1.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 10 | the data key's id |
//! | 11 | n | chunks: each the sealed bytes ([`keys::DataKey::seal`], 29 bytes more) of 65,536 plain bytes, the last of 0 to 65,535 |
//!
//! The associated data of a chunk are `syncwell.object.v1`, the object's name, the chunk's number (8 bytes, big-endian) and
//! whether it is the last (a byte): so nothing can be cut off, put in another order or moved to another object. A last chunk
//! is there always, and it alone is short.

use std::io::{self, Read, Write};

use keys::{DataKey, DataKeyId, SEALED_OVERHEAD_BYTES};
use zeroize::Zeroizing;

use crate::object_name::ObjectName;

const FORMAT: u8 = 1;
pub(crate) const HEADER_BYTES: usize = 11;
/// Plain bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 65_536;

fn associated_data(name: &ObjectName, number: u64, is_last: bool) -> Vec<u8> {
    let name = name.to_string();
    [b"syncwell.object.v1".as_slice(), name.as_bytes(), &number.to_be_bytes(), &[u8::from(is_last)]].concat()
}

/// Seals what is written to it.
pub(crate) struct SealingWriter<W> {
    out: W,
    name: ObjectName,
    key: std::sync::Arc<DataKey>,
    chunk: Zeroizing<Vec<u8>>,
    chunk_index: u64,
}

impl<W: Write> SealingWriter<W> {
    pub(crate) fn new(mut out: W, name: ObjectName, key: std::sync::Arc<DataKey>) -> io::Result<Self> {
        out.write_all(&[&[FORMAT], key.id().as_bytes().as_slice()].concat())?;
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Ok(Self { out, name, key, chunk, chunk_index: 0 })
    }

    fn seal_chunk(&mut self, is_last: bool) -> io::Result<()> {
        let sealed = self.key.seal(&associated_data(&self.name, self.chunk_index, is_last), &self.chunk);
        self.out.write_all(&sealed)?;
        self.chunk.clear();
        self.chunk_index += 1;
        Ok(())
    }

    /// Seals the last chunk.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal_chunk(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.seal_chunk(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The data key that a sealed file names.
pub(crate) fn read_header(file: &mut impl Read) -> io::Result<DataKeyId> {
    let mut head = [0; HEADER_BYTES];
    file.read_exact(&mut head)?;
    match head.split_first() {
        Some((&FORMAT, id)) => Ok(DataKeyId::from_bytes(id.try_into().map_err(|_| damaged_error())?)),
        _ => Err(damaged_error()),
    }
}

/// Plain bytes in a sealed file of this length.
pub(crate) fn plaintext_len(file_bytes: u64) -> Option<u64> {
    let chunks = file_bytes.checked_sub(HEADER_BYTES as u64)?;
    let whole = (CHUNK_BYTES + SEALED_OVERHEAD_BYTES) as u64;
    let rest = (chunks % whole).checked_sub(SEALED_OVERHEAD_BYTES as u64)?;
    Some(chunks / whole * CHUNK_BYTES as u64 + rest)
}

/// Opens a sealed file, chunk by chunk.
pub(crate) struct OpeningReader<R> {
    file: R,
    name: ObjectName,
    key: std::sync::Arc<DataKey>,
    chunk_index: u64,
    is_finished: bool,
}

impl<R: Read> OpeningReader<R> {
    /// Behind the head.
    pub(crate) fn after_header(file: R, name: ObjectName, key: std::sync::Arc<DataKey>) -> Self {
        Self { file, name, key, chunk_index: 0, is_finished: false }
    }

    /// The next plain bytes; `None` behind the last.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        if self.is_finished {
            return Ok(None);
        }
        let mut sealed = Vec::with_capacity(CHUNK_BYTES + SEALED_OVERHEAD_BYTES);
        let bytes_max = (CHUNK_BYTES + SEALED_OVERHEAD_BYTES) as u64;
        (&mut self.file).take(bytes_max).read_to_end(&mut sealed)?;
        let is_last = (sealed.len() as u64) < bytes_max;
        let opened = self.key.open(&associated_data(&self.name, self.chunk_index, is_last), sealed);
        (self.chunk_index, self.is_finished) = (self.chunk_index + 1, is_last);
        opened.map(Some).map_err(|_| damaged_error())
    }
}

fn damaged_error() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the object is damaged, or another one's")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keys::{ExportId, UserRef};

    use super::*;

    fn key() -> Arc<DataKey> {
        Arc::new(DataKey::new(DataKeyId::from_bytes([4; 10]), 0, &[7; 32]))
    }

    fn name(byte: u8) -> ObjectName {
        ObjectName { user: UserRef::from_bytes([1; 16]), export: ExportId::from_bytes([byte; 16]) }
    }

    fn seal(plain: &[u8]) -> Vec<u8> {
        let mut sealing = SealingWriter::new(Vec::new(), name(2), key()).unwrap();
        sealing.write_all(plain).unwrap();
        sealing.finish().unwrap()
    }

    fn open(sealed: &[u8], of: ObjectName) -> io::Result<Vec<u8>> {
        let mut file = sealed;
        assert_eq!(read_header(&mut file)?, key().id());
        let mut opening = OpeningReader::after_header(file, of, key());
        let mut plain = Vec::new();
        while let Some(chunk) = opening.next_chunk()? {
            plain.extend_from_slice(&chunk);
        }
        Ok(plain)
    }

    #[test]
    fn golden_file() {
        // Made once with Python's cryptography.
        let golden =
            "01040404040404040404040109090909090909090909090957e9e5faca95a548beac80431cd99436a7d5e03b26de68";
        let golden = data_encoding::HEXLOWER.decode(golden.as_bytes()).unwrap();
        assert_eq!(open(&golden, name(2)).unwrap(), b"planted");
        assert_eq!(seal(b"planted").len(), golden.len());
    }

    #[test]
    fn round_trips_at_every_edge_and_the_golden_head() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let plain: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let sealed = seal(&plain);
            assert_eq!(sealed[..HEADER_BYTES], [1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
            assert_eq!(plaintext_len(sealed.len() as u64), Some(length as u64));
            assert_eq!(open(&sealed, name(2)).unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn nothing_is_cut_moved_or_changed_unseen() {
        let sealed = seal(&vec![5; 2 * CHUNK_BYTES + 9]);
        let whole = CHUNK_BYTES + SEALED_OVERHEAD_BYTES;
        for cut in [sealed.len() - 1, HEADER_BYTES + 2 * whole, HEADER_BYTES + whole, HEADER_BYTES] {
            assert!(open(&sealed[..cut], name(2)).is_err(), "cut to {cut}");
        }
        let (first, second) =
            (HEADER_BYTES..HEADER_BYTES + whole, HEADER_BYTES + whole..HEADER_BYTES + 2 * whole);
        let mut swapped = sealed.clone();
        swapped[first.clone()].copy_from_slice(&sealed[second.clone()]);
        swapped[second].copy_from_slice(&sealed[first]);
        assert!(open(&swapped, name(2)).is_err());
        assert!(open(&sealed, name(3)).is_err(), "another object");
        for at in [HEADER_BYTES + 20, sealed.len() - 1] {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(open(&flipped, name(2)).is_err(), "byte {at}");
        }
        assert!(read_header(&mut [&[2], &sealed[1..]].concat().as_slice()).is_err(), "another format");
    }
}
