//! Times and sizes as operators write them: a whole number and its unit.
//!
//! Owns the grammar both ways. Deliberately knows no defaults and no limits;
//! those belong to each setting. Invariant: what is printed reads back as the
//! same value.

use std::time::Duration;

const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads `500ms`, `10s`, `5m`, `24h`, `30d`. The error says what was wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text, &TIMES, "a time").map(Duration::from_millis)
}

/// Reads `512B`, `128KiB`, `1MiB`, `2GiB`. The error says what was wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES, "a size")
}

/// Writes a time in the largest unit that leaves no remainder.
pub fn format_duration(time: Duration) -> String {
    format(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &TIMES)
}

/// Writes a size in the largest unit that leaves no remainder.
pub fn format_size(bytes: u64) -> String {
    format(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)], what: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!(
            "is not {what}: it does not start with a whole number"
        ));
    }
    if unit.is_empty() {
        return Err(format!("is not {what}: it has no unit"));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("is not {what}: its unit is unknown"));
    };
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| format!("is not {what}: it is too large"))
}

fn format(value: u64, units: &[(&str, u64)]) -> String {
    let smallest = units.last().expect("every kind has units");
    let (unit, factor) = units
        .iter()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .unwrap_or(smallest);
    format!("{}{unit}", value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        let read = |text| parse_duration(text).unwrap();
        assert_eq!(read("500ms"), Duration::from_millis(500));
        assert_eq!(read("10s"), Duration::from_secs(10));
        assert_eq!(read("5m"), Duration::from_secs(300));
        assert_eq!(read("24h"), read("1d"));
    }

    #[test]
    fn sizes_are_read_in_every_unit() {
        assert_eq!(parse_size("512B"), Ok(512));
        assert_eq!(parse_size("128KiB"), Ok(131_072));
        assert_eq!(parse_size("1MiB"), Ok(1_048_576));
        assert_eq!(parse_size("2GiB"), Ok(2_147_483_648));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let no_number = "is not a time: it does not start with a whole number";
        for (text, expected) in [
            ("", no_number),
            ("soon", no_number),
            ("-5s", no_number),
            ("5", "is not a time: it has no unit"),
            ("5 s", "is not a time: its unit is unknown"),
            ("1.5s", "is not a time: its unit is unknown"),
            ("99999999999999999d", "is not a time: it is too large"),
            ("99999999999999999999999s", "is not a time: it is too large"),
        ] {
            assert_eq!(parse_duration(text).unwrap_err(), expected, "{text:?}");
        }
        assert_eq!(
            parse_size("1MB").unwrap_err(),
            "is not a size: its unit is unknown"
        );
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["500ms", "10s", "90m", "36h", "7d", "0ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["1MiB", "1025B", "128KiB", "0B"] {
            assert_eq!(format_size(parse_size(text).unwrap()), text);
        }
    }
}
