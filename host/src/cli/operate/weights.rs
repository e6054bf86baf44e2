//! `weights`: how visitors are shared out at a desk.
//!
//! Owns the form of the arguments. Deliberately knows no file: what is written
//! is written by the gateway, which looks at it first.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::client;

/// Which desk, and what is to change there.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Wanted {
    /// The desk.
    #[arg(value_name = "DESK")]
    desk: String,
    /// New shares, such as `jiaxin=20`; a route is named by its provider, or by
    /// its number in the list where a provider has several. Without any, the
    /// routes are listed.
    #[arg(value_name = "ROUTE=PERCENT", value_parser = share)]
    weights: Vec<Share>,
}

#[derive(Clone, Debug, PartialEq)]
struct Share {
    route: Value,
    percent: f64,
}

impl Wanted {
    /// The request that writes them; nothing if there are none.
    pub(super) fn request(&self) -> Option<(String, Value)> {
        let weights = self.weights.iter();
        let list: Vec<Value> = weights
            .map(|share| json!({"route": share.route, "weight": share.percent}))
            .collect();
        let path = client::desk(&self.desk, "/weights");
        (!list.is_empty()).then(|| (path, json!({"weights": list})))
    }

    /// The desk in the answer that lists all of them.
    pub(super) fn find<'a>(&self, answer: &'a Value) -> anyhow::Result<&'a Value> {
        let mut desks = answer["desks"].as_array().into_iter().flatten();
        desks
            .find(|desk| desk["id"] == self.desk.as_str())
            .ok_or_else(|| anyhow::anyhow!("there is no desk `{}`", self.desk))
    }
}

/// The routes of one desk, with the numbers by which they can be named.
pub(super) fn print(out: &mut dyn Write, desk: &Value) -> io::Result<()> {
    let routes = desk["routes"].as_array().into_iter().flatten();
    for (number, route) in routes.enumerate() {
        let provider = route["provider"].as_str().unwrap_or_default();
        let share = match &route["weight"] {
            Value::Null => "the rest".to_owned(),
            weight => format!("{weight} %"),
        };
        write!(out, "{number}  {provider}  {share}")?;
        if let Some(when) = route.get("when") {
            write!(out, "  when {when}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn share(text: &str) -> Result<Share, String> {
    let right = "right would be ROUTE=PERCENT, such as jiaxin=20";
    let (route, percent) = text
        .split_once('=')
        .filter(|(route, _)| !route.is_empty())
        .ok_or(right)?;
    let percent = percent.trim_end_matches('%').trim();
    Ok(Share {
        route: match route.parse::<usize>() {
            Ok(place) => json!(place),
            Err(_) => json!(route),
        },
        percent: percent
            .parse()
            .ok()
            .filter(|percent: &f64| percent.is_finite())
            .ok_or_else(|| format!("`{percent}` is no number; {right}"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_names_its_route_by_provider_or_number() {
        for (text, route, percent) in [
            ("jiaxin=20", json!("jiaxin"), 20.0),
            ("0=12.5%", json!(0), 12.5),
            ("zhichi=0", json!("zhichi"), 0.0),
        ] {
            assert_eq!(share(text), Ok(Share { route, percent }), "{text}");
        }
        for text in ["jiaxin", "=20", "jiaxin=", "jiaxin=many", "jiaxin=inf"] {
            assert!(share(text).unwrap_err().contains("ROUTE=PERCENT"), "{text}");
        }
    }

    #[test]
    fn routes_are_listed_with_the_numbers_that_name_them() {
        let desk = json!({"routes": [
            {"provider": "jiaxin", "weight": 10, "when": {"platform": ["ios"]}},
            {"provider": "zhichi"},
        ]});
        let mut out = Vec::new();
        print(&mut out, &desk).unwrap();
        let expected = "0  jiaxin  10 %  when {\"platform\":[\"ios\"]}\n1  zhichi  the rest\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
