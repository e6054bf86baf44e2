//! One generation in the place of another, and the way back.

use super::*;

#[test]
fn what_is_brought_up_again_unchanged_is_no_way_back() {
    let place = chaos_registry();
    place.bring_up("").expect("it comes up");
    assert_eq!(place.current().number(), 2);
    assert!(place.status().retained.is_empty());
    let error = place.registry.roll_back(&"vendor".into(), None, None);
    let error = error.expect_err("nothing else has served").to_string();
    assert!(error.contains("nothing else has served it"), "{error}");
}

#[test]
fn going_back_opens_the_earlier_file_with_the_earlier_settings() {
    let place = chaos_registry();
    let first = place.current().about().sha256().to_owned();
    place.put(MINIMAL);
    let settings = "hosts = [\"vendor.example\"]\n[settings]\nsend_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";
    place.bring_up(settings).expect("it comes up");
    let back = place.registry.roll_back(&"vendor".into(), None, None);
    let back = back.expect("it goes back").generation;
    assert_eq!((back.number(), back.about().sha256()), (3, first.as_str()));
    place.say("a", "hello").expect("it serves");
    let slot = place.registry.slot(&"vendor".into()).expect("declared");
    assert_eq!(slot.provider().hosts.len(), 1, "hosts stay those of today");
    // The one that was left is there for whoever asks for it by number.
    assert!(
        place
            .registry
            .roll_back(&"vendor".into(), None, None)
            .is_err()
    );
    let error = place.registry.roll_back(&"vendor".into(), Some(9), None);
    let error = error.expect_err("it never was").to_string();
    assert!(error.contains("it can go back to 2"), "{error}");
    place
        .registry
        .roll_back(&"vendor".into(), Some(2), None)
        .expect("it goes forth again");
    assert_eq!(place.current().descriptor().id, "minimal");
}

#[test]
fn going_back_needs_the_trust_of_today() {
    let place = Place::new(Trust::Listed);
    place.put(CHAOS);
    let hash = |name| {
        let bytes = fs::read(plugins::file(name).expect("it is built")).expect("readable");
        image::sha256(&bytes)
    };
    place
        .bring_up(&format!("sha256 = [\"{}\"]", hash(CHAOS)))
        .expect("it is listed");
    place.put(MINIMAL);
    let settings = "[settings]\nsend_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";
    place
        .bring_up(&format!("sha256 = [\"{}\"]\n{settings}", hash(MINIMAL)))
        .expect("it is listed");
    let error = place.registry.roll_back(&"vendor".into(), None, None);
    let error = error.expect_err("chaos is not listed any more");
    assert!(matches!(error, BringUpError::Untrusted { .. }), "{error}");
    assert_eq!(place.current().descriptor().id, "minimal");
}

#[test]
fn a_new_generation_that_soon_fails_several_sessions_is_told_of_once() {
    let place = chaos_registry();
    let (tell, told) = mpsc::channel::<Unfit>();
    place.registry.on_unfit(Box::new(move |unfit| {
        tell.send(unfit).expect("the test listens");
    }));
    for session in ["a", "b"] {
        place.say(session, "panic").expect_err("it panics");
    }
    assert!(told.try_recv().is_err(), "the first has no way back");
    place
        .bring_up("[settings]\nkey = \"new\"")
        .expect("it comes up");
    for session in ["a", "a", "b"] {
        place.say(session, "panic").expect_err("it panics");
    }
    let unfit = told.try_recv().expect("two sessions failed");
    assert_eq!((unfit.generation, unfit.sessions), (2, 2));
    assert!(unfit.fault.contains("asked to panic"), "{}", unfit.fault);
    assert!(told.try_recv().is_err(), "once is enough");
}

#[test]
fn a_late_word_against_a_generation_that_was_replaced_changes_nothing() {
    let place = chaos_registry();
    place
        .bring_up("[settings]\nkey = \"new\"")
        .expect("it comes up");
    let left = place.registry.roll_back(&"vendor".into(), None, Some(1));
    let error = left.expect_err("generation 2 serves").to_string();
    assert!(error.contains("generation 1 any more"), "{error}");
    assert_eq!(place.current().number(), 2);
    place
        .registry
        .roll_back(&"vendor".into(), None, Some(2))
        .expect("it is the one that serves");
    assert_eq!(place.current().number(), 3);
}

#[test]
fn late_faults_of_a_replaced_generation_are_not_held_against_the_next() {
    let place = chaos_registry();
    let (tell, told) = mpsc::channel::<Unfit>();
    place.registry.on_unfit(Box::new(move |unfit| {
        tell.send(unfit).expect("the test listens");
    }));
    let old = place.guarded();
    place
        .bring_up("[settings]\nkey = \"new\"")
        .expect("it comes up");
    for session in ["a", "b", "c", "d"] {
        old.handle(&CallClock::new(), &says(session, "panic"))
            .expect_err("it panics");
    }
    assert_eq!(place.availability(), Availability::Active);
    assert!(told.try_recv().is_err());
    assert_eq!(place.status().faults, 4);
}

