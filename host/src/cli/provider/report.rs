//! What is told at the end: where the file is, what was tried, where the vendor
//! calls back, which route is missing, what people still have to do.
//!
//! Owns the filling in of the adapter's words. Invariant: a secret appears as
//! the reference that stands for it, never as itself.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

use kefu_core::config::Config;
use serde::Serialize;
use serde_json::Value;

use super::{
    draft::{Draft, Place},
    live::Seen,
    questions::Questions,
    words::Language,
};
use crate::delivery::{Step, Trial, TrialError};

/// Everything that is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The provider's id.
    pub(super) provider: String,
    /// The vendor, as people say it.
    pub(super) vendor: String,
    /// Where the file is, or would be.
    pub(super) file: PathBuf,
    /// Whether it is there.
    pub(super) written: bool,
    /// Where each secret is kept that was given or made.
    pub(super) secrets: Vec<KeptAt>,
    /// What was tried, and went well; absent if nothing was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tried: Option<Trial>,
    /// What went wrong when it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<TrialError>,
    /// What a running gateway makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
    /// Where the vendor calls back.
    pub(super) callback: String,
    /// Whether that address is only this machine's.
    pub(super) callback_is_local: bool,
    /// Desks that have a route to it.
    pub(super) desks: Vec<String>,
    /// The route to add to the main file, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) route: Option<String>,
    /// What people at the vendor still have to do.
    pub(super) left: Vec<String>,
}

/// Where one secret is kept.
#[derive(Debug, Serialize)]
pub(super) struct KeptAt {
    /// The setting.
    setting: String,
    /// Whether it was made up here, so that the vendor has to be told.
    made: bool,
    /// Its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The variable that the gateway has to be given before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<String>,
}

impl Report {
    /// What there is to tell before anything is written. `settings` have their
    /// references resolved.
    pub(super) fn of(
        (id, draft, made): (&str, &Draft, &[String]),
        questions: &Questions<'_>,
        settings: &Value,
        config: &Config,
        language: Language,
    ) -> Self {
        let public_url = public_url(config);
        let mut fill = Fill::new(questions, settings, draft);
        fill.put("callback_url", format!("{public_url}/v1/callbacks/{id}"));
        let template = match questions.activation.callback.as_str() {
            "" => "{callback_url}",
            template => template,
        };
        let callback = fill.fill(template);
        fill.put("callback", callback.clone());
        let left = questions.activation.after.iter();
        let left = left
            .map(|words| fill.fill(language.of_words(words)))
            .collect();
        let desks = desks_with(config, id);
        let route = desks.is_empty().then(|| route(config, id));
        Self {
            provider: id.to_owned(),
            vendor: language.of_words(&questions.activation.vendor).to_owned(),
            file: draft.file.clone(),
            written: false,
            secrets: kept(draft, made),
            tried: None,
            failed: None,
            seen: None,
            callback,
            callback_is_local: config.main.server.public_url.is_none(),
            desks,
            route,
            left,
        }
    }

    /// For people.
    pub(super) fn print(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        let file = self.file.display();
        match (self.written, language) {
            (true, Language::Zh) => writeln!(out, "已写入 {file}")?,
            (true, Language::En) => writeln!(out, "written: {file}")?,
            (false, Language::Zh) => writeln!(out, "未写入（试运行）：{file}")?,
            (false, Language::En) => writeln!(out, "not written (dry run): {file}")?,
        }
        self.print_secrets(out, language)?;
        self.print_tried(out, language)?;
        if let Some(seen) = &self.seen {
            writeln!(out, "{}", in_words(seen, language))?;
        }
        let name = language.pick("回调地址", "callback address");
        writeln!(out, "{name}: {}", self.callback)?;
        if self.callback_is_local {
            writeln!(out, "  {}", language.pick(
                "未设置 server.public_url，以上仅为本机监听地址；请先设置外部可访问的地址",
                "server.public_url is not set, so this is an address of this machine; set how the outside reaches it",
            ))?;
        }
        if self.callback.contains("${") {
            writeln!(
                out,
                "  {}",
                language.pick(
                    "其中 ${…} 处填写该文件或变量中的密钥",
                    "where ${…} stands, the secret goes that is kept there",
                )
            )?;
        }
        self.print_route(out, language)?;
        if !self.left.is_empty() {
            writeln!(
                out,
                "{}",
                language.pick("还需人工完成：", "still to be done by people:")
            )?;
        }
        for (index, step) in self.left.iter().enumerate() {
            writeln!(out, "  {}. {step}", index + 1)?;
        }
        Ok(())
    }

