//! How far migrations have come: what every store must do.

use std::collections::BTreeMap;

use kefu_core::{
    config::{NoLookup, check_main},
    migration::{Command, Progress},
};

use crate::fixture::{Place, at, wait};

pub(crate) fn how_far_a_migration_has_come_is_kept(place: &mut impl Place) {
    assert_eq!(place.store().migrations(), Ok(BTreeMap::new()));
    let text = r#"
        admin = { token = "a-token-for-the-test" }
        apps = { demo = { secret = "a-secret-for-the-test" } }
        [desks.support]
        app = "demo"
        routes = [{ provider = "zhichi" }]
        [migrations.to-jiaxin]
        desk = "support"
        from = "zhichi"
        to = "jiaxin"
        stages = [{ visitors = "a" }, { percent = 12.5 }]
    "#;
    let main = check_main("kefu.toml", text, &NoLookup).unwrap().settings;
    let migration = &main.migrations["to-jiaxin"];
    let planned = Progress::planned(migration, at(0));
    let begun = planned
        .command(migration, Command::Start, Some("今天开始"), at(1))
        .unwrap();
    let further = begun
        .command(migration, Command::Advance, None, at(2))
        .unwrap();
    for (name, progress) in [("one", &planned), ("two", &begun), ("one", &further)] {
        wait(|done| place.store().keep_migration(name, progress.clone(), done)).unwrap();
    }
    place.reopen();
    let expected = BTreeMap::from([("one".to_owned(), further), ("two".to_owned(), begun)]);
    assert_eq!(place.store().migrations(), Ok(expected));
}