#[test]
fn other_budgets_after_going_back_bring_no_other_settings_with_them() {
    let place = chaos_registry();
    let changed = "isolation = \"in-process\"\nmax_idle = \"2d\"\n[settings]\nkey = \"new\"";
    place.bring_up(changed).expect("it comes up");
    place
        .registry
        .roll_back(&"vendor".into(), None, None)
        .expect("it goes back");
    place
        .registry
        .reconfigure(provider("max_idle = \"3d\"\n[settings]\nkey = \"new\""));
    let slot = place.registry.slot(&"vendor".into()).expect("declared");
    let configured = slot.provider();
    assert_eq!(configured.max_idle, Duration::from_secs(3 * 24 * 3_600));
    assert_eq!(configured.settings.expose().get("key"), None);
}

#[test]
fn going_back_ends_no_draining_and_what_came_back_is_not_removed() {
    let place = chaos_registry();
    let vendor: ProviderId = "vendor".into();
    place
        .bring_up("[settings]\nkey = \"new\"")
        .expect("it comes up");
    let until = Instant::now() + Duration::from_secs(60);
    place.registry.retire(&vendor, until);
    place
        .registry
        .roll_back(&vendor, None, None)
        .expect("it goes back");
    assert_eq!(place.registry.draining().len(), 1);
    // Also one that is refused is in the configuration again.
    place
        .bring_up("[settings]\non_open = \"refuse\"")
        .expect_err("it is refused");
    assert!(place.registry.draining().is_empty());
    assert!(!place.registry.remove_drained(&vendor));
    assert_eq!(place.availability(), Availability::Active);
    place.registry.retire(&vendor, until);
    assert!(place.registry.remove_drained(&vendor));
}

#[test]
fn a_generation_that_cannot_read_what_the_one_in_service_reads_is_refused() {
    struct Kept;
    impl StoredStates for Kept {
        fn sample(&self, _: &ProviderId, _: usize) -> Result<Vec<StoredState>, String> {
            // A map that the minimal adapter's state, which is nothing, is not.
            let bytes = wire::encode(&serde_json::json!({"turns": 3})).expect("it is encoded");
            let version = "0.1.0".to_owned();
            Ok(vec![StoredState { version, bytes }])
        }
    }
    let place = Place::new(Trust::Any);
    let place = Place {
        registry: place.registry.with_states(Arc::new(Kept)),
        dir: place.dir,
    };
    place.put(CHAOS);
    place.bring_up("").expect("it reads them");
    place.put(MINIMAL);
    let settings = "[settings]\nsend_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";
    let error = place.bring_up(settings).expect_err("it cannot read them");
    assert_eq!(error.stage(), Some(Stage::States), "{error}");
    assert!(error.to_string().contains("1 of 1"), "{error}");
    assert_eq!(place.current().descriptor().id, "chaos");
    // Where nothing serves, a state that nobody reads stops nobody.
    place.registry.remove(&"vendor".into());
    place.bring_up(settings).expect("it comes up");
}

#[test]
fn a_replacement_serves_new_calls_and_the_old_one_is_retained() {
    let place = chaos_registry();
    let old = place.guarded();
    place.put(MINIMAL);
    let settings = "[settings]\nsend_url = \"https://vendor.example/send\"\nwebhook_key = \"k\"";
    place.bring_up(settings).expect("it comes up");
    assert_eq!(place.current().descriptor().id, "minimal");
    assert!(place.current().number() > old.generation().number());
    // Whoever took the old one before may finish with it.
    old.handle(&CallClock::new(), &says("a", "hello"))
        .expect("it serves");
    let retained: Vec<_> = place.status().retained;
    assert_eq!(retained.len(), 1);
    assert_eq!(retained[0].generation, old.generation().number());
    assert_eq!(retained[0].sha256, old.generation().about().sha256());
}

#[test]
fn only_a_few_old_generations_are_retained() {
    let place = chaos_registry();
    for key in 2..=11 {
        place
            .bring_up(&format!("[settings]\nkey = \"{key}\""))
            .expect("it comes up");
    }
    let slot = place.registry.slot(&"vendor".into()).expect("declared");
    let retained: Vec<_> = slot.retained().iter().map(|old| old.number).collect();
    assert_eq!(retained, [10, 9, 8, 7]);
}

#[test]
fn a_failed_replacement_leaves_the_old_generation_in_service() {
    let place = chaos_registry();
    fs::write(place.file(), "half an upload").expect("written");
    place.bring_up("").expect_err("text is no plug-in");
    assert_eq!(place.availability(), Availability::Active);
    place.say("a", "hello").expect("it serves");
    place.put(CHAOS);
    let refused = "[settings]\non_open = \"refuse\"";
    place
        .bring_up(refused)
        .expect_err("the settings are refused");
    place.say("a", "hello").expect("it serves");
    let status = place.status();
    let error = status.last_error.as_ref().expect("the reason is kept");
    assert!(error.text.contains("setting `on_open`"), "{}", error.text);
    assert_eq!(place.current().number(), 1);
}