    fn print_secrets(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        for kept in &self.secrets {
            let made = match (kept.made, language) {
                (false, _) => "",
                (true, Language::Zh) => "（已自动生成，请告知平台）",
                (true, Language::En) => " (made here; the vendor has to be told)",
            };
            let setting = &kept.setting;
            if let Some(file) = &kept.file {
                writeln!(out, "  {setting}: {}{made}", file.display())?;
            }
            if let Some(variable) = &kept.variable {
                let export = language.pick(
                    "启动网关前须设置环境变量；运行中的网关要重启后才能读到",
                    "to be exported before the gateway starts; one that runs has to be restarted with it",
                );
                writeln!(out, "  {setting}: export {variable}=…{made}  # {export}")?;
            }
        }
        Ok(())
    }

    fn print_tried(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        if let Some(error) = &self.failed {
            writeln!(out, "{}", failure(error, language))?;
        }
        for step in self.tried.iter().flat_map(|trial| &trial.steps) {
            writeln!(out, "{}", step_in_words(step, language))?;
        }
        Ok(())
    }

    fn print_route(&self, out: &mut dyn Write, language: Language) -> io::Result<()> {
        if let Some(route) = &self.route {
            let name = language.pick(
                "尚无路由指向它；在 kefu.toml 中加入：",
                "no desk has a route to it yet; add to kefu.toml:",
            );
            writeln!(out, "{name}")?;
            for line in route.lines() {
                writeln!(out, "    {line}")?;
            }
            return Ok(());
        }
        let desks = self.desks.join(", ");
        match language {
            Language::Zh => writeln!(out, "已有路由的客服入口：{desks}"),
            Language::En => writeln!(out, "desks with a route to it: {desks}"),
        }
    }
}

/// What went wrong when it was tried.
pub(super) fn failure(error: &TrialError, language: Language) -> String {
    match (error, language) {
        (_, Language::En) => error.to_string(),
        (TrialError::Unreachable(reason), Language::Zh) => format!("无法连接平台：{reason}"),
        (TrialError::Refused(reason), Language::Zh) => format!("平台未接受：{reason}"),
        (TrialError::NotSent(reason), Language::Zh) => format!("请求未发出：{reason}"),
    }
}

fn step_in_words(step: &Step, language: Language) -> String {
    match (step, language) {
        (
            Step::Token {
                name,
                expires_in_seconds,
            },
            Language::Zh,
        ) => {
            format!("已试：取得令牌 {name}，有效期 {expires_in_seconds} 秒")
        }
        (
            Step::Token {
                name,
                expires_in_seconds,
            },
            Language::En,
        ) => {
            format!("tried: the vendor gave token `{name}` for {expires_in_seconds} s")
        }
        (Step::Asked { notes }, _) => {
            let what = language.pick("已试：", "tried: ");
            let said = if notes.is_empty() {
                language
                    .pick("平台已接受", "the vendor accepts it")
                    .to_owned()
            } else {
                notes.join("; ")
            };
            format!("{what}{said}")
        }
        (Step::Reached { host, status }, Language::Zh) => {
            format!("已试：{host} 可以连接（HTTP {status}）；该适配器没有可试的调用，密钥未验证")
        }
        (Step::Reached { host, status }, Language::En) => format!(
            "tried: {host} answers (HTTP {status}); the adapter has no call to try, so no key was proven"
        ),
    }
}

