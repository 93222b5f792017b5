//! The policy: what a planner asks for, as data. Parses and checks text; knows no file system.

mod types;

pub use types::{
    Bound, Certain, Condition, Dim, Exclude, Filter, Grouping, Hardness, LevelBudget, Method,
    Period, Policy, Quota, Split, Wave, WeightBy, Weights, Window,
};
