use super::*;
use crate::plugin::{CallKind, CallObserver};

#[test]
fn reloads_are_counted_by_outcome_and_timed_when_they_went_live() {
    let metrics = Metrics::new();
    metrics.reload_finished("applied", Some(Duration::from_millis(250)));
    metrics.reload_finished("refused", None);
    metrics.reload_stage_finished("open", Duration::from_millis(3));
    let page = metrics.render();
    for line in [
        "kefu_reloads_total{outcome=\"applied\"} 1",
        "kefu_reloads_total{outcome=\"refused\"} 1",
        "kefu_reload_seconds_count 1",
        "kefu_reload_seconds_bucket{le=\"0.3\"} 1",
        "kefu_reload_stage_seconds_count{stage=\"open\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[test]
fn a_provider_is_in_exactly_one_state() {
    let metrics = Metrics::new();
    for state in ["active", "quarantined", "asleep"] {
        stand(&metrics, &[("zhichi", standing(state))]);
        let page = metrics.render();
        let ones: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("kefu_provider_state{") && line.ends_with(" 1"))
            .collect();
        let expected = format!("kefu_provider_state{{provider=\"zhichi\",state=\"{state}\"}} 1");
        assert_eq!(ones, [expected], "{page}");
    }
}

#[test]
fn generation_retained_stuck_calls_and_child_are_shown() {
    let metrics = Metrics::new();
    let standing = Standing {
        generation: Some(7),
        retained: 3,
        stuck_calls: 1,
        child_resident_bytes: Some(4096),
        ..standing("active")
    };
    stand(
        &metrics,
        &[("zhichi", standing), ("jiaxin", self::standing("waiting"))],
    );
    let page = metrics.render();
    for line in [
        "kefu_plugin_generation{provider=\"zhichi\"} 7\n",
        "kefu_plugin_retained{provider=\"zhichi\"} 3\n",
        "kefu_plugin_retained{provider=\"jiaxin\"} 0\n",
        "kefu_plugin_mapped_copies 5\n",
        "kefu_provider_stuck_calls{provider=\"zhichi\"} 1\n",
        "kefu_child_resident_bytes{provider=\"zhichi\"} 4096\n",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    // What is not there has no number, rather than a zero that says something.
    for absent in [
        "kefu_plugin_generation{provider=\"jiaxin\"}",
        "kefu_child_resident_bytes{provider=\"jiaxin\"}",
    ] {
        assert!(!page.contains(absent), "{absent} is in\n{page}");
    }
}

#[test]
fn all_series_of_a_removed_provider_end() {
    let metrics = Metrics::new();
    let (gone, stays) = ("jiaxin", "zhichi");
    for provider in [gone, stays].map(ProviderId::from) {
        metrics.rolled_back(&provider, "automatic");
        metrics.child_died(&provider, "signal");
        metrics.delivery_tried(&provider, "answered");
        metrics.callback_answered(&provider, "accepted");
        metrics.dead_letter(&provider, "call");
        let took = Duration::from_micros(5);
        metrics.finished(&provider, CallKind::Handle, took, None);
        metrics.faulted(&provider, FaultKind::Panic);
    }
    stand(
        &metrics,
        &[(gone, standing("active")), (stays, standing("active"))],
    );
    let before = metrics.render();
    stand(&metrics, &[(stays, standing("active"))]);
    let after = metrics.render();
    let of = |page: &str, provider: &str| page.matches(&format!("provider=\"{provider}\"")).count();
    assert_eq!(of(&before, gone), of(&before, stays));
    assert_eq!(of(&after, gone), 0, "{after}");
    assert_eq!(of(&after, stays), of(&before, stays), "{after}");
}

#[test]
fn what_is_counted_before_the_first_look_stays() {
    let metrics = Metrics::new();
    metrics.rolled_back(&"new".into(), "command");
    stand(&metrics, &[("zhichi", standing("active"))]);
    let page = metrics.render();
    let line = "kefu_plugin_rollbacks_total{provider=\"new\",cause=\"command\"} 1\n";
    assert!(page.contains(line), "{page}");
}

#[test]
fn a_fault_counts_once_whether_its_call_told_of_it_or_not() {
    let metrics = Metrics::new();
    let provider = ProviderId::from("zhichi");
    let took = Duration::from_micros(5);
    metrics.finished(&provider, CallKind::Handle, took, Some(FaultKind::Panic));
    metrics.faulted(&provider, FaultKind::Panic);
    metrics.faulted(&provider, FaultKind::Illegal);
    let page = metrics.render();
    for kind in ["panic", "illegal"] {
        let line = format!("kefu_provider_faults_total{{provider=\"zhichi\",kind=\"{kind}\"}} 1\n");
        assert!(page.contains(&line), "{page}");
    }
}

#[test]
fn ends_of_children_are_counted_by_reason_and_the_gap_is_timed() {
    let metrics = Metrics::new();
    metrics.child_died(&"zhichi".into(), "forbidden");
    metrics.child_restarted(Duration::from_millis(20));
    let page = metrics.render();
    for line in [
        "kefu_child_restarts_total{provider=\"zhichi\",reason=\"forbidden\"} 1\n",
        "kefu_child_restart_seconds_count 1\n",
        "kefu_child_restart_seconds_bucket{le=\"0.025\"} 1\n",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[test]
fn the_memory_of_the_process_is_on_the_page() {
    let page = Metrics::new().render();
    let number = |name: &str| -> u64 {
        let start = format!("{name} ");
        let line = page.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("{name} is not in\n{page}"))[start.len()..]
            .parse()
            .unwrap()
    };
    let resident = number("kefu_process_resident_bytes");
    assert!(number("kefu_process_anonymous_bytes") <= resident);
    assert!(resident > 0);
}

#[test]
fn the_operators_guide_lists_every_metric_with_its_type() {
    let metrics = Metrics::new();
    metrics.reload_finished("applied", None);
    metrics.reload_stage_finished("open", Duration::ZERO);
    let page = metrics.render();
    let ours = ["reload", "plugin", "provider", "child", "process"];
    let mut kept = BTreeSet::new();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("# TYPE kefu_") else {
            continue;
        };
        if ours.iter().any(|group| rest.starts_with(group)) {
            let (name, kind) = rest.split_once(' ').unwrap();
            let total = if kind == "counter" { "_total" } else { "" };
            kept.insert((format!("kefu_{name}{total}"), kind.to_owned()));
        }
    }
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `kefu_")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        let kind = cells.next()?.split(',').next()?;
        Some((format!("kefu_{name}"), kind.to_owned()))
    };
    let english: BTreeSet<_> = GUIDE.lines().filter_map(row).collect();
    assert_eq!(english, kept);
    let names = |rows: BTreeSet<(String, String)>| -> Vec<String> {
        rows.into_iter().map(|(name, _)| name).collect()
    };
    let chinese = GUIDE_ZH.lines().filter_map(row).collect();
    assert_eq!(names(chinese), names(english));
}

const GUIDE: &str = include_str!("../../../../../docs/plugin-runtime.md");
const GUIDE_ZH: &str = include_str!("../../../../../docs/plugin-runtime.zh-CN.md");

fn stand(metrics: &Metrics, standings: &[(&str, Standing)]) {
    let standings: Vec<(ProviderId, &Standing)> = standings
        .iter()
        .map(|(provider, standing)| (ProviderId::from(*provider), standing))
        .collect();
    metrics.providers_stand(standings.iter().map(|(id, standing)| (id, *standing)), 5);
}

fn standing(state: &str) -> Standing {
    Standing {
        state: state.to_owned(),
        ..Standing::default()
    }
}
