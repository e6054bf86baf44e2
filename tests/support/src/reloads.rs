//! What operators see of providers and their reloads.
//!
//! Owns the questions to the admin API and to the metrics. Deliberately changes
//! nothing: files are a test's own business, and so is what should come of them.

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::Value;

use crate::gateway::Gateway;
use crate::wait;

impl Gateway {
    /// A provider's entry in the list, or nothing if it is not there.
    ///
    /// # Errors
    /// The list cannot be read.
    pub async fn find_provider(&self, id: &str) -> Result<Option<Value>> {
        let list = self.ask("/admin/v1/providers").await?;
        let entries = list["providers"].as_array().into_iter().flatten();
        Ok(entries.into_iter().find(|entry| entry["id"] == id).cloned())
    }

    /// Waits until a provider serves from the file with this hash, and returns
    /// its entry.
    ///
    /// # Errors
    /// It does not within the usual patience.
    pub async fn serves(&self, id: &str, sha256: &str) -> Result<Value> {
        wait::until(&format!("{id} to serve from {sha256}"), async || {
            let entry = self.find_provider(id).await?;
            let entry = entry.with_context(|| format!("no provider {id}"))?;
            ensure!(
                entry["sha256"] == sha256 && entry["state"] == "active",
                "it is {entry}"
            );
            Ok(Some(entry))
        })
        .await
    }

    /// The reports of the last reloads, newest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn reloads(&self) -> Result<Vec<Value>> {
        let answer = self.ask("/admin/v1/reloads?limit=200").await?;
        let list = answer["reloads"].as_array();
        list.cloned()
            .with_context(|| format!("no list of reloads in {answer}"))
    }

    /// The value of one series of `/metrics`, named with its labels as the page
    /// writes them; nothing if the page has no such series.
    ///
    /// # Errors
    /// The page cannot be read.
    pub async fn metric(&self, series: &str) -> Result<Option<f64>> {
        let page = self.admin_request(Method::GET, "/metrics").send().await?;
        Ok(value_of(&page.expect(200)?.text(), series))
    }

    async fn ask(&self, path: &str) -> Result<Value> {
        let answer = self.admin_request(Method::GET, path).send().await?;
        answer.expect(200)?.json()
    }
}

fn value_of(page: &str, series: &str) -> Option<f64> {
    let mut lines = page.lines();
    let rest = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let page = "# HELP a b\na_total{x=\"1\"} 3\na_total{x=\"12\"} 4.5\na 7\n";
        assert_eq!(value_of(page, "a_total{x=\"12\"}"), Some(4.5));
        assert_eq!(value_of(page, "a"), Some(7.0));
        assert_eq!(value_of(page, "a_total{x=\"2\"}"), None);
    }
}
