//! Checked settings of how a provider's vendor is watched.
//!
//! Owns the types, and the time after which an outage is found. Deliberately
//! watches nothing. Invariant: with the defaults a vendor that cannot be
//! reached is found within 5 seconds, and one that takes everything and answers
//! nothing within 60.

use std::time::Duration;

use kefu_plugin_api::ids::DeskId;

/// How it is found out whether a vendor can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// How often a connection is tried; absent: only while the vendor is known
    /// not to be reachable.
    pub connect_every: Option<Duration>,
}

/// How long a connection may take before it counts as failed.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How soon a failed connection is tried again: twice in a row is an outage.
pub const CONNECT_AGAIN: Duration = Duration::from_millis(250);

impl HealthRules {
    /// After which time an outage is known at the latest: it begins just after
    /// a connection that went well, and the two that follow run into their
    /// time-out. `None` where no connection is tried.
    pub fn found_within(&self) -> Option<Duration> {
        let every = self.connect_every?;
        Some(every + CONNECT_WITHIN + CONNECT_AGAIN + CONNECT_WITHIN)
    }
}

/// A conversation that the gateway has with the desk now and then, to see
/// whether it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// From the beginning of one to the beginning of the next.
    pub every: Duration,
    /// How long it may take from its beginning to the answer.
    pub within: Duration,
    /// At which desk; absent: the first one with a route to the provider.
    pub desk: Option<DeskId>,
    /// What is said.
    pub say: String,
    /// As whom; absent: an id of the gateway's own.
    pub visitor: Option<String>,
    /// Whose answer counts.
    pub expect: Expect,
}

/// Whose answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The robot's and an agent's.
    Any,
    /// The robot's.
    Robot,
    /// An agent's: one is asked for.
    Human,
}

impl Canary {
    /// After which time a vendor that has gone mute is known to be at the
    /// latest: it does so just after an answer, and the two conversations that
    /// follow, the second one right after the first, run out of time.
    pub fn found_within(&self) -> Duration {
        self.every + 2 * self.within
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{NoLookup, Provider, assemble, check_main, check_provider};

    use super::*;

    fn provider(more: &str) -> Provider {
        let text = format!("id = \"p\"\nplugin = \"libkefu_p.so\"\n{more}");
        let checked = check_provider("providers/p.toml", &text, &NoLookup);
        checked.expect("it is valid").settings
    }

    #[test]
    fn by_default_a_dead_vendor_is_found_within_five_seconds() {
        let found = provider("").health.found_within();
        assert_eq!(found, Some(Duration::from_millis(4_250)));
        let off = provider("[health]\nconnect_every = \"off\"").health;
        assert_eq!(off.found_within(), None);
    }

    #[test]
    fn by_default_a_mute_vendor_is_found_within_a_minute() {
        assert_eq!(provider("").canary, None);
        let canary = provider("[canary]").canary.expect("the table is there");
        assert_eq!(canary.found_within(), Duration::from_secs(50));
        let rare = provider("[canary]\nevery = \"5s\"\nwithin = \"30s\"").canary;
        let rare = rare.expect("the table is there");
        assert_eq!(rare.found_within(), Duration::from_secs(65));
    }

    /// Where the canary goes, and the keys of what is wrong.
    fn at_desks(routes: &str, canary: &str) -> (Option<String>, Vec<String>) {
        let main = format!(
            "admin.token = \"a-token-for-the-test\"\napps.demo.secret = \"12345678\"\n{routes}"
        );
        let main = check_main("kefu.toml", &main, &NoLookup).expect("it is valid");
        let text = format!("id = \"p\"\nplugin = \"libkefu_p.so\"\n{canary}");
        let file = check_provider("providers/p.toml", &text, &NoLookup).expect("it is valid");
        let (config, problems) = assemble(main, vec![file]);
        let provider = config.provider("p").expect("it is there");
        let desk = config.canary_desk(provider).map(|desk| desk.id.to_string());
        let of_provider = problems
            .into_iter()
            .filter(|one| one.file.ends_with("p.toml"));
        (desk, of_provider.map(|one| one.key).collect())
    }

    const DESKS: &str = "
        [desks.one]
        app = \"demo\"
        routes = [{ provider = \"q\" }]
        [desks.two]
        app = \"demo\"
        routes = [{ provider = \"q\" }, { provider = \"p\" }]
    ";

    #[test]
    fn a_canary_goes_to_the_desk_it_names_or_to_the_first_that_leads_to_its_provider() {
        let two = (Some("two".to_owned()), vec![]);
        assert_eq!(at_desks(DESKS, "[canary]"), two);
        let one = (Some("one".to_owned()), vec![]);
        assert_eq!(at_desks(DESKS, "[canary]\ndesk = \"one\""), one);
        assert_eq!(at_desks(DESKS, ""), (None, vec![]));
    }

    #[test]
    fn a_canary_without_a_desk_is_told_and_keeps_nobody_from_serving() {
        let nowhere = (None, vec!["canary.desk".to_owned()]);
        assert_eq!(at_desks(DESKS, "[canary]\ndesk = \"three\""), nowhere);
        assert_eq!(at_desks("", "[canary]"), (None, vec!["canary".to_owned()]));
    }
}
