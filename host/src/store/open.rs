//! Open sessions by the provider that serves them, and a sample of what their
//! adapters remember.
//!
//! Owns the queries over the table of open sessions, which is small: a row per
//! open session, written when one opens, ends, or is served by another adapter
//! than before. Deliberately has no index beside its key: asked is seldom, and a
//! reader walks it without holding up the writer.

use std::collections::BTreeMap;

use kefu_core::session::Record;
use kefu_plugin_api::ids::{DeskId, ProviderId, SessionId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Deserializer, de};

use super::{OpenAt, OpenCursor, OpenPage, StoreError, StoredState, reader::Readers, rows};
use crate::session::VisitorKey;

/// How many open sessions a sample is taken from.
const MOST_WALKED: i64 = 200_000;

/// Keeps the row of an open session up to date. Most turns change nothing here.
pub(super) fn follow(connection: &Connection, record: &Record) -> Result<(), StoreError> {
    rows::run(
        connection,
        "UPDATE open_sessions SET provider = ?1, state_version = ?2
         WHERE app = ?3 AND visitor = ?4 AND desk = ?5 AND session = ?6
           AND (provider <> ?1 OR state_version <> ?2)",
        params![
            record.provider.as_str(),
            record.state_version,
            record.app.as_str(),
            record.visitor.id,
            record.desk.as_str(),
            record.id.as_str()
        ],
    )
    .map(drop)
}

/// Fills in what rows of before this was kept lack.
pub(super) fn fill_in(connection: &Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::new("prepare the tables", error);
    let mut open = connection
        .prepare("SELECT id, record FROM sessions JOIN open_sessions ON session = id")
        .map_err(failed)?;
    let mut update = connection
        .prepare("UPDATE open_sessions SET provider = ?, state_version = ? WHERE app = ? AND visitor = ? AND desk = ?")
        .map_err(failed)?;
    let mut found = open.query([]).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        let record: Vec<u8> = row.get(1).map_err(failed)?;
        let record: Record = rows::from_bytes(&record)?;
        update
            .execute(params![
                record.provider.as_str(),
                record.state_version,
                record.app.as_str(),
                record.visitor.id,
                record.desk.as_str()
            ])
            .map_err(failed)?;
    }
    Ok(())
}

/// What adapters of a provider's open sessions remember: every version that
/// wrote a state, the newest and the oldest sessions of each.
pub(super) fn states(
    readers: &Readers,
    provider: &ProviderId,
    most: usize,
) -> Result<Vec<StoredState>, StoreError> {
    let by_version = readers.read("sample states", |connection| {
        sessions_by_version(connection, provider)
    })?;
    let chosen = choose(by_version, most);
    let records: Vec<Vec<u8>> = readers.read("sample states", |connection| {
        let mut one =
            connection.prepare_cached("SELECT record FROM sessions WHERE id = ? AND open")?;
        let mut records = Vec::with_capacity(chosen.len());
        for id in &chosen {
            records.extend(one.query_row([id], |row| row.get(0)).optional()?);
        }
        Ok(records)
    })?;
    let mut states = Vec::with_capacity(records.len());
    for record in records {
        let Remembered {
            provider: of,
            state_version: version,
            adapter_state: Bytes(state),
        } = rows::from_bytes(&record)?;
        // One that no adapter has seen yet has none.
        if of == *provider && !(version.is_empty() && state.is_empty()) {
            states.push(StoredState { version, state });
        }
    }
    Ok(states)
}

fn sessions_by_version(
    connection: &Connection,
    provider: &ProviderId,
) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let mut open = connection.prepare_cached(
        "SELECT session, state_version FROM (SELECT * FROM open_sessions LIMIT ?) WHERE provider = ?",
    )?;
    let mut found = open.query(params![MOST_WALKED, provider.as_str()])?;
    let mut by_version = BTreeMap::<String, Vec<String>>::new();
    while let Some(row) = found.next()? {
        let version = row.get_ref(1)?.as_str()?;
        let session = row.get(0)?;
        match by_version.get_mut(version) {
            Some(sessions) => sessions.push(session),
            None => drop(by_version.insert(version.to_owned(), vec![session])),
        }
    }
    Ok(by_version)
}

