//! Every word of the operators' pages, in Chinese and English.
//!
//! Owns the languages and the one table of words. Deliberately translates
//! nothing that comes from elsewhere: what an adapter, a vendor or the check of
//! a file said is shown as it was said. Invariant: every word has both.

use http::{HeaderMap, header::ACCEPT_LANGUAGE};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    Zh,
    En,
}

impl Lang {
    /// By its code; Chinese for every other one.
    pub(super) fn named(code: &str) -> Self {
        if code.trim().to_ascii_lowercase().starts_with("en") {
            Self::En
        } else {
            Self::Zh
        }
    }

    /// The one that the browser likes best; Chinese where it says nothing.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE);
        let list = header
            .and_then(|list| list.to_str().ok())
            .unwrap_or_default();
        let weight = |entry: &str| -> f64 {
            let weight = entry
                .split(';')
                .find_map(|part| part.trim().strip_prefix("q="));
            weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0))
        };
        let best = |code: &str| {
            let of = list
                .split(',')
                .filter(|entry| entry.trim().to_ascii_lowercase().starts_with(code));
            of.map(weight).fold(0.0, f64::max)
        };
        if best("en") > best("zh") {
            Self::En
        } else {
            Self::Zh
        }
    }

    /// As HTML has it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// The other one, and what it is called in itself.
    pub(super) fn other(self) -> (Self, &'static str) {
        match self {
            Self::Zh => (Self::En, "English"),
            Self::En => (Self::Zh, "中文"),
        }
    }

    /// Its words.
    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }
}

/// Puts values where a sentence has `{}`, in order.
pub(super) fn fill(sentence: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 16);
    let mut values = values.iter();
    let mut pieces = sentence.split("{}");
    filled.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        filled.push_str(values.next().copied().unwrap_or_default());
        filled.push_str(piece);
    }
    filled
}

macro_rules! words {
    ($($name:ident: $zh:literal, $en:literal;)*) => {
        /// All words in one language.
        #[derive(Debug)]
        pub(super) struct Words {
            $(pub(super) $name: &'static str,)*
        }

        static ZH: Words = Words { $($name: $zh,)* };
        static EN: Words = Words { $($name: $en,)* };

        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)*];
    };
}

