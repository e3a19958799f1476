//! Which files an `include` names: brace alternatives, then `*`, `?` and `[...]` in each component of a path. It
//! lists folders and reads nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{FileId, Grammar, Sources, Span};

/// Most alternatives of one pattern, and most files that one pattern may name.
const MOST: usize = 4096;

/// What must hold for a pattern: what `include_check` has said before, and what its own word of the family adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Policy {
    /// A file that is named must be readable.
    readable: bool,
    /// A plain name must be there.
    plain: bool,
    /// A pattern with wildcards must match something.
    wildcard: bool,
    /// Each alternative between braces must match something.
    brace: bool,
}

impl Policy {
    /// keepalived's: nothing must.
    pub(in crate::config) const LAX: Self =
        Self { readable: false, plain: false, wildcard: false, brace: false };
    /// What [`Policy::changed`] takes.
    pub(in crate::config) const CHOICES: &str =
        "read, match, wildcard_match, brace_match, each or all of them behind + or -";
    const ALL: Self = Self { readable: true, plain: true, wildcard: true, brace: true };

    /// The same with what a keyword of the family adds; `None` if it is none.
    pub(super) fn with(self, keyword: &str) -> Option<Self> {
        Some(match keyword {
            "include" => self,
            "includer" => Self { readable: true, ..self },
            "includem" => Self { readable: true, plain: true, ..self },
            "includew" => Self { readable: true, plain: true, wildcard: true, ..self },
            "includeb" => Self { readable: true, plain: true, brace: true, ..self },
            "includea" => Self::ALL,
            _ => return None,
        })
    }

    /// After `include_check WORDS`: these and no others, all without a word, and behind `+` or `-` these more or less.
    /// What asks for a match asks for a readable file, as in keepalived.
    ///
    /// The number of the first word that is none of them is the error.
    pub(in crate::config) fn changed(self, words: &[&str]) -> Result<Self, usize> {
        if words.is_empty() {
            return Ok(Self::ALL);
        }
        let signed = words.iter().any(|word| word.starts_with(['+', '-']));
        let mut policy = if signed { self } else { Self::LAX };
        let mut on = true;
        for (at, word) in words.iter().enumerate() {
            let name = word.trim_start_matches(['+', '-']);
            match word.chars().next() {
                Some('+') => on = true,
                Some('-') => on = false,
                Some(_) | None => {}
            }
            match name {
                "" => {}
                "read" | "readable" => policy.readable = on,
                "match" => policy.plain = on,
                "wildcard_match" => policy.wildcard = on,
                "brace_match" => policy.brace = on,
                _ => return Err(at),
            }
        }
        policy.readable |= policy.plain || policy.wildcard || policy.brace;
        Ok(policy)
    }

    /// KDL's: a file that is named is there; a pattern with wildcards may match nothing (`conf.d/*.kdl`).
    pub(super) const KDL: Self = Self { wildcard: false, ..Self::ALL };

    /// Whether a file that cannot be read keeps the configuration from running.
    pub(super) fn wants_readable(self) -> bool {
        self.readable
    }
}

/// The files that a pattern names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// In the order of the alternatives, each sorted by name.
    pub(super) files: Vec<PathBuf>,
    /// Alternatives without a file, and whether that is an error.
    pub(super) missing: Vec<(String, bool)>,
}

/// A pattern that names more than anybody means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pattern stands for more than {MOST} names")]
pub(super) struct TooMany;

/// Finds the files of a pattern, relative to a folder.
pub(super) fn find(folder: &Path, pattern: &str, policy: Policy) -> Result<Named, TooMany> {
    let mut named = Named::default();
    let alternatives = alternatives(pattern)?;
    let braced = alternatives.len() > 1;
    for alternative in alternatives {
        let wild = alternative.contains(['*', '?', '[']);
        let found = matching(folder, &alternative)?;
        if found.is_empty() {
            let error = if wild { policy.wildcard } else { policy.plain };
            named.missing.push((alternative, error || braced && policy.brace));
        }
        named.files.extend(found);
        if named.files.len() > MOST {
            return Err(TooMany);
        }
    }
    Ok(named)
}

/// `a{b,c}d` -> `abd`, `acd`, the innermost braces as well.
fn alternatives(pattern: &str) -> Result<Vec<String>, TooMany> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = open.pop() {
        let close = text.find('}');
        let braces = close.and_then(|close| Some((text[..close].rfind('{')?, close)));
        let Some((start, end)) = braces else {
            if !done.contains(&text) {
                done.push(text);
            }
            continue;
        };
        let parts = text[start + 1..end].split(',').rev();
        open.extend(parts.map(|part| format!("{}{part}{}", &text[..start], &text[end + 1..])));
        if open.len() + done.len() > MOST || text.len() > MOST {
            return Err(TooMany);
        }
    }
    Ok(done)
}

fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, TooMany> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_owned() };
    let mut paths = vec![start];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut next = Vec::new();
        for path in paths {
            if component.contains(['*', '?', '[']) {
                next.extend(entries(&path, component));
            } else {
                let path = path.join(component);
                next.extend(path.exists().then_some(path));
            }
            if next.len() > MOST {
                return Err(TooMany);
            }
        }
        paths = next;
    }
    paths.retain(|path| !path.is_dir());
    Ok(paths)
}

