//! Which files a child may read while it loads a plug-in.
//!
//! Owns the rule that only libraries can be opened. The filter of system calls
//! cannot tell one path from another, so without this rule an initialiser of a
//! library could read whatever the gateway may read, such as its secrets, and
//! tell them later in an answer. Deliberately best effort: a kernel without
//! Landlock (before 5.13) leaves that door as it is. Invariant: what the system
//! itself would find libraries in stays readable.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

/// Lets this thread, and those it starts from now on, read the copy and the
/// folders of libraries, and nothing else. Whether the kernel can do that.
pub(super) fn allow_only_libraries(copy: &Path) -> io::Result<bool> {
    let Some(rules) = create_rules()? else {
        return Ok(false);
    };
    for path in folders().iter().map(PathBuf::as_path).chain([copy]) {
        // A folder that is not there needs no rule.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path);
        if let Ok(opened) = opened {
            add_rule(&rules, &opened)?;
        }
    }
    restrict(&rules)?;
    Ok(true)
}

/// Where libraries are: in the usual places, in those the system was told of,
/// and beside the ones that this program has loaded.
fn folders() -> BTreeSet<PathBuf> {
    let mut folders: BTreeSet<PathBuf> = USUAL.iter().map(PathBuf::from).collect();
    let told = fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten();
    let told = told.flatten().map(|entry| entry.path());
    for list in told.chain([PathBuf::from("/etc/ld.so.conf")]) {
        let list = fs::read_to_string(list).unwrap_or_default();
        let absolute = list
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('/'));
        folders.extend(absolute.map(PathBuf::from));
    }
    let mapped = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for line in mapped.lines() {
        let file = line.find('/').map(|start| Path::new(&line[start..]));
        let Some(file) = file.filter(|file| is_library(file)) else {
            continue;
        };
        folders.extend(file.parent().map(Path::to_owned));
    }
    folders
}

/// Whether a mapped file is called like a library: `x.so`, `x.so.6`. The name
/// of a folder says nothing.
fn is_library(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    name.ends_with(".so") || name.contains(".so.")
}

/// Closes every file but the three that a child is given. Only the three are
/// made for it; others come along when whoever started the gateway left them
/// open.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above the three yet:
    // it is the first thing that a child does.
    #[expect(unsafe_code, reason = "libc has no function for it everywhere")]
    let failed = unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, 0) };
    match succeeded(failed) {
        // A kernel before 5.9.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => close_one_by_one(),
        result => result,
    }
}

const FIRST_OTHER: libc::c_uint = 3;

fn close_one_by_one() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // SAFETY: as above. One of them was the folder's, which is closed.
        #[expect(unsafe_code, reason = "std closes only what it owns")]
        unsafe {
            libc::close(descriptor);
        }
    }
    Ok(())
}

const USUAL: [&str; 6] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
];

/// Rights on files that every version of Landlock knows: all of them are taken
/// away where no rule gives them back.
const TAKEN: u64 = (1 << 13) - 1;
const READ_FILE: u64 = 1 << 2;

/// `struct landlock_ruleset_attr`, as far as its first version goes.
#[repr(C)]
struct Rights {
    on_files: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

const PATH_BENEATH: libc::c_long = 1;

/// `None` if the kernel has no Landlock, or was started without it.
fn create_rules() -> io::Result<Option<OwnedFd>> {
    let rights = Rights { on_files: TAKEN };
    let size = size_of::<Rights>();
    // SAFETY: the kernel reads so many bytes of the struct, which is laid out
    // as it expects, and keeps nothing of it.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    let made = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &rights, size, 0) };
    if made < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOSYS | libc::EOPNOTSUPP) => Ok(None),
            _ => Err(error),
        };
    }
    let made = i32::try_from(made).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, for us alone.
    #[expect(unsafe_code, reason = "it comes as a number")]
    let made = unsafe { OwnedFd::from_raw_fd(made) };
    Ok(Some(made))
}

fn add_rule(rules: &OwnedFd, path: &File) -> io::Result<()> {
    let rule = Beneath {
        allowed: READ_FILE,
        parent: path.as_raw_fd(),
    };
    // SAFETY: both numbers are open files, the struct is laid out as the kernel
    // expects, and it keeps nothing of it.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    let failed = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            PATH_BENEATH,
            &rule,
            0,
        )
    };
    succeeded(failed)
}

fn restrict(rules: &OwnedFd) -> io::Result<()> {
    // SAFETY: it takes numbers only, and takes rights away from this thread.
    #[expect(unsafe_code, reason = "std has no function for it")]
    let failed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    succeeded(failed.into())?;
    // SAFETY: the number is an open set of rules.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    let failed = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    succeeded(failed)
}

fn succeeded(result: libc::c_long) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn only_a_files_own_name_makes_it_a_library() {
        for (file, expected) in [
            ("/usr/lib/libc.so.6", true),
            ("/opt/vendor/libx.so", true),
            ("/opt/vendor/libx.so (deleted)", true),
            ("/srv/my.software/kefu-gateway", false),
            ("/srv/conf.so.d/secrets.toml", false),
            ("/srv/notes.sources", false),
        ] {
            assert_eq!(is_library(Path::new(file)), expected, "{file}");
        }
    }

    #[test]
    fn libraries_and_the_copy_can_be_read_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let (copy, beside) = (dir.path().join("copy.so"), dir.path().join("beside.so"));
        for file in [&copy, &beside] {
            fs::write(file, b"bytes").expect("written");
        }
        let maps = fs::read_to_string("/proc/self/maps").expect("readable");
        let library = maps
            .lines()
            .filter(|line| line.contains("libc.so"))
            .find_map(|line| line.find('/').map(|start| PathBuf::from(&line[start..])))
            .expect("a test is linked to the C library");
        // Only the thread that asks for it is restricted.
        let (able, readable) = thread::spawn(move || {
            let able = allow_only_libraries(&copy).expect("the rules are taken");
            let files = [copy, library, beside, "/etc/passwd".into()];
            (able, files.map(|file: PathBuf| File::open(file).is_ok()))
        })
        .join()
        .expect("it does not panic");
        // On a kernel without it everything stays readable.
        assert_eq!(readable, [true, true, !able, !able]);
        assert!(beside_is_readable_here(dir.path()));
    }

    fn beside_is_readable_here(dir: &Path) -> bool {
        File::open(dir.join("beside.so")).is_ok()
    }
}
