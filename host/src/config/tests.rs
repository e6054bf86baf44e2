#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::fs;

use super::*;

#[test]
fn a_file_that_went_after_the_look_stays_until_the_next_look_misses_it() {
    let folder = Folder::with(&[("a", "a"), ("b", "b")]);
    let loaded = folder.load();
    let look = folder.look();
    fs::remove_file(folder.file("b")).unwrap();
    let kept = folder.reload(&loaded, &look);
    assert_eq!(kept.ids(), ["a", "b"]);
    let gone = folder.reload(&kept, &folder.look());
    assert_eq!(gone.ids(), ["a"]);
}

#[test]
fn a_file_that_goes_between_the_list_and_the_reading_stays_too() {
    let folder = Folder::with(&[("a", "a")]);
    let loaded = folder.load();
    let file = folder.file("a");
    let look = folder.look();
    fs::remove_file(&file).unwrap();
    let no_file = Fingerprint::default();
    for (files, stays) in [(&look, true), (&no_file, false)] {
        let unsettled = BTreeSet::new();
        let mut reading = Reading {
            before: Some(&loaded.sources),
            look: Look {
                unsettled: &unsettled,
                files,
            },
            seen: Fingerprint::default(),
            lookup: Recorder {
                before: None,
                unsettled: &unsettled,
                read: Mutex::default(),
            },
            problems: Vec::new(),
        };
        let known = loaded.sources.providers.get(&file);
        assert_eq!(reading.provider(&file, known).is_some(), stays);
        assert!(reading.problems.is_empty());
    }
}

#[test]
fn who_had_an_id_keeps_it_however_often_the_files_are_read() {
    let folder = Folder::with(&[("zz", "a")]);
    let mut loaded = folder.load();
    folder.write("aa", "a");
    for _ in 0..3 {
        loaded = folder.reload(&loaded, &folder.look());
        assert_eq!(loaded.owner("a"), folder.file("zz"));
        assert!(loaded.problems[0].file.ends_with("aa.toml"));
    }
}

#[test]
fn a_second_file_with_an_id_does_not_get_it_while_the_first_is_replaced() {
    let folder = Folder::with(&[("zz", "a")]);
    let first = folder.load();
    folder.write("aa", "a");
    let both = folder.reload(&first, &folder.look());
    let look = folder.look();
    fs::remove_file(folder.file("zz")).unwrap();
    let replaced = folder.reload(&both, &look);
    assert_eq!(replaced.owner("a"), folder.file("zz"));
    let gone = folder.reload(&replaced, &folder.look());
    assert_eq!(gone.owner("a"), folder.file("aa"));
}

#[test]
fn a_file_that_was_given_another_name_takes_its_provider_along() {
    let folder = Folder::with(&[("old", "a")]);
    let loaded = folder.load();
    let look = folder.look();
    fs::rename(folder.file("old"), folder.file("new")).unwrap();
    let renamed = folder.reload(&loaded, &look);
    let owner = renamed.sources.file_of(&"a".into());
    assert_eq!(owner, Some(folder.file("new").as_path()));
    assert!(renamed.problems.is_empty(), "{:?}", renamed.problems);
}

/// A folder with a main file and providers' files.
struct Folder(tempfile::TempDir);

impl Folder {
    /// With these files, each by its name and the id of its provider.
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let main = "[admin]\ntoken = \"a-token-for-the-test\"\n";
        fs::write(folder.main(), main).unwrap();
        fs::create_dir(folder.0.path().join("providers")).unwrap();
        for (name, id) in files {
            folder.write(name, id);
        }
        folder
    }

    fn main(&self) -> PathBuf {
        self.0.path().join("kefu.toml")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("providers/{name}.toml"))
    }

    fn write(&self, name: &str, id: &str) {
        let text = format!("id = \"{id}\"\nplugin = \"{name}.so\"\n");
        fs::write(self.file(name), text).unwrap();
    }

    fn load(&self) -> Loaded {
        load(&self.main()).unwrap()
    }

    fn reload(&self, before: &Loaded, files: &Fingerprint) -> Loaded {
        let unsettled = &BTreeSet::new();
        reload(&before.sources, Look { unsettled, files }).unwrap()
    }

    /// What a look shows now.
    fn look(&self) -> Fingerprint {
        let mut look = Fingerprint::default();
        for file in list(&self.0.path().join("providers"), "toml").unwrap() {
            look.note(&file);
        }
        look
    }
}

impl Loaded {
    fn ids(&self) -> Vec<&str> {
        self.config
            .providers
            .keys()
            .map(ProviderId::as_str)
            .collect()
    }

    /// The file that a provider is from, by what it is said to be.
    fn owner(&self, id: &str) -> PathBuf {
        let owner = self.sources.file_of(&id.into()).unwrap();
        let plugin = &self.config.provider(id).unwrap().plugin;
        assert_eq!(
            owner.file_stem().unwrap(),
            Path::new(plugin).file_stem().unwrap()
        );
        owner.to_owned()
    }
}
