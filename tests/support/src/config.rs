//! The configuration a test's gateway is given.
//!
//! Owns a tree of TOML per file and writes it. It checks nothing: a test may
//! put in what a gateway must refuse. Starts from one app, [`APP`], with a
//! secret of its own, and neither provider nor desk.
//!
//! ```
//! use kefu_test_support::config::Config;
//!
//! let config = Config::new()
//!     .with("server.limits.max_body = \"64KiB\"")
//!     .with_provider("echo", "plugin = \"libkefu_minimal.so\"\nsettings.send_url = \"http://127.0.0.1:1\"")
//!     .with_desk("support", "routes = [{ provider = \"echo\" }]");
//! assert!(config.provider_text("echo").contains("id = \"echo\""));
//! ```

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// The key of the app that every configuration starts with.
pub const APP: &str = "demo";

/// A main file and provider files, as trees that a test changes.
#[derive(Debug, Clone)]
pub struct Config {
    main: Table,
    providers: BTreeMap<String, Table>,
    raw: BTreeMap<String, Vec<u8>>,
    secret: String,
    admin_token: String,
}

impl Config {
    /// One app, fresh secrets, a store in the gateway's own folder.
    pub fn new() -> Self {
        let (secret, admin_token) = (fresh_secret(), fresh_secret());
        let mut config = Self {
            main: Table::new(),
            providers: BTreeMap::new(),
            raw: BTreeMap::new(),
            secret: secret.clone(),
            admin_token: admin_token.clone(),
        };
        // Waiting tests ask far more often than a visitor may.
        config.merge(&format!(
            "admin.token = \"{admin_token}\"\nstore.url = \"sqlite:data/kefu.db\"\nplugins.dir = \"adapters\"\n\
             limits.visitor_requests_per_second = 0\n\
             [apps.{APP}]\nsecret = \"{secret}\"\norigins = [\"*\"]\n"
        ));
        config
    }

    /// Merges a piece of TOML into the main file: tables key by key, anything
    /// else replaced.
    ///
    /// # Panics
    /// When `toml` is no TOML; [`Config::with_raw_file`] is for broken files.
    #[must_use]
    pub fn with(mut self, toml: &str) -> Self {
        self.merge(toml);
        self
    }

    /// Takes a key or a table out of the main file; dots lead into tables.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        let (tables, key) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = Some(&mut self.main);
        for name in tables.split('.').filter(|name| !name.is_empty()) {
            table = table.and_then(|table| table.get_mut(name)?.as_table_mut());
        }
        if let Some(table) = table {
            table.remove(key);
        }
        self
    }

    /// Adds or extends `providers/<id>.toml`; its `id` is set.
    ///
    /// # Panics
    /// When `toml` is no TOML.
    #[must_use]
    pub fn with_provider(mut self, id: &str, toml: &str) -> Self {
        let file = self.providers.entry(id.to_owned()).or_default();
        file.insert("id".into(), Value::from(id));
        merge(file, parse(toml));
        self
    }

    /// Adds or extends a desk of [`APP`]; `toml` is the inside of its table.
    ///
    /// # Panics
    /// When `toml` is no TOML.
    #[must_use]
    pub fn with_desk(mut self, id: &str, toml: &str) -> Self {
        let mut desk = Table::new();
        desk.insert("app".into(), Value::from(APP));
        merge(&mut desk, parse(toml));
        let desks = Table::from_iter([(id.to_owned(), Value::Table(desk))]);
        merge(
            &mut self.main,
            Table::from_iter([("desks".to_owned(), Value::Table(desks))]),
        );
        self
    }

    /// Writes `content` as it is to `path` (relative to the main file), in
    /// place of whatever would have been written there.
    #[must_use]
    pub fn with_raw_file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.raw
            .insert(path.to_owned(), content.as_ref().to_owned());
        self
    }

    /// The secret of [`APP`].
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The bearer token of the admin API.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The text of the main file.
    pub fn main_text(&self) -> String {
        self.main.to_string()
    }

    /// The text of a provider's file; empty when there is none.
    pub fn provider_text(&self, id: &str) -> String {
        self.providers
            .get(id)
            .map(Table::to_string)
            .unwrap_or_default()
    }

    /// Writes all files below `dir`, the main file as `kefu.toml`.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write(&dir.join("kefu.toml"), self.main_text().as_bytes())?;
        for id in self.providers.keys() {
            write(
                &dir.join("providers").join(format!("{id}.toml")),
                self.provider_text(id).as_bytes(),
            )?;
        }
        for (path, content) in &self.raw {
            write(&dir.join(path), content)?;
        }
        Ok(())
    }

    fn merge(&mut self, toml: &str) {
        merge(&mut self.main, parse(toml));
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// A text that no other run knows.
pub fn fresh_secret() -> String {
    uuid::Uuid::now_v7().simple().to_string() + &uuid::Uuid::now_v7().simple().to_string()
}

fn parse(toml: &str) -> Table {
    toml.parse()
        .unwrap_or_else(|error| panic!("the test's own TOML is broken: {error}\n{toml}"))
}

fn merge(target: &mut Table, from: Table) {
    for (key, value) in from {
        match (target.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                target.insert(key, value);
            }
        }
    }
}

/// Through a neighbour file and a rename, so that a watching gateway never
/// reads half a file.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path
        .parent()
        .context("a configuration file lies in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, content)
        .and_then(|()| std::fs::rename(&fresh, path))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_piece_replaces_values_and_keeps_the_rest() {
        let text = Config::new()
            .with("server.listen = \"a\"\nserver.public_url = \"b\"")
            .with("server.listen = \"c\"");
        let main = parse(&text.main_text());
        assert_eq!(main["server"]["listen"].as_str(), Some("c"));
        assert_eq!(main["server"]["public_url"].as_str(), Some("b"));
        assert!(
            main["apps"][APP]["secret"]
                .as_str()
                .is_some_and(|secret| secret.len() >= 32)
        );
    }

    #[test]
    fn a_raw_file_replaces_what_would_have_been_written() -> Result<()> {
        let dir = tempfile::tempdir()?;
        Config::new()
            .with_raw_file("kefu.toml", "not toml = = =")
            .write(dir.path())?;
        assert_eq!(
            std::fs::read_to_string(dir.path().join("kefu.toml"))?,
            "not toml = = ="
        );
        Ok(())
    }
}
