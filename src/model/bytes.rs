//! Canonical bytes: the one encoding of everything that is stored as bulk and hashed.
//!
//! Integers are LEB128 in their shortest form or fixed little-endian; texts and byte strings are
//! framed by their length; sequences by their count. A reader refuses what a writer would not
//! have written, so that equal values and equal bytes are the same thing.

use super::TextColumn;

/// Bytes that no [`Writer`] would have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {what}")]
pub struct DecodeError {
    /// Where reading stopped, in bytes from the start.
    pub offset: usize,
    /// What was wrong there.
    pub what: &'static str,
}

/// Writes canonical bytes.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer that begins with `magic`, the format's name and version.
    #[must_use]
    pub fn new(magic: &str) -> Self {
        let mut writer = Writer(Vec::new());
        writer.text(magic);
        writer
    }

    /// An unsigned integer, LEB128.
    pub fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Bytes of a fixed, known length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A text, framed.
    pub fn text(&mut self, text: &str) {
        self.uint(text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// A column of texts: count, lengths, then all text at once.
    pub fn texts(&mut self, column: &TextColumn) {
        self.uint(column.len() as u64);
        for text in column.iter() {
            self.uint(text.len() as u64);
        }
        for text in column.iter() {
            self.raw(text.as_bytes());
        }
    }

    /// A column of 32-bit integers: count, then fixed little-endian.
    pub fn u32s(&mut self, values: &[u32]) {
        self.uint(values.len() as u64);
        self.0.reserve(values.len() * 4);
        for value in values {
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A column of 64-bit integers: count, then fixed little-endian.
    pub fn u64s(&mut self, values: &[u64]) {
        self.uint(values.len() as u64);
        self.0.reserve(values.len() * 8);
        for value in values {
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// All bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads canonical bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of bytes that begin with `magic`.
    ///
    /// # Errors
    /// If they don't.
    pub fn new(bytes: &'a [u8], magic: &str) -> Result<Self, DecodeError> {
        let mut reader = Reader { bytes, at: 0 };
        match reader.text() {
            Ok(found) if found == magic => Ok(reader),
            _ => Err(DecodeError { offset: 0, what: "another format or version" }),
        }
    }

    /// An error at the current place.
    #[must_use]
    pub fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { offset: self.at, what }
    }

    /// An unsigned integer, LEB128 in shortest form.
    ///
    /// # Errors
    /// At the end of the bytes, or for a longer form.
    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(self.error("an integer of more than 64 bits"));
            }
            value |= part << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(self.error("an integer that is not in shortest form"));
                }
                return Ok(value);
            }
        }
        Err(self.error("an integer of more than 64 bits"))
    }

    /// An unsigned integer below `limit`.
    ///
    /// # Errors
    /// As [`Reader::uint`], and for a larger one.
    pub fn below(&mut self, limit: usize, what: &'static str) -> Result<usize, DecodeError> {
        let value = self.uint()?;
        if value < limit as u64 { Ok(value as usize) } else { Err(self.error(what)) }
    }

    /// A count of things that take at least `bytes_each` bytes each, so that no count can ask
    /// for more memory than the input's own size.
    ///
    /// # Errors
    /// If so many cannot follow.
    pub fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError> {
        let value = self.uint()?;
        let room = (self.bytes.len() - self.at) / bytes_each.max(1);
        if value <= room as u64 {
            Ok(value as usize)
        } else {
            Err(self.error("a count past the end"))
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// At the end of the bytes.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(self.error("unexpected end"))?;
        self.at += 1;
        Ok(byte)
    }

    /// `length` bytes.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(self.error("unexpected end"))?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    /// A text, framed.
    ///
    /// # Errors
    /// If it is cut or not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.count(1)?;
        let bytes = self.raw(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a text that is not UTF-8"))
    }

    /// A column of texts.
    ///
    /// # Errors
    /// If it is cut or not UTF-8.
    pub fn texts(&mut self) -> Result<TextColumn, DecodeError> {
        let count = self.count(1)?;
        let mut lengths = Vec::with_capacity(count);
        for _ in 0..count {
            lengths.push(self.uint()? as usize);
        }
        let mut total = 0usize;
        for length in &lengths {
            total = total.checked_add(*length).ok_or(self.error("unexpected end"))?;
        }
        let bytes = self.raw(total)?;
        let text =
            std::str::from_utf8(bytes).map_err(|_| self.error("a text that is not UTF-8"))?;
        if u32::try_from(total).is_err() {
            return Err(self.error("a column of more than 4 GiB"));
        }
        let mut column = TextColumn::with_capacity(count, total);
        let mut at = 0;
        for length in lengths {
            let part = text.get(at..at + length).ok_or(self.error("a text that is not UTF-8"))?;
            column.push(part);
            at += length;
        }
        Ok(column)
    }

    /// A column of 32-bit integers.
    ///
    /// # Errors
    /// If it is cut.
    pub fn u32s(&mut self) -> Result<Vec<u32>, DecodeError> {
        let count = self.count(4)?;
        let bytes = self.raw(count * 4)?;
        let (chunks, _) = bytes.as_chunks::<4>();
        Ok(chunks.iter().map(|c| u32::from_le_bytes(*c)).collect())
    }

    /// A column of 64-bit integers.
    ///
    /// # Errors
    /// If it is cut.
    pub fn u64s(&mut self) -> Result<Vec<u64>, DecodeError> {
        let count = self.count(8)?;
        let bytes = self.raw(count * 8)?;
        let (chunks, _) = bytes.as_chunks::<8>();
        Ok(chunks.iter().map(|c| u64::from_le_bytes(*c)).collect())
    }

    /// Ends reading.
    ///
    /// # Errors
    /// If bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error("bytes after the end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u64, t: String, v: Vec<u32>, w: Vec<u64>, s: Vec<String>) {
            let column: TextColumn = s.iter().map(String::as_str).collect();
            let mut writer = Writer::new("test/1");
            writer.uint(a);
            writer.text(&t);
            writer.u32s(&v);
            writer.u64s(&w);
            writer.texts(&column);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes, "test/1").unwrap();
            prop_assert_eq!(reader.uint().unwrap(), a);
            prop_assert_eq!(reader.text().unwrap(), t);
            prop_assert_eq!(reader.u32s().unwrap(), v);
            prop_assert_eq!(reader.u64s().unwrap(), w);
            prop_assert_eq!(reader.texts().unwrap(), column);
            reader.finish().unwrap();
        }

        #[test]
        fn noise_never_panics(bytes: Vec<u8>) {
            if let Ok(mut reader) = Reader::new(&bytes, "") {
                let _ = reader.texts();
                let _ = reader.u64s();
            }
        }
    }

    #[test]
    fn only_the_shortest_form_is_read() {
        assert!(Reader { bytes: &[0x80, 0x00], at: 0 }.uint().is_err());
        assert_eq!(Reader { bytes: &[0x80, 0x01], at: 0 }.uint(), Ok(128));
        assert!(Reader::new(b"\x01x", "y").is_err());
    }
}