#[rustfmt::skip]
words! {
    // The frame.
    product: "客服网关", "kefu gateway";
    skip: "跳到正文", "Skip to content";
    navigation: "导航", "Navigation";
    log_out: "退出登录", "Log out";
    as_of: "截至 {}（UTC）", "As of {} UTC";
    refresh: "刷新", "Refresh";
    overview: "总览", "Overview";
    providers: "客服平台", "Providers";
    desks: "客服入口", "Desks";
    sessions: "会话", "Sessions";
    dead_letters: "死信", "Dead letters";
    reloads: "变更记录", "Reloads";

    // The log-in.
    login: "登录", "Log in";
    login_lead: "请输入管理令牌（配置中的 admin.token）。", "Enter the admin token (admin.token in the configuration).";
    token: "管理令牌", "Admin token";
    login_wrong: "令牌不正确。", "That is not the admin token.";
    login_wait: "尝试次数过多，请稍候再试。", "Too many attempts; wait a moment and try again.";
    login_elsewhere: "该表单不是从本页面提交的。", "The form was not sent from this page.";
    login_unreadable: "无法读取该表单，请重试。", "The form cannot be read; try again.";

    // Words of many pages.
    state: "状态", "State";
    provider: "客服平台", "Provider";
    desk: "客服入口", "Desk";
    route: "路由", "Route";
    app: "应用", "App";
    session: "会话", "Session";
    reason: "原因", "Reason";
    at: "时间", "At";
    kind: "类型", "Type";
    cancel: "取消", "Cancel";
    yes: "是", "Yes";
    no: "否", "No";
    apply: "筛选", "Apply";
    all: "全部", "All";
    newest: "按时间倒序，最多 {} 条。", "Newest first, at most {}.";
    ago_seconds: "{} 秒前", "{} s ago";
    ago_minutes: "{} 分钟前", "{} min ago";
    ago_hours: "{} 小时前", "{} h ago";
    ago_days: "{} 天前", "{} d ago";
    still_under_way: "操作仍在进行，结果会出现在变更记录里。", "It is still under way; its report will be among the reloads.";

    // The overview.
    all_well: "一切正常", "All is well";
    matters: "{} 项需要关注", "{} to look at";
    store_broken: "存储不可用：{}", "The store does not answer: {}";
    working: "可接待", "Taking sessions";
    of: "{} / {}", "{} of {}";
    open_sessions: "进行中的会话", "Open sessions";
    waiting_outbox: "待发请求", "Waiting requests";
    waiting_pushes: "待推送会话", "Pushes waiting";
    last_change: "最近变更", "Last change";
    no_change: "启动以来没有变更。", "Nothing has changed since the start.";
    matter_health: "客服平台 {} 的厂商异常（{}）：{}", "The vendor of {} is {}: {}";
    matter_provider: "客服平台 {} 不接待新会话：{}", "Provider {} takes no new sessions: {}";
    matter_breaker: "客服平台 {} 的熔断器已打开，厂商接口不可达", "The breaker of provider {} is open: its vendor cannot be reached";
    matter_stuck: "客服平台 {} 有 {} 个调用卡住", "Provider {} has {} stuck calls";
    matter_desk: "入口 {} 目前没有可接待的客服平台", "Nobody takes sessions at desk {} now";
    matter_letters: "死信：{} 条未处理", "Dead letters waiting for somebody: {}";
    matter_reload: "最近一次变更结果：{}", "The last change was not taken whole: {}";
    matter_push: "应用 {} 的推送地址不可达", "The server of app {} takes no pushes";

    // Providers.
    providers_lead: "每个厂商账号的当前情况：谁在服务、哪个版本、最近出了什么错。", "How each account at a vendor stands: which version serves, and what went wrong last.";
    no_providers: "还没有客服平台。把 .so 和 .toml 放进目录即可接入。", "There is no provider yet. Drop in a .so and a .toml file and it is live.";
    adapter: "适配器", "Adapter";
    generation: "代", "Generation";
    breaker: "熔断器", "Breaker";
    breaker_closed: "闭合", "Closed";
    breaker_open: "断开", "Open";
    breaker_half_open: "试探中", "Probing";
    in_flight: "处理中", "In flight";
    calls: "调用", "Calls";
    faults: "故障", "Faults";
    faults_by_kind: "故障分类", "Faults by kind";
    stuck_calls: "卡住的调用", "Stuck calls";
    last_error: "最近错误", "Last error";
    outbox: "待发", "Outbox";
    under_way: "发送中", "Under way";
    plugin_file: "插件文件", "Plug-in file";
    sha256: "SHA-256", "SHA-256";
    contract: "契约版本", "Contract";
    compiler: "编译器", "Compiler";
    isolation: "隔离方式", "Isolation";
    in_process: "进程内", "In-process";
    own_process: "独立进程", "Own process";
    callbacks_proved: "回调鉴权", "Callback authentication";
    copies: "内存中的版本数", "Copies in memory";
    process: "子进程", "Process";
    memory: "内存", "Memory";
    restarts: "重启次数", "Restarts";
    retained: "可回退的版本", "Earlier generations";
    given_up: "已放弃", "Given up";
    version: "版本", "Version";
    health: "探测", "Health";
    pause: "暂停", "Pause";
    resume: "恢复", "Resume";
    reload_provider: "重新加载", "Reload";
    roll_back: "回退", "Roll back";
    roll_back_to: "回退到第 {} 代", "Roll back to generation {}";
    pause_ask: "暂停客服平台 {}？", "Pause provider {}?";
    pause_means: "新会话会分配给下一个平台；已有会话留在原处，发往厂商的请求先排队。访客消息和厂商回调照常接收，不会丢失。", "New sessions go to the next provider. Open sessions stay, and what goes to the vendor waits. Messages and callbacks are taken as before; nothing is lost.";
    resume_ask: "恢复客服平台 {}？", "Resume provider {}?";
    resume_means: "重新接待新会话，排队的请求继续发送；隔离状态也会解除。", "It takes new sessions again, and what waited is sent. A quarantine ends too.";
    reload_ask: "重新加载客服平台 {}？", "Reload provider {}?";
    reload_means: "重新读取配置并启用一个新代；预检失败则原来的继续服务。", "Its file is read again and a new generation is brought up. If preflight fails, what serves goes on.";
    roll_back_ask: "回退客服平台 {}？", "Roll back provider {}?";
    roll_back_means: "回到之前的版本，同样先做预检；正在进行的调用会在旧代上结束。", "An earlier generation takes over after the same preflight. Calls under way end where they began.";
    paused_now: "已暂停 {}。", "{} is paused.";
    resumed_now: "已恢复 {}。", "{} goes on.";
    state_active: "服务中", "Active";
    state_waiting: "等待文件", "Waiting";
    state_failed: "失败", "Failed";
    state_paused: "已暂停", "Paused";
    state_quarantined: "已隔离", "Quarantined";
    state_stuck: "卡住", "Stuck";
    state_draining: "退出中", "Draining";
    state_working: "正常", "Working";
    last_canary: "最近一次探测会话", "Last canary";
    canary_answered: "已答复", "Answered";
    canary_unanswered: "无人答复", "Unanswered";
    canary_not_opened: "未能打开", "Not opened";
    why: "原因", "Why";
    state_mute: "无应答", "Mute";
    state_dead: "不可达", "Dead";

    // Desks.
    desks_lead: "访客从哪里进来，按什么比例分给谁。", "Where visitors come in, and how they are shared out.";
    no_desks: "还没有配置客服入口。", "There is no desk in the configuration.";
    weight: "权重", "Weight";
    conditions: "条件", "Conditions";
    group: "技能组", "Group";
    groups: "技能组", "Groups";
    everybody: "所有访客", "Everybody";
    the_rest: "其余全部", "The rest";
    only_failover: "仅备用", "Failover only";
    takes: "可接待", "Takes sessions";
    desk_open: "可接待", "Open";
    desk_closed: "无人接待", "Closed";
    edit_weights: "调整权重", "Change weights";
    weights_lead: "写回 {}：只改数字，注释和格式原样保留。提高一个权重只会移动新增的那部分访客，进行中的会话不动。", "Written back to {}: only the numbers change, comments and formatting stay. Raising a weight moves only the added visitors; open sessions stay where they are.";
    percent_of: "{} 的百分比", "Percent for {}";
    review: "预览", "Review";
    weights_ask: "把这些权重写入 {}？", "Write these weights to {}?";
    before: "原来", "Before";
    after: "改后", "After";
    moved_share: "{} % 的访客改由其他平台接待（仅新会话）。", "{} % of visitors get another provider than before, for new sessions.";
    nothing_changes: "没有改动。", "Nothing would change.";
    write_and_apply: "写入并生效", "Write and apply";
    weights_written: "权重已写入并生效。", "The weights are written and in force.";
    file_unreadable: "现在不能编辑：{}", "They cannot be changed now: {}";
    file_differs: "文件内容与正在生效的配置不同，表单按文件显示。", "The file says something else than what is in force; the form shows the file.";
    bad_percent: "路由 {}：请填 0 到 100 的百分比，最多两位小数。", "Route {}: give a percentage from 0 to 100 with at most two decimal places.";
    keep_weight: "路由 {}：要改为承接其余全部，请在文件里删去它的 weight。", "Route {}: to let it take the rest, remove its weight in the file.";
    weight_hint: "留空表示承接其余全部", "Empty: takes the rest";

    // Explaining.
    explain: "分配说明", "Explain";
    explain_lead: "某个访客现在会分到谁，以及每一步的依据。查询不会创建会话。", "Which provider a visitor would get now, step by step. Nothing is opened.";
    visitor: "访客", "Visitor";
    platform: "平台", "Platform";
    app_version: "应用版本", "App version";
    channel: "渠道", "Channel";
    moment: "时刻", "Moment";
    moment_hint: "留空为现在，例如 2026-10-01T09:30:00+08:00", "Empty: now; such as 2026-10-01T09:30:00+08:00";
    bucket: "分桶", "Bucket";
    would_get: "会分到 {}", "Would get {}";
    would_get_nobody: "现在没有平台可以接待", "Nobody could take this visitor now";
    pinned_to: "该访客在此入口有一个进行中的会话，会留在 {}", "This visitor has a session open here; it stays with {}";
    steps: "判断步骤", "Steps";
    order: "尝试顺序", "Order of trying";
    step_not_for: "不适用：{} {}", "Not for this visitor: {} {}";
    step_share: "占分桶 {} 到 {}", "Takes the buckets {} to {}";
    step_hit: "命中", "hit";
    step_rest: "权重之外的访客归此路由", "Takes what the shares leave over";
    step_passed: "跳过，当前状态：{}", "Passed over: {}";
    step_chosen: "选中", "Chosen";
    step_nobody: "没有可用的平台", "Nobody is left";
    step_split: "迁移 {} 第 {} 阶段：转到 {}", "Migration {}, stage {}: goes to {}";
    step_split_stays: "迁移 {} 第 {} 阶段：留在原平台", "Migration {}, stage {}: stays";
    step_last_resort: "没有平台就绪，仍询问此平台", "Nobody is ready; this one is asked all the same";

    // Reloads.
    reloads_lead: "配置和插件的每次变更：为什么发生、结果如何、改了什么。", "Every change of files and plug-ins: why it was made, what came of it, what changed.";
    no_reloads: "启动以来还没有变更。", "Nothing has been reloaded since the start.";
    took: "用时", "Took";
    changes: "变更项", "Changes";
    needs_restart: "需要重启", "Needs a restart";
    reload_all: "重新读取配置", "Read everything again";
    reload_all_ask: "重新读取全部文件？", "Read every file again?";
    reload_all_means: "与 SIGHUP 相同：有变化的部分生效，有错误的文件保持原样。", "As SIGHUP does: what changed comes into force, and what is wrong leaves in force what was.";
    cause_files: "文件变化", "Files changed";
    cause_signal: "SIGHUP", "SIGHUP";
    cause_admin: "管理命令", "A command";
    cause_edit: "网关写入", "Written here";
    cause_provider: "单个平台", "One provider";
    cause_rollback: "回退", "Rollback";
    outcome_applied: "已生效", "Applied";
    outcome_partly: "部分生效", "Partly";
    outcome_refused: "已拒绝", "Refused";
    outcome_unchanged: "无变化", "Unchanged";
    fate_live: "已上线", "live";
    fate_waiting: "等待文件", "waiting";
    fate_failed: "失败", "failed";
    fate_reconfigured: "已调整", "reconfigured";
    fate_retired: "退出中", "retired";
    reload_done: "变更结果：{}", "The reload: {}";

    // Migrations.
    migrations: "迁移", "Migrations";
    migrations_lead: "把一个入口的访客从旧厂商分阶段移到新厂商，随时可退回。", "A desk's visitors move from one vendor to another stage by stage, with a way back at every moment.";
    no_migrations: "配置中没有迁移（[migrations.<名称>]）。", "The configuration has no migration ([migrations.<name>]).";
    matter_migration: "迁移 {} 需要处理：{}", "Migration {} wants a look: {}";
    stage: "阶段", "Stage";
    stage_of: "第 {} 阶段，共 {} 阶段：{} % 与 {} 名指定访客", "Stage {} of {}: {} % and {} listed visitors";
    stage_plain: "第 {} 阶段，共 {} 阶段：{} %", "Stage {} of {}: {} %";
    no_stage: "没有生效的阶段，按路由分配", "No stage is in force; the routes decide";
    since: "自", "Since";
    until: "至", "Until";
    now: "现在", "Now";
    next_stage: "下一阶段自动开始于", "The next stage comes by itself at";
    listed: "{} 名指定访客", "{} listed visitors";
    after_time: "{} 后自动进入下一阶段", "The next one after {}";
    by_hand: "手动进入下一阶段", "The next one by hand";
    sessions_a_day: "约 {} 个会话/天", "About {} sessions a day";
    migration_gone: "配置中已没有这个迁移，它不再生效。", "The configuration has no such migration any more; it has no effect.";
    start: "开始", "Start";
    advance: "进入下一阶段", "Advance";
    take_back: "全部退回", "Roll back";
    start_ask: "开始迁移 {}？", "Start migration {}?";
    start_means: "第一阶段（或暂停前的阶段）立即生效。只有新会话会移动，进行中的会话留在原处。", "The first stage, or the one it was held at, comes into force at once. Only new sessions move; open ones stay.";
    advance_ask: "迁移 {} 进入下一阶段？", "Advance migration {}?";
    advance_means: "下一阶段立即生效；只移动新增的那部分访客。", "The next stage comes into force at once; only the added visitors move.";
    hold_ask: "暂停迁移 {}？", "Pause migration {}?";
    hold_means: "停留在当前阶段，直到再次开始；护栏继续生效。", "It stays at this stage until it is started again; guards go on.";
    take_back_ask: "退回迁移 {}？", "Roll back migration {}?";
    take_back_means: "所有新会话立即回到旧厂商；已在新厂商的会话在那里结束。", "Every new session goes to the old vendor at once; those at the new one end there.";
    why_hint: "原因（可选，会写入历史）", "Why (optional, kept in the history)";
    migration_stands: "迁移 {}：{}。", "Migration {}: {}.";
    phase_planned: "未开始", "Planned";
    phase_running: "进行中", "Running";
    phase_paused: "已暂停", "Paused";
    phase_stopped: "被护栏停止", "Stopped by a guard";
    phase_rolled_back: "已退回", "Rolled back";
    phase_completed: "已完成", "Completed";
    guard: "护栏", "Guard";
    guards: "护栏", "Guards";
    guards_lead: "新厂商与旧厂商在同一时间段的对比（括号内为样本数）。越限时：{}。", "The new vendor against the old one over the same time, with the number of cases. A breach {}.";
    breach_stops: "停在当前阶段", "stops it at this stage";
    breach_reverts: "退回本阶段", "takes the stage back";
    no_guards: "没有生效的阶段，暂不对比。", "Nothing is compared while no stage is in force.";
    allowed: "允许", "Allowed";
    window: "时间段", "Window";
    points_more: "+ {} 个百分点", "+ {} points";
    points_less: "− {} 分", "− {} points";
    guard_holds: "正常", "Holds";
    guard_breached: "越限", "Breached";
    guard_not_judged: "样本不足", "Too few cases";
    guard_off: "未启用", "Off";
    openings: "新会话", "Openings";
    openings_failed: "{}（失败 {}）", "{} ({} failed)";
    opening_failures: "开启失败率", "Opening failures";
    deliveries: "投递的消息", "Messages delivered";
    delivery_failures: "投递失败率", "Delivery failures";
    unanswered: "无人应答率", "Unanswered";
    first_answer: "首次应答 p95", "First answer, p95";
    ratings: "评价数", "Ratings";
    rating: "平均评分", "Average rating";
    figure: "指标", "Figure";
    share: "份额", "Share";
    share_of_new: "新厂商的份额", "Share of the new vendor";
    share_asked: "阶段设定", "As the stage says";
    share_came: "实际", "As it came";
    over_time: "随时间变化", "Over time";
    as_table: "以表格显示", "As a table";
    last_value: "{}：最近 {}", "{}: {} at last";
    report: "两家对比", "Both vendors";
    differences: "访客的得与失", "What visitors lose and gain";
    history: "历史", "History";
    nothing_yet: "还没有开始。", "Nothing has happened yet.";
    outcome: "结果", "Outcome";

    // Shadows.
    shadows: "影子试运行", "Shadows";
    shadows_lead: "让另一个平台的适配器旁观真实会话，什么都不发送，先看它会怎样。", "Another provider's adapter sees real sessions and sends nothing: what would have become of them.";
    no_shadows: "没有影子试运行（路由中的 shadow = \"<平台>\"）。", "Nothing is shadowed (a route's shadow = \"<provider>\").";
    shadow_beside: "旁观 {}", "Beside {}";
    following: "正在旁观", "Followed now";
    left_out: "未能旁观到底", "Not followed to the end";
    goes_whole: "完整送达", "Go whole";
    goes_converted: "转为文本", "Go as text";
    would_be_refused: "会被拒绝", "Would be refused";
    would_fail: "会失败", "Would fail";
    adapter_waits: "等待厂商", "Wait for the vendor";
    adapter_faults: "适配器出错", "Adapter faults";
    calls_leave: "会发出的请求", "Requests it would send";
    calls_refused: "发不出的请求", "Requests that could never leave";
    refused_besides: "其他会被拒绝的操作", "Other refusals";
    how_often: "次数", "How often";
    findings: "最近的发现", "Last findings";
    visitors_would_lose: "访客会受影响", "Visitors would notice";
    some_converted: "部分消息转为文本", "Some messages as text";
    nothing_found: "没有发现问题", "Nothing found";

    // Dead letters.
    letters_lead: "放弃投递、留待处理的内容。重放会排在所有等待项之后再试一次。", "What was given up and kept for people. A replay tries it again after everything that waits.";
    no_letters: "没有死信。", "There are no dead letters.";
    letter_call: "发往厂商的请求", "Request to the vendor";
    letter_event: "厂商回调", "Event of the vendor";
    letter_push: "应用推送", "Push to the app";
    replay: "重放", "Replay";
    replay_ask: "重放这条死信？", "Replay this dead letter?";
    replay_means: "它会排在所有等待项之后再试一次；若再次失败，会重新成为死信。接收方可能已经收到过一次。", "It is tried again after everything that waits; if it fails again it comes back here. The other side may have it already.";
    replayed: "已重放。", "It is tried again.";

    // Sessions.
    sessions_lead: "会话在哪里、和谁，以及每条消息的去向。这里不显示聊天内容。", "Where sessions stand and with whom, and what became of each message. Nothing that was said is shown.";
    no_sessions: "没有符合条件的会话。", "No session fits.";
    opened: "开始", "Opened";
    active: "最近活动", "Last active";
    ended: "结束", "Ended";
    older: "更早的会话", "Older sessions";
    later: "后面的消息", "Later messages";
    session_of: "访客 {} 的会话", "Session of visitor {}";
    visitor_present: "访客在线", "Visitor present";
    agent: "坐席", "Agent";
    conversation: "厂商侧标识", "Conversation";
    last_seq: "最后序号", "Last number";
    trail: "消息轨迹", "Message trail";
    trail_lead: "每条消息：接收 → 落盘 → 发送 → 厂商应答。", "Each message: accepted → stored → sent → the vendor's answer.";
    no_entries: "还没有记录。", "There is nothing yet.";
    unfinished: "尚未完成", "Not over yet";
    from_visitor: "访客", "Visitor";
    from_robot: "机器人", "Robot";
    from_agent: "坐席", "Agent";
    from_system: "系统", "System";
    characters: "{} 字", "{} characters";
    place: "排队位置", "Place in the queue";
    step_accepted: "已接收", "Accepted";
    step_stored: "已落盘", "Stored";
    step_asked: "待发往 {}", "For {}";
    step_waits: "等待中", "Waits";
    step_answered: "厂商已应答", "Vendor answered";
    step_not_sent: "未发出", "Not sent";
    step_unknown: "结果未知", "Unknown";
    step_recalled: "已撤回", "Recalled";
    step_given_up: "已放弃", "Given up";
    status_delivered: "已送达", "Delivered";
    status_read: "已读", "Read";
    status_failed: "失败", "Failed";
    status_unknown: "未知", "Unknown";
    session_opening: "建立中", "Opening";
    session_robot: "机器人", "Robot";
    session_queued: "排队中", "Queued";
    session_human: "人工", "Human";
    session_unattended: "无坐席", "Unattended";
    session_ended: "已结束", "Ended";

    // Problems.
    problem_invalid: "请求有误", "The request is wrong";
    problem_forbidden: "已拒绝", "Refused";
    problem_missing: "没有找到", "Not found";
    problem_method: "不支持该方法", "This method is not offered";
    problem_conflict: "内容已变化", "It has changed meanwhile";
    problem_large: "内容过大", "Too large";
    problem_busy: "暂时做不到", "It cannot be done at the moment";
    problem_back: "返回总览", "Back to the overview";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_both_languages_and_the_same_places() {
        // Names that are the same in both.
        let same = ["cause_signal", "sha256", "of"];
        for (name, zh, en) in ALL {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{name}");
            let places = |text: &str| text.matches("{}").count();
            assert_eq!(places(zh), places(en), "{name}");
            if !same.contains(name) {
                let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
                assert!(zh.chars().any(is_han), "{name}: {zh}");
                assert!(!en.chars().any(is_han), "{name}: {en}");
            }
        }
    }

    #[test]
    fn the_browser_says_which_language_it_likes() {
        for (header, lang) in [
            ("", Lang::Zh),
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("en-GB,en;q=0.9,zh;q=0.8", Lang::En),
            ("de, en;q=0.5", Lang::En),
            ("de", Lang::Zh),
            ("zh;q=0.5, en;q=0.7", Lang::En),
            ("en;q=x", Lang::Zh),
            ("*", Lang::Zh),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, header.parse().unwrap());
            assert_eq!(Lang::accepted(&headers), lang, "{header}");
        }
        assert_eq!(Lang::accepted(&HeaderMap::new()), Lang::Zh);
        assert_eq!(Lang::named("en-US"), Lang::En);
        assert_eq!(Lang::named("../x"), Lang::Zh);
    }

    #[test]
    fn values_take_the_places_of_a_sentence_in_order() {
        assert_eq!(fill("{} of {}", &["1", "2"]), "1 of 2");
        assert_eq!(fill("a {} b", &[]), "a  b");
        assert_eq!(fill("none", &["1"]), "none");
        assert_eq!(fill("{}", &["{}"]), "{}");
    }
}