/// The entries of a folder that match, sorted. A leading dot is matched by a dot alone, as in a shell.
fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let wanted: Vec<char> = pattern.chars().collect();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name: Vec<char> = name.to_string_lossy().chars().collect();
            (name.first() != Some(&'.') || wanted.first() == Some(&'.')) && fits(&wanted, &name)
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Matches `*`, `?`, `[a-z]`, `[!a-z]`: a star that fails later takes one character more, so it is quadratic at worst.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(width) = pattern.get(p..).and_then(|rest| fits_one(rest, name[n])) {
            p += width;
            n += 1;
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            (p, n) = (after, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How much of the pattern one character takes, if it matches.
fn fits_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let negated = matches!(rest.first(), Some('!' | '^'));
            let set = &rest[usize::from(negated)..];
            // A bracket right behind the opening one is a character of the set.
            let close = 1 + set.iter().skip(1).position(|&c| c == ']')?;
            let inside = &set[..close];
            let ranged = inside.windows(3).any(|w| w[1] == '-' && (w[0]..=w[2]).contains(&c));
            let within = ranged || inside.contains(&c);
            (within != negated).then_some(2 + usize::from(negated) + close)
        }
        [plain, ..] => (*plain == c).then_some(1),
        [] => None,
    }
}

/// Reads a file that an `include` names: a regular file of sensible size, never a device or pipe that has no end.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let seen = fs::metadata(path).map_err(|error| error.to_string())?;
    if !seen.is_file() {
        return Err("not a regular file".to_owned());
    }
    if seen.len() > Sources::MAX_BYTES as u64 {
        return Err(format!("larger than {} MiB", Sources::MAX_BYTES >> 20));
    }
    fs::read(path).map_err(|error| error.to_string())
}

impl Diagnostics {
    /// The files that a pattern names; what is missing is told.
    pub(in crate::config) fn included(
        &mut self,
        pattern: &str,
        folder: &Path,
        policy: Policy,
        at: Span,
    ) -> Vec<PathBuf> {
        let named = match find(folder, pattern, policy) {
            Ok(named) => named,
            Err(cause) => {
                self.push(Diagnostic::error("include", at, format!("`{pattern}`: {cause}")));
                return Vec::new();
            }
        };
        for (missing, error) in named.missing {
            let message = format!("there is no file `{missing}`");
            let help = format!("it is looked for in {}", folder.join("").display());
            let told = match error {
                true => Diagnostic::error("include", at, message),
                false => Diagnostic::warning("include", at, message),
            };
            self.push(if missing.starts_with('/') { told } else { told.help(help) });
        }
        named.files
    }

    /// Reads a file that an `include` names.
    pub(in crate::config) fn open(
        &mut self,
        path: &Path,
        grammar: Grammar,
        at: Span,
        policy: Policy,
    ) -> Option<FileId> {
        let name = path.display().to_string();
        let added = read(path).and_then(|bytes| {
            let added = self.sources_mut().add(&name, bytes, grammar, Some(at));
            added.map_err(|cause| cause.to_string())
        });
        added
            .map_err(|why| {
                let message = format!("{name}: {why}");
                self.push(match policy.wants_readable() {
                    true => Diagnostic::error("include", at, message),
                    false => Diagnostic::warning("include", at, message),
                });
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_each_of_their_alternatives() {
        let all = |pattern| alternatives(pattern).unwrap();
        assert_eq!(all("a"), ["a"]);
        assert_eq!(all("a{b,c}d{1,2}"), ["abd1", "abd2", "acd1", "acd2"]);
        assert_eq!(all("{a,b{1,2}}"), ["a", "b1", "b2"]);
        assert_eq!(all("{a"), ["{a"]);
        assert_eq!(alternatives(&"{a,b}".repeat(40)), Err(TooMany));
    }

    #[test]
    fn wildcards_match_as_in_a_shell() {
        let fit = |pattern: &str, name: &str| {
            let [pattern, name] = [pattern, name].map(|text| text.chars().collect::<Vec<_>>());
            fits(&pattern, &name)
        };
        for (pattern, name, wanted) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "a", false),
            ("*a*b*", "xxaxxbxx", true),
        ] {
            assert_eq!(fit(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn files_come_sorted_and_what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |pattern: &str, word| {
            let named = find(folder.path(), pattern, Policy::LAX.with(word).unwrap()).unwrap();
            let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
            (named.files.iter().map(name).collect::<Vec<_>>(), named.missing)
        };
        assert_eq!(names("*.conf", "include"), (vec!["a.conf".into(), "b.conf".into()], vec![]));
        assert_eq!(names("*.kdl", "include").1, [("*.kdl".into(), false)]);
        assert_eq!(names("*.kdl", "includew").1, [("*.kdl".into(), true)]);
        assert_eq!(names("{a,z}.conf", "includeb").1, [("z.conf".into(), true)]);
        assert_eq!(names("z.conf", "includer").1, [("z.conf".into(), false)]);
        assert_eq!(names("z.conf", "includem").1, [("z.conf".into(), true)]);
    }

    #[test]
    fn include_check_sets_adds_and_takes_away() {
        let changed =
            |from: Policy, words: &str| from.changed(&words.split_whitespace().collect::<Vec<_>>());
        assert_eq!(changed(Policy::LAX, ""), Ok(Policy::ALL));
        let plain = Policy { readable: true, plain: true, ..Policy::LAX };
        assert_eq!(changed(Policy::ALL, "match"), Ok(plain));
        assert_eq!(
            changed(plain, "+wildcard_match - match"),
            Ok(Policy { wildcard: true, plain: false, ..plain })
        );
        assert_eq!(changed(Policy::LAX, "+ read"), Ok(Policy { readable: true, ..Policy::LAX }));
        assert_eq!(
            changed(Policy::ALL, "-brace_match"),
            Ok(Policy { brace: false, ..Policy::ALL })
        );
        assert_eq!(changed(Policy::ALL, "nonsense"), Err(0));
    }

    #[test]
    fn devices_and_folders_are_not_read() {
        assert_eq!(read(Path::new("/dev/zero")), Err("not a regular file".to_owned()));
        assert_eq!(read(Path::new("/")), Err("not a regular file".to_owned()));
    }
}
