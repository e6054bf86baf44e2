//! How a simulated vendor behaves: robot script, agents, queue, rating, pushes.
//!
//! Owns the shape of `GET`/`PATCH /control` and the demo's defaults. Does not
//! decide anything: `centre` and the vendors read it. Invariant: a value that
//! came through [`Settings::patched`] has known keys only, and every number is
//! in the range its field states.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything about a simulated vendor that can be changed while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The scripted robot.
    pub robot: Robot,
    /// Agents, greeting, queue.
    pub human: Human,
    /// Skill groups, in the order in which they are listed.
    pub groups: Vec<Group>,
    /// What a rating may hold.
    pub rating: Rating,
    /// What a visitor is offered when no agent is there (佳信, 小能).
    pub leave_message: LeaveMessage,
    /// How pushes are delivered.
    pub pushes: Pushes,
    /// What is kept for later questions.
    pub log: Log,
    /// Visitors who are refused.
    pub blocked: Vec<String>,
    /// How long a fetched token lives, in seconds (智齿 only).
    pub token_ttl_s: u64,
}

/// The scripted robot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Robot {
    /// Without a robot every session starts with the queue.
    pub enabled: bool,
    /// The robot's display name.
    pub name: String,
    /// What the robot says before anybody asked.
    pub welcome: String,
    /// Questions offered with the welcome.
    pub suggestions: Vec<String>,
    /// What it says when no keyword matches.
    pub fallback: String,
    /// Keyword to answer, first match wins.
    pub answers: Vec<Answer>,
    /// Words that make the robot offer a human.
    pub transfer_keywords: Vec<String>,
    /// Words that count as a bad mood, which also makes it offer one.
    pub negative_words: Vec<String>,
}

/// One entry of the robot's script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Any of these in the question selects the answer.
    pub keywords: Vec<String>,
    /// The answer.
    pub answer: String,
    /// Questions to offer next.
    #[serde(default)]
    pub suggestions: Vec<String>,
}

/// Agents, greeting, queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Human {
    /// The agents on duty.
    pub agents: Vec<Agent>,
    /// Nobody is there: every request for a human is refused.
    pub no_agent: bool,
    /// Requests wait in the queue until somebody accepts them, however many
    /// agents are free. Off: a free agent takes the visitor at once.
    pub hold: bool,
    /// A queued visitor is accepted by a free agent after this long.
    pub auto_accept_ms: Option<u64>,
    /// The longest queue; the next visitor is told that there is no agent.
    pub queue_limit: Option<usize>,
    /// The agent's first sentence; empty for none.
    pub greeting: String,
    /// An agent echoes every visitor message after the human took over.
    pub echo: bool,
    /// Also push "human connected" when the reply already said so (智齿 only).
    pub push_direct_connect: bool,
    /// Location messages are taken from visitors (佳信, 小能; 智齿 never does).
    pub location: bool,
}

/// An agent on duty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The agent's id at the vendor.
    pub id: String,
    /// The name that visitors see.
    pub name: String,
    /// Address of the portrait; empty for none.
    #[serde(default)]
    pub portrait: String,
    /// The groups the agent works for; empty means every group.
    #[serde(default)]
    pub groups: Vec<String>,
    /// How many visitors at the same time.
    #[serde(default = "ten")]
    pub capacity: usize,
}

/// A skill group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's id at the vendor.
    pub id: String,
    /// The name that people see.
    pub name: String,
}

/// What a rating may hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rating {
    /// The names of one to five stars (佳信, 小能).
    pub labels: [String; 5],
    /// Tags to choose from.
    pub tags: Vec<String>,
    /// Visitors may start a rating (小能 only).
    pub by_visitor: bool,
}

/// What a visitor is offered when no agent is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaveMessage {
    /// Nothing is offered when this is off.
    pub enabled: bool,
    /// The vendor's own page (佳信 only); a `{group}` in it becomes the group's id, and an
    /// address that starts with `/` is the simulator's.
    pub url: String,
}

/// How pushes are delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pushes {
    /// How often one push is tried before it is given up.
    pub attempts: u32,
    /// The wait before the second try; doubled each time, at most 5 s.
    pub backoff_ms: u64,
    /// How long one try may take.
    pub timeout_ms: u64,
    /// Events carry the vendor's numbers in place of names (佳信 only).
    pub numbered: bool,
}

