//! What the vendors' platforms are known to do, as the table has to say it.
//!
//! Owns data only: what the vendors of the first day promise to their
//! customers, and what 七鱼's published interface does. A name in backticks is
//! the setting by which an operator follows what is set at the vendor. An empty
//! cell: nothing is known, or nothing is promised.

/// The columns.
pub(super) const VENDORS: [&str; 5] = ["zhichi", "jiaxin", "xiaoneng", "aikefu", "qiyu"];

const IF_ALLOWED: &str = "if the vendor allows it";
const FIVE: &str = "five named stars (非常不满意, 不满意, 一般, 满意, 非常满意)";

/// Row, then a cell for each vendor.
#[rustfmt::skip]
pub(super) const SEED: &[(&str, [&str; 5])] = &[
    //                                 智齿             佳信            小能             爱客服      七鱼
    // What an account is known by at the vendor.
    ("Account 开通所需设置", [
        "`app_id`, `app_key`, `push_secret`",
        "`base_url`, `org`, `app`, `channel`",
        "`base_url`, `site_id`, `session_id`",
        "`account_id`, `app_key`, `app_secret`, `receive_url`",
        "`app_key`, `app_secret`",
    ]),
    // Which of the two comes first is set at the vendor; 爱客服 has no robot of ours.
    ("Robot 机器人",                   ["yes (`reception`)", "yes",    "yes",          "no",       "yes (`reception`)"]),
    // Text, and emoticons where the vendor takes them; as text where it does not.
    ("To the robot 机器人模式消息",    [
        "text; as text: emoji",
        "text, emoji; as text: rich, custom",
        "text, emoji; as text: rich, custom",
        "–",
        "text; as text: emoji",
    ]),
    ("To a human 转人工",              ["yes (`reception`)", "yes",    "yes",          "",         "yes (`reception`)"]),
    ("Back to the robot 返回机器人",   ["no",           "no",          "no",           "no",       "no"]),
    ("Messages while queued 排队中消息", ["no",         "no",          "no",           "no",       ""]),
    ("To an agent: text 文本",         ["yes",          "yes",         "yes",          "yes",      "yes"]),
    // 七鱼 wants size and digest of the file, which nobody knows of a link: it goes as one.
    ("… image 图片",                   ["yes",          "yes",         "yes",          "yes",      "as text"]),
    ("… voice 语音",                   ["yes",          "yes",         "yes",          "",         "as text"]),
    // 智齿's interface has no such kind: label, coordinates and a map link.
    ("… location 位置",                ["as text",      IF_ALLOWED,    IF_ALLOWED,     "",         "as text"]),
    // Published: 智齿 takes video and no files.
    ("… video 视频",                   ["yes",          "",            "",             "",         "as text"]),
    ("… file 文件",                    ["as text",      "",            "",             "",         "as text"]),
    ("… emoji 表情",                   ["as text",      "yes",         "yes",          "",         "as text"]),
    // Whole only where the vendor has developed something for it; else its fallback.
    ("… custom 自定义消息",            [
        "as text",
        "as text; whole if the vendor allows it",
        "as text; whole if the vendor allows it",
        "as text",
        "as text",
    ]),
    ("Agents' emoji 客服表情",         ["Unicode",      "shown as text", "shown as text", "shown as text", "shown as text"]),
    ("Leaving a message 留言",         [
        "no",
        "on the vendor's page",
        "in a form: phone*, email, content* (`leave_message_fields`)",
        "no",
        "no",
    ]),
    ("… when 留言时机",                ["–", "unattended, queued", "unattended, queued", "–",       "–"]),
    // 七鱼 takes what is written to nobody as a message left.
    ("Messages while nobody is there 无客服时消息", ["no", "no", "no", "no", "yes (vendor)"]),
    ("Rating the robot 评价机器人",    [
        "yes or no: 机器人是否解决了您的问题？ (`robot_evaluation`)", "no", "no", "no", "no",
    ]),
    ("… started by 发起方",            [
        "agent, exit, visitor if `evaluation_by_visitor`",
        "agent",
        "agent, visitor if the vendor allows it",
        "–",
        "agent, visitor",
    ]),
    ("… asked on leaving after 退出评价", ["60 s (`evaluation_after_seconds`)", "–", "–", "–",      "–"]),
    ("Rating an agent 评价人工",       ["", FIVE, FIVE, "no", ""]),
    ("The visitor leaves 访客退出",    [
        "the session ends at once",
        "the session stays, the agent may still write",
        "the session stays, the agent may still write",
        "the session ends at once",
        "the session stays, the agent may still write",
    ]),
    ("Profile fields 访客资料",        ["name, portrait", "", "", "name, portrait", ""]),
];

#[cfg(test)]
mod tests {
    use super::SEED;

    #[test]
    fn no_row_is_there_twice() {
        let mut rows: Vec<_> = SEED.iter().map(|(row, _)| row).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), SEED.len());
    }
}
