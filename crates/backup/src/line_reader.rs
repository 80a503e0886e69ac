//! A file of lines, read with bounds, and summed on the way.

use std::io::{self, BufRead, Read as _};

use sha2::{Digest, Sha256};

use crate::hashed_file::{FileDigest, hex_digest};
use crate::limits::LINE_BYTES_MAX;

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the file can't be read")]
    File(#[from] io::Error),
    #[error("the file ends within a line")]
    Truncated,
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong { line: u64 },
}

/// Reads lines, each of which ends in a line feed.
pub(crate) struct LineReader<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
    /// Over everything before the line.
    hasher: Sha256,
}

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), number: 0, hasher: Sha256::new() }
    }

    /// Goes on to the next line; false at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, LineError> {
        self.hasher.update(&self.line);
        self.line.clear();
        let bytes_max = LINE_BYTES_MAX as u64 + 1;
        (&mut self.reader).take(bytes_max).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        match self.line.last() {
            Some(b'\n') => Ok(true),
            _ if self.line.len() > LINE_BYTES_MAX => Err(LineError::LineTooLong { line: self.number }),
            _ => Err(LineError::Truncated),
        }
    }

    /// The line, without its line feed.
    pub(crate) fn line(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// The line's number, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The sum over everything before this line.
    pub(crate) fn sha256_before(&self) -> String {
        hex_digest(&self.hasher)
    }

    /// At the end of the file: what it holds.
    pub(crate) fn digest(&self) -> FileDigest {
        FileDigest { lines: self.number, sha256: self.sha256_before() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_summed() {
        let mut lines = LineReader::new(&b"one\n\ntwo\n"[..]);
        let empty = lines.sha256_before();
        for expected in ["one", "", "two"] {
            assert!(lines.advance().unwrap());
            assert_eq!(lines.line(), expected.as_bytes());
        }
        assert!(!lines.advance().unwrap());
        let sum = lines.digest();
        assert_eq!(sum.lines, 3);
        // `printf 'one\n\ntwo\n' | sha256sum`
        assert_eq!(sum.sha256, "ca48018cd69ec26f9206d26f99b5019ba6075d5482c587a072361987ae3179dd");
        assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn what_has_no_end_is_no_line() {
        let mut cut = LineReader::new(&b"one\ntwo"[..]);
        assert!(cut.advance().unwrap());
        assert!(matches!(cut.advance(), Err(LineError::Truncated)));
        let longest = [vec![b'x'; LINE_BYTES_MAX], b"\n".to_vec()].concat();
        assert!(LineReader::new(&longest[..]).advance().unwrap());
        let long = [b"x", &longest[..]].concat();
        assert!(matches!(LineReader::new(&long[..]).advance(), Err(LineError::LineTooLong { line: 1 })));
    }
}
