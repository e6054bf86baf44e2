//! All sessions in the order in which they were opened, for operators.
//!
//! Owns the table of one small row per session, written when it opens and when
//! it stands elsewhere or with another provider than before, and how a page of
//! it is found. Deliberately has no index for each thing that can be asked: a
//! page walks the rows, newest first, and ends after a bounded number of them,
//! saying where the next one begins. Invariant: no page reads more than
//! [`MOST_WALKED`] of these rows, however many there are.

use kefu_core::session::Record;
use kefu_plugin_api::{
    capability::SessionState,
    ids::{AppId, DeskId, ProviderId, SessionId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;

use super::{StoreError, rows};

/// Which sessions are wanted: all that fit everything that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Opened at this desk.
    pub desk: Option<DeskId>,
    /// With this provider.
    pub provider: Option<ProviderId>,
    /// That stand there.
    pub state: Option<SessionState>,
    /// Of whoever has this id in an app, of whichever app.
    pub visitor: Option<String>,
    /// Those that are over, or those that are not.
    pub open: Option<bool>,
    /// The gateway's own, too.
    pub synthetic: bool,
    /// Opened before this one.
    pub before: Option<SessionId>,
    /// At most so many.
    pub limit: usize,
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The sessions, newest first.
    pub sessions: Vec<Record>,
    /// The session before which the next page begins; `None` after the last. A
    /// page may be short, or empty, and not the last.
    pub next: Option<SessionId>,
}

/// How many rows a page walks at most.
const MOST_WALKED: usize = 20_000;

/// Puts a new session into the list.
pub(super) fn enter(connection: &Connection, record: &Record) -> Result<(), StoreError> {
    rows::run(
        connection,
        "INSERT INTO session_list (opened_at, session, desk, provider, state, synthetic) VALUES (?, ?, ?, ?, ?, ?)",
        params![
            record.opened_at.unix_ms(),
            record.id.as_str(),
            record.desk.as_str(),
            record.provider.as_str(),
            record.state.as_str(),
            record.synthetic
        ],
    )
    .map(drop)
}

/// Keeps the row of a session up to date.
pub(super) fn follow(connection: &Connection, record: &Record) -> Result<(), StoreError> {
    rows::run(
        connection,
        "UPDATE session_list SET provider = ?, state = ? WHERE opened_at = ? AND session = ?",
        params![
            record.provider.as_str(),
            record.state.as_str(),
            record.opened_at.unix_ms(),
            record.id.as_str()
        ],
    )
    .map(drop)
}

/// Lists the sessions of before there was a list.
pub(super) fn fill_in(connection: &Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::new("prepare the tables", error);
    let mut all = connection
        .prepare("SELECT record FROM sessions")
        .map_err(failed)?;
    let mut enter = connection
        .prepare("INSERT INTO session_list (opened_at, session, desk, provider, state) VALUES (?, ?, ?, ?, ?)")
        .map_err(failed)?;
    let mut found = all.query([]).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        let line: Line = rows::from_bytes(&row.get::<_, Vec<u8>>(0).map_err(failed)?)?;
        enter
            .execute(params![
                line.opened_at.unix_ms(),
                line.id.as_str(),
                line.desk.as_str(),
                line.provider.as_str(),
                line.state.as_str()
            ])
            .map_err(failed)?;
    }
    Ok(())
}

/// What the list has of a record.
#[derive(Deserialize)]
struct Line {
    id: SessionId,
    desk: DeskId,
    provider: ProviderId,
    state: SessionState,
    opened_at: Timestamp,
}

/// The records of a page, as bytes, and where the next one begins.
pub(super) fn page(
    connection: &Connection,
    wanted: &Wanted,
) -> rusqlite::Result<(Vec<Vec<u8>>, Option<SessionId>)> {
    let Some(before) = place_before(connection, wanted.before.as_ref())? else {
        return Ok(Default::default());
    };
    let (chosen, next) = match &wanted.visitor {
        Some(visitor) => of_visitor(connection, wanted, visitor, &before)?,
        None => of_everybody(connection, wanted, &before)?,
    };
    let mut one = connection.prepare_cached("SELECT record FROM sessions WHERE id = ?")?;
    let mut records = Vec::with_capacity(chosen.len());
    for place in &chosen {
        records.extend(one.query_row([&place.1], |row| row.get(0)).optional()?);
    }
    Ok((records, next.map(|place| SessionId::new(place.1))))
}

/// A place in the list: when it was opened, and which it is.
type Place = (i64, String);

/// Where a page begins. `None` if the session is not there.
fn place_before(
    connection: &Connection,
    before: Option<&SessionId>,
) -> rusqlite::Result<Option<Place>> {
    let Some(before) = before else {
        return Ok(Some((i64::MAX, String::new())));
    };
    let record: Option<Vec<u8>> = connection
        .prepare_cached("SELECT record FROM sessions WHERE id = ?")?
        .query_row([before.as_str()], |row| row.get(0))
        .optional()?;
    let line = record.and_then(|record| rows::from_bytes::<Line>(&record).ok());
    Ok(line.map(|line| (line.opened_at.unix_ms(), before.as_str().to_owned())))
}

