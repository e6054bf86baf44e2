//! Checks of opening hours.
//!
//! Owns how weekdays, dates and hours are written. Deliberately decides nothing
//! about routes. Invariant: a date is either closed or open at other hours, and
//! never stands twice.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{civil::Date, tz::TimeZone};

use super::Checker;
use crate::{
    config::{
        locate::child,
        raw::{self, OneOrMany},
    },
    routing::{Calendar, DAYS, Hours},
};

/// The calendars by their name.
pub(super) type Calendars = BTreeMap<String, Arc<Calendar>>;

pub(super) fn check(checker: &mut Checker, raw: BTreeMap<String, raw::Calendar>) -> Calendars {
    raw.into_iter()
        .map(|(name, raw)| {
            let key = child("calendars", &name);
            checker.id(&key, &name, false);
            (name.clone(), Arc::new(calendar(checker, &key, name, raw)))
        })
        .collect()
}

fn calendar(checker: &mut Checker, key: &str, name: String, raw: raw::Calendar) -> Calendar {
    let week = week(checker, &format!("{key}.hours"), raw.hours);
    let mut days = BTreeMap::new();
    if let Some(closed) = raw.closed {
        close(checker, &format!("{key}.closed"), closed, &mut days);
    }
    for (date, spans) in raw.open {
        let key = child(&format!("{key}.open"), &date);
        let spans = hours(checker, &key, spans);
        let Some(date) = parse_date(&date) else {
            checker.error(&key, "is no date", A_DATE);
            continue;
        };
        if days.insert(date, spans).is_some() {
            let right = "leave the date out of `closed`, or out of `open`";
            checker.error(&key, "is closed and open at once", right);
        }
    }
    Calendar {
        name,
        time_zone: time_zone(checker, &format!("{key}.time_zone"), raw.time_zone),
        week,
        days,
    }
}

fn time_zone(checker: &mut Checker, key: &str, raw: Option<String>) -> TimeZone {
    let right = "name a time zone as in \"Asia/Shanghai\"";
    let name = checker.required(key, raw, right);
    if name.is_empty() {
        return TimeZone::UTC;
    }
    TimeZone::get(&name).unwrap_or_else(|_| {
        checker.error(key, "is no time zone", right);
        TimeZone::UTC
    })
}

fn week(checker: &mut Checker, key: &str, raw: BTreeMap<String, OneOrMany>) -> [Vec<Hours>; 7] {
    let mut week: [Vec<Hours>; 7] = Default::default();
    if raw.is_empty() {
        let right = "give the hours of the week, such as `mon-fri = \"09:00-18:00\"`";
        checker.missing(key, right);
    }
    for (name, spans) in raw {
        let key = child(key, &name);
        let spans = hours(checker, &key, spans);
        let Some(days) = weekdays(&name) else {
            let right = format!("use {}, or two of them as in `mon-fri`", DAYS.join(", "));
            checker.error(&key, "is no weekday", right);
            continue;
        };
        for day in days {
            if !week[day].is_empty() {
                let right = "name each weekday once";
                checker.error(&key, format!("{} has hours already", DAYS[day]), right);
            }
            week[day].clone_from(&spans);
        }
    }
    week
}

/// One weekday, or a stretch of them that may go over Sunday.
fn weekdays(name: &str) -> Option<Vec<usize>> {
    let index = |name: &str| DAYS.iter().position(|day| *day == name);
    let Some((from, to)) = name.split_once('-') else {
        return Some(vec![index(name)?]);
    };
    let (from, to) = (index(from)?, index(to)?);
    let length = (to + 7 - from) % 7 + 1;
    Some((from..from + length).map(|day| day % 7).collect())
}

fn hours(checker: &mut Checker, key: &str, raw: OneOrMany) -> Vec<Hours> {
    if raw.texts.is_empty() {
        let right = "name hours; a date without any belongs into `closed`";
        checker.error(key, "is an empty list", right);
    }
    let right = "use two times of day, such as \"09:00-18:00\"";
    checker.parsed(
        key,
        raw.texts,
        raw.is_list,
        Hours::parse,
        "is no span of hours",
        right,
    )
}

/// Puts dates, and stretches of them, among the days without hours.
fn close(checker: &mut Checker, key: &str, raw: OneOrMany, days: &mut BTreeMap<Date, Vec<Hours>>) {
    let stretch = |text: &str| {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let (from, to) = (parse_date(from)?, parse_date(to)?);
        let stretch: Vec<Date> = from
            .series(jiff::Span::new().days(1))
            .take(LONGEST + 1)
            .take_while(|date| *date <= to)
            .collect();
        (!stretch.is_empty() && stretch.len() <= LONGEST).then_some(stretch)
    };
    let problem = "is no date and no stretch of at most 366 days";
    for date in checker
        .parsed(key, raw.texts, raw.is_list, stretch, problem, A_DATE)
        .concat()
    {
        if days.insert(date, vec![]).is_some() {
            checker.error(key, format!("names {date} twice"), "name each date once");
        }
    }
}

/// As `2026-10-01` and nothing else: no time, no week number.
fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

const A_DATE: &str =
    "use a date such as 2026-10-01, or in `closed` two as in \"2026-10-01..2026-10-07\"";

/// Days that one stretch may close.
const LONGEST: usize = 366;
