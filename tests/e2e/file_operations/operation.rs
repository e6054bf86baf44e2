//! What people, scripts and file systems do to files.
//!
//! Owns the list. An operation leaves the folders in place and may leave files
//! missing or broken; the next one finds them so. Never written are a plug-in
//! that could serve under an id that was used before, and a declaration of
//! `kept` that is good and means something else.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use kefu_test_support::gateway::Gateway;
use kefu_test_support::variants;

use super::site::{KEPT, SPARE, Site, place, remove};
use crate::crowd::{Random, pass};

/// One thing that happens to the folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// A good plug-in, written into the file that is there.
    WriteInPlace,
    /// A good plug-in, moved over.
    MoveOver,
    /// A plug-in is removed and comes back, as another build.
    DeleteAndCreate,
    /// A plug-in is cut, and later written whole.
    TruncateAndRewrite,
    /// A plug-in arrives in slices.
    SlowUpload,
    /// `..data` is turned to a new folder, as Kubernetes does it.
    SymlinkSwap,
    /// A plug-in that is text, half, or for another machine.
    BrokenPlugin,
    /// Files that mean nothing, and go again.
    Junk,
    /// A declaration or the main file that cannot be read as such.
    BrokenToml,
    /// A good one, with another harmless value.
    GoodToml,
    /// The main file goes and comes back.
    MoveMainAway,
    /// Nobody may read a file for a while.
    Chmod,
    /// New times, old bytes.
    Touch,
    /// A whole folder goes and comes back.
    MoveFolderAway,
    /// `spare` is not declared for a while.
    Undeclare,
    /// Everything at once.
    Burst,
    /// Somebody asks for a reload meanwhile.
    HangUp,
}

use Operation::*;

const ALL: [Operation; 17] = [
    WriteInPlace,
    MoveOver,
    DeleteAndCreate,
    TruncateAndRewrite,
    SlowUpload,
    SymlinkSwap,
    BrokenPlugin,
    Junk,
    BrokenToml,
    GoodToml,
    MoveMainAway,
    Chmod,
    Touch,
    MoveFolderAway,
    Undeclare,
    Burst,
    HangUp,
];

impl Operation {
    /// Any of them.
    pub(super) fn any(random: &mut Random) -> Self {
        ALL[random.below(ALL.len() as u64) as usize]
    }

    /// Does it.
    pub(super) async fn perform(
        self,
        site: &mut Site,
        gateway: &Gateway,
        random: &mut Random,
    ) -> Result<()> {
        let who = [KEPT, SPARE][random.below(2) as usize];
        let plugin = site.plugin_file(who);
        match self {
            WriteInPlace => write(&plugin, &site.next_build(who)?),
            MoveOver => place(&plugin, &site.next_build(who)?),
            DeleteAndCreate => {
                remove(&plugin)?;
                pass(a_while(random)).await;
                write(&plugin, &site.next_build(who)?)
            }
            TruncateAndRewrite => {
                cut(&plugin, random)?;
                pass(a_while(random)).await;
                write(&plugin, &site.next_build(who)?)
            }
            SlowUpload => upload_slowly(&plugin, &site.next_build(who)?, random).await,
            SymlinkSwap => swap_symlink(site, who),
            BrokenPlugin => write(&plugin, &broken_plugin(site, random)?),
            Junk => junk(site, random).await,
            BrokenToml => write(&some_toml(site, who, random), broken_toml(random)),
            GoodToml => good_toml(site, who, random),
            MoveMainAway => move_away(&site.main_file(), random).await,
            Chmod => forbid(&either(site, who, random), random).await,
            Touch => touch(&either(site, who, random)),
            MoveFolderAway => {
                let folders = [site.adapters(), site.providers()];
                move_away(&folders[random.below(2) as usize], random).await
            }
            Undeclare => {
                let declaration = site.declaration_file(SPARE);
                remove(&declaration)?;
                pass(a_while(random)).await;
                write(&declaration, site.declaration(SPARE, random).as_bytes())
            }
            Burst => site.repair(random),
            HangUp => gateway.hang_up(),
        }
    }
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Leaves a random part of a file, or an empty one.
fn cut(path: &Path, random: &mut Random) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    let size = file.metadata()?.len();
    file.set_len(random.below(size))
        .with_context(|| format!("cutting {}", path.display()))
}

async fn upload_slowly(path: &Path, bytes: &[u8], random: &mut Random) -> Result<()> {
    let what = || format!("uploading {}", path.display());
    let mut file = File::create(path).with_context(what)?;
    for slice in bytes.chunks(bytes.len().div_ceil(SLICES)) {
        file.write_all(slice).with_context(what)?;
        pass(random.millis_below(BETWEEN_SLICES_MS)).await;
    }
    Ok(())
}

