//! Forms by which a message is left.

use std::collections::BTreeMap;

use kefu_core::command::Command;
use kefu_plugin_api::capability::{Capabilities, FormField, SessionState, Verify};

use crate::visit::{Visit, able};

fn field(key: &str, required: bool, verify: Option<Verify>, max: Option<u32>) -> FormField {
    FormField {
        key: key.into(),
        label: key.into(),
        required,
        multiline: false,
        verify,
        max,
    }
}

/// 小能's form, with one key that a JSON pointer has to escape.
fn desk() -> Visit {
    let mut capabilities: Capabilities = able();
    capabilities.leave_message.fields = vec![
        field("phone", true, Some(Verify::Phone), None),
        field("email", false, Some(Verify::Email), Some(30)),
        field("content", true, None, Some(5)),
        field("a/b~c", false, None, Some(1)),
    ];
    Visit::standing(capabilities, SessionState::Unattended)
}

fn left(fields: &[(&str, &str)]) -> Command {
    let fields: BTreeMap<_, _> = fields
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Command::LeaveMessage { fields }
}

#[test]
fn a_form_that_is_filled_as_asked_is_taken() {
    for fields in [
        &[("phone", "13800000000"), ("content", "你好你好吗")][..],
        &[
            ("phone", "+86 (010) 1234-5678"),
            ("content", "x"),
            ("email", ""),
        ],
        &[
            ("phone", "12345"),
            ("content", "x"),
            ("email", "a.b+c@mail.example.com"),
        ],
    ] {
        let lines = desk().command(left(fields));
        assert_eq!(
            lines,
            ["told first leave_message", "leave_message.submitted"]
        );
    }
}

#[test]
fn everything_that_is_wrong_in_a_form_is_pointed_at() {
    let refused = |fields: &[(&str, &str)]| {
        let problem = desk().refused(left(fields));
        let pointers: Vec<_> = problem.errors.into_iter().map(|it| it.pointer).collect();
        (problem.slug.as_str(), pointers.join(" "))
    };
    let good = ("phone", "13800000000");
    for (fields, slug, pointers) in [
        (&[][..], "invalid-request", "/fields/phone /fields/content"),
        (
            &[good, ("content", " \n")],
            "invalid-request",
            "/fields/content",
        ),
        (
            &[good, ("content", "六个字太长了")],
            "too-large",
            "/fields/content",
        ),
        (
            &[("phone", "call me"), ("content", "x")],
            "invalid-request",
            "/fields/phone",
        ),
        (
            &[("phone", "1234"), ("content", "x")],
            "invalid-request",
            "/fields/phone",
        ),
        (
            &[good, ("content", "x"), ("email", "a@b")],
            "invalid-request",
            "/fields/email",
        ),
        (
            &[good, ("content", "x"), ("email", "a b@c.de")],
            "invalid-request",
            "/fields/email",
        ),
        (
            &[good, ("content", "x"), ("email", "a@@b.de")],
            "invalid-request",
            "/fields/email",
        ),
        (
            &[good, ("content", "x"), ("a/b~c", "long")],
            "too-large",
            "/fields/a~1b~0c",
        ),
        (
            &[good, ("content", "x"), ("x/y", "?")],
            "invalid-request",
            "/fields/x~1y",
        ),
        (
            &[("phone", "no"), ("content", "六个字太长了")],
            "invalid-request",
            "/fields/phone /fields/content",
        ),
    ] {
        assert_eq!(refused(fields), (slug, pointers.to_owned()), "{fields:?}");
    }
}
