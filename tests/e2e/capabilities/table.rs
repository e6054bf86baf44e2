//! The table: what is played, and what must come of it at each vendor.
//!
//! Owns no code but the names. A cell is what the act saw, in its own words;
//! `-` where a vendor has nothing of the kind to try.

use serde_json::{Value, json};

/// A row of the table.
pub(super) struct Row {
    /// What it is about.
    pub(super) name: &'static str,
    /// How the vendors behave meanwhile.
    pub(super) when: When,
    /// What is played.
    pub(super) act: Act,
    /// What is seen at 智齿, 佳信, 小能, 爱客服, 七鱼 and at a vendor of plain SDP/1.
    pub(super) at: [&'static str; 6],
}

/// How the vendors behave while rows are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// As they are set by default.
    Usual,
    /// The conditions that a vendor may return (返回的配置条件) are on.
    Allowing,
    /// No agent is there.
    NoAgent,
    /// There is no robot.
    NoRobot,
}

impl When {
    /// All, in the order in which they are played.
    pub(super) const ALL: [Self; 4] = [Self::Usual, Self::Allowing, Self::NoAgent, Self::NoRobot];

    /// What the vendors' settings are changed to.
    pub(super) fn settings(self) -> Value {
        let is = |when| self == when;
        json!({
            "human": { "location": is(Self::Allowing), "no_agent": is(Self::NoAgent) },
            "rating": { "by_visitor": is(Self::Allowing) },
            "robot": { "enabled": !is(Self::NoRobot) },
        })
    }
}

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Who answers a visitor who came.
    Answers,
    /// The same where the vendor, or its account here, is set to agents first.
    HumanFirst,
    /// What the robot says unasked.
    RobotWelcome,
    /// What an agent says unasked.
    HumanWelcome,
    /// Asking for a human until one is there.
    HandOver,
    /// The robot hears the word that asks for a human.
    Keyword,
    /// The robot's question to an agent, and a vendor who wants the robot back.
    NoWayBack,
    /// Groups that a visitor can choose from.
    Groups,
    /// Choosing one.
    ChosenGroup,
    /// The place in the queue.
    Place,
    /// Asking for a human while nobody is there.
    NobodyThere,
    /// A visitor on the vendor's black list.
    Blocked,
    /// A content, to the robot.
    ToRobot(Sample),
    /// A content, to an agent.
    ToAgent(Sample),
    /// A text in a state in which nobody reads.
    ToNobody(&'static str),
    /// An agent's content, by the simulator's action.
    FromAgent(&'static str),
    /// An agent takes a message back.
    Recall,
    /// An agent hands the visitor on.
    Transfer,
    /// An agent types.
    Typing,
    /// The vendor ends a session for a reason of its own.
    EndsFor(&'static str),
    /// A message is left in this state.
    LeaveMessage(&'static str),
    /// A rating of the robot that nobody asked for.
    RateRobot,
    /// A rating of an agent that nobody asked for.
    RateUnasked,
    /// A rating that the agent asked for.
    RateInvited,
    /// The same, declined.
    Decline,
    /// The agent ends the session, asking for a rating or not.
    RateAtEnd {
        /// Whether the agent asks.
        rate: bool,
    },
    /// The visitor leaves an agent: asked for a rating before?
    LeaveAgent,
    /// The visitor leaves the robot.
    LeaveRobot {
        /// Within the minute that an account waits by default.
        early: bool,
    },
    /// The visitor leaves; what is left of the session.
    Exit,
    /// Which fields of a profile the vendor is told.
    Profile,
}

/// A content to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    Text,
    Image,
    /// In the format that a vendor may want: mp3, or AAC.
    Voice(&'static str),
    Location,
    Rich,
    Video,
    File,
    Emoji,
    Custom,
}

const fn row(name: &'static str, act: Act, at: [&'static str; 6]) -> Row {
    during(When::Usual, name, act, at)
}

const fn during(when: When, name: &'static str, act: Act, at: [&'static str; 6]) -> Row {
    Row {
        name,
        when,
        act,
        at,
    }
}

use Act::*;
use Sample::*;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    //                                                   智齿         佳信         小能         爱客服        七鱼         SDP/1
    row("who answers first", Answers,                    ["robot",    "robot",     "robot",     "human",     "robot",     "robot"]),
    during(When::NoRobot, "human first", HumanFirst,     ["queued",   "queued",    "queued",    "human",     "queued",    "queued"]),
    row("the robot's welcome", RobotWelcome,             ["welcome",  "welcome",   "welcome",   "-",         "welcome",   "welcome"]),
    row("an agent's welcome", HumanWelcome,              ["welcome",  "welcome",   "welcome",   "welcome",   "welcome",   "welcome"]),
    row("asking for a human", HandOver,                  ["queued, human", "queued, human", "queued, human", "human already", "queued, human", "queued, human"]),
    row("the word that asks for a human", Keyword,       ["queued",   "queued",    "queued",    "human",     "robot",     "queued"]),
    row("no way back to the robot", NoWayBack,           ["human",    "human",     "human",     "human",     "human",     "human"]),
    row("groups", Groups,                                ["service online, presale online", "service online, presale online", "service online, presale online", "-", "-", "service online, presale online"]),
    during(When::NoAgent, "groups", Groups,              ["service offline, presale offline", "service offline, presale offline", "service offline, presale offline", "-", "-", "service offline, presale offline"]),
    row("a chosen group", ChosenGroup,                   ["told",     "told",      "told",      "-",         "told",      "told"]),
    row("place in the queue", Place,                     ["told, and each change", "told, and each change", "told, and each change", "-", "told", "told, and each change"]),
    during(When::NoAgent, "no agent", NobodyThere,       ["robot, with a notice", "unattended, page offered", "unattended, form offered", "-", "unattended, writing is taken", "unattended, form offered"]),
    row("a visitor on the black list", Blocked,          ["blocked",  "blocked",   "blocked",   "-",         "unattended", "blocked"]),

    row("text to the robot", ToRobot(Text),              ["full",     "full",      "full",      "-",         "full",      "full"]),
    row("image to the robot", ToRobot(Image),            ["refused",  "refused",   "refused",   "-",         "refused",   "refused"]),
    row("voice to the robot", ToRobot(Voice("mp3")),     ["refused",  "refused",   "refused",   "-",         "refused",   "refused"]),
    row("location to the robot", ToRobot(Location),      ["refused",  "refused",   "refused",   "-",         "refused",   "as text"]),
    row("rich to the robot", ToRobot(Rich),              ["refused",  "as text",   "as text",   "-",         "refused",   "as text"]),
    row("video to the robot", ToRobot(Video),            ["refused",  "refused",   "refused",   "-",         "refused",   "refused"]),
    row("file to the robot", ToRobot(File),              ["refused",  "refused",   "refused",   "-",         "refused",   "refused"]),
    row("emoji to the robot", ToRobot(Emoji),            ["as text",  "full",      "full",      "-",         "as text",   "full"]),
    row("custom to the robot", ToRobot(Custom),          ["refused",  "as text",   "as text",   "-",         "refused",   "as text"]),

    row("text to an agent", ToAgent(Text),               ["full",     "full",      "full",      "full",      "full",      "full"]),
    row("image to an agent", ToAgent(Image),             ["full",     "full",      "full",      "full",      "as text",   "full"]),
    row("voice (mp3) to an agent", ToAgent(Voice("mp3")), ["full",    "full",      "full",      "as text",   "as text",   "full"]),
    row("voice (aac) to an agent", ToAgent(Voice("aac")), ["as text", "full",      "full",      "full",      "as text",   "full"]),
    row("voice (amr) to an agent", ToAgent(Voice("amr")), ["as text", "full",      "full",      "as text",   "as text",   "full"]),
    row("location to an agent", ToAgent(Location),       ["as text",  "refused",   "refused",   "as text",   "as text",   "as text"]),
    row("rich to an agent", ToAgent(Rich),               ["as text",  "as text",   "as text",   "as text",   "as text",   "as text"]),
    row("video to an agent", ToAgent(Video),             ["full",     "refused",   "refused",   "as text",   "as text",   "refused"]),
    row("file to an agent", ToAgent(File),               ["as text",  "refused",   "refused",   "as text",   "as text",   "refused"]),
    row("emoji to an agent", ToAgent(Emoji),             ["as text",  "full",      "full",      "as text",   "as text",   "full"]),
    row("custom to an agent", ToAgent(Custom),           ["as text",  "as text",   "as text",   "as text",   "as text",   "as text"]),
    during(When::Allowing, "location to an agent", ToAgent(Location), ["as text", "full", "full", "as text", "as text", "full"]),
    row("text while queued", ToNobody("queued"),         ["refused",  "refused",   "refused",   "-",         "refused",   "refused"]),
    during(When::NoAgent, "text to nobody", ToNobody("unattended"), ["robot answers", "refused, with the page", "refused, with the form", "-", "taken", "refused, with the form"]),

    row("text of an agent", FromAgent("text"),           ["text",     "text",      "text",      "text",      "text",      "text"]),
    row("image of an agent", FromAgent("image"),         ["image",    "image",     "image",     "image",     "image",     "image"]),
    row("voice of an agent", FromAgent("voice"),         ["voice",    "voice",     "voice",     "voice",     "voice",     "voice"]),
    row("video of an agent", FromAgent("video"),         ["video",    "video",     "video",     "-",         "-",         "video"]),
    row("file of an agent", FromAgent("file"),           ["file",     "file",      "file",      "-",         "-",         "file"]),
    row("location of an agent", FromAgent("location"),   ["-",        "location",  "location",  "-",         "-",         "location"]),
    row("rich of an agent", FromAgent("rich"),           ["-",        "rich",      "rich",      "rich",      "-",         "rich"]),
    row("custom of an agent", FromAgent("custom"),       ["-",        "custom",    "custom",    "-",         "-",         "custom"]),
    row("emoji of an agent", FromAgent("emoji"),         ["-",        "emoji",     "emoji",     "text",      "-",         "emoji"]),
    row("a message taken back", Recall,                  ["recalled", "recalled",  "recalled",  "-",         "-",         "recalled"]),
    row("handed on to another agent", Transfer,          ["transferred", "transferred", "transferred", "-",  "transferred", "transferred"]),
    row("an agent types", Typing,                        ["-",        "typing",    "typing",    "-",         "-",         "typing"]),
    row("ended for silence", EndsFor("idle"),            ["idle",     "idle",      "idle",      "-",         "idle",      "idle"]),
    row("ended by the black list", EndsFor("blocked"),   ["blocked",  "blocked",   "blocked",   "-",         "agent",     "blocked"]),

    row("a message left while queued", LeaveMessage("queued"), ["no", "page", "form: phone email content", "no", "no", "form: name phone content"]),
    during(When::NoAgent, "a message left to nobody", LeaveMessage("unattended"), ["no", "page", "form: phone email content", "no", "no", "form: name phone content"]),

    row("the robot is rated", RateRobot,                 ["yes or no", "no",       "no",        "no",        "no",        "no"]),
    row("an agent is rated unasked", RateUnasked,        ["no",       "no",        "no",        "no",        "stars",     "no"]),
    during(When::Allowing, "an agent is rated unasked", RateUnasked, ["no", "no",  "stars",     "no",        "stars",     "stars"]),
    row("an agent invites to rate", RateInvited,         ["5 stars, solved", "5 stars", "5 stars", "-",      "5 stars",   "5 stars"]),
    row("the invitation is declined", Decline,           ["declined", "declined",  "declined",  "-",         "declined",  "declined"]),
    row("an agent ends, asking", RateAtEnd { rate: true }, ["asked",  "asked",     "asked",     "-",         "not asked", "asked"]),
    row("an agent ends", RateAtEnd { rate: false },      ["asked",    "not asked", "not asked", "-",         "not asked", "not asked"]),
    row("asked on leaving an agent", LeaveAgent,         ["asked",    "not asked", "not asked", "not asked", "not asked", "not asked"]),
    row("asked on leaving the robot", LeaveRobot { early: false }, ["asked: 机器人是否解决了您的问题？", "not asked", "not asked", "-", "not asked", "not asked"]),
    row("asked within the first minute", LeaveRobot { early: true }, ["not asked", "-", "-", "-", "-", "-"]),
    row("leaving", Exit,                                 ["ends",     "keeps, and reminds", "keeps, and reminds", "ends", "keeps, and reminds", "keeps, and reminds"]),

    row("profile", Profile,                              ["name portrait", EVERYTHING, EVERYTHING, "name portrait", ROWS_OF_QIYU, EVERYTHING]),
];

/// Every field that has a name, what the app adds, and what nobody knows.
const EVERYTHING: &str = "name portrait nick_name login_name grade gender birthday age profession province city memo \
                          mobile_no email address qq weibo weixin page referrer enter_url skill_id list_url define \
                          product_id custom unknown";

/// The fields that 七鱼 shows in rows of their own.
const ROWS_OF_QIYU: &str =
    "name grade gender birthday age profession province city memo mobile_no email address";
