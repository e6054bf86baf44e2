//! The facts as people read them.

use std::io::{self, Write};

use kefu_plugin_api::{
    capability::{Capabilities, Kinds, Level},
    descriptor::{Descriptor, HostSource, KeyedBy},
    message::ContentKind,
};
use serde_json::Value;

use super::facts::{Facts, Said};

/// Prints everything.
pub(super) fn print(out: &mut impl Write, facts: &Facts) -> io::Result<()> {
    let mut row = |name: &str, value: &str| writeln!(out, "{name:<14} {value}");
    row("file", &facts.file)?;
    row("size", &format!("{} bytes", facts.size))?;
    row("sha256", &facts.sha256)?;
    let signer = match &facts.signature {
        Some(signature) => format!("minisign key {}", signature.key_id),
        None => "not signed".to_owned(),
    };
    row("signer", &signer)?;
    row("needs", &or_none(&facts.needs.join(", ")))?;
    match (&facts.adapter, &facts.refusal) {
        (Some(said), _) => print_said(out, said),
        (None, Some(reason)) => row("refused", reason),
        (None, None) => row("adapter", "was not asked"),
    }
}

fn print_said(out: &mut impl Write, said: &Said) -> io::Result<()> {
    let descriptor = &said.descriptor;
    let mut row = |name: &str, value: &str| writeln!(out, "{name:<14} {value}");
    row(
        "adapter",
        &format!("{} {}", descriptor.id, descriptor.version),
    )?;
    row("contract", &said.contract)?;
    row("rustc", &said.rustc)?;
    row(
        "panics",
        if said.panics_unwind {
            "unwind"
        } else {
            "abort"
        },
    )?;
    row("callbacks", &callbacks(descriptor))?;
    row("hosts", &or_none(&hosts(descriptor)))?;
    row("tokens", &or_none(&tokens(descriptor)))?;
    writeln!(out, "settings")?;
    print_settings(out, descriptor.settings.as_value())?;
    writeln!(out, "capabilities")?;
    print_capabilities(out, &descriptor.capabilities)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none" } else { text }.to_owned()
}

fn callbacks(descriptor: &Descriptor) -> String {
    let keyed = match descriptor.keyed_by {
        KeyedBy::Conversation => "conversation",
        KeyedBy::Visitor => "visitor",
    };
    format!(
        "proven by {}; keyed by {keyed}",
        or_none(&descriptor.callback_authentication)
    )
}

fn hosts(descriptor: &Descriptor) -> String {
    let hosts: Vec<_> = descriptor
        .hosts
        .iter()
        .map(|host| match host {
            HostSource::Fixed { host } => host.clone(),
            HostSource::Setting { setting } => format!("that of setting `{setting}`"),
        })
        .collect();
    hosts.join(", ")
}

fn tokens(descriptor: &Descriptor) -> String {
    let tokens: Vec<_> = descriptor
        .tokens
        .iter()
        .map(|token| {
            format!(
                "{} (one for each {})",
                token.name,
                token.keyed_by.join(" + ")
            )
        })
        .collect();
    tokens.join(", ")
}

/// One line for each setting: name, kind, whether it must be there, what it is.
fn print_settings(out: &mut impl Write, schema: &Value) -> io::Result<()> {
    let Some(properties) = schema["properties"].as_object() else {
        return writeln!(out, "  none");
    };
    let required = schema["required"].as_array();
    let longest = properties.keys().map(String::len).max().unwrap_or(0);
    for (name, setting) in properties {
        let must = required.is_some_and(|names| names.iter().any(|one| one == name));
        let default = setting.get("default").filter(|default| !default.is_null());
        let need = match default {
            _ if must => "required".to_owned(),
            Some(default) => format!("default {default}"),
            None => "optional".to_owned(),
        };
        let words = setting["description"].as_str().unwrap_or_default();
        let words = words.lines().next().unwrap_or_default();
        writeln!(out, "  {name:longest$}  {need}  {words}")?;
    }
    Ok(())
}

fn print_capabilities(out: &mut impl Write, capabilities: &Capabilities) -> io::Result<()> {
    writeln!(out, "  {:<10} {:<10} {:<10}", "kind", "robot", "human")?;
    for kind in ContentKind::ALL {
        let level = |kinds: &Kinds| level(kinds.get(&kind).copied());
        writeln!(
            out,
            "  {:<10} {:<10} {:<10}",
            kind.as_str(),
            level(&capabilities.robot),
            level(&capabilities.human)
        )?;
    }
    let waiting: Vec<_> = capabilities
        .messages_while
        .iter()
        .map(|state| state.as_str())
        .collect();
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let whole = serde_json::to_value(capabilities).unwrap_or_default();
    for (name, value) in [
        ("to a human", yes(capabilities.to_human)),
        ("messages while", or_none(&waiting.join(", "))),
        ("leave message", words(&whole["leave_message"]["kind"])),
        ("rate the robot", words(&whole["evaluation"]["robot"])),
        (
            "rate an agent",
            yes(capabilities.evaluation.human.is_some()),
        ),
        ("leaving", format!("{} the session", words(&whole["exit"]))),
        (
            "profile fields",
            or_none(&capabilities.visitor_fields.join(", ")),
        ),
    ] {
        writeln!(out, "  {name:<14} {value}")?;
    }
    Ok(())
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn level(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Full) => "full",
        Some(Level::Converted) => "converted",
        Some(Level::Rejected) => "rejected",
        None => "-",
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    #[test]
    fn everything_that_a_descriptor_declares_is_shown() {
        let mut descriptor = samples::descriptor();
        descriptor.settings = serde_json::from_value(serde_json::json!({
            "required": ["base_url"],
            "properties": {
                "base_url": {"description": "Where it lives."},
                "size": {"default": 5},
            },
        }))
        .expect("a schema");
        let facts = Facts {
            file: "x.so".into(),
            size: 7,
            sha256: "abc".into(),
            needs: vec!["libc.so.6".into()],
            signature: None,
            adapter: Some(Said {
                contract: "1.0".into(),
                rustc: "rustc 1".into(),
                panics_unwind: true,
                descriptor,
            }),
            refusal: None,
        };
        let mut printed = Vec::new();
        print(&mut printed, &facts).expect("written");
        let printed = String::from_utf8(printed).expect("text");
        for shown in [
            "sample 1.2.3",
            "not signed",
            "libc.so.6",
            "Standard Webhooks; keyed by visitor",
            "that of setting `base_url`",
            "access (one for each app_id + app_key)",
            "base_url  required  Where it lives.",
            "default 5",
            "voice      converted  full",
            "keeps the session",
        ] {
            assert!(printed.contains(shown), "{shown} is not in:\n{printed}");
        }
    }
}
