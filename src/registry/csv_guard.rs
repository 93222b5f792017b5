//! A reader between a file and the CSV parser: strips the byte-order mark, stops a record that
//! does not end, and notices quotes that are not closed.

use std::io::{self, ErrorKind, Read};

use super::limits::RECORD_BYTES_MAX;

/// What the CSV parser asks for at a time, at most.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

const BOM: [u8; 3] = *b"\xef\xbb\xbf";

/// Hands through what `inner` reads, as long as records keep ending.
///
/// The parser fills its buffer with at most [`CHUNK_BYTES`] before it looks for the end of a
/// record. So if it takes more than that and [`RECORD_BYTES_MAX`] for one record, the record is
/// too long, and not a byte more is read.
pub(super) struct Guard<R> {
    inner: R,
    /// Bytes read ahead at the start that are no byte-order mark, to be handed out first.
    head: ([u8; 3], usize, usize),
    started: bool,
    left: usize,
    tripped: bool,
    /// Bytes handed out, without the byte-order mark.
    total: u64,
    last: u8,
    ended: bool,
    quotes: u64,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(inner: R) -> Self {
        Guard {
            inner,
            head: ([0; 3], 0, 0),
            started: false,
            left: 0,
            tripped: false,
            total: 0,
            last: b'\n',
            ended: false,
            quotes: 0,
        }
    }

    /// Says that a record begins.
    pub(super) fn begin_record(&mut self) {
        self.left = RECORD_BYTES_MAX + CHUNK_BYTES;
    }

    /// Whether a record was too long.
    pub(super) fn tripped(&self) -> bool {
        self.tripped
    }

    /// Whether the record that ends at byte `at` lacks a line end, as the last of a file may.
    pub(super) fn is_unterminated(&self, at: u64) -> bool {
        self.ended && at == self.total && self.last != b'\n'
    }

    /// Whether the file has an odd number of quotes.
    pub(super) fn has_open_quote(&self) -> bool {
        !self.quotes.is_multiple_of(2)
    }

    /// Reads the first three bytes, however small the pieces in which they come.
    fn start(&mut self) -> io::Result<()> {
        let (bytes, _, length) = &mut self.head;
        while *length < BOM.len() {
            match self.inner.read(&mut bytes[*length..]) {
                Ok(0) => break,
                Ok(read) => *length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if *bytes == BOM {
            *length = 0;
        }
        self.started = true;
        Ok(())
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.started {
            self.start()?;
        }
        let (bytes, from, length) = &mut self.head;
        if from < length {
            let count = (*length - *from).min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[*from..*from + count]);
            *from += count;
            return Ok(count);
        }
        self.inner.read(buffer)
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.tripped = true;
            return Err(io::Error::other("a record that is too long"));
        }
        let room = buffer.len().min(self.left);
        let count = self.read_some(&mut buffer[..room])?;
        let read = &buffer[..count];
        self.left -= count;
        self.total += count as u64;
        self.quotes += read.iter().filter(|byte| **byte == b'"').count() as u64;
        match read.last() {
            Some(last) => self.last = *last,
            None => self.ended = true,
        }
        Ok(count)
    }
}