/// `libkefu_x.so` → `..data/libkefu_x.so`, `..data` → a folder of this version.
fn swap_symlink(site: &mut Site, who: &'static str) -> Result<()> {
    let adapters = site.adapters();
    let build = site.next_build(who)?;
    let plugin = site.plugin_file(who);
    let name = plugin.file_name().context("a plug-in has a name")?;
    let (data, turning) = (format!("..data_{who}"), adapters.join("..turning"));
    let version = format!("..{}_{who}", site.build(who));
    fs::create_dir(adapters.join(&version)).context("making a version's folder")?;
    write(&adapters.join(&version).join(name), &build)?;
    let before = fs::read_link(adapters.join(&data)).ok();
    let turn = |to: &Path, link: &Path| {
        remove(&turning)?;
        symlink(to, &turning)
            .and_then(|()| fs::rename(&turning, link))
            .with_context(|| format!("turning {}", link.display()))
    };
    turn(Path::new(&version), &adapters.join(&data))?;
    turn(&Path::new(&data).join(name), &plugin)?;
    if let Some(before) = before {
        fs::remove_dir_all(adapters.join(before)).context("removing the version before")?;
    }
    Ok(())
}

/// None of these can serve, whatever its id.
fn broken_plugin(site: &Site, random: &mut Random) -> Result<Vec<u8>> {
    let whole = site.plugin_bytes();
    Ok(match random.below(4) {
        0 => Vec::new(),
        1 => b"#!/bin/sh\necho this is a plug-in\n".to_vec(),
        2 => variants::for_another_machine(whole)?,
        // An upload that broke off: the table at the end is missing.
        _ => variants::truncated(whole, random.below(whole.len() as u64 - 64) as usize),
    })
}

/// Text that is no TOML, has a key that nobody knows, or ends too early.
fn broken_toml(random: &mut Random) -> &'static str {
    const BROKEN: [&str; 4] = [
        "",
        "this is = = no TOML\n",
        "colour = \"red\"\n",
        "[settings\n",
    ];
    BROKEN[random.below(BROKEN.len() as u64) as usize]
}

/// A file, and what may lie there by mistake.
pub(super) fn fault(site: &Site, random: &mut Random) -> Result<(PathBuf, Vec<u8>)> {
    let who = [KEPT, SPARE][random.below(2) as usize];
    Ok(match random.below(2) {
        0 => (site.plugin_file(who), broken_plugin(site, random)?),
        _ => {
            let text = broken_toml(random).as_bytes().to_owned();
            (some_toml(site, who, random), text)
        }
    })
}

/// A declaration, or now and then the main file.
fn some_toml(site: &Site, who: &str, random: &mut Random) -> PathBuf {
    match random.below(3) {
        0 => site.main_file(),
        _ => site.declaration_file(who),
    }
}

fn good_toml(site: &Site, who: &str, random: &mut Random) -> Result<()> {
    let path = some_toml(site, who, random);
    let text = if path == site.main_file() {
        site.main_text(random)
    } else {
        site.declaration(who, random)
    };
    match random.below(2) {
        0 => write(&path, text),
        _ => place(&path, text.as_bytes()),
    }
}

/// A provider's plug-in or declaration.
fn either(site: &Site, who: &str, random: &mut Random) -> PathBuf {
    match random.below(2) {
        0 => site.plugin_file(who),
        _ => site.declaration_file(who),
    }
}

async fn junk(site: &Site, random: &mut Random) -> Result<()> {
    let files = [
        site.folder().join(".kefu.toml.swp"),
        site.folder().join("notes.txt"),
        site.providers().join("junk.toml"),
        site.providers().join("README"),
        site.providers().join(".kept.toml.swp"),
        site.adapters().join("libkefu_junk.so"),
        site.adapters().join("libkefu_kept.so.part"),
        site.adapters().join("4913"),
    ];
    for file in &files {
        write(file, b"\x7fELF = [\n")?;
    }
    pass(a_while(random)).await;
    files.iter().try_for_each(|file| remove(file))
}

/// Away and back. Others may not lose their sessions by it: what is missing as
/// a whole was not removed on purpose.
async fn move_away(path: &Path, random: &mut Random) -> Result<()> {
    let away = path.with_extension("away");
    fs::rename(path, &away).with_context(|| format!("moving {} away", path.display()))?;
    pass(a_while(random)).await;
    fs::rename(&away, path).with_context(|| format!("moving {} back", path.display()))
}

/// Nobody but root can read it for a while.
async fn forbid(path: &Path, random: &mut Random) -> Result<()> {
    let set = |mode: u32| match fs::set_permissions(path, Permissions::from_mode(mode)) {
        // Nothing lies there since an operation before.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        set => set.with_context(|| format!("changing who may read {}", path.display())),
    };
    set(0)?;
    pass(a_while(random)).await;
    set(0o644)
}

fn touch(path: &Path) -> Result<()> {
    let Ok(file) = OpenOptions::new().append(true).open(path) else {
        return Ok(());
    };
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600))
        .with_context(|| format!("touching {}", path.display()))
}

/// Mostly shorter than a gateway waits for what is gone to come back.
fn a_while(random: &mut Random) -> Duration {
    let longest = match random.below(12) {
        0 => 1_500,
        _ => 200,
    };
    random.millis_below(longest)
}

const SLICES: usize = 8;
const BETWEEN_SLICES_MS: u64 = 80;
