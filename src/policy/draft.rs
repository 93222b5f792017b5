//! The policy as plain data, in exactly the shape of its TOML: what is written, not yet checked.
//!
//! An empty text, list or table is the same as a key left out.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// A policy as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// Identifier of the plan (the general id syntax).
    pub id: String,
    /// Title; may be empty.
    pub title: String,
    /// Method version: `m1`.
    pub method: String,
    /// The method's hash, `sha-256` or `sm3`; empty is `sha-256`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// First and last day.
    pub period: DraftPeriod,
    /// Day as of which tiers, status and history are known, `YYYY-MM-DD`.
    pub as_of: String,
    /// Least probability as a share of the mean rate, e.g. `5%`; empty is 0.
    #[serde(deserialize_with = "share")]
    pub floor: String,
    /// Batches of each level.
    pub budget: DraftBudget,
    /// Quotas; their order is part of the policy.
    pub quota: Vec<DraftQuota>,
    /// Multipliers by what is looked at: a dimension, `failed` or `unchecked`.
    pub weights: BTreeMap<String, Multipliers>,
    /// Certainty rules.
    pub certain: Vec<DraftCertain>,
    /// Exclusions.
    pub exclude: Vec<DraftExclude>,
    /// No-repeat window; none: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<DraftWindow>,
    /// The plan whose lines are kept; none: a plan of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<DraftKeep>,
    /// Replacement units.
    pub replacements: DraftReplacements,
    /// Waves in order of their end; empty is one wave.
    pub wave: Vec<DraftWave>,
}

/// First and last day of the plan, `YYYY-MM-DD`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftPeriod {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// Budgets by level; none where the level takes no part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftBudget {
    /// Of the province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub province: Option<DraftLevel>,
    /// Of the cities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<DraftLevel>,
    /// Of the counties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub county: Option<DraftLevel>,
}

/// The batches of one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftLevel {
    /// Batches in all.
    pub total: u64,
    /// `units`, `root` or `equal`; empty is `units`, or the table if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// Batches that every authority gets before the rest is split.
    pub floor: u64,
    /// Batches by division code, instead of a split.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub table: BTreeMap<String, u64>,
}

/// A quota.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftQuota {
    /// Its name.
    pub name: String,
    /// The batches that count: values by dimension; empty is all.
    #[serde(rename = "where")]
    pub filter: BTreeMap<String, Values>,
    /// Least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Amount>,
    /// Most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Amount>,
    /// Least share of the eligible units that match.
    #[serde(deserialize_with = "optional_share", skip_serializing_if = "Option::is_none")]
    pub min_rate: Option<String>,
    /// Most, as a share of the eligible units that match.
    #[serde(deserialize_with = "optional_share", skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<String>,
    /// Groupings, e.g. `plan`, `level/channel`; empty is `plan`.
    pub each: Vec<String>,
    /// Grouping whose batches are the denominator of a share; none: the row's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// `legal`, `hard` or `target`; empty is `hard`.
    pub hardness: String,
    /// Cost of each missing batch; with `target` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<u64>,
}

/// A certainty rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftCertain {
    /// The units that are all taken.
    #[serde(rename = "where")]
    pub filter: BTreeMap<String, Values>,
    /// The level that takes them; none: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

/// An exclusion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftExclude {
    /// What is not drawn.
    #[serde(rename = "where")]
    pub filter: BTreeMap<String, Values>,
    /// Why.
    pub reason: String,
}

/// The no-repeat window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftWindow {
    /// Calendar months.
    pub months: u64,
    /// Outcomes that do not start it.
    pub exempt: Vec<String>,
}

/// The earlier plan of the programme whose lines are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftKeep {
    /// Name of the plan.
    pub plan: String,
    /// What multiplies the weights of its units, where they need not all be kept; none: they are
    /// all taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// Levels at which they need not; empty with a weight: all that have a budget.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
}

/// Replacement units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftReplacements {
    /// For each drawn line.
    pub per_line: u64,
    /// Reasons for which a line may fall out; empty: the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<DraftReason>,
}

/// A reason for which a line may fall out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftReason {
    /// Its code.
    pub code: String,
    /// `out-of-scope` or `non-response`.
    pub kind: String,
    /// In words; may be empty.
    pub title: String,
}

/// A wave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftWave {
    /// Its last day, `YYYY-MM-DD`.
    pub until: String,
    /// Its share of the batches, e.g. `60%`.
    #[serde(deserialize_with = "share")]
    pub share: String,
}

/// A bound: a whole number of batches, or a share in quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// Batches.
    Batches(u64),
    /// A share, e.g. `30%`.
    Share(String),
}

/// The values of a condition: any of them. Written as one value or a list of texts, whole
/// numbers, `true` and `false`; all the same as the text of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Values(
    /// The values as texts.
    pub Vec<String>,
);

/// The multipliers of one thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Multipliers {
    /// Of a flag that is set.
    IfTrue(u64),
    /// By value.
    Table(BTreeMap<String, u64>),
}

fn natural<E: de::Error>(value: i64, expected: &dyn de::Expected) -> Result<u64, E> {
    u64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Signed(value), expected))
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("batches as a whole number, or a share in quotes such as \"30%\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                natural(value, &self).map(Amount::Batches)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
                Ok(Amount::Batches(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Amount, E> {
                Ok(Amount::Share(value.to_owned()))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

/// One value of a condition as its text.
struct One(String);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneVisitor;
        impl Visitor<'_> for OneVisitor {
            type Value = One;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, a whole number, true or false")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<One, E> {
                Ok(One(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<One, E> {
                Ok(One(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<One, E> {
                Ok(One(value.to_string()))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<One, E> {
                Ok(One(value.to_owned()))
            }
        }
        deserializer.deserialize_any(OneVisitor)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;
        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = Values;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, a whole number, true, false or a list of these")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Values, E> {
                Ok(Values(vec![value.to_string()]))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Values, E> {
                Ok(Values(vec![value.to_string()]))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Values, E> {
                Ok(Values(vec![value.to_string()]))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
                Ok(Values(vec![value.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(One(value)) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_any(ValuesVisitor)
    }
}

impl<'de> Deserialize<'de> for Multipliers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MultipliersVisitor;
        impl<'de> Visitor<'de> for MultipliersVisitor {
            type Value = Multipliers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a table of values and whole numbers")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Multipliers, E> {
                natural(value, &self).map(Multipliers::IfTrue)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Multipliers, E> {
                Ok(Multipliers::IfTrue(value))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Multipliers, A::Error> {
                let mut table = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    table.insert(key, value);
                }
                Ok(Multipliers::Table(table))
            }
        }
        deserializer.deserialize_any(MultipliersVisitor)
    }
}

/// Reads the text of a share; only the message differs from any other text.
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct ShareVisitor;
    impl Visitor<'_> for ShareVisitor {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a share in quotes such as \"30%\"")
        }
        fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
            Ok(value.to_owned())
        }
    }
    deserializer.deserialize_str(ShareVisitor)
}

fn optional_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    share(deserializer).map(Some)
}
