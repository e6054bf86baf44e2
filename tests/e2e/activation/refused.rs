//! What is wrong is said, and leaves nothing behind.

use std::path::Path;

use anyhow::{Context, Result};
use kefu_test_support::gateway::free_port;
use kefu_test_support::plugins::{self, CHAOS_NO_EXPORT, CHAOS_OTHER_LAYOUT, ZHICHI};
use kefu_test_support::simulators::Vendor;
use kefu_test_support::{variants, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Site, names, report, set, text, with};

/// Runs a command that must fail, and returns what it says.
async fn refused(site: &Site, vendor: &str, arguments: &[String], code: i32) -> Result<String> {
    let output = site.add(vendor, arguments).await?;
    let told = text(&output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for secret in [
        site.simulators.app_key(),
        site.simulators.push_secret(),
        "hunter2",
    ] {
        assert!(!told.contains(secret), "a secret is shown:\n{told}");
    }
    Ok(told)
}

fn says(told: &str, words: &[&str]) {
    for word in words {
        assert!(told.contains(word), "no {word:?} in:\n{told}");
    }
}

#[tokio::test]
async fn an_unknown_vendor_is_told_with_the_known_ones() -> Result<()> {
    let site = Site::start().await?;
    let told = refused(&site, "zichi", &[], 1).await?;
    says(&told, &["`zichi`", "jiaxin, zhichi"]);
    let told = refused(&site, "libkefu_zichi.so", &[], 1).await?;
    says(&told, &["libkefu_zichi.so", "adapters"]);
    site.ensure_untouched()
}

#[tokio::test]
async fn a_plug_in_that_cannot_say_who_it_is_is_told_by_its_reason() -> Result<()> {
    let site = Site::start().await?;
    let folder = site.gateway.dir().join("adapters");
    let good = plugins::bytes(ZHICHI)?;
    // Whatever of it is run first ends the process it runs in.
    let mut crashing = good.clone();
    let code = variants::section(&good, ".text")?;
    for pair in crashing[code].chunks_exact_mut(2) {
        pair.copy_from_slice(&[0x0f, 0x0b]);
    }
    std::fs::write(folder.join("libkefu_crash.so"), crashing)?;
    std::fs::write(folder.join("libkefu_junk.so"), "no ELF")?;
    std::fs::write(
        folder.join("libkefu_half.so"),
        variants::truncated(&good, good.len() / 2),
    )?;
    plugins::stage(&folder, &[CHAOS_OTHER_LAYOUT, CHAOS_NO_EXPORT])?;
    for vendor in [
        "crash",
        "junk",
        "half",
        "chaos_other_layout",
        "libkefu_chaos_no_export.so",
    ] {
        let told = refused(&site, vendor, &[], 1).await?;
        says(&told, &[vendor]);
    }
    // The others can still be found, and who asks for nobody learns of these.
    let told = refused(&site, "nobody", &[], 1).await?;
    says(
        &told,
        &["jiaxin, zhichi", "libkefu_crash.so", "libkefu_junk.so"],
    );
    site.ensure_untouched()
}

#[tokio::test]
async fn without_a_terminal_everything_that_is_missing_is_named_at_once() -> Result<()> {
    let site = Site::start().await?;
    let told = refused(&site, "zhichi", &set(&["app_id=demo"]), 2).await?;
    says(
        &told,
        &[
            "--set admin_email=…",
            "--set app_key=…",
            "Administrator e-mail",
        ],
    );
    assert!(
        !told.contains("--set app_id") && !told.contains("--set push_secret"),
        "{told}"
    );
    let told = refused(
        &site,
        "zhichi",
        &with(set(&["app_id=demo"]), &["--lang", "zh"]),
        2,
    )
    .await?;
    says(&told, &["缺少", "管理员邮箱"]);
    site.ensure_untouched()
}

#[tokio::test]
async fn an_answer_that_cannot_be_right_is_told_with_what_would_be() -> Result<()> {
    let site = Site::start().await?;
    let calls = site.calls(Vendor::Zhichi).await?;
    for (more, words) in [
        (
            set(&["admin_email=admin"]),
            &["admin_email", "admin@example.com"][..],
        ),
        (set(&["reception=cat"]), &["reception", "robot_first"][..]),
        (set(&["app_kee=hunter2"]), &["`app_kee`", "app_key"][..]),
        (
            set(&["push_secret=hunter2"]),
            &["push_secret", "16 to 128"][..],
        ),
        (
            set(&["base_url=ftp://x"]),
            &["base_url", "https://www.sobot.com"][..],
        ),
        (
            set(&["app_key=${NO_SUCH_VARIABLE_HERE}"]),
            &["app_key", "NO_SUCH_VARIABLE_HERE"][..],
        ),
        (
            vec!["--set-file=app_key=/no/such/file".to_owned()],
            &["/no/such/file"][..],
        ),
        (vec!["--id=../x".to_owned()], &["id"][..]),
    ] {
        // Of two with one name the later counts.
        let mut arguments = site.zhichi();
        arguments.extend(more);
        let told = refused(&site, "zhichi", &arguments, 1).await?;
        says(&told, words);
    }
    assert_eq!(
        site.calls(Vendor::Zhichi).await?,
        calls,
        "nobody was called"
    );
    site.ensure_untouched()
}

#[tokio::test]
async fn a_key_that_the_vendor_refuses_is_not_written_unless_that_is_wanted() -> Result<()> {
    let site = Site::start().await?;
    let zhichi = with(site.zhichi(), &["--set=app_key=hunter2"]);
    let told = refused(&site, "zhichi", &zhichi, 1).await?;
    says(
        &told,
        &[
            "the vendor did not accept it",
            "nothing was written",
            "--keep",
        ],
    );
    // `whsec_` and another secret than the vendor's.
    let other = "--set=secret=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let jiaxin = with(site.jiaxin("app_key=k"), &[other]);
    let told = refused(&site, "jiaxin", &jiaxin, 1).await?;
    says(&told, &["the vendor did not accept it"]);
    site.ensure_untouched()?;

    let output = site
        .add("zhichi", &with(zhichi, &["--keep", "--json"]))
        .await?;
    let report = report(&output)?;
    assert_eq!(report["written"], true);
    assert_eq!(report["failed"]["reason"], "refused", "{report}");
    assert!(site.provider_file("zhichi").exists());
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_is_told_apart_from_one_that_refuses() -> Result<()> {
    let site = Site::start().await?;
    let nobody = format!("--set=base_url=http://127.0.0.1:{}", free_port()?);
    for (vendor, arguments) in [
        ("zhichi", site.zhichi()),
        ("jiaxin", site.jiaxin("app_key=k")),
    ] {
        let told = refused(&site, vendor, &with(arguments, &[&nobody]), 1).await?;
        says(
            &told,
            &["the vendor could not be reached", "nothing was written"],
        );
    }
    for (fault, word) in [
        (json!({"kind": "html"}), "did not accept"),
        (json!({"kind": "empty_body"}), "did not accept"),
        (json!({"kind": "status", "status": 503}), "503"),
        (
            json!({"kind": "drop", "processed": false}),
            "could not be reached",
        ),
    ] {
        for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
            site.simulators.fault(vendor, &fault).await?;
        }
        for (vendor, arguments) in [
            ("zhichi", site.zhichi()),
            ("jiaxin", site.jiaxin("app_key=k")),
        ] {
            let told = refused(&site, vendor, &arguments, 1).await?;
            says(&told, &[word]);
        }
        for vendor in [Vendor::Zhichi, Vendor::Jiaxin] {
            site.simulators.clear_faults(vendor).await?;
        }
    }
    site.ensure_untouched()
}

#[tokio::test]
async fn a_file_that_exists_is_replaced_only_on_demand() -> Result<()> {
    let site = Site::start().await?;
    let file = site.provider_file("zhichi");
    std::fs::create_dir_all(file.parent().context("it lies in a folder")?)?;
    std::fs::write(&file, "# an operator's own notes\n")?;
    let told = refused(&site, "zhichi", &site.zhichi(), 1).await?;
    says(&told, &["zhichi.toml exists", "--force"]);
    assert_eq!(
        std::fs::read_to_string(&file)?,
        "# an operator's own notes\n"
    );

    let output = site
        .add("zhichi", &with(site.zhichi(), &["--force", "--json"]))
        .await?;
    assert_eq!(report(&output)?["seen"]["gateway"], "live");
    // Another file may not take the id of this one.
    let other = site.provider_file("other");
    std::fs::rename(&file, &other)?;
    let told = refused(&site, "zhichi", &site.zhichi(), 1).await?;
    says(&told, &["other.toml", "`zhichi`", "--id"]);
    Ok(())
}

#[tokio::test]
async fn an_interruption_leaves_nothing_behind() -> Result<()> {
    let site = Site::start().await?;
    let slow = json!({ "kind": "slow", "ms": 20_000, "operation": "get_token" });
    site.simulators.fault(Vendor::Zhichi, &slow).await?;
    for signal in [Signal::INT, Signal::TERM] {
        let before = site.calls(Vendor::Zhichi).await?;
        let mut child = site.command("zhichi", &site.zhichi())?.spawn()?;
        wait::until("the try to reach the vendor", async || {
            let working = !names(site.temporary.path()).is_empty();
            Ok((working && site.calls(Vendor::Zhichi).await? > before).then_some(()))
        })
        .await?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.context("it runs")?, signal)?;
        let ended = tokio::time::timeout(wait::PATIENCE, child.wait()).await??;
        assert_eq!(ended.code(), Some(130));
        site.ensure_untouched()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_that_takes_no_file_is_told_and_keeps_no_secret() -> Result<()> {
    let site = Site::start().await?;
    // Where the file should go there is a folder.
    let file = site.provider_file("zhichi");
    std::fs::create_dir_all(&file)?;
    let told = refused(&site, "zhichi", &with(site.zhichi(), &["--force"]), 1).await?;
    says(
        &told,
        &["cannot write", "zhichi.toml", "nothing was changed"],
    );
    assert!(names(&site.gateway.dir().join("secrets")).is_empty());
    assert!(names(Path::new(&file)).is_empty());
    Ok(())
}
