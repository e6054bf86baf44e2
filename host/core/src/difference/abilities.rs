//! Capabilities, read as what a visitor can do.
//!
//! Owns the list of abilities and their words. Each is a set: who has more
//! elements can do more. Invariant: the list has the same abilities in the same
//! order for all capabilities.

use std::collections::BTreeSet;

use kefu_plugin_api::{
    capability::{
        Capabilities, EmojiForm, EvaluationStart, Exit, Kinds, LeaveMessageKind, Level,
        RobotEvaluation, SessionState,
    },
    descriptor::{Descriptor, KeyedBy},
    message::ContentKind,
};

use super::Words;

/// One ability as it stands.
#[derive(Clone, Debug)]
pub(super) struct Ability {
    /// As a path below the capabilities.
    pub(super) part: String,
    pub(super) title: Words,
    /// What of it visitors can do; `None` where the question does not arise.
    pub(super) can: Option<BTreeSet<String>>,
    pub(super) value: Words,
}

/// Every ability, as declared or as told.
pub(super) fn of(
    descriptor: &Descriptor,
    told: Option<&Capabilities>,
    emoji_converted: bool,
) -> Vec<Ability> {
    let it = told.unwrap_or(&descriptor.capabilities);
    let mut all = vec![
        yes(
            "/robot",
            "机器人接待",
            "a robot answers",
            carries(&it.robot),
        ),
        yes("/human", "人工客服", "agents answer", carries(&it.human)),
        yes("/to_human", "转人工", "asking for a human", it.to_human),
        yes(
            "/back_to_robot",
            "转人工后返回机器人",
            "back to the robot after an agent",
            it.back_to_robot,
        ),
    ];
    all.extend(kinds(&it.robot, "robot", "机器人模式", "robot mode"));
    all.extend(kinds(&it.human, "human", "人工模式", "human mode"));
    all.push(voice(it));
    for (state, zh, en) in [
        (
            SessionState::Queued,
            "排队中发消息",
            "messages while queued",
        ),
        (
            SessionState::Unattended,
            "无客服时发消息",
            "messages while nobody is there",
        ),
    ] {
        let part = format!("/messages_while/{}", state.as_str());
        all.push(yes(&part, zh, en, it.messages_while.contains(&state)));
    }
    all.push(groups(it));
    all.extend(leave_message(it));
    all.extend(rating(it));
    all.push(exit(it));
    all.push(emoji(it, emoji_converted));
    all.push(fields(it));
    all.push(at_once(descriptor));
    all
}

fn set<const N: usize>(elements: [&str; N]) -> BTreeSet<String> {
    elements.map(str::to_owned).into()
}

fn yes(part: &str, zh: &str, en: &str, can: bool) -> Ability {
    Ability {
        part: part.to_owned(),
        title: Words::new(zh, en),
        can: Some(if can { set(["yes"]) } else { set([]) }),
        value: if can {
            Words::new("支持", "yes")
        } else {
            Words::new("不支持", "no")
        },
    }
}

fn carries(kinds: &Kinds) -> bool {
    kinds.values().any(|&level| level > Level::Rejected)
}

fn kinds(kinds: &Kinds, path: &str, zh: &str, en: &str) -> Vec<Ability> {
    // A robot or an agent who is not there is told by itself.
    let asked = carries(kinds);
    let of = |kind: ContentKind| {
        let level = kinds.get(&kind).copied().unwrap_or_default();
        let (can, value) = match level {
            Level::Full => (set(["text", "whole"]), Words::new("完整支持", "whole")),
            Level::Converted => (set(["text"]), Words::new("转为文字", "as text")),
            Level::Rejected => (set([]), Words::new("不支持", "not carried")),
        };
        Ability {
            part: format!("/{path}/{}", kind.as_str()),
            title: Words::new(
                format!("{zh}·{}", name(kind)),
                format!("{en}, {}", kind.as_str()),
            ),
            can: asked.then_some(can),
            value,
        }
    };
    ContentKind::ALL.into_iter().map(of).collect()
}

