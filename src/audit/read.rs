//! From bytes to a document, and whether the bytes are the one text that the document has.

use std::io;

use crate::plan::Document;

/// Reads a plan, or says where it stops being one.
pub(super) fn document(bytes: &[u8]) -> Result<Document, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        format!("byte {at} of {}: not UTF-8", bytes.len())
    })?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Compares what is written to it with the bytes that should be written.
struct Comparison<'a> {
    expected: &'a [u8],
    at: usize,
}

impl io::Write for Comparison<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let rest = self.expected.get(self.at..).unwrap_or_default();
        if rest.starts_with(written) {
            self.at += written.len();
            return Ok(written.len());
        }
        self.at += written.iter().zip(rest).take_while(|(a, b)| a == b).count();
        Err(io::ErrorKind::InvalidData.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether `bytes` are the compact text of `document` and one line feed; else where not. Writes
/// nothing to memory: the text is compared as it is made.
pub(super) fn is_canonical(bytes: &[u8], document: &Document) -> Result<(), String> {
    let mut comparison = Comparison { expected: bytes, at: 0 };
    let same = serde_json::to_writer(&mut comparison, document).is_ok();
    let at = comparison.at;
    if !same {
        return Err(format!("byte {at}: the plan's text is another from here on"));
    }
    match &bytes[at..] {
        b"\n" => Ok(()),
        [] => Err(format!("byte {at}: the line feed at the end is missing")),
        rest => Err(format!("byte {at}: {} bytes instead of one line feed", rest.len())),
    }
}
