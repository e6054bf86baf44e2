//! `provider add`: the arguments, and one step after the other.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::ValueEnum;
use kefu_core::config::{Config, Trust};
use kefu_plugin_api::activation::{self, Made};
use serde_json::Value;

use super::{
    answers::Sources,
    draft::{self, Draft, Plan, Secrets},
    find::{self, Found},
    interrupt::{Guard, guarded},
    live::{Seen, Watch},
    place,
    prompt::{self, Answer, Ask, Terminal},
    questions::{Question, Questions},
    report::{self, Report},
    trial::{self, Checked, Refused},
    words::Language,
};
use crate::{
    cli::{ConfigPath, print_line},
    config, delivery,
};

/// Which vendor, and how to go about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The vendor: an adapter's id, or a file of the plug-in folder.
    vendor: String,
    #[command(flatten)]
    config: ConfigPath,
    /// The provider's id; otherwise the adapter's, with `-dev` for development.
    #[arg(long)]
    id: Option<String>,
    /// Which of the accounts at the vendor; both can stand side by side.
    #[arg(long, value_enum, default_value_t)]
    env: Environment,
    #[command(flatten)]
    sources: Sources,
    /// Where secrets go.
    #[arg(long, value_enum, default_value_t)]
    secrets: Secrets,
    /// The language of questions and report; otherwise that of LANG.
    #[arg(long, value_enum)]
    lang: Option<Language>,
    /// Ask nothing: what is missing is an error, as without a terminal.
    #[arg(long)]
    no_input: bool,
    /// Write nothing and call nobody: print the file.
    #[arg(long)]
    dry_run: bool,
    /// Write the file even if the vendor cannot be reached or refuses it.
    #[arg(long)]
    keep: bool,
    /// Replace a file that exists.
    #[arg(long)]
    force: bool,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Which of the accounts at a vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Environment {
    /// Real visitors.
    #[default]
    Production,
    /// Trials.
    Development,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    guarded(move |work, guard| {
        let loaded = config::load(&arguments.config.config)?;
        let found = find::find(&loaded.config.main.plugins.dir, &arguments.vendor, work)?;
        let id = arguments.id_for(&found);
        if let Some(owner) = loaded.sources.file_of(&id.as_str().into())
            && owner != arguments.file(&id)
        {
            bail!(
                "{} describes a provider `{id}` already; choose another name with --id",
                owner.display()
            );
        }
        let adding = Adding {
            language: arguments
                .lang
                .unwrap_or_else(|| Language::of(|name| std::env::var(name).ok())),
            arguments: &arguments,
            config: &loaded.config,
            found: &found,
            id,
            work,
            guard,
        };
        adding.run()
    })
}

impl Arguments {
    fn id_for(&self, found: &Found) -> String {
        let adapter = &found.about.descriptor().id;
        self.id.clone().unwrap_or_else(|| match self.env {
            Environment::Production => adapter.clone(),
            Environment::Development => format!("{adapter}-dev"),
        })
    }

    fn folder(&self) -> &Path {
        self.config.config.parent().unwrap_or(Path::new(""))
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder().join("providers").join(format!("{id}.toml"))
    }

    fn environment(&self) -> activation::Environment {
        match self.env {
            Environment::Production => activation::Environment::Production,
            Environment::Development => activation::Environment::Development,
        }
    }
}

/// One provider that is being added.
struct Adding<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    found: &'a Found,
    id: String,
    language: Language,
    work: &'a Path,
    guard: &'a Guard,
}

/// What was answered, and which of it was made up.
#[derive(Default)]
struct Answers {
    values: BTreeMap<String, Value>,
    made: Vec<String>,
}

