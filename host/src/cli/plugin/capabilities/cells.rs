//! What a descriptor says in each row of the table.
//!
//! Owns the rows and their words, the same for every adapter: nothing here
//! knows a vendor. Invariant: a cell is made of the descriptor and of nothing
//! else; what a vendor or a setting may change is marked as such.

use kefu_plugin_api::{
    capability::{
        EmojiForm, EvaluationStart, Exit, FormField, HumanEvaluation, Kinds, LeaveMessageKind,
        Level, RobotEvaluation, SessionState,
    },
    descriptor::{DecidedBy, Descriptor},
    message::ContentKind,
};

/// A row: its title, and what one adapter says in it.
type Row = (&'static str, fn(&Descriptor) -> String);

/// Every row, in order.
pub(super) const ROWS: &[Row] = &[
    ("Account 开通所需设置", account),
    ("Robot 机器人", robot),
    ("To the robot 机器人模式消息", |it| to_robot(it)),
    ("To a human 转人工", to_human),
    ("Back to the robot 返回机器人", back),
    ("Groups to choose from 技能组", groups),
    ("Messages while queued 排队中消息", |it| {
        waiting(it, SessionState::Queued)
    }),
    ("Messages while nobody is there 无客服时消息", |it| {
        waiting(it, SessionState::Unattended)
    }),
    ("To an agent: text 文本", |it| {
        to_agent(it, ContentKind::Text)
    }),
    ("… image 图片", |it| to_agent(it, ContentKind::Image)),
    ("… voice 语音", |it| to_agent(it, ContentKind::Voice)),
    ("… location 位置", |it| {
        to_agent(it, ContentKind::Location)
    }),
    ("… rich 图文", |it| to_agent(it, ContentKind::Rich)),
    ("… video 视频", |it| to_agent(it, ContentKind::Video)),
    ("… file 文件", |it| to_agent(it, ContentKind::File)),
    ("… emoji 表情", |it| to_agent(it, ContentKind::Emoji)),
    ("… custom 自定义消息", |it| {
        to_agent(it, ContentKind::Custom)
    }),
    ("Agents' emoji 客服表情", emoji),
    ("Leaving a message 留言", leave_message),
    ("… when 留言时机", leave_when),
    ("Rating the robot 评价机器人", rate_robot),
    ("Rating an agent 评价人工", rate_agent),
    ("… started by 发起方", rated_by),
    ("… asked on leaving after 退出评价", rated_after),
    ("The visitor leaves 访客退出", leaves),
    ("Profile fields 访客资料", profile),
    ("Callbacks prove themselves by 回调鉴权", callbacks),
];

const NO: &str = "no";
const VENDOR: &str = "vendor";
const IF_ALLOWED: &str = "if the vendor allows it";

/// The settings without which no account can be opened.
fn account(it: &Descriptor) -> String {
    let required = it.settings.as_value()["required"].as_array();
    let names = required.into_iter().flatten().filter_map(|it| it.as_str());
    or_dash(&names.map(|name| format!("`{name}`")).collect::<Vec<_>>())
}

fn robot(it: &Descriptor) -> String {
    let carries = it
        .capabilities
        .robot
        .values()
        .any(|&it| it > Level::Rejected);
    marked(it, "/robot", yes(carries))
}

fn to_robot(it: &Descriptor) -> String {
    let names = |level| {
        let of_level = |kind: &ContentKind| of(&it.capabilities.robot, *kind) == level;
        let names: Vec<_> = ContentKind::ALL.into_iter().filter(of_level).collect();
        names
            .into_iter()
            .map(ContentKind::as_str)
            .collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    let (whole, as_text) = (names(Level::Full), names(Level::Converted));
    if !whole.is_empty() {
        parts.push(whole.join(", "));
    }
    if !as_text.is_empty() {
        parts.push(format!("as text: {}", as_text.join(", ")));
    }
    match parts.is_empty() {
        true => "–".to_owned(),
        false => parts.join("; "),
    }
}

fn to_human(it: &Descriptor) -> String {
    marked(it, "/to_human", yes(it.capabilities.to_human))
}

fn back(it: &Descriptor) -> String {
    marked(it, "/back_to_robot", yes(it.capabilities.back_to_robot))
}

fn groups(it: &Descriptor) -> String {
    let names: Vec<_> = it
        .capabilities
        .groups
        .iter()
        .map(|group| group.name.clone())
        .collect();
    marked(it, "/groups", or_dash(&names))
}

fn waiting(it: &Descriptor, state: SessionState) -> String {
    let taken = it.capabilities.messages_while.contains(&state);
    marked(it, "/messages_while", yes(taken))
}

fn to_agent(it: &Descriptor, kind: ContentKind) -> String {
    let words = match of(&it.capabilities.human, kind) {
        Level::Full => return "yes".to_owned(),
        Level::Converted => "as text",
        Level::Rejected => NO,
    };
    if deciders(it, &format!("/human/{}", kind.as_str())).contains(&VENDOR.to_owned()) {
        match words {
            NO => IF_ALLOWED.to_owned(),
            words => format!("{words}; whole {IF_ALLOWED}"),
        }
    } else {
        words.to_owned()
    }
}

fn emoji(it: &Descriptor) -> String {
    let words = match it.capabilities.emoji {
        EmojiForm::Native => "Unicode",
        EmojiForm::Text => "shown as text",
    };
    marked(it, "/emoji", words.to_owned())
}

fn leave_message(it: &Descriptor) -> String {
    let rules = &it.capabilities.leave_message;
    let words = match rules.kind {
        LeaveMessageKind::None => NO.to_owned(),
        LeaveMessageKind::Page => "on the vendor's page".to_owned(),
        LeaveMessageKind::Form => {
            let field = |field: &FormField| {
                let star = if field.required { "*" } else { "" };
                format!("{}{star}", field.key)
            };
            let fields: Vec<_> = rules.fields.iter().map(field).collect();
            format!("in a form: {}", fields.join(", "))
        }
    };
    match rules.kind {
        LeaveMessageKind::Form => marked(it, "/leave_message/fields", words),
        _ => marked(it, "/leave_message", words),
    }
}

fn leave_when(it: &Descriptor) -> String {
    let rules = &it.capabilities.leave_message;
    if rules.kind == LeaveMessageKind::None {
        return marked(it, "/leave_message", "–".to_owned());
    }
    let states: Vec<_> = rules.when.iter().map(|it| it.as_str().to_owned()).collect();
    marked(it, "/leave_message", or_dash(&states))
}

fn rate_robot(it: &Descriptor) -> String {
    let rules = &it.capabilities.evaluation;
    let words = match (rules.robot, &rules.robot_prompt) {
        (RobotEvaluation::None, _) => NO.to_owned(),
        (RobotEvaluation::YesNo, None) => "yes or no".to_owned(),
        (RobotEvaluation::YesNo, Some(prompt)) => format!("yes or no: {prompt}"),
    };
    marked(it, "/evaluation/robot", words)
}

fn rate_agent(it: &Descriptor) -> String {
    let Some(form) = &it.capabilities.evaluation.human else {
        return marked(it, "/evaluation/human", NO.to_owned());
    };
    let HumanEvaluation {
        stars,
        labels,
        resolved,
        tags,
        comment,
    } = form;
    let named = if labels.is_empty() {
        "five stars".to_owned()
    } else {
        format!("five named stars ({})", labels.join(", "))
    };
    let parts = [
        (*stars, "stars", named),
        (*resolved, "resolved", "solved or not".to_owned()),
        (!tags.is_empty(), "tags", "tags".to_owned()),
        (*comment, "comment", "a comment".to_owned()),
    ];
    let parts = parts.into_iter().filter(|(there, ..)| *there);
    let parts =
        parts.map(|(_, part, words)| marked(it, &format!("/evaluation/human/{part}"), words));
    or_dash(&parts.collect::<Vec<_>>())
}

fn rated_by(it: &Descriptor) -> String {
    let name = |start: EvaluationStart| match start {
        EvaluationStart::Visitor => "visitor",
        EvaluationStart::Agent => "agent",
        EvaluationStart::Exit => "exit",
    };
    let rules = &it.capabilities.evaluation;
    let all = [
        EvaluationStart::Agent,
        EvaluationStart::Exit,
        EvaluationStart::Visitor,
    ];
    let words = all.into_iter().filter_map(|start| {
        let part = format!("/evaluation/by/{}", name(start));
        if rules.by.contains(&start) {
            Some(name(start).to_owned())
        } else {
            let by = deciders(it, &part).into_iter().next()?;
            let by = if by == VENDOR {
                IF_ALLOWED.to_owned()
            } else {
                format!("if {by}")
            };
            Some(format!("{} {by}", name(start)))
        }
    });
    or_dash(&words.collect::<Vec<_>>())
}

fn rated_after(it: &Descriptor) -> String {
    let rules = &it.capabilities.evaluation;
    if !rules.by.contains(&EvaluationStart::Exit) {
        return "–".to_owned();
    }
    let words = format!("{} s", rules.after_seconds);
    marked(it, "/evaluation/after_seconds", words)
}

fn leaves(it: &Descriptor) -> String {
    let words = match it.capabilities.exit {
        Exit::Ends => "the session ends at once",
        Exit::Keeps => "the session stays, the agent may still write",
    };
    marked(it, "/exit", words.to_owned())
}

fn profile(it: &Descriptor) -> String {
    let words = or_dash(&it.capabilities.visitor_fields);
    marked(it, "/visitor_fields", words)
}

fn callbacks(it: &Descriptor) -> String {
    it.callback_authentication.clone()
}

fn of(kinds: &Kinds, kind: ContentKind) -> Level {
    kinds.get(&kind).copied().unwrap_or_default()
}

fn yes(is: bool) -> String {
    if is { "yes" } else { NO }.to_owned()
}

fn or_dash(words: &[String]) -> String {
    if words.is_empty() {
        "–".to_owned()
    } else {
        words.join(", ")
    }
}

/// The words, with who may decide otherwise.
fn marked(it: &Descriptor, part: &str, words: String) -> String {
    let deciders = deciders(it, part);
    if deciders.is_empty() {
        words
    } else {
        format!("{words} ({})", deciders.join(", "))
    }
}

/// Who decides a part, by itself or together with what it is a part of.
fn deciders(it: &Descriptor, part: &str) -> Vec<String> {
    let covers = |whole: &str| {
        part.strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let covering = it.conditions.iter().filter(|it| covers(&it.part));
    let named = covering.filter_map(|condition| match &condition.by {
        DecidedBy::Vendor {} => Some(VENDOR.to_owned()),
        DecidedBy::Setting { setting } => Some(format!("`{setting}`")),
        DecidedBy::Unknown => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::testing::samples;

    use super::*;

    fn cell(title: &str, it: &Descriptor) -> String {
        let row = ROWS.iter().find(|(name, _)| name.contains(title));
        row.unwrap_or_else(|| panic!("no row {title}")).1(it)
    }

    #[test]
    fn a_cell_says_what_the_descriptor_says() {
        let it = samples::descriptor();
        for (title, words) in [
            ("Robot 机器人", "yes"),
            ("Groups", "售后"),
            ("… custom", "no"),
            ("… rich", "yes"),
            ("Leaving a message", "in a form: phone*"),
            ("… when", "unattended"),
            ("Rating the robot", "yes or no: Did that help?"),
            ("… started by", "agent, exit, visitor"),
            ("… asked on leaving", "60 s"),
            (
                "The visitor leaves",
                "the session stays, the agent may still write",
            ),
            ("Profile fields", "nick_name"),
            ("Callbacks", "Standard Webhooks"),
        ] {
            assert_eq!(cell(title, &it), words, "{title}");
        }
        assert_eq!(cell("… started by", &Descriptor::new("none", "1.0.0")), "–");
    }

    #[test]
    fn what_vendor_or_setting_decide_is_marked() {
        let mut it = samples::conditional_descriptor();
        assert_eq!(
            cell("… asked on leaving", &it),
            "60 s (`rate_after_seconds`)"
        );
        it.capabilities.human.remove(&ContentKind::Location);
        it.capabilities.evaluation.by = vec![EvaluationStart::Agent];
        assert_eq!(cell("… location", &it), "if the vendor allows it");
        assert_eq!(
            cell("… started by", &it),
            "agent, visitor if the vendor allows it"
        );
        it = it.decided_by_vendor(&["/leave_message"]);
        assert_eq!(cell("… when", &it), "unattended (vendor)");
        assert_eq!(cell("Leaving a message", &it), "in a form: phone* (vendor)");
    }
}
