//! Numbers for texts, in the order of arrival; sorted only at the end of an import.

use std::hash::{BuildHasher, RandomState};

use crate::model::{DivisionCode, TextColumn};

/// A set of texts, each with a number.
///
/// An open-addressing table of 8 bytes a slot over one text buffer: ten million identifiers cost
/// a fraction of what a map of strings would. The hash is keyed at random, so that nobody can
/// choose identifiers that collide, and it decides nothing but where a text is looked for.
#[derive(Debug)]
pub(super) struct Interner {
    texts: TextColumn,
    /// Upper half: part of the hash; lower half: number + 1. Zero: free.
    slots: Vec<u64>,
    hasher: RandomState,
}

impl Default for Interner {
    fn default() -> Self {
        Interner { texts: TextColumn::default(), slots: vec![0; 64], hasher: RandomState::new() }
    }
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.texts.text_bytes()
    }

    /// The number of `text`, a new one if need be.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let tag = self.hasher.hash_one(text) >> 32;
        let mut at = self.start(tag);
        while self.slots[at] != 0 {
            let slot = self.slots[at];
            let number = slot as u32 - 1;
            if slot >> 32 == tag && self.texts.get(number as usize) == text {
                return number;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        let number = self.texts.len() as u32;
        self.texts.push(text);
        self.slots[at] = tag << 32 | u64::from(number + 1);
        if self.texts.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    fn start(&self, tag: u64) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let doubled = vec![0; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, doubled) {
            if slot != 0 {
                let mut at = self.start(slot >> 32);
                while self.slots[at] != 0 {
                    at = (at + 1) & (self.slots.len() - 1);
                }
                self.slots[at] = slot;
            }
        }
    }

    /// The texts in order of their bytes.
    pub(super) fn sort(self) -> Sorted {
        drop(self.slots);
        let texts = self.texts;
        // Comparing the first 16 bytes as integers saves most of the jumps into the buffer.
        let mut order: Vec<(u64, u64, u32)> = (0..texts.len())
            .map(|number| {
                let (high, low) = prefix(texts.get(number));
                (high, low, number as u32)
            })
            .collect();
        order.sort_unstable_by(|a, b| {
            (a.0, a.1)
                .cmp(&(b.0, b.1))
                .then_with(|| texts.get(a.2 as usize).cmp(texts.get(b.2 as usize)))
        });
        let order: Vec<u32> = order.into_iter().map(|(_, _, number)| number).collect();
        let mut rank = vec![0; order.len()];
        for (place, number) in order.iter().enumerate() {
            rank[*number as usize] = place as u32;
        }
        Sorted { texts, order, rank }
    }
}

fn prefix(text: &str) -> (u64, u64) {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    let both = u128::from_be_bytes(bytes);
    ((both >> 64) as u64, both as u64)
}

/// Interned texts with their ranks.
#[derive(Debug)]
pub(super) struct Sorted {
    texts: TextColumn,
    order: Vec<u32>,
    rank: Vec<u32>,
}

impl Sorted {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The rank of the text with `number`.
    pub(super) fn rank(&self, number: u32) -> u32 {
        self.rank[number as usize]
    }

    /// The text of `rank`.
    pub(super) fn get(&self, rank: u32) -> &str {
        self.texts.get(self.order[rank as usize] as usize)
    }
}

/// Division codes with numbers, so that a row refers to one in 4 bytes.
#[derive(Debug, Default)]
pub(super) struct Codes {
    codes: Vec<DivisionCode>,
    numbers: std::collections::HashMap<DivisionCode, u32>,
}

impl Codes {
    /// The number of no code.
    pub(super) const NONE: u32 = 0;

    /// The number of `code`, a new one if need be; never [`Codes::NONE`].
    pub(super) fn intern(&mut self, code: DivisionCode) -> u32 {
        *self.numbers.entry(code).or_insert_with(|| {
            self.codes.push(code);
            self.codes.len() as u32
        })
    }

    /// As [`Codes::intern`], for a code that may be missing.
    pub(super) fn intern_optional(&mut self, code: Option<DivisionCode>) -> u32 {
        code.map_or(Self::NONE, |code| self.intern(code))
    }

    /// The codes in order, and the place in that order, counted from 1, of each number; that of
    /// [`Codes::NONE`] is 0.
    pub(super) fn sort(self) -> (Vec<DivisionCode>, Vec<u32>) {
        let mut order: Vec<u32> = (1..=self.codes.len() as u32).collect();
        order.sort_unstable_by_key(|number| self.codes[*number as usize - 1]);
        let mut rank = vec![0; order.len() + 1];
        for (place, number) in order.iter().enumerate() {
            rank[*number as usize] = place as u32 + 1;
        }
        let sorted = order.iter().map(|number| self.codes[*number as usize - 1]).collect();
        (sorted, rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_are_those_of_sorted_texts(texts: Vec<String>) {
            let mut interner = Interner::default();
            let numbers: Vec<u32> = texts.iter().map(|text| interner.intern(text)).collect();
            for (text, number) in texts.iter().zip(&numbers) {
                prop_assert_eq!(interner.texts.get(*number as usize), text);
                prop_assert_eq!(interner.intern(text), *number);
            }
            let mut expected: Vec<&String> = texts.iter().collect();
            expected.sort();
            expected.dedup();
            let sorted = interner.sort();
            prop_assert_eq!(sorted.len(), expected.len());
            for (text, number) in texts.iter().zip(numbers) {
                prop_assert_eq!(sorted.get(sorted.rank(number)), text);
                let place = expected.binary_search(&text).unwrap();
                prop_assert_eq!(sorted.rank(number) as usize, place);
            }
        }
    }
}
