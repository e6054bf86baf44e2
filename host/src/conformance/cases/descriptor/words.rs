//! The descriptor by itself: what can be judged without calling the adapter.

use kefu_plugin_api::{
    capability::Capabilities,
    descriptor::{DecidedBy, Descriptor, HostSource},
};

use super::Verdict;

pub(super) fn check(descriptor: &Descriptor, verdict: &mut Verdict) {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if descriptor.id.is_empty() || !descriptor.id.bytes().all(fits) {
        verdict.fail(format!(
            "expected an id of lower-case letters, digits and `-`, found `{}`",
            descriptor.id
        ));
    }
    if !is_semver(&descriptor.version) {
        verdict.fail(format!(
            "expected a version such as 1.2.3, found `{}`",
            descriptor.version
        ));
    }
    if !descriptor.carries_something() {
        verdict.fail("its capabilities carry no kind of content");
    }
    if descriptor.callback_authentication.trim().is_empty() {
        verdict.fail("it does not say how callbacks prove themselves; `none` where there are none");
    }
    check_conditions(descriptor, verdict);
    check_settings(descriptor, verdict);
}

/// Every condition must be about something that there is.
fn check_conditions(descriptor: &Descriptor, verdict: &mut Verdict) {
    let known = serde_json::to_value(Capabilities::default()).unwrap_or_default();
    for condition in &descriptor.conditions {
        let mut path = condition.part.split('/');
        let part = (path.next(), path.next());
        if !matches!(part, (Some(""), Some(part)) if known.get(part).is_some()) {
            verdict.fail(format!(
                "expected the part of a condition to be a path such as /human/location, found `{}`",
                condition.part
            ));
        }
    }
}

fn is_semver(version: &str) -> bool {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = numbers.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

/// Every setting that it names must be one.
fn check_settings(descriptor: &Descriptor, verdict: &mut Verdict) {
    let schema = descriptor.settings.as_value();
    let hosts = descriptor.hosts.iter().filter_map(|host| match host {
        HostSource::Setting { setting } => Some(("a host", setting)),
        HostSource::Fixed { .. } => None,
    });
    let tokens = descriptor
        .tokens
        .iter()
        .flat_map(|token| token.keyed_by.iter().map(|setting| ("a token", setting)));
    let conditions = descriptor
        .conditions
        .iter()
        .filter_map(|condition| match &condition.by {
            DecidedBy::Setting { setting } => Some(("a part of the capabilities", setting)),
            DecidedBy::Vendor {} | DecidedBy::Unknown => None,
        });
    for (what, setting) in hosts.chain(tokens).chain(conditions) {
        let top = setting.split('.').next().unwrap_or_default();
        if schema["properties"].get(top).is_none() {
            verdict.fail(format!(
                "{what} comes from setting `{setting}`, which the settings' schema does not have"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    fn reasons(change: impl FnOnce(&mut Descriptor)) -> Vec<String> {
        let mut descriptor = samples::descriptor();
        descriptor.settings = serde_json::from_value(serde_json::json!({
            "properties": {"base_url": {}, "app_id": {}, "app_key": {}},
        }))
        .expect("a schema");
        change(&mut descriptor);
        let mut verdict = Verdict::default();
        check(&descriptor, &mut verdict);
        let failures = verdict.failures.into_iter();
        failures.map(|failure| failure.reason).collect()
    }

    #[test]
    fn every_lie_that_shows_by_itself_is_told() {
        assert_eq!(reasons(|_| {}), [""; 0]);
        for (named, found) in [
            ("an id", reasons(|it| it.id = "Acme Inc".into())),
            ("a version", reasons(|it| it.version = "latest".into())),
            (
                "capabilities",
                reasons(|it| it.capabilities = Default::default()),
            ),
            (
                "callbacks",
                reasons(|it| it.callback_authentication.clear()),
            ),
            (
                "`org`",
                reasons(|it| it.tokens[0].keyed_by = vec!["org".into()]),
            ),
            (
                "`/agent/location`",
                reasons(|it| *it = it.clone().decided_by_vendor(&["/agent/location"])),
            ),
            (
                "`rate_after`",
                reasons(|it| {
                    *it = it
                        .clone()
                        .decided_by_setting("/evaluation/after_seconds", "rate_after");
                }),
            ),
        ] {
            assert_eq!(found.len(), 1, "{named}");
            assert!(found[0].contains(named), "{found:?}");
        }
    }
}
