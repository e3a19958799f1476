//! PURE: passwords, keys and tokens in what is shown of a file. What is told goes into logs, and a line is drawn with
//! those around it, so a secret would get there by a mistake beside it.
//!
//! Each of its bytes becomes an asterisk: every other word stays where it stood. It goes by the words of a line, for
//! there may be no tree; what hides too much does no harm.

use std::ops::Range;

/// The line with its secrets hidden; `None` where it has none.
pub(super) fn line(line: &str) -> Option<String> {
    let hidden = hidden(line);
    if hidden.is_empty() {
        return None;
    }
    let (mut shown, mut at) = (String::with_capacity(line.len()), 0);
    for range in hidden {
        shown.push_str(&line[at..range.start]);
        shown.extend(std::iter::repeat_n('*', range.len()));
        at = range.end;
    }
    shown.push_str(&line[at..]);
    Some(shown)
}

/// The same for a text; as long as it was. Lines that are too long to be drawn stay as they are.
pub(in crate::config) fn text(text: &str) -> Option<Box<str>> {
    const LONGEST: usize = 1024;
    let mut shown: Option<String> = None;
    let mut at = 0;
    for one in text.split_inclusive('\n') {
        let veiled = if one.len() <= LONGEST { line(one) } else { None };
        if veiled.is_some() && shown.is_none() {
            shown = Some(text[..at].to_owned());
        }
        if let Some(shown) = &mut shown {
            shown.push_str(veiled.as_deref().unwrap_or(one));
        }
        at += one.len();
    }
    shown.map(String::into_boxed_str)
}

/// The part of a line around a place that a mistake there may speak of: a line may have megabytes, and a mistake a word.
pub(super) fn near(text: &str, line: Range<usize>, at: usize) -> &str {
    const REACH: usize = 1024;
    let start = text.ceil_char_boundary(line.start.max(at.saturating_sub(REACH)));
    let end = text.floor_char_boundary(line.end.min(at.saturating_add(REACH)));
    text.get(start..end).unwrap_or_default()
}

/// What is said about a line, without the line's secrets.
pub(super) fn said(said: &mut String, line: &str) {
    /// Shorter ones may be part of any word: they are hidden where they are quoted.
    const SHORT: usize = 6;
    for range in hidden(line) {
        let secret = &line[range];
        if secret.len() >= SHORT && said.contains(secret) {
            *said = said.replace(secret, "***");
        }
        for quote in ['`', '"'] {
            let quoted = format!("{quote}{secret}{quote}");
            if said.contains(&quoted) {
                *said = said.replace(&quoted, &format!("{quote}***{quote}"));
            }
        }
    }
}

/// Where secrets stand in a line, in order.
fn hidden(line: &str) -> Vec<Range<usize>> {
    let words: Vec<Range<usize>> = words(line).collect();
    let mut hidden: Vec<Range<usize>> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let after = &words[at + 1..];
        let found: &[Range<usize>] = match &line[word.clone()] {
            name if name.contains("secret") && !name.starts_with('$') => {
                &after[..after.len().min(1)]
            }
            "smtp_auth" => after.get(1..).unwrap_or_default(),
            "webhook" => {
                let url = after.first().and_then(|url| private(line, url.clone()));
                hidden.extend(url);
                continue;
            }
            "key" | "password" => after,
            name if is_password(name) || is_named_so(line, word.start, name) => after,
            _ => continue,
        };
        hidden.extend_from_slice(found);
        if found.last() == words.last() {
            // There is nothing left to hide.
            break;
        }
    }
    hidden.sort_by_key(|range| (range.start, range.end));
    let mut end = 0;
    hidden.retain(|range| {
        let is_new = range.start >= end && !range.is_empty();
        end = end.max(range.end);
        is_new
    });
    hidden
}

/// `auth_pass`, and what comes out of a slip of the pen.
fn is_password(name: &str) -> bool {
    name.starts_with("auth_pa") || name.contains("passw")
}

