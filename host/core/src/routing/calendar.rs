//! Opening hours and holidays, by which a route can apply.
//!
//! Owns whether a moment is within the hours. Deliberately reads no clock and
//! no file: the moment comes in, and the data of the time zones is built in.
//! Invariant: a day that is named by its date follows that entry alone, what
//! its weekday says does not matter then.

use std::{collections::BTreeMap, fmt};

use jiff::{civil, tz::TimeZone};
use kefu_plugin_api::time::Timestamp;

/// When somebody is there: hours of the week, and days that are different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The name in the configuration.
    pub name: String,
    /// Where the hours are meant.
    pub time_zone: TimeZone,
    /// The hours of each weekday, Monday first.
    pub week: [Vec<Hours>; 7],
    /// Days that are different from their weekday: holidays have no hours,
    /// working days that make up for one (调休) have some.
    pub days: BTreeMap<civil::Date, Vec<Hours>>,
}

/// From a minute of the day to another one, which it does not include. One that
/// ends no later than it begins reaches into the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Calendar {
    /// Whether this moment is within the hours; if not, why.
    ///
    /// # Errors
    /// The local time, and what there is on that day.
    pub fn check(&self, at: Timestamp) -> Result<(), String> {
        let moment = jiff::Timestamp::from_millisecond(at.unix_ms()).unwrap_or_default();
        let local = moment.to_zoned_datetime(self.time_zone.clone());
        let (date, time) = (local.date(), local.time());
        let minute = minute_of(time);
        let within = self.hours_of(date).iter().any(|it| it.starts_with(minute))
            || date.yesterday().is_ok_and(|before| {
                self.hours_of(before)
                    .iter()
                    .any(|hours| hours.reaches_into_next_day_at(minute))
            });
        if within {
            return Ok(());
        }
        let hours = match self.hours_of(date) {
            [] if self.days.contains_key(&date) => "closed on this date".to_owned(),
            [] => "closed on this weekday".to_owned(),
            hours => hours
                .iter()
                .map(Hours::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        };
        let (name, weekday) = (&self.name, DAYS[weekday_index(date)]);
        let clock = format!("{:02}:{:02}", time.hour(), time.minute());
        Err(format!(
            "at {weekday} {date} {clock} the calendar {name} is not open: {hours}"
        ))
    }

    fn hours_of(&self, date: civil::Date) -> &[Hours] {
        self.days
            .get(&date)
            .unwrap_or(&self.week[weekday_index(date)])
    }
}

impl Hours {
    /// Reads `09:00-18:00`; `24:00` may end it.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minutes(from.trim())?, minutes(to.trim())?);
        (from < DAY && from != to).then_some(Self { from, to })
    }

    fn wraps(self) -> bool {
        self.to <= self.from
    }

    /// Within the part that lies on its own day.
    fn starts_with(self, minute: u16) -> bool {
        minute >= self.from && (self.wraps() || minute < self.to)
    }

    fn reaches_into_next_day_at(self, minute: u16) -> bool {
        self.wraps() && minute < self.to
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minutes: u16| (minutes / 60, minutes % 60);
        let ((from, past), (to, over)) = (clock(self.from), clock(self.to));
        write!(f, "{from:02}:{past:02}-{to:02}:{over:02}")
    }
}

/// The weekdays as the configuration names them, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const DAY: u16 = 24 * 60;

/// `HH:MM` as minutes of the day, up to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

fn minute_of(time: civil::Time) -> u16 {
    let number = |part: i8| u16::from(part.unsigned_abs());
    number(time.hour()) * 60 + number(time.minute())
}

fn weekday_index(date: civil::Date) -> usize {
    usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Hours {
        Hours::parse(text).expect("hours of a test")
    }

    fn office() -> Calendar {
        let mut week: [Vec<Hours>; 7] = Default::default();
        for day in &mut week[..5] {
            *day = vec![hours("09:00-12:00"), hours("13:30-18:00")];
        }
        week[5] = vec![hours("20:00-02:00")];
        Calendar {
            name: "office".into(),
            time_zone: TimeZone::get("Asia/Shanghai").expect("a zone that is built in"),
            week,
            days: [
                (civil::date(2026, 10, 1), vec![]),
                (civil::date(2026, 10, 10), vec![hours("09:00-18:00")]),
            ]
            .into(),
        }
    }

    /// A moment by the clock of Shanghai.
    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = format!("{text}+08:00").parse().expect("a time of a test");
        Timestamp::from_unix_ms(moment.as_millisecond())
    }

    #[test]
    fn hours_begin_on_their_minute_and_end_before_theirs() {
        let office = office();
        // A Monday.
        for (open, time) in [
            (false, "2026-11-23T08:59:59.999"),
            (true, "2026-11-23T09:00:00"),
            (true, "2026-11-23T11:59:59.999"),
            (false, "2026-11-23T12:00:00"),
            (true, "2026-11-23T13:30:00"),
            (false, "2026-11-23T18:00:00"),
        ] {
            assert_eq!(office.check(at(time)).is_ok(), open, "{time}");
        }
    }

    #[test]
    fn hours_over_midnight_reach_into_the_next_day() {
        let office = office();
        // A Saturday, and the Sunday that has no hours of its own.
        for (open, time) in [
            (false, "2026-11-28T01:00:00"),
            (true, "2026-11-28T20:00:00"),
            (true, "2026-11-29T01:59:00"),
            (false, "2026-11-29T02:00:00"),
        ] {
            assert_eq!(office.check(at(time)).is_ok(), open, "{time}");
        }
    }

    #[test]
    fn a_holiday_is_closed_and_a_day_that_makes_up_for_it_is_open() {
        let office = office();
        let closed = office.check(at("2026-10-01T10:00:00"));
        assert_eq!(
            closed.expect_err("closed"),
            "at thu 2026-10-01 10:00 the calendar office is not open: closed on this date"
        );
        // A Saturday that has other hours by the week.
        assert!(office.check(at("2026-10-10T10:00:00")).is_ok());
        assert!(office.check(at("2026-10-10T20:30:00")).is_err());
    }

    #[test]
    fn what_is_not_hours_is_refused() {
        for text in [
            "",
            "9-18",
            "9:00-18:00",
            "09:00",
            "09:00-09:00",
            "24:00-02:00",
            "09:60-10:00",
            "09:00-24:01",
            "-",
            "09:00-18:00-19:00",
            "+9:00-18:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text:?}");
        }
        assert_eq!(hours("00:00-24:00").to_string(), "00:00-24:00");
    }

    #[test]
    fn summer_time_moves_the_hours_with_the_clock_on_the_wall() {
        let mut berlin = office();
        berlin.time_zone = TimeZone::get("Europe/Berlin").expect("a zone that is built in");
        berlin.week[6] = vec![hours("09:00-10:00")];
        let utc = |text: &str| {
            let moment: jiff::Timestamp = text.parse().expect("a time of a test");
            berlin
                .check(Timestamp::from_unix_ms(moment.as_millisecond()))
                .is_ok()
        };
        // Sundays before and after the clocks went forward.
        assert!(utc("2026-03-22T08:30:00Z") && !utc("2026-03-22T07:30:00Z"));
        assert!(utc("2026-03-29T07:30:00Z") && !utc("2026-03-29T08:30:00Z"));
    }
}