/// What is kept for later questions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Off: neither calls nor pushes nor transcripts are kept (load tests).
    pub enabled: bool,
    /// How many calls, and how many pushes, are kept; the oldest go first.
    pub capacity: usize,
    /// How many lines of each visitor's transcript are kept.
    pub transcript: usize,
}

impl Settings {
    /// These settings with `patch` merged in (RFC 7396), or what is wrong with it.
    pub fn patched(&self, patch: &Value) -> Result<Self, String> {
        let mut whole = serde_json::to_value(self)
            .map_err(|error| format!("printing the current settings: {error}"))?;
        merge(&mut whole, patch);
        let settings: Self = serde_json::from_value(whole).map_err(|error| {
            format!("the patch does not give valid settings: {error}; GET /control shows every key")
        })?;
        if settings.pushes.attempts == 0 {
            return Err("pushes.attempts is 0; it must be at least 1".to_owned());
        }
        Ok(settings)
    }
}

/// RFC 7396: objects merge, null removes (here: back to the default), all else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

fn ten() -> usize {
    10
}

impl Default for Settings {
    fn default() -> Self {
        let group = |id: &str, name: &str| Group {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        Self {
            robot: Robot::default(),
            human: Human::default(),
            groups: vec![group("service", "在线客服"), group("presale", "售前咨询")],
            rating: Rating::default(),
            leave_message: LeaveMessage::default(),
            pushes: Pushes::default(),
            log: Log::default(),
            blocked: Vec::new(),
            token_ttl_s: 86_400,
        }
    }
}

impl Default for Robot {
    fn default() -> Self {
        let answer = |keywords: &[&str], answer: &str, suggestions: &[&str]| Answer {
            keywords: owned(keywords),
            answer: answer.to_owned(),
            suggestions: owned(suggestions),
        };
        Self {
            enabled: true,
            name: "智能助手".to_owned(),
            welcome: "您好，我是智能助手，请问有什么可以帮您？".to_owned(),
            suggestions: owned(&["如何退货？", "多久发货？", "怎么开发票？"]),
            fallback: "抱歉，我还没有学会这个问题。您可以换个说法，或输入“人工”转接客服。"
                .to_owned(),
            answers: vec![
                answer(
                    &["退货", "退款", "return"],
                    "签收后 7 天内可以无理由退货，退款在收到退货后 3 个工作日内原路返回。",
                    &["退货运费谁承担？", "怎么申请退货？"],
                ),
                answer(
                    &["发货", "物流", "快递", "ship"],
                    "付款后 24 小时内发货，您可以在订单详情里查看物流。",
                    &[],
                ),
                answer(
                    &["发票", "invoice"],
                    "在订单详情页点击“申请开票”即可。",
                    &[],
                ),
                answer(
                    &["你好", "您好", "hello", "hi"],
                    "您好，很高兴为您服务！",
                    &["如何退货？", "多久发货？"],
                ),
            ],
            transfer_keywords: owned(&["人工", "转人工", "人工客服", "human", "agent"]),
            negative_words: owned(&["投诉", "太差", "生气"]),
        }
    }
}

impl Default for Human {
    fn default() -> Self {
        let agent = |id: &str, name: &str| Agent {
            id: id.to_owned(),
            name: name.to_owned(),
            portrait: String::new(),
            groups: Vec::new(),
            capacity: 10,
        };
        Self {
            agents: vec![agent("1001", "客服一号"), agent("1002", "客服二号")],
            no_agent: false,
            hold: true,
            auto_accept_ms: None,
            queue_limit: None,
            greeting: "您好，人工客服为您服务。".to_owned(),
            echo: false,
            push_direct_connect: false,
            location: false,
        }
    }
}

impl Default for Rating {
    fn default() -> Self {
        Self {
            labels: ["非常不满意", "不满意", "一般", "满意", "非常满意"].map(str::to_owned),
            tags: owned(&["回复及时", "态度友好", "解决问题"]),
            by_visitor: false,
        }
    }
}

impl Default for LeaveMessage {
    fn default() -> Self {
        Self {
            enabled: true,
            url: "/leave?group={group}".to_owned(),
        }
    }
}

impl Default for Pushes {
    fn default() -> Self {
        Self {
            attempts: 8,
            backoff_ms: 100,
            timeout_ms: 10_000,
            numbered: false,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            enabled: true,
            capacity: 50_000,
            transcript: 200,
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
