//! Who may depend on whom, proven from `cargo metadata`.
//!
//! Owns the arrows between our own packages: plug-ins and host meet in the
//! contract and nowhere else. What comes from outside is judged by
//! `.cargo/deny.toml`.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[test]
fn the_host_reaches_no_adapter() -> Result<()> {
    let workspace = Workspace::read()?;
    for host in ["kefu-gateway", "kefu-core"] {
        let adapters: Vec<_> = workspace
            .reaches(host)?
            .into_iter()
            .filter(|name| is_plugin_side(name))
            .collect();
        assert!(adapters.is_empty(), "{host} depends on {adapters:?}");
    }
    Ok(())
}

#[test]
fn a_plugin_reaches_the_contract_and_the_docking_library_only() -> Result<()> {
    let workspace = Workspace::read()?;
    let allowed = BTreeSet::from(["kefu-plugin-api".to_owned(), "kefu-sdp-core".to_owned()]);
    let plugins = workspace.in_folder("plugins");
    assert!(plugins.len() >= 4, "only {plugins:?} lie in plugins/");
    for plugin in plugins {
        let reached = workspace.reaches(&plugin)?;
        assert!(
            reached.is_subset(&allowed),
            "{plugin} depends on {reached:?}"
        );
        assert!(
            reached.contains("kefu-plugin-api"),
            "{plugin} does not build on the contract"
        );
    }
    Ok(())
}

#[test]
fn the_docking_library_exports_nothing_a_host_could_load() -> Result<()> {
    let workspace = Workspace::read()?;
    let library = workspace.package("kefu-sdp-core")?;
    let dynamic = library.targets.iter().any(|target| {
        target
            .crate_types
            .iter()
            .any(|kind| kind.to_string() == "cdylib")
    });
    assert!(!dynamic, "kefu-sdp-core is built as a plug-in");
    Ok(())
}

#[test]
fn the_contract_depends_on_nothing_of_ours() -> Result<()> {
    assert_eq!(
        Workspace::read()?.reaches("kefu-plugin-api")?,
        BTreeSet::new()
    );
    Ok(())
}

#[test]
fn the_core_cannot_do_io() -> Result<()> {
    let workspace = Workspace::read()?;
    let direct: BTreeSet<String> = workspace
        .package("kefu-core")?
        .dependencies
        .iter()
        .map(|dependency| dependency.name.clone())
        .collect();
    let reached = workspace.closure("kefu-core")?;
    for door in [
        "tokio", "hyper", "notify", "rusqlite", "reqwest", "mio", "socket2",
    ] {
        assert!(!reached.contains(door), "kefu-core reaches {door}");
    }
    for door in ["libloading", "abi_stable", "rustls", "tracing-subscriber"] {
        assert!(!direct.contains(door), "kefu-core's manifest names {door}");
    }
    Ok(())
}

#[test]
fn the_simulators_know_the_vendors_and_not_our_code() -> Result<()> {
    assert_eq!(
        Workspace::read()?.reaches("kefu-simulators")?,
        BTreeSet::new()
    );
    Ok(())
}

#[test]
fn test_code_never_reaches_what_ships() -> Result<()> {
    let workspace = Workspace::read()?;
    let mut shipped = workspace.in_folder("plugins");
    shipped.extend([
        "kefu-gateway".to_owned(),
        "kefu-core".to_owned(),
        "kefu-plugin-api".to_owned(),
    ]);
    let tests = workspace.in_folder("tests");
    for package in shipped {
        let reached = workspace.normal_closure(&package)?;
        let found: Vec<_> = tests
            .iter()
            .filter(|test| reached.contains(*test))
            .collect();
        assert!(found.is_empty(), "{package} ships with {found:?}");
    }
    Ok(())
}

#[test]
fn the_walk_over_the_graph_finds_what_is_there() -> Result<()> {
    // Guards the tests above: a walk that finds nothing would please them all.
    let workspace = Workspace::read()?;
    let reached = workspace.closure("kefu-gateway")?;
    for name in [
        "kefu-core",
        "kefu-plugin-api",
        "tokio",
        "mio",
        "rusqlite",
        "libsqlite3-sys",
    ] {
        assert!(
            reached.contains(name),
            "the walk from kefu-gateway missed {name}"
        );
    }
    Ok(())
}

/// The workspace's packages and everything below them.
struct Workspace {
    metadata: Metadata,
    names: BTreeMap<PackageId, String>,
}

impl Workspace {
    fn read() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .other_options([
                "--locked".to_owned(),
                "--offline".to_owned(),
                "--filter-platform".to_owned(),
                host()?,
            ])
            .exec()
            .context("running cargo metadata")?;
        let names = metadata
            .packages
            .iter()
            .map(|package| (package.id.clone(), package.name.to_string()))
            .collect();
        Ok(Self { metadata, names })
    }

    fn package(&self, name: &str) -> Result<&Package> {
        let mut members = self.metadata.workspace_packages().into_iter();
        members
            .find(|package| package.name.as_str() == name)
            .with_context(|| format!("no package {name} in the workspace"))
    }

    /// Names of the packages below a folder of the workspace.
    fn in_folder(&self, folder: &str) -> Vec<String> {
        let root = self.metadata.workspace_root.join(folder);
        let members = self.metadata.workspace_packages().into_iter();
        members
            .filter(|package| package.manifest_path.starts_with(&root))
            .map(|package| package.name.to_string())
            .collect()
    }

    /// Our own packages that this one depends on, for any purpose, at any depth.
    fn reaches(&self, name: &str) -> Result<BTreeSet<String>> {
        let ours: BTreeSet<String> = self
            .metadata
            .workspace_packages()
            .into_iter()
            .map(|package| package.name.to_string())
            .collect();
        Ok(self.closure(name)?.intersection(&ours).cloned().collect())
    }

    /// Everything this package depends on; its own tests' needs included.
    fn closure(&self, name: &str) -> Result<BTreeSet<String>> {
        self.walk(name, true)
    }

    /// As [`Workspace::closure`], without what only its tests need.
    fn normal_closure(&self, name: &str) -> Result<BTreeSet<String>> {
        self.walk(name, false)
    }

    fn walk(&self, name: &str, with_tests: bool) -> Result<BTreeSet<String>> {
        use cargo_metadata::DependencyKind::Development;
        let start = &self.package(name)?.id;
        let resolve = self
            .metadata
            .resolve
            .as_ref()
            .context("cargo metadata resolved nothing")?;
        let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
        let mut found = BTreeSet::new();
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            let node = nodes
                .get(id)
                .with_context(|| format!("cargo metadata did not resolve {id}"))?;
            for dependency in &node.deps {
                // Tests of a dependency are not built with whoever depends on it.
                let counts = (with_tests && id == start)
                    || dependency
                        .dep_kinds
                        .iter()
                        .any(|kind| kind.kind != Development);
                if counts && found.insert(&dependency.pkg) {
                    open.push(&dependency.pkg);
                }
            }
        }
        Ok(found
            .into_iter()
            .filter_map(|id| self.names.get(id).cloned())
            .collect())
    }
}

/// Whether a package lies on the far side of the contract.
fn is_plugin_side(name: &str) -> bool {
    name.starts_with("kefu-adapter-") || ["kefu-sdp-core", "kefu-chaos"].contains(&name)
}

/// The platform this test runs on; what other platforms need is not compiled.
fn host() -> Result<String> {
    let output = std::process::Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output()
        .context("asking rustc for its host")?;
    Ok(String::from_utf8(output.stdout)
        .context("rustc's host is text")?
        .trim()
        .to_owned())
}
