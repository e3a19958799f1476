//! `config_save_dir`: each configuration that was taken is kept, with everything that it includes, for the day on which
//! somebody asks since when.
//!
//! A version is a folder with the time in its name, and in it the files by their whole paths, as they were read. One
//! that says the same as the newest is not kept again.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

/// So many versions stay; the oldest go.
const MOST: usize = 100;
/// How the folders are named; nothing else is ever removed.
const NAME: &str = "%Y-%m-%dT%H%M%SZ";

/// Keeps these files, name and text, as a version of `now`; true where it is a new one.
pub fn keep<'t>(
    folder: &Path,
    files: impl Iterator<Item = (&'t str, &'t str)>,
    now: Timestamp,
) -> io::Result<bool> {
    let files: Vec<(PathBuf, &str)> =
        files.map(|(name, text)| (below(Path::new(name)), text)).collect();
    if !folder.is_dir() {
        fs::create_dir(folder)?;
    }
    let mut versions = versions(folder)?;
    if let Some(newest) = versions.last()
        && is_same(newest, &files)
    {
        return Ok(false);
    }
    let unused = |number: u32| {
        let name = match number {
            0 => now.strftime(NAME).to_string(),
            _ => format!("{}.{number}", now.strftime(NAME)),
        };
        Some(folder.join(name)).filter(|path| !path.exists())
    };
    // More than a thousand within a second are one too many.
    let Some(version) = (0..1000).find_map(unused) else { return Ok(false) };
    for (name, text) in &files {
        let path = version.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&version))?;
        fs::write(path, text)?;
    }
    versions.push(version);
    let over = versions.len().saturating_sub(MOST);
    versions.iter().take(over).try_for_each(fs::remove_dir_all)?;
    Ok(true)
}

/// The folders of ours, the oldest first.
fn versions(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_ours = |name: &str| {
        let (time, number) = name.split_once('.').unwrap_or((name, "0"));
        jiff::civil::DateTime::strptime(NAME, time).is_ok() && number.parse::<u32>().is_ok()
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = |name: &str| {
            let (time, number) = name.split_once('.').unwrap_or((name, "0"));
            (time.to_owned(), number.parse::<u32>().unwrap_or(0))
        };
        if let Some(name) = name.to_str().filter(|name| is_ours(name))
            && entry.file_type()?.is_dir()
        {
            found.push((number(name), entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The same files with the same texts, and no file less: one more would be of another configuration.
fn is_same(version: &Path, files: &[(PathBuf, &str)]) -> bool {
    let same = |(name, text): &(PathBuf, &str)| {
        fs::read(version.join(name)).is_ok_and(|kept| kept == text.as_bytes())
    };
    files.iter().all(same) && count(version) == files.len()
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// The whole path without its root and without steps up.
fn below(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let whole = whole.canonicalize().unwrap_or(whole);
    let names = whole.components().filter(|part| matches!(part, Component::Normal(_)));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path, files: &[(&str, &str)], now: i64) -> bool {
        let now = Timestamp::from_second(now).unwrap();
        keep(folder, files.iter().copied(), now).unwrap()
    }

    #[test]
    fn a_version_is_kept_once_and_whole() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("kept");
        let first = [("/etc/a.conf", "include b.conf\n"), ("/etc/conf.d/../b.conf", "x\n")];
        assert!(kept(&folder, &first, 0));
        assert!(!kept(&folder, &first, 1), "it says the same");
        assert!(kept(&folder, &first[..1], 1), "a file less is another configuration");
        assert!(kept(&folder, &first, 1), "twice in a second");
        let names: Vec<_> = versions(&folder).unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["1970-01-01T000000Z", "1970-01-01T000001Z", "1970-01-01T000001Z.1"]);
        let text = fs::read_to_string(folder.join("1970-01-01T000000Z/etc/a.conf"));
        assert_eq!(text.unwrap(), "include b.conf\n");
    }

    #[test]
    fn the_oldest_go_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mine")).unwrap();
        for turn in 0..MOST as i64 + 3 {
            assert!(kept(folder.path(), &[("/a", &turn.to_string())], turn));
        }
        let left = versions(folder.path()).unwrap();
        assert_eq!(left.len(), MOST);
        assert!(left[0].ends_with("1970-01-01T000003Z"), "{left:?}");
        assert!(folder.path().join("mine").exists());
    }
}
