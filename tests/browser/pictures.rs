//! The pictures that a walk leaves behind.
//!
//! Owns their folder and their names: walk, number, station. A picture is taken
//! when nothing moves any more and every image has come or failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use kefu_test_support::webdriver::Browser;

use crate::LIMIT;

/// The numbered pictures of one walk; clones go on counting together.
#[derive(Clone)]
pub(crate) struct Pictures {
    folder: PathBuf,
    walk: &'static str,
    taken: Arc<AtomicU32>,
}

impl Pictures {
    /// A walk that has no pictures yet; those of former runs go.
    pub(crate) fn of(walk: &'static str) -> Result<Self> {
        let named = std::env::var_os("KEFU_SCREENSHOTS").map(PathBuf::from);
        let folder = named.unwrap_or_else(|| {
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser")
        });
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        for old in std::fs::read_dir(&folder)?.flatten() {
            let name = old.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("{walk}-")) && name.ends_with(".png") {
                std::fs::remove_file(old.path())?;
            }
        }
        Ok(Self {
            folder,
            walk,
            taken: Arc::default(),
        })
    }

    /// Takes a picture of what the browser shows now.
    pub(crate) async fn take(&self, browser: &Browser, station: &str) -> Result<()> {
        browser
            .wait_for("the page to come to rest", AT_REST, vec![], LIMIT)
            .await?;
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{number:02}-{station}.png", self.walk);
        browser.screenshot(&self.folder.join(name)).await
    }
}

const AT_REST: &str = "const roots = [document, document.querySelector('kefu-chat')?.shadowRoot].filter(Boolean); \
    return roots.every((root) => root.getAnimations().every((it) => it.playState !== 'running') \
    && [...root.querySelectorAll('img')].every((image) => image.complete));";
