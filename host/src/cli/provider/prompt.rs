//! Asking a person.
//!
//! Owns the course of the questions: what is shown, what an empty answer means,
//! asking again with the reason. Deliberately says nothing about vendors that
//! did not come from the adapter. Invariant: what is typed for a secret is
//! never shown.

use std::io::{self, BufRead, Write};

use anyhow::bail;
use kefu_plugin_api::activation::Made;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::Value;

use super::{interrupt::Guard, questions::Question, value, words::Language};

/// Somebody who can be asked.
pub(super) trait Ask {
    /// Says something.
    fn say(&mut self, text: &str) -> io::Result<()>;

    /// Asks for one line; none at the end of the input.
    fn line(&mut self, prompt: &str, hidden: bool) -> io::Result<Option<String>>;
}

/// The terminal.
pub(super) struct Terminal<'a> {
    /// Who has it as it was in the end.
    pub(super) guard: &'a Guard,
}

impl Ask for Terminal<'_> {
    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "{text}")
    }

    fn line(&mut self, prompt: &str, hidden: bool) -> io::Result<Option<String>> {
        write!(io::stderr().lock(), "{prompt}")?;
        io::stderr().flush()?;
        if hidden {
            let before = tcgetattr(io::stdin())?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            self.guard.hide(before);
            tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        }
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        if hidden {
            self.guard.show();
            writeln!(io::stderr().lock())?;
        }
        Ok((read? > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// What a person answered.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// A value.
    Value(Value),
    /// It is to be made up.
    Make(Made),
    /// Nothing: the default holds.
    Nothing,
}

/// Asks until there is an answer that can be used.
///
/// # Errors
/// The input ended.
pub(super) fn ask(
    person: &mut dyn Ask,
    question: &Question<'_>,
    language: Language,
) -> anyhow::Result<Answer> {
    let hidden = question.setting.is_secret();
    loop {
        let Some(text) = person.line(&prompt(question, language), hidden)? else {
            bail!(
                "{}",
                language.pick(
                    "输入已结束，未写入任何内容",
                    "the input ended; nothing was written"
                )
            );
        };
        let text = text.trim();
        if text.is_empty() {
            match (question.make, question.required, question.default()) {
                (Some(made), ..) => return Ok(Answer::Make(made)),
                (None, true, None) => {
                    person.say(language.pick("  × 必填", "  ! it has to be answered"))?;
                    continue;
                }
                _ => return Ok(Answer::Nothing),
            }
        }
        match value::read(&question.setting, text, language) {
            Ok(value) => return Ok(Answer::Value(value)),
            Err(reason) => {
                let mark = language.pick("×", "!");
                person.say(&format!("  {mark} {reason}"))?;
            }
        }
    }
}

fn prompt(question: &Question<'_>, language: Language) -> String {
    let title = language.of_words(&question.title);
    let help = language.of_words(&question.help);
    let mut prompt = title.to_owned();
    if !help.is_empty() {
        prompt.push_str(&match language {
            Language::Zh => format!("（{help}）"),
            Language::En => format!(" ({help})"),
        });
    }
    let choices = question.setting.choices();
    if !choices.is_empty() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        prompt.push_str(&format!(" {{{}}}", names.join("|")));
    }
    let empty = match (question.make, question.default()) {
        (Some(_), _) => language
            .pick("留空则自动生成", "empty: one is made")
            .to_owned(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(other)) => other.to_string(),
        (None, None) if question.required => String::new(),
        (None, None) => language.pick("可留空", "may be empty").to_owned(),
    };
    if !empty.is_empty() {
        prompt.push_str(&format!(" [{empty}]"));
    }
    prompt.push_str(language.pick("：", ": "));
    prompt
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;

    use kefu_plugin_api::{activation::Environment, descriptor::Descriptor};
    use serde_json::json;

    use super::*;
    use crate::cli::provider::questions::Questions;

    /// A person who has made up their mind.
    #[derive(Default)]
    pub(crate) struct Script {
        pub(crate) lines: VecDeque<&'static str>,
        pub(crate) shown: String,
        pub(crate) hidden: Vec<bool>,
    }

    impl Script {
        pub(crate) fn of(lines: &[&'static str]) -> Self {
            Self {
                lines: lines.iter().copied().collect(),
                ..Self::default()
            }
        }
    }

    impl Ask for Script {
        fn say(&mut self, text: &str) -> io::Result<()> {
            self.shown.push_str(text);
            self.shown.push('\n');
            Ok(())
        }

        fn line(&mut self, prompt: &str, hidden: bool) -> io::Result<Option<String>> {
            self.shown.push_str(prompt);
            self.hidden.push(hidden);
            Ok(self.lines.pop_front().map(str::to_owned))
        }
    }

    fn descriptor() -> Descriptor {
        let mut descriptor = Descriptor::new("vendor", "1.0.0");
        descriptor.settings = json!({
            "required": ["email", "key"],
            "properties": {
                "email": {"type": "string", "format": "email"},
                "key": {"type": "string", "format": "password"},
                "mode": {"enum": ["robot", "human"], "type": "string", "default": "robot"},
                "group": {"type": "integer"},
            },
            "x-activation": {"ask": [
                {"setting": "email", "title": {"zh": "邮箱", "en": "E-mail"}},
                {"setting": "key", "make": "token", "title": {"zh": "密钥", "en": "Key"}},
                {"setting": "mode"},
                {"setting": "group"},
            ]},
        })
        .try_into()
        .expect("a schema");
        descriptor
    }

    fn asked(
        name: &str,
        lines: &[&'static str],
        language: Language,
    ) -> (anyhow::Result<Answer>, Script) {
        let descriptor = descriptor();
        let questions = Questions::of(&descriptor, Environment::Production).expect("understood");
        let mut script = Script::of(lines);
        let question = questions.about(name).expect("asked");
        let answer = ask(&mut script, question, language);
        (answer, script)
    }

    #[test]
    fn a_wrong_answer_is_asked_again_with_the_reason() {
        let (answer, script) = asked("email", &["", "admin", " a@example.com "], Language::Zh);
        assert_eq!(
            answer.expect("answered"),
            Answer::Value(json!("a@example.com"))
        );
        assert!(script.shown.contains("必填"), "{}", script.shown);
        assert!(script.shown.contains("不是邮箱地址"), "{}", script.shown);
        assert_eq!(script.hidden, [false, false, false]);
    }

    #[test]
    fn an_empty_answer_means_the_default_or_what_is_made_up() {
        let (answer, script) = asked("mode", &[""], Language::En);
        assert_eq!(answer.expect("answered"), Answer::Nothing);
        assert!(
            script.shown.contains("{robot|human} [robot]"),
            "{}",
            script.shown
        );
        assert_eq!(
            asked("group", &[""], Language::En).0.expect("answered"),
            Answer::Nothing
        );
        let (answer, script) = asked("key", &[""], Language::En);
        assert_eq!(answer.expect("answered"), Answer::Make(Made::Token));
        assert_eq!(script.hidden, [true], "a secret is not shown");
    }

    #[test]
    fn the_end_of_the_input_ends_the_asking() {
        let (answer, _) = asked("email", &["nonsense"], Language::En);
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .contains("nothing was written")
        );
    }
}