/// A definition whose name says what it is: `$VRRP_PASS=...`, `define "VRRP_PASS" ...`.
fn is_named_so(line: &str, at: usize, name: &str) -> bool {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    // First what nearly no word has: what is before may be long.
    ["pass", "secret", "key", "token"].iter().any(|it| lower.contains(it)) && {
        let before = line[..at].trim_end_matches('"').trim();
        before == "define" || (before.is_empty() && name.starts_with('$'))
    }
}

/// What of an address on the web is for nobody else: who asks, and everything behind the host.
fn private(line: &str, url: Range<usize>) -> Option<Range<usize>> {
    let (_, rest) = line[url.clone()].split_once("://")?;
    let host = url.end - rest.len();
    let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[..path].contains('@') {
        return Some(host..url.end);
    }
    let path = path + usize::from(rest[path..].starts_with('/'));
    Some(host + path..url.end)
}

/// Words, without their quotes.
fn words(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &line[at..];
        let separates = |c: char| c.is_whitespace() || "{};=".contains(c);
        let start = at + rest.find(|c| !separates(c))?;
        if let Some(quoted) = line[start..].strip_prefix('"') {
            let mut escaped = false;
            let end = quoted.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = start + 1 + end.unwrap_or(quoted.trim_end().len());
            at = line.len().min(end + 1);
            // The end of a line that closes no quote may be in the middle of a character.
            while !line.is_char_boundary(at) {
                at += 1;
            }
            return Some(start + 1..end);
        }
        let end = line[start..].find(|c| separates(c) || c == '"');
        at = end.map_or(line.len(), |end| start + end);
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        let table = [
            ("  auth_pass k@l4ve\n", "  auth_pass ******\n"),
            ("auth_pass \"two words\" more", "auth_pass \"*********\" ****"),
            ("auth_pas 1234 # old", "auth_pas **** * ***"),
            (
                "authentication { auth_type PASS; auth_pass 12 }",
                "authentication { auth_type PASS; auth_pass ** }",
            ),
            ("heartbeat { key \"a\\\"b\"; port 5 }", "heartbeat { key \"****\"; **** * }"),
            ("key 1 hex:0011", "key * ********"),
            ("active_key 1", "active_key 1"),
            ("smtp_auth lb1 pw", "smtp_auth lb1 **"),
            (
                "webhook http://h/a/b secret X severity warning",
                "webhook http://h/*** secret * severity warning",
            ),
            (
                "webhook \"https://u:p@h:1/\" secret=\"X Y\"",
                "webhook \"https://********\" secret=\"***\"",
            ),
            ("webhook http://host", "webhook http://host"),
            ("$VRRP_PASS=abc", "$VRRP_PASS=***"),
            ("define \"KEY\" \"abc\"", "define \"KEY\" \"***\""),
            ("$NET=10.0.0", "$NET=10.0.0"),
            ("virtual_router_id 51", "virtual_router_id 51"),
            ("auth_pass \"open", "auth_pass \"****"),
            ("auth_pass", "auth_pass"),
        ];
        for (text, wanted) in table {
            assert_eq!(line(text).as_deref().unwrap_or(text), wanted);
        }
        let whole = "a\nauth_pass x\r\nb";
        assert_eq!(text(whole).as_deref(), Some("a\nauth_pass *\r\nb"));
        assert_eq!(text("a\nb\n"), None);
    }

    #[test]
    fn what_is_said_of_a_line_does_not_repeat_its_secret() {
        let mut short = "`x1` is left over; the ax1e is not".to_owned();
        said(&mut short, "auth_pass y x1");
        assert_eq!(short, "`***` is left over; the ax1e is not");
        let mut long = "write: key longsecret".to_owned();
        said(&mut long, "key longsecret");
        assert_eq!(long, "write: key ***");
    }

    proptest! {
        #[test]
        fn any_line_keeps_its_length(
            head in "(auth_pass|key|webhook|smtp_auth|secret|\\$PASS)?",
            rest in "\\PC{0,40}",
        ) {
            let text = format!("{head} {rest}");
            prop_assert_eq!(line(&text).map_or(text.len(), |shown| shown.len()), text.len());
        }
    }
}
