//! What is wrong with a policy: where, what was found, what would be right.

use std::collections::BTreeMap;
use std::fmt;

use super::node::FOUND_CHARS_MAX;

/// One thing wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The key, as a path from the top, e.g. `quota[2].min` (counted from 0); empty for the whole.
    pub path: String,
    /// The line of the text, counted from 1; none where the policy was no text.
    pub line: Option<u32>,
    /// What was found, cut if long; empty if nothing was.
    pub value: String,
    /// What would be right, in a planner's words.
    pub expected: String,
}

impl PolicyError {
    /// An error without a line.
    pub(super) fn new(path: &str, value: &str, expected: impl Into<String>) -> Self {
        let mut found: String = value.chars().take(FOUND_CHARS_MAX).collect();
        if found.len() < value.len() {
            found.push('…');
        }
        PolicyError { path: path.to_owned(), line: None, value: found, expected: expected.into() }
    }

    /// The part of the path before its first dot: the top-level key, with its index.
    pub(super) fn head(&self) -> &str {
        self.path.split_once('.').map_or(self.path.as_str(), |(head, _)| head)
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if self.value.is_empty() {
            write!(f, "missing; expected {}", self.expected)
        } else {
            // A line break in a value must not look like the end of the error.
            let mut found = String::new();
            for c in self.value.chars() {
                if c.is_control() { found.extend(c.escape_default()) } else { found.push(c) }
            }
            write!(f, "found `{found}`; expected {}", self.expected)
        }
    }
}

/// Everything wrong with a policy, at least one thing; displayed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyErrors(
    /// The errors by line, where there are lines, and in the grammar's order.
    pub Vec<PolicyError>,
);

impl PolicyErrors {
    /// Gives every error the line of its key, or else of the nearest key around it that was
    /// written, and puts them in the order of their lines.
    pub(super) fn locate(&mut self, lines: &BTreeMap<String, u32>) {
        for error in &mut self.0 {
            let mut path = error.path.as_str();
            error.line = loop {
                if let Some(line) = lines.get(path) {
                    break Some(*line);
                }
                match path.rfind(['.', '[']) {
                    Some(end) => path = &path[..end],
                    None => break Some(1),
                }
            };
        }
        self.0.sort_by_key(|error| error.line);
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(error, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}
