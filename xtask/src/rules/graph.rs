//! The packages that are compiled, and who depends on whom.
//!
//! Owns the reading of `cargo metadata`; decides nothing.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// All packages of the build on this platform, by cargo's id.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The packages.
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// Cargo's id.
    pub(crate) id: String,
    /// The crate's name at the registry.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
    /// The licence expression.
    pub(crate) licence: Option<String>,
    /// Where it comes from; nothing for a folder.
    pub(crate) source: Option<String>,
    /// Whether its folder lies in the workspace.
    pub(crate) inside_workspace: bool,
    /// Whether it is a procedural macro.
    pub(crate) is_macro: bool,
    /// Dependencies that name a registry.
    pub(crate) from_other_registries: Vec<String>,
    /// What its library needs.
    pub(crate) normal: BTreeSet<String>,
    /// What its build script needs.
    pub(crate) build: BTreeSet<String>,
    /// What its tests need.
    pub(crate) dev: BTreeSet<String>,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Graph {
    /// Reads what `cargo metadata` printed.
    pub(crate) fn from_metadata(metadata: &Value) -> Result<Self> {
        let root = text(&metadata["workspace_root"])?;
        let mut packages = BTreeMap::new();
        let described = metadata["packages"]
            .as_array()
            .context("cargo metadata lists no packages")?;
        for package in described {
            let package = read_package(package, &root)?;
            packages.insert(package.id.clone(), package);
        }
        let nodes = metadata["resolve"]["nodes"]
            .as_array()
            .context("cargo metadata resolved nothing")?;
        let mut compiled = BTreeMap::new();
        for node in nodes {
            let id = text(&node["id"])?;
            let mut package = packages
                .remove(&id)
                .with_context(|| format!("cargo metadata does not describe {id}"))?;
            read_edges(node, &mut package)?;
            compiled.insert(id, package);
        }
        Ok(Self { packages: compiled })
    }

    /// The packages that depend on this one, for whatever purpose.
    pub(crate) fn parents<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Package> {
        let depends = move |package: &&Package| {
            [&package.normal, &package.build, &package.dev]
                .into_iter()
                .any(|edges| edges.contains(id))
        };
        self.packages.values().filter(depends)
    }

    /// For each package with a build script's needs, and each procedural macro:
    /// everything that runs while it (or its user) is compiled.
    pub(crate) fn run_while_compiling(&self) -> impl Iterator<Item = (&Package, BTreeSet<&str>)> {
        self.packages.values().filter_map(|package| {
            let mut starts: Vec<&str> = package.build.iter().map(String::as_str).collect();
            if package.is_macro {
                starts.extend(package.normal.iter().map(String::as_str));
            }
            (!starts.is_empty()).then(|| (package, self.closure(starts)))
        })
    }

    fn closure<'a>(&'a self, mut open: Vec<&'a str>) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if let Some(package) = self.packages.get(id).filter(|_| seen.insert(id)) {
                open.extend(package.normal.iter().map(String::as_str));
            }
        }
        seen
    }
}

fn read_package(package: &Value, root: &str) -> Result<Package> {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let from_other_registries = dependencies
        .filter(|dependency| !dependency["registry"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    Ok(Package {
        id: text(&package["id"])?,
        name: text(&package["name"])?,
        version: text(&package["version"])?,
        licence: package["license"].as_str().map(str::to_owned),
        source: package["source"].as_str().map(str::to_owned),
        inside_workspace: package["manifest_path"]
            .as_str()
            .is_some_and(|path| path.starts_with(root)),
        is_macro: kinds.any(|kind| kind == "proc-macro"),
        from_other_registries,
        ..Package::default()
    })
}

fn read_edges(node: &Value, package: &mut Package) -> Result<()> {
    for dependency in node["deps"].as_array().into_iter().flatten() {
        let id = text(&dependency["pkg"])?;
        for kind in dependency["dep_kinds"].as_array().into_iter().flatten() {
            let edges = match kind["kind"].as_str() {
                None => &mut package.normal,
                Some("build") => &mut package.build,
                Some(_) => &mut package.dev,
            };
            edges.insert(id.clone());
        }
    }
    Ok(())
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("cargo metadata holds {value} where a text is due"))
}