fn of_everybody(
    connection: &Connection,
    wanted: &Wanted,
    before: &Place,
) -> rusqlite::Result<(Vec<Place>, Option<Place>)> {
    // What stands anywhere but at the end is open.
    let only_open = wanted.open == Some(true)
        || wanted
            .state
            .is_some_and(|state| state != SessionState::Ended);
    let mut walk = connection.prepare_cached(if only_open {
        "SELECT opened_at, session, desk, provider, state, synthetic FROM session_list
         WHERE (opened_at, session) < (?1, ?2) AND state <> 'ended'
         ORDER BY opened_at DESC, session DESC LIMIT ?3"
    } else {
        "SELECT opened_at, session, desk, provider, state, synthetic FROM session_list
         WHERE (opened_at, session) < (?1, ?2)
         ORDER BY opened_at DESC, session DESC LIMIT ?3"
    })?;
    let rows = walk.query(params![before.0, before.1, limit_of_walk()])?;
    choose(rows, wanted)
}

/// A visitor's sessions, in every app that knows somebody by this id.
fn of_visitor(
    connection: &Connection,
    wanted: &Wanted,
    visitor: &str,
    before: &Place,
) -> rusqlite::Result<(Vec<Place>, Option<Place>)> {
    let mut walk = connection.prepare_cached(
        "SELECT session_list.opened_at, session_list.session, desk, provider, state, synthetic
         FROM visits JOIN session_list
           ON session_list.opened_at = visits.opened_at AND session_list.session = visits.session
         WHERE app = ?1 AND visitor = ?2 AND (visits.opened_at, visits.session) < (?3, ?4)
         ORDER BY visits.opened_at DESC, visits.session DESC LIMIT ?5",
    )?;
    let (mut chosen, mut more) = (Vec::new(), false);
    for app in apps(connection)? {
        let rows = walk.query(params![
            app.as_str(),
            visitor,
            before.0,
            before.1,
            limit_of_walk()
        ])?;
        let (of_app, next) = choose(rows, wanted)?;
        chosen.extend(of_app);
        more |= next.is_some();
    }
    chosen.sort_by(|one, other| other.cmp(one));
    more |= chosen.len() > wanted.limit;
    chosen.truncate(wanted.limit);
    let next = chosen.last().filter(|_| more).cloned();
    Ok((chosen, next))
}

/// Every app that has sessions; one step of the index for each.
fn apps(connection: &Connection) -> rusqlite::Result<Vec<AppId>> {
    let mut step =
        connection.prepare_cached("SELECT app FROM visits WHERE app > ? ORDER BY app LIMIT 1")?;
    let mut apps: Vec<AppId> = Vec::new();
    loop {
        let after = apps.last().map_or("", AppId::as_str);
        let next: Option<String> = step.query_row([after], |row| row.get(0)).optional()?;
        match next {
            Some(app) => apps.push(app.into()),
            None => return Ok(apps),
        }
    }
}

/// Takes what fits out of a walk, and says where the next page begins.
fn choose(
    mut rows: rusqlite::Rows<'_>,
    wanted: &Wanted,
) -> rusqlite::Result<(Vec<Place>, Option<Place>)> {
    let mut chosen = Vec::new();
    let (mut walked, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if walked == MOST_WALKED || chosen.len() == wanted.limit {
            return Ok((chosen, last));
        }
        walked += 1;
        let place = (row.get(0)?, row.get(1)?);
        if fits(row, wanted)? {
            chosen.push(place.clone());
        }
        last = Some(place);
    }
    Ok((chosen, None))
}

fn fits(row: &Row<'_>, wanted: &Wanted) -> rusqlite::Result<bool> {
    let is = |column: usize, wanted: Option<&str>| -> rusqlite::Result<bool> {
        Ok(wanted.is_none_or(|wanted| {
            row.get_ref(column)
                .is_ok_and(|it| it.as_str() == Ok(wanted))
        }))
    };
    let ended = row.get_ref(4)?.as_str()? == SessionState::Ended.as_str();
    let shown = wanted.synthetic || !row.get::<_, bool>(5)?;
    Ok(shown
        && is(2, wanted.desk.as_ref().map(DeskId::as_str))?
        && is(3, wanted.provider.as_ref().map(ProviderId::as_str))?
        && is(4, wanted.state.map(SessionState::as_str))?
        && wanted.open.is_none_or(|open| open != ended))
}

/// One more than is walked, to know whether there is more.
fn limit_of_walk() -> i64 {
    i64::try_from(MOST_WALKED + 1).unwrap_or(i64::MAX)
}
