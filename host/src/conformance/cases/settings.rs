//! Settings that cannot be used: refused by name, and without a secret shown.

use kefu_plugin_api::error::OpenError;
use serde_json::{Map, Value, json};

use super::{Bench, Verdict, open};
use crate::{
    conformance::{
        report::Reproduction,
        schema::{Setting, masked, settings},
    },
    plugin::OpenFault,
};

/// What no error may repeat.
const MARKER: &str = "kefuMARKER918273645";
const NUMBER: u64 = 918_273_645_546_372;

pub(super) fn run(bench: &Bench<'_>, verdict: &mut Verdict) {
    if open(bench, verdict).is_none() {
        return;
    }
    let descriptor = bench.about().descriptor();
    let root = descriptor.settings.as_value();
    let Some(good) = bench.settings().as_object() else {
        verdict.fail("the test did not run: the settings are no table");
        return;
    };
    let test = Refusals { bench, root, good };
    let all = settings(root);
    for setting in &all {
        if setting.required {
            let mut without = good.clone();
            without.remove(setting.name);
            test.must_refuse("is missing", setting, without, verdict);
        }
        for wrong in setting.wrong_values() {
            let mut with = good.clone();
            let what = format!("is {wrong}");
            with.insert(setting.name.to_owned(), wrong);
            test.must_refuse(&what, setting, with, verdict);
        }
        if setting.is_secret() {
            test.keeps_secret(setting, verdict);
        }
    }
    for whole in [Value::Null, json!([]), json!("settings")] {
        if let Err(fault) = bench.open_with(&whole)
            && !matches!(fault, OpenFault::Refused(_))
        {
            verdict.fail(format!("settings that are {whole}: {fault}"));
        }
    }
}

struct Refusals<'a> {
    bench: &'a Bench<'a>,
    root: &'a Value,
    good: &'a Map<String, Value>,
}

impl Refusals<'_> {
    fn must_refuse(
        &self,
        what: &str,
        setting: &Setting<'_>,
        table: Map<String, Value>,
        verdict: &mut Verdict,
    ) {
        let name = setting.name;
        let table = Value::Object(table);
        let reason = match self.bench.open_with(&table) {
            Err(OpenFault::Refused(refusal)) => {
                self.shows_no_secret(&refusal, &table, verdict);
                if refusal.to_string().contains(name) {
                    return;
                }
                format!("setting `{name}` {what}, and the refusal does not name it: {refusal}")
            }
            Ok(_) => format!("setting `{name}` {what}, and it is accepted"),
            Err(fault) => format!("setting `{name}` {what}: {fault}"),
        };
        verdict.fail_on(reason, self.reproduction(&table));
    }

    /// A secret that is refused is not repeated in the refusal, whatever is
    /// wrong with it.
    fn keeps_secret(&self, setting: &Setting<'_>, verdict: &mut Verdict) {
        let list = setting.types().contains(&"array");
        for wrong in [
            json!(MARKER),
            json!(format!("whsec_{MARKER}!")),
            json!(MARKER.repeat(40)),
            json!(format!("{MARKER} \n")),
            json!(NUMBER),
            json!({ MARKER: MARKER }),
        ] {
            // The bare one is what is written by mistake.
            let values = if list {
                vec![json!([wrong]), wrong]
            } else {
                vec![wrong]
            };
            for value in values {
                self.keeps_this(setting, value, verdict);
            }
        }
    }

    fn keeps_this(&self, setting: &Setting<'_>, value: Value, verdict: &mut Verdict) {
        let mut table = self.good.clone();
        table.insert(setting.name.to_owned(), value);
        let table = Value::Object(table);
        match self.bench.open_with(&table) {
            Ok(_) => {}
            Err(OpenFault::Refused(refusal)) => {
                self.shows_no_secret(&refusal, &table, verdict);
                let text = refusal.to_string();
                if text.contains(MARKER) || text.contains(&NUMBER.to_string()) {
                    verdict.fail_on(
                        format!(
                            "the refusal repeats what setting `{}` holds, a secret",
                            setting.name
                        ),
                        self.reproduction(&table),
                    );
                }
            }
            Err(fault) => verdict.fail_on(fault.to_string(), self.reproduction(&table)),
        }
    }

    /// Nor is any other secret of the settings.
    fn shows_no_secret(&self, refusal: &OpenError, table: &Value, verdict: &mut Verdict) {
        let text = refusal.to_string();
        for setting in settings(self.root) {
            if !setting.is_secret() {
                continue;
            }
            let value = self.good.get(setting.name).and_then(Value::as_str);
            if value.is_some_and(|secret| secret.len() >= 6 && text.contains(secret)) {
                verdict.fail_on(
                    format!(
                        "a refusal repeats what setting `{}` holds, a secret",
                        setting.name
                    ),
                    self.reproduction(table),
                );
            }
        }
    }

    fn reproduction(&self, table: &Value) -> Reproduction {
        Reproduction {
            function: "open".to_owned(),
            index: None,
            value: masked(self.root, table),
        }
    }
}
