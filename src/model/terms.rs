//! The field's closed vocabularies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that is none of a closed vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not one of {expected}")]
pub struct UnknownTerm {
    /// What was given.
    pub value: String,
    /// The words that are allowed, joined by `|`.
    pub expected: &'static str,
}

macro_rules! terms {
    ($(#[$meta:meta])* $name:ident, $expected:literal { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All words, in canonical order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word used in files, policies and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The place in the canonical order.
            #[must_use]
            pub fn index(self) -> usize {
                self as usize
            }
        }

        impl FromStr for $name {
            type Err = UnknownTerm;
            fn from_str(text: &str) -> Result<Self, UnknownTerm> {
                match text {
                    $($text => Ok($name::$variant),)+
                    _ => Err(UnknownTerm { value: text.to_owned(), expected: $expected }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

terms! {
    /// Level of the authority that draws (抽查层级), from the top down.
    Level, "province|city|county" {
        /// 省级
        Province = "province",
        /// 市级
        City = "city",
        /// 县级
        County = "county",
    }
}

terms! {
    /// Sampling channel (抽样领域).
    Channel, "production|circulation|online" {
        /// 生产领域
        Production = "production",
        /// 流通领域
        Circulation = "circulation",
        /// 网络抽样
        Online = "online",
    }
}

terms! {
    /// Urban / rural class (城乡分类).
    Area, "urban|rural" {
        /// 城镇
        Urban = "urban",
        /// 乡村
        Rural = "rural",
    }
}

terms! {
    /// Business status of an enterprise; only the active are eligible.
    Status, "active|suspended|deregistered|revoked|moved_out" {
        /// 存续
        Active = "active",
        /// 停业
        Suspended = "suspended",
        /// 注销
        Deregistered = "deregistered",
        /// 吊销
        Revoked = "revoked",
        /// 迁出
        MovedOut = "moved_out",
    }
}

/// A set of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChannelSet(u8);

impl ChannelSet {
    /// The set with no channel.
    pub const EMPTY: Self = ChannelSet(0);
    /// The set of all channels.
    pub const ALL: Self = ChannelSet(0b111);

    /// The set with the bits of `bits` (bit 0 production, 1 circulation, 2 online), or `None`
    /// if another bit is set.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits <= Self::ALL.0).then_some(ChannelSet(bits))
    }

    /// The set as bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Adds a channel.
    pub fn insert(&mut self, channel: Channel) {
        self.0 |= 1 << channel.index();
    }

    /// Whether `channel` is in the set.
    #[must_use]
    pub fn contains(self, channel: Channel) -> bool {
        self.0 >> channel.index() & 1 == 1
    }

    /// The channels in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        ChannelSet(self.0 & other.0)
    }

    /// Whether no channel is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The channels, in canonical order.
    pub fn iter(self) -> impl Iterator<Item = Channel> {
        Channel::ALL.iter().copied().filter(move |c| self.contains(*c))
    }
}

impl FromIterator<Channel> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        let mut set = ChannelSet::EMPTY;
        for channel in channels {
            set.insert(channel);
        }
        set
    }
}

impl fmt::Display for ChannelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, channel) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(";")?;
            }
            f.write_str(channel.as_str())?;
        }
        Ok(())
    }
}