const fn name(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Text => "文本",
        ContentKind::Image => "图片",
        ContentKind::Voice => "语音",
        ContentKind::Location => "位置",
        ContentKind::Rich => "图文",
        ContentKind::Video => "视频",
        ContentKind::File => "文件",
        ContentKind::Emoji => "表情",
        ContentKind::Custom => "自定义消息",
        _ => "其他",
    }
}

/// In which forms voice is carried whole. A list of none means all.
fn voice(it: &Capabilities) -> Ability {
    let whole = [&it.robot, &it.human]
        .into_iter()
        .any(|kinds| kinds.get(&ContentKind::Voice) == Some(&Level::Full));
    let all = ["mp3", "wav", "amr", "aac", "m4a", "ogg", "webm"];
    let (can, value) = if it.voice_formats.is_empty() {
        (set(all), Words::new("任意格式", "any"))
    } else {
        let formats: BTreeSet<_> = it
            .voice_formats
            .iter()
            .map(|it| it.to_lowercase())
            .collect();
        let names = joined(&formats);
        (formats, Words::new(names.clone(), names))
    };
    Ability {
        part: "/voice_formats".into(),
        title: Words::new("语音格式", "forms of voice"),
        can: whole.then_some(can),
        value,
    }
}

fn groups(it: &Capabilities) -> Ability {
    let mut ability = yes(
        "/groups",
        "访客选择技能组",
        "choosing a group",
        !it.groups.is_empty(),
    );
    // Whose groups those are, the desk says.
    if !it.groups.is_empty() {
        let count = it.groups.len();
        ability.value = Words::new(format!("{count} 个"), format!("{count} of them"));
    }
    ability
}

fn leave_message(it: &Capabilities) -> Vec<Ability> {
    let rules = &it.leave_message;
    let (can, value) = match rules.kind {
        LeaveMessageKind::None => (set([]), Words::new("不支持", "no")),
        LeaveMessageKind::Page => (
            set(["leave", "page"]),
            Words::new("厂商网页", "on the vendor's page"),
        ),
        LeaveMessageKind::Form => {
            let keys: BTreeSet<_> = rules.fields.iter().map(|it| it.key.clone()).collect();
            let keys = joined(&keys);
            (
                set(["leave", "form"]),
                Words::new(format!("应用内表单：{keys}"), format!("in a form: {keys}")),
            )
        }
    };
    let mut all = vec![Ability {
        part: "/leave_message".into(),
        title: Words::new("留言", "leaving a message"),
        can: Some(can),
        value,
    }];
    for (state, zh, en) in [
        (
            SessionState::Unattended,
            "无客服时留言",
            "leaving a message while nobody is there",
        ),
        (
            SessionState::Queued,
            "排队中留言",
            "leaving a message while queued",
        ),
    ] {
        let part = format!("/leave_message/when/{}", state.as_str());
        let mut ability = yes(&part, zh, en, rules.when.contains(&state));
        if rules.kind == LeaveMessageKind::None {
            ability.can = None;
        }
        all.push(ability);
    }
    all
}

fn rating(it: &Capabilities) -> Vec<Ability> {
    let rules = &it.evaluation;
    let robot = yes(
        "/evaluation/robot",
        "评价机器人",
        "rating the robot",
        rules.robot != RobotEvaluation::None,
    );
    let form = rules.human.as_ref();
    let mut asked = Asked::default();
    if let Some(form) = form {
        asked.add(form.stars, "stars", "星级", "stars");
        asked.add(
            form.resolved,
            "resolved",
            "是否解决",
            "whether it was solved",
        );
        asked.add(!form.tags.is_empty(), "tags", "标签", "tags");
        asked.add(form.comment, "comment", "文字", "a comment");
    }
    let human = asked.ability(
        "/evaluation/human",
        Words::new("评价客服", "rating an agent"),
        Words::new("不支持", "no"),
    );
    let mut started = Asked::default();
    if form.is_some() {
        let by = |start| rules.by.contains(&start);
        started.add(
            by(EvaluationStart::Exit),
            "exit",
            "访客退出时",
            "when the visitor leaves",
        );
        started.add(
            by(EvaluationStart::Agent),
            "agent",
            "客服邀请时",
            "when the agent invites",
        );
        started.add(
            by(EvaluationStart::Visitor),
            "visitor",
            "访客随时发起",
            "whenever the visitor likes",
        );
    }
    let mut by = started.ability(
        "/evaluation/by",
        Words::new("评价客服的时机", "an agent is rated"),
        Words::new("无", "never"),
    );
    by.can = by.can.filter(|_| form.is_some());
    vec![robot, human, by, asked_after(it)]
}

