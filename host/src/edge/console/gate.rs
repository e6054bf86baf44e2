//! How often the admin token may be guessed.
//!
//! Owns the waits after wrong tokens, which double with each. Deliberately
//! reads no clock: moments come in as arguments. Invariant: while a wait lasts
//! nothing is compared, not even the right token; what is kept is bounded.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The waits of all clients.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<HashMap<Client, Wrong>>);

/// A client, as far as it can be told from others: the next 2^64 addresses of
/// IPv6 are usually one's own.
type Client = [u8; 8];

#[derive(Clone, Copy, Debug)]
struct Wrong {
    times: u32,
    until: Instant,
}

impl Gate {
    /// Whether a token may be tried.
    ///
    /// # Errors
    /// Not yet; how long to wait.
    pub(super) fn may_try(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let gate = self.lock();
        match gate.get(&client(address)) {
            Some(wrong) if wrong.until > now => Err(wrong.until - now),
            _ => Ok(()),
        }
    }

    /// A wrong token came.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut gate = self.lock();
        gate.retain(|_, wrong| wrong.until + FORGET > now);
        let client = client(address);
        if gate.len() >= MOST && !gate.contains_key(&client) {
            // Guessing from everywhere at once must not keep operators out: the
            // wait that ends first is forgotten.
            let first = gate.iter().min_by_key(|(_, wrong)| wrong.until);
            if let Some(first) = first.map(|(client, _)| *client) {
                gate.remove(&first);
            }
        }
        let wrong = gate.entry(client).or_insert(Wrong {
            times: 0,
            until: now,
        });
        wrong.times = wrong.times.saturating_add(1);
        wrong.until = now + wait(wrong.times);
    }

    /// The right one came.
    pub(super) fn succeeded(&self, address: IpAddr) {
        self.lock().remove(&client(address));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Wrong>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing for the first few, which are slips; then twice as long each time.
fn wait(times: u32) -> Duration {
    match times.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(over) => Duration::from_secs(1 << over.min(20)).min(LONGEST),
    }
}

fn client(address: IpAddr) -> Client {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            std::array::from_fn(|at| octets[at])
        }
    }
}

/// Wrong tokens that cost nothing.
const FREE: u32 = 3;
const LONGEST: Duration = Duration::from_secs(300);
/// How long after its wait a client is remembered.
const FORGET: Duration = Duration::from_secs(900);
const MOST: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_the_right_token() {
        let gate = Gate::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            gate.failed(ONE, now);
            let wait = gate.may_try(ONE, now).err().unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert!(gate.may_try(ONE, now).is_ok());
        }
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        gate.failed(ONE, now);
        assert!(gate.may_try(ONE, now).is_err());
        gate.succeeded(ONE);
        assert!(gate.may_try(ONE, now).is_ok());
    }

    #[test]
    fn one_client_keeps_no_other_waiting_and_is_forgotten_at_last() {
        let gate = Gate::default();
        let now = Instant::now();
        for _ in 0..10 {
            gate.failed(ONE, now);
        }
        let other = "192.0.2.2".parse().unwrap();
        assert!(gate.may_try(other, now).is_ok());
        gate.failed(other, now + Duration::from_secs(7_200));
        assert_eq!(gate.lock().len(), 1);
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let gate = Gate::default();
        let now = Instant::now();
        for last in 0..8 {
            gate.failed(format!("2001:db8::{last}").parse().unwrap(), now);
        }
        assert!(
            gate.may_try("2001:db8::ffff".parse().unwrap(), now)
                .is_err()
        );
        assert!(
            gate.may_try("2001:db8:0:1::1".parse().unwrap(), now)
                .is_ok()
        );
        assert_eq!(
            client("::ffff:192.0.2.1".parse().unwrap()),
            client("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_keeps_no_stranger_out() {
        let gate = Gate::default();
        let now = Instant::now();
        let guesses = |gate: &Gate| (0..8).for_each(|_| gate.failed(ONE, now));
        guesses(&gate);
        for number in 0..2 * MOST as u32 {
            gate.failed(IpAddr::from(number.to_be_bytes()), now);
        }
        assert_eq!(gate.lock().len(), MOST);
        assert!(gate.may_try("198.51.100.1".parse().unwrap(), now).is_ok());
        assert!(gate.may_try(ONE, now).is_err(), "the longest waits stay");
    }

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
}
