//! The watched folders are treated badly while visitors chat.
//!
//! Owns the run: who chats where, when the operator puts things right and looks
//! whether they have settled, and what must be true in the end. What is done to
//! the files is in [`operation`], what lies in the folders in [`site`].
//!
//! | provider | its files | its visitors |
//! |---|---|---|
//! | `steady` | left alone | chat all the time; its generation must stay the first |
//! | `kept` | rewritten, broken, removed, always declared by the file that was good last | chat all the time |
//! | `spare` | the same, its declaration is removed as well | none |

mod operation;
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kefu_test_support::gateway::Gateway;
use kefu_test_support::traffic::{Load, Traffic};
use kefu_test_support::wait;
use serde_json::Value;

use crate::crowd::{self, Random, pass, say};
use operation::Operation;
use site::{KEPT, SPARE, STEADY, Site};

/// Two hundred here; [`soak_random_file_operations_hurt_nobody`] counts on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_file_operations_hurt_nobody() -> Result<()> {
    let load = Load::at(&[STEADY, KEPT], 20, 100);
    treat_badly(200, 20, &load, Random::seeded()?).await
}

/// Three thousand operations, or as many as `KEFU_SOAK_OPERATIONS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a long count, for cargo xtask soak"]
async fn soak_random_file_operations_hurt_nobody() -> Result<()> {
    let operations = crowd::rounds("KEFU_SOAK_OPERATIONS", 3_000)?;
    let load = Load::at(&[STEADY, KEPT], 50, 520);
    treat_badly(operations, 50, &load, Random::seeded()?).await
}

/// Everything is put right every `few` operations, and in the end.
async fn treat_badly(operations: u64, few: u64, load: &Load, mut random: Random) -> Result<()> {
    let (config, mut site) = Site::plan()?;
    let gateway = Gateway::start(config, &[]).await?;
    site.lies_in(&gateway);
    let traffic = Traffic::start(&gateway, load).await?;
    let mut done = BTreeMap::<String, u64>::new();
    let mut explained = 0;
    for number in 1..=operations {
        let operation = Operation::any(&mut random);
        *done.entry(format!("{operation:?}")).or_default() += 1;
        let perform = async {
            operation.perform(&mut site, &gateway, &mut random).await?;
            if number % few == 0 {
                settle(&gateway, &mut site, &traffic, &mut random).await?;
                explain(&gateway, &site, &mut random).await?;
                explained += 1;
            }
            anyhow::Ok(())
        };
        perform
            .await
            .with_context(|| format!("operation {number} of {operations}, {operation:?}"))?;
        pass(random.millis_below(LONGEST_PAUSE_MS)).await;
    }
    settle(&gateway, &mut site, &traffic, &mut random).await?;
    let reports = gateway.reloads().await?;
    let refused = all_say_why(&reports)?;
    let figures = traffic.finish(PATIENCE).await?.figures()?;
    say(&format!(
        "{operations} operations: {done:?}\n{figures}\n{explained} faults were waited for and explained; \
         of the last {} reloads {refused} were refused or partly refused, each with its reason",
        reports.len()
    ));
    ensure!(
        figures.builds > 2,
        "only {} builds ever answered, so nothing was replaced",
        figures.builds
    );
    Ok(())
}

/// Puts everything right and waits until that is what serves, to operators and
/// to visitors.
async fn settle(
    gateway: &Gateway,
    site: &mut Site,
    traffic: &Traffic,
    random: &mut Random,
) -> Result<()> {
    site.repair(random)?;
    for who in [KEPT, SPARE] {
        gateway.serves(who, &site.sha256(who)).await?;
    }
    traffic.hear_build(KEPT, site.build(KEPT)).await?;
    let steady = gateway.serves(STEADY, &site.sha256(STEADY)).await?;
    ensure!(
        steady["generation"] == 1,
        "nothing of `steady` was touched, and it was replaced: {steady}"
    );
    Ok(())
}

/// Breaks one file and waits until the history tells of it. Everything was
/// right before, so that it is this fault that is told.
async fn explain(gateway: &Gateway, site: &Site, random: &mut Random) -> Result<()> {
    let last = gateway.reloads().await?.first().map(number);
    let (path, bytes) = operation::fault(site, random)?;
    fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    wait::until(
        &format!("the history to tell what is wrong with {name}"),
        async || {
            let reports = gateway.reloads().await?;
            let told = reports
                .iter()
                .filter(|report| Some(number(report)) > last && was_refused(report))
                .any(|report| reasons(report).contains(&*name));
            Ok(told.then_some(()))
        },
    )
    .await
}

/// How many reloads were refused, wholly or in part; each must say why.
fn all_say_why(reports: &[Value]) -> Result<usize> {
    let refused: Vec<_> = reports
        .iter()
        .filter(|report| was_refused(report))
        .collect();
    for report in &refused {
        ensure!(
            !reasons(report).is_empty(),
            "refused without a reason: {report}"
        );
    }
    Ok(refused.len())
}

fn number(report: &Value) -> u64 {
    report["id"].as_u64().unwrap_or_default()
}

fn was_refused(report: &Value) -> bool {
    report["outcome"] == "refused" || report["outcome"] == "partly"
}

/// Everything that a report says about what is wrong.
fn reasons(report: &Value) -> String {
    let list = |key: &str| report[key].as_array().into_iter().flatten();
    let problems = list("problems").map(Value::to_string);
    let errors = list("providers").map(|provider| &provider["error"]);
    let texts = errors.chain([&report["error"]]).filter_map(Value::as_str);
    problems.chain(texts.map(str::to_owned)).collect()
}

/// Short enough that operations run into each other's reloads.
const LONGEST_PAUSE_MS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(60);