fn in_words(seen: &Seen, language: Language) -> String {
    match (seen, language) {
        (Seen::Live { after_ms }, Language::Zh) => format!("网关已启用，用时 {after_ms} 毫秒"),
        (Seen::Live { after_ms }, Language::En) => {
            format!("live in the running gateway after {after_ms} ms")
        }
        (Seen::Refused { reason }, Language::Zh) => format!("运行中的网关未接受：{reason}"),
        (Seen::Refused { reason }, Language::En) => {
            format!("the running gateway does not take it: {reason}")
        }
        (Seen::NotYet, Language::Zh) => {
            "运行中的网关尚未启用，原因见 kefu-gateway reloads".to_owned()
        }
        (Seen::NotYet, Language::En) => {
            "the running gateway does not serve it yet; `kefu-gateway reloads` says why".to_owned()
        }
        (Seen::NotRunning, Language::Zh) => "没有运行中的网关；启动后即生效".to_owned(),
        (Seen::NotRunning, Language::En) => {
            "no gateway is running; it serves once one starts".to_owned()
        }
    }
}

/// The gateway's address as vendors see it.
pub(super) fn public_url(config: &Config) -> String {
    let server = &config.main.server;
    let bound = || format!("http://{}", server.listen);
    server.public_url.clone().unwrap_or_else(bound)
}

fn desks_with(config: &Config, id: &str) -> Vec<String> {
    let desks = config.main.desks.iter();
    desks
        .filter(|(_, desk)| {
            desk.routes
                .iter()
                .any(|route| route.provider.as_str() == id)
        })
        .map(|(name, _)| name.to_string())
        .collect()
}

/// The lines that lead visitors to it: a few at first, where others serve.
fn route(config: &Config, id: &str) -> String {
    let desk = config.main.desks.iter().next();
    let (name, others) = desk.map_or(("support".to_owned(), false), |(name, desk)| {
        (name.to_string(), !desk.routes.is_empty())
    });
    let weight = if others { "weight = 10\n" } else { "" };
    format!("[[desks.{name}.routes]]\nprovider = \"{id}\"\n{weight}")
}

fn kept(draft: &Draft, made: &[String]) -> Vec<KeptAt> {
    let kept = draft.kept.iter().map(|kept| {
        let (file, variable) = match &kept.place {
            Place::File(path) => (Some(path.clone()), None),
            Place::Variable(name) => (None, Some(name.clone())),
        };
        KeptAt {
            setting: kept.setting.clone(),
            made: made.contains(&kept.setting),
            file,
            variable,
        }
    });
    kept.collect()
}

/// What `{…}` in an adapter's words stands for.
struct Fill(BTreeMap<String, String>);

impl Fill {
    fn new(questions: &Questions<'_>, settings: &Value, draft: &Draft) -> Self {
        let mut known = BTreeMap::new();
        for setting in &questions.settings {
            let name = setting.name;
            let text = if setting.is_secret() {
                let kept = draft.kept.iter().find(|kept| kept.setting == name);
                kept.map_or_else(|| format!("<{name}>"), |kept| kept.reference.clone())
            } else {
                let value = settings.get(name).or_else(|| setting.says("default"));
                match value {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) | None => format!("<{name}>"),
                    Some(other) => other.to_string(),
                }
            };
            known.insert(name.to_owned(), text);
        }
        Self(known)
    }

    fn put(&mut self, name: &str, text: String) {
        self.0.insert(name.to_owned(), text);
    }

    /// What is not known stays as it is.
    fn fill(&self, template: &str) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}') {
                Some((name, behind)) if self.0.contains_key(name) => {
                    filled.push_str(&self.0[name]);
                    rest = behind;
                }
                _ => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_stays_as_it_is() {
        let fill = Fill(BTreeMap::from([("a".into(), "${file:x}".into())]));
        assert_eq!(fill.fill("{a}/{b}/{"), "${file:x}/{b}/{");
        assert_eq!(fill.fill("no {a"), "no {a");
    }
}
