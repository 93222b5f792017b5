//! What each client may take: calls at once, and calls a second.
//!
//! A client is who a token names, or an address where nobody is known. Calls about the server itself
//! (health, reflection) take nothing, so that they are answered whatever else goes on.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tonic::Status;

use crate::service::errors;
use crate::service::limits::{CALLS_PER_CLIENT, NEW_TOKENS_A_SECOND};
use crate::service::tally::{Held, Tally};

/// Clients after whom those are forgotten that have been silent for long.
const CLIENTS_KEPT: usize = 1_024;

/// What each client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls that are open at once.
    pub calls: usize,
    /// Calls a second, and as many at one moment; none for any number.
    pub rate: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { calls: CALLS_PER_CLIENT, rate: None }
    }
}

/// What the clients take at the moment.
#[derive(Debug)]
pub(super) struct Shares {
    limits: Limits,
    open: Tally<String>,
    rate: Option<Rates<String>>,
    looks: Rates<Option<IpAddr>>,
}

/// How often something was done for each of many.
type Rates<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// Counts one for `key`; how long to wait if that is too many.
fn count<K: Hash + Eq + Clone>(rates: &Rates<K>, key: &K) -> Result<(), Duration> {
    if let Err(until) = rates.check_key(key) {
        return Err(until.wait_time_from(DefaultClock::default().now()));
    }
    if rates.len() > CLIENTS_KEPT {
        rates.retain_recent();
    }
    Ok(())
}

impl Shares {
    pub fn new(limits: Limits) -> Self {
        let rate = limits.rate.map(|rate| RateLimiter::hashmap(Quota::per_second(rate)));
        let looks = RateLimiter::hashmap(Quota::per_second(NEW_TOKENS_A_SECOND));
        Shares { limits, open: Tally::default(), rate, looks }
    }

    /// Lets a token of `address` be looked at that is not known to be good.
    pub fn look(&self, address: Option<IpAddr>) -> Result<(), Status> {
        count(&self.looks, &address).map_err(|wait| {
            errors::client_limit("too many tokens of your address that were not seen before", wait)
        })
    }

    /// Lets a call of `client` in, until its share is dropped.
    pub fn take(&self, client: String) -> Result<Share, Status> {
        if let (Some(rate), Some(most)) = (&self.rate, self.limits.rate) {
            count(rate, &client).map_err(|wait| {
                let why = format!("you may make {most} calls a second; more are refused");
                errors::client_limit(&why, wait)
            })?;
        }
        self.open.take(client, self.limits.calls).map_err(|own| {
            let why = format!("{own} of your calls are open, and no more may be");
            errors::client_limit(&why, errors::RETRY_AFTER)
        })
    }
}

/// A call's share; given back when it is dropped.
pub(super) type Share = Held<String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let shares = Shares::new(Limits { calls: 2, rate: None });
        let take = |client: &str| shares.take(client.to_owned());
        let (first, _second) = (take("a").unwrap(), take("a").unwrap());
        let refused = take("a").unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        let other = take("b").unwrap();
        drop(first);
        let _third = take("a").unwrap();
        assert!(take("a").is_err());
        drop(other);
        // Who takes nothing is not remembered.
        assert_eq!(shares.open.holders(), 1);
    }

    #[test]
    fn calls_a_second_are_counted_by_client() {
        let rate = NonZeroU32::new(3);
        let shares = Shares::new(Limits { calls: 10, rate });
        let taken =
            |client: &str| (0..100).filter(|_| shares.take(client.to_owned()).is_ok()).count();
        for client in ["a", "b"] {
            let taken = taken(client);
            // One more may have come in should this take a third of a second.
            assert!((3..10).contains(&taken), "{taken}");
        }
    }
}
