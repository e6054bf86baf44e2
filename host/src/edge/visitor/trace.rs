//! `traceparent` of W3C Trace Context: which trace a request belongs to.
//!
//! Owns the check of its form. Deliberately makes no spans of its own: the
//! gateway passes the caller's on with everything that the request causes. What
//! does not have the form is ignored, as that specification wants.

use http::HeaderMap;

/// The caller's position in a trace, if it names one.
pub(super) fn parent(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all("traceparent").iter();
    let (text, None) = (given.next()?.to_str().ok()?, given.next()) else {
        return None;
    };
    is_parent(text).then_some(text)
}

fn is_parent(text: &str) -> bool {
    // 00-<32>-<16>-<2>; a later version may say more after another dash.
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let something = |part: &str| part.bytes().any(|byte| byte != b'0');
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && something(trace)
        && hex(parent, 16)
        && something(parent)
        && hex(flags, 2)
        && (version != "00" || parts.next().is_none())
        && text.len() <= LONGEST
}

/// More than any version needs.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", value.parse().unwrap());
        }
        parent(&headers).map(str::to_owned)
    }

    #[test]
    fn a_trace_is_taken_as_it_is() {
        assert_eq!(read(&[GOOD]).as_deref(), Some(GOOD));
        let later = format!("01{}-what-comes-later", &GOOD[2..]);
        assert_eq!(read(&[&later]).as_deref(), Some(later.as_str()));
    }

    #[test]
    fn what_has_not_the_form_is_ignored() {
        let wrong = [
            "",
            "00",
            "not-a-trace-at-all",
            &GOOD[..GOOD.len() - 1],
            &format!("{GOOD}-more"),
            &GOOD.to_uppercase(),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &format!("ff{}", &GOOD[2..]),
            &format!("01{}-{}", &GOOD[2..], "x".repeat(300)),
        ];
        for text in wrong {
            assert_eq!(read(&[text]), None, "{text}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[GOOD, GOOD]), None);
    }
}