/// After how long a rating is asked for on leaving: another matter only where
/// it is asked for there.
fn asked_after(it: &Capabilities) -> Ability {
    let rules = &it.evaluation;
    let seconds = rules.after_seconds;
    let at_exit = rules.by.contains(&EvaluationStart::Exit);
    Ability {
        part: "/evaluation/after_seconds".into(),
        title: Words::new("退出评价所需服务时长", "asked on leaving after"),
        can: at_exit.then(|| [format!("{seconds} s")].into()),
        value: Words::new(format!("{seconds} 秒"), format!("{seconds} s")),
    }
}

fn exit(it: &Capabilities) -> Ability {
    let (can, value) = match it.exit {
        Exit::Ends => (
            set(["ends"]),
            Words::new("会话立即结束", "the session ends at once"),
        ),
        Exit::Keeps => (
            set(["keeps"]),
            Words::new(
                "会话保留，客服仍可发消息",
                "the session stays, and the agent may still write",
            ),
        ),
    };
    Ability {
        part: "/exit".into(),
        title: Words::new("访客退出", "the visitor leaves"),
        can: Some(can),
        value,
    }
}

fn emoji(it: &Capabilities, converted: bool) -> Ability {
    let (can, value) = match it.emoji {
        EmojiForm::Native => (set(["unicode"]), Words::new("原生表情", "as Unicode")),
        EmojiForm::Text if converted => (
            set(["unicode"]),
            Words::new("经转换表为原生表情", "as Unicode, by the table"),
        ),
        EmojiForm::Text => (set([]), Words::new("显示为文字", "shown as text")),
    };
    Ability {
        part: "/emoji".into(),
        title: Words::new("客服发来的表情", "agents' emoji"),
        can: Some(can),
        value,
    }
}

fn fields(it: &Capabilities) -> Ability {
    let fields: BTreeSet<_> = it.visitor_fields.iter().cloned().collect();
    let names = if fields.is_empty() {
        "–".to_owned()
    } else {
        joined(&fields)
    };
    Ability {
        part: "/visitor_fields".into(),
        title: Words::new("传给厂商的访客资料", "profile fields that are passed on"),
        can: Some(fields),
        value: Words::new(names.clone(), names),
    }
}

/// Whether a visitor can have sessions at several desks of the provider.
fn at_once(descriptor: &Descriptor) -> Ability {
    yes(
        "/sessions_at_once",
        "同一访客同时多个会话",
        "several sessions of one visitor at once",
        descriptor.keyed_by == KeyedBy::Conversation,
    )
}

/// A list of what is there.
#[derive(Default)]
struct Asked {
    can: BTreeSet<String>,
    zh: Vec<&'static str>,
    en: Vec<&'static str>,
}

impl Asked {
    fn add(&mut self, is: bool, what: &str, zh: &'static str, en: &'static str) {
        if is {
            self.can.insert(what.to_owned());
            self.zh.push(zh);
            self.en.push(en);
        }
    }

    fn ability(self, part: &str, title: Words, nothing: Words) -> Ability {
        let value = if self.can.is_empty() {
            nothing
        } else {
            Words::new(self.zh.join("、"), self.en.join(", "))
        };
        Ability {
            part: part.to_owned(),
            title,
            can: Some(self.can),
            value,
        }
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