/// Chooses at most so many sessions: as many of each version as of any other,
/// as far as there are. Whoever takes only a few of them takes the newest and
/// the oldest of every version.
fn choose(by_version: BTreeMap<String, Vec<String>>, most: usize) -> Vec<String> {
    let mut lists: Vec<Vec<String>> = by_version.into_values().collect();
    lists.sort_by_key(Vec::len);
    let (mut left, mut versions) = (most, lists.len());
    for list in &mut lists {
        let share = left.div_ceil(versions.max(1)).min(left);
        take_ends(list, share);
        left -= list.len();
        versions -= 1;
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let mut chosen = Vec::with_capacity(most - left);
    for index in 0..longest {
        chosen.extend(lists.iter_mut().filter_map(|list| {
            let session = list.get_mut(index)?;
            Some(std::mem::take(session))
        }));
    }
    chosen
}

/// Keeps so many of a list: the newest and the oldest in turn, from the ends.
fn take_ends(list: &mut Vec<String>, keep: usize) {
    if list.len() > keep {
        let oldest = keep / 2;
        let newest = keep - oldest;
        let from = list.len() - newest;
        if oldest > 0 {
            list.select_nth_unstable_by(oldest - 1, by_age);
        }
        if newest > 0 {
            list[oldest..].select_nth_unstable_by(from - oldest, by_age);
        }
        list.drain(oldest..from);
    }
    list.sort_unstable_by(by_age);
    let mut rest = std::mem::take(list).into_iter();
    while let Some(newest) = rest.next_back() {
        list.push(newest);
        list.extend(rest.next());
    }
}

/// An id is the visitor's shard in four digits, then time, then randomness.
fn by_age(one: &String, other: &String) -> std::cmp::Ordering {
    one.get(4..)
        .cmp(&other.get(4..))
        .then_with(|| one.cmp(other))
}

/// The sessions that a visitor has open.
pub(super) fn at(connection: &Connection, who: &VisitorKey) -> rusqlite::Result<Vec<OpenAt>> {
    connection
        .prepare_cached(
            "SELECT desk, session, provider FROM open_sessions WHERE app = ? AND visitor = ?",
        )?
        .query_map(params![who.app.as_str(), who.visitor], |row| {
            Ok(OpenAt {
                desk: DeskId::new(row.get::<_, String>(0)?),
                session: SessionId::new(row.get::<_, String>(1)?),
                provider: ProviderId::new(row.get::<_, String>(2)?),
            })
        })?
        .collect()
}

/// A page of a provider's open sessions.
pub(super) fn page(
    connection: &Connection,
    provider: &ProviderId,
    after: Option<&OpenCursor>,
    limit: usize,
) -> rusqlite::Result<OpenPage> {
    let OpenCursor(app, visitor, desk) = after.cloned().unwrap_or_default();
    let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
    let found: Vec<(OpenCursor, SessionId)> = connection
        .prepare_cached(
            "SELECT app, visitor, desk, session FROM open_sessions
             WHERE (app, visitor, desk) > (?, ?, ?) AND provider = ?
             ORDER BY app, visitor, desk LIMIT ?",
        )?
        .query_map(
            params![app, visitor, desk, provider.as_str(), limit],
            |row| {
                let cursor = OpenCursor(row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((cursor, SessionId::new(row.get::<_, String>(3)?)))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let full = i64::try_from(found.len()).is_ok_and(|length| length == limit);
    let next = found.last().filter(|_| full).map(|(at, _)| at.clone());
    Ok(OpenPage {
        sessions: found.into_iter().map(|(_, session)| session).collect(),
        next,
    })
}

/// How many sessions each provider has open.
pub(super) fn by_provider(connection: &Connection) -> rusqlite::Result<BTreeMap<ProviderId, u64>> {
    connection
        .prepare_cached("SELECT provider, count(*) FROM open_sessions GROUP BY provider")?
        .query_map([], |row| {
            let provider = ProviderId::new(row.get::<_, String>(0)?);
            Ok((provider, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
        })?
        .collect()
}

/// The part of a record that an adapter wrote. The rest is skipped unread.
#[derive(Deserialize)]
struct Remembered {
    provider: ProviderId,
    state_version: String,
    adapter_state: Bytes,
}

struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids whose age is their number, with shards that say nothing.
    fn ids(ages: std::ops::Range<u32>) -> Vec<String> {
        ages.map(|age| format!("{:04x}{age:032x}", age.wrapping_mul(40_503) % 65_536))
            .collect()
    }

    fn ages(chosen: &[String]) -> Vec<u32> {
        let age = |id: &String| u32::from_str_radix(&id[4..], 16).expect("an age");
        chosen.iter().map(age).collect()
    }

    fn choose_from(lists: &[(&str, std::ops::Range<u32>)], most: usize) -> Vec<u32> {
        let by_version = lists
            .iter()
            .map(|(version, range)| ((*version).to_owned(), ids(range.clone())))
            .collect();
        ages(&choose(by_version, most))
    }

    #[test]
    fn the_newest_and_the_oldest_are_chosen_in_turn() {
        assert_eq!(choose_from(&[("1", 0..100)], 5), [99, 0, 98, 1, 97]);
        assert_eq!(choose_from(&[("1", 0..3)], 9), [2, 0, 1]);
        assert_eq!(choose_from(&[("1", 0..100)], 1), [99]);
        assert_eq!(choose_from(&[("1", 0..100)], 0), [] as [u32; 0]);
        assert_eq!(choose_from(&[], 9), [] as [u32; 0]);
    }

    #[test]
    fn a_rare_version_is_not_crowded_out() {
        let chosen = choose_from(&[("1", 0..2), ("2", 10..1_000), ("3", 2_000..2_001)], 9);
        assert_eq!(chosen.len(), 9);
        for rare in [0, 1, 2_000, 999, 10] {
            assert!(chosen.contains(&rare), "{rare} in {chosen:?}");
        }
    }
}
