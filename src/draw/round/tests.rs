//! The rounding against its specification, by enumeration, and by statistics.

mod designs;
mod enumerate;
mod networks;
mod oracle;
mod properties;
mod province;
mod statistics;