impl Adding<'_> {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let arguments = self.arguments;
        let descriptor = self.found.about.descriptor();
        let questions = Questions::of(descriptor, arguments.environment())?;
        let file = arguments.file(&self.id);
        if file.exists() && !arguments.force && !arguments.dry_run {
            bail!(
                "{} exists; --force replaces it, --id adds another provider beside it",
                file.display()
            );
        }
        let mut answers = Answers {
            values: arguments.sources.read(&questions, self.language)?,
            made: Vec::new(),
        };
        let interactive = io::stdin().is_terminal() && !arguments.no_input;
        let mut person = interactive.then_some(Terminal { guard: self.guard });
        match &mut person {
            Some(person) => self.ask_all(person, &questions, &mut answers)?,
            None => {
                if let Some(missing) = self.fill_in(&questions, &mut answers) {
                    writeln!(io::stderr().lock(), "kefu-gateway: {missing}")?;
                    return Ok(ExitCode::from(USAGE));
                }
            }
        }
        let person = person.as_mut().map(|person| person as &mut dyn Ask);
        let (draft, checked) = self.check(person, &questions, &mut answers)?;
        let made = answers.made.as_slice();
        let told = (self.id.as_str(), &draft, made);
        let mut report = Report::of(
            told,
            &questions,
            checked.settings(),
            self.config,
            self.language,
        );
        if arguments.dry_run {
            return self.show(&report, Some(&draft));
        }
        self.finish((&draft, &answers), &checked, interactive, &mut report)
    }

    /// Asks for everything that was not said yet.
    fn ask_all(
        &self,
        person: &mut dyn Ask,
        questions: &Questions<'_>,
        answers: &mut Answers,
    ) -> anyhow::Result<()> {
        let vendor = self.language.of_words(&questions.activation.vendor);
        let vendor = if vendor.is_empty() {
            &self.found.about.descriptor().id
        } else {
            vendor
        };
        person.say(&format!("{vendor}: {}", self.id))?;
        for (index, step) in questions.activation.before.iter().enumerate() {
            person.say(&format!(
                "  {}. {}",
                index + 1,
                self.language.of_words(step)
            ))?;
        }
        for question in &questions.ask {
            if !answers.values.contains_key(question.name()) {
                answers.take(question, prompt::ask(person, question, self.language)?);
            }
        }
        Ok(())
    }

    /// Without a person: what can be made up is, what the environment holds is
    /// referred to, and the rest is told.
    fn fill_in(&self, questions: &Questions<'_>, answers: &mut Answers) -> Option<String> {
        let mut missing = Vec::new();
        for question in &questions.ask {
            let name = question.name();
            if answers.values.contains_key(name) {
                continue;
            }
            let variable = draft::variable(&self.id, name);
            let in_environment = std::env::var(&variable).is_ok_and(|value| !value.is_empty());
            if self.arguments.secrets == Secrets::Env
                && question.setting.is_secret()
                && in_environment
            {
                let reference = Value::from(format!("${{{variable}}}"));
                answers.values.insert(name.to_owned(), reference);
            } else if let Some(made) = question.make {
                answers.take(question, Answer::Make(made));
            } else if question.required && question.default().is_none() {
                let title = self.language.of_words(&question.title);
                let help = self.language.of_words(&question.help);
                let between = if help.is_empty() { "" } else { ", " };
                missing.push(format!("  --set {name}=…   {title}{between}{help}"));
            }
        }
        let head = self.language.pick(
            "没有可询问的终端，且缺少以下设置（也可用 --set-file、--answers）：",
            "there is no terminal to ask at, and these settings are missing (--set-file and --answers give them, too):",
        );
        (!missing.is_empty()).then(|| format!("{head}\n{}", missing.join("\n")))
    }

    /// Checks everything as a reload would; what the adapter refuses is asked
    /// again.
    fn check(
        &self,
        mut person: Option<&mut dyn Ask>,
        questions: &Questions<'_>,
        answers: &mut Answers,
    ) -> anyhow::Result<(Draft, Checked)> {
        loop {
            let draft = Draft::make(&self.plan(), questions, &answers.values);
            let Refused { setting, reason } = match trial::check(&draft, self.config, self.work) {
                Ok(checked) => return Ok((draft, checked)),
                Err(refused) => refused,
            };
            let question = setting.as_deref().and_then(|name| questions.about(name));
            let (Some(person), Some(question)) = (person.as_mut(), question) else {
                bail!("{reason}\nnothing was written");
            };
            person.say(&format!("  {} {reason}", self.language.pick("×", "!")))?;
            answers.forget(question);
            answers.take(
                question,
                prompt::ask(&mut **person, question, self.language)?,
            );
        }
    }

    fn plan(&self) -> Plan<'_> {
        // Whoever adds a provider vouches for the file as it is now.
        let listed = self.config.main.plugins.trust == Trust::Listed;
        Plan {
            id: &self.id,
            plugin: &self.found.file,
            sha256: listed.then(|| self.found.about.sha256()),
            folder: self.arguments.folder(),
            secrets: self.arguments.secrets,
        }
    }

    /// Tries it, writes it, sees it live.
    fn finish(
        &self,
        (draft, answers): (&Draft, &Answers),
        checked: &Checked,
        interactive: bool,
        report: &mut Report,
    ) -> anyhow::Result<ExitCode> {
        match checked.try_it(report::public_url(self.config))? {
            Ok(trial) => report.tried = Some(trial),
            Err(error) => {
                let words = report::failure(&error, self.language);
                report.failed = Some(error);
                let wanted =
                    self.arguments.keep || (interactive && self.wants_it_anyway(&words)?);
                if !wanted {
                    return self.give_up(&words, answers, report);
                }
            }
        }
        let watch = Watch::begin(self.config, &self.id);
        {
            let mut placed = self.guard.placing();
            let replaced = self.arguments.force;
            if !replaced && let [path, ..] = place::in_the_way(draft).as_slice() {
                bail!("{} exists; --force replaces it", path.display());
            }
            place::put(draft, replaced)?;
            *placed = true;
        }
        report.written = true;
        report.seen = Some(watch.map_or(Seen::NotRunning, |watch| watch.until_live()));
        self.show(report, None)
    }

    fn wants_it_anyway(&self, words: &str) -> anyhow::Result<bool> {
        let mut person = Terminal { guard: self.guard };
        person.say(&format!("  {} {words}", self.language.pick("×", "!")))?;
        let question = self.language.pick(
            "仍要写入文件吗？[y/N]：",
            "write the file all the same? [y/N]: ",
        );
        let answer = person.line(question, false)?.unwrap_or_default();
        Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "是"))
    }

    fn give_up(&self, words: &str, answers: &Answers, report: &Report) -> anyhow::Result<ExitCode> {
        if self.arguments.json {
            print_line(&serde_json::to_value(report)?)?;
        }
        let kept = self.language.pick(
            "未写入任何内容；--keep 可在试用失败时仍写入",
            "nothing was written; --keep writes the file all the same",
        );
        let mut err = io::stderr().lock();
        writeln!(err, "kefu-gateway: {words}\n{kept}")?;
        if let made @ [_, ..] = answers.made.as_slice() {
            let made = made.join(", ");
            writeln!(
                err,
                "{}",
                match self.language {
                    Language::Zh =>
                        format!("{made} 为自动生成，平台尚不知道：请用 --keep 写入后告知平台"),
                    Language::En => format!(
                        "{made} was made here, so the vendor cannot know it yet: with --keep it is written, to be told to the vendor"
                    ),
                }
            )?;
        }
        Ok(ExitCode::FAILURE)
    }

    fn show(&self, report: &Report, draft: Option<&Draft>) -> anyhow::Result<ExitCode> {
        if self.arguments.json {
            let mut line = serde_json::to_value(report)?;
            if let Some(draft) = draft {
                line["text"] = draft.text.as_str().into();
            }
            print_line(&line)?;
        } else if let Some(draft) = draft {
            // The file is what was asked for; the rest goes beside it.
            io::stdout().lock().write_all(draft.text.as_bytes())?;
            report.print(&mut io::stderr().lock(), self.language)?;
        } else {
            report.print(&mut io::stdout().lock(), self.language)?;
        }
        Ok(match report.seen {
            Some(Seen::Refused { .. }) => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    }
}

impl Answers {
    fn take(&mut self, question: &Question<'_>, answer: Answer) {
        let name = question.name().to_owned();
        match answer {
            Answer::Value(value) => {
                self.values.insert(name, value);
            }
            Answer::Make(made) => {
                self.made.push(name.clone());
                self.values.insert(name, Value::from(make(made)));
            }
            Answer::Nothing => {}
        }
    }

    fn forget(&mut self, question: &Question<'_>) {
        self.values.remove(question.name());
        self.made.retain(|name| name != question.name());
    }
}

/// A secret that nobody can foresee.
fn make(made: Made) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    match made {
        Made::WebhookSecret => format!("whsec_{}", STANDARD.encode(delivery::random::<32>())),
        _ => delivery::random::<16>()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}

/// How a command ends that lacks arguments; as for wrong ones.
const USAGE: u8 = 2;
