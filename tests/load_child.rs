//! What no file may do to a director, through the binary: each of these ends by itself, with an exit status and words.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn evenkeel(arguments: &[&str], file: &Path, before: &str) -> Output {
    let specs =
        memfd_create(c"specs", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    let line = format!("{before} exec \"$0\" \"$@\"");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_evenkeel")]).args(arguments).arg(file);
    command.stdin(Stdio::null()).stdout(specs).stderr(Stdio::piped()).output().unwrap()
}

/// Loads a file; its exit status and what it said. A signal fails the test.
#[track_caller]
fn load(file: &Path) -> (i32, String) {
    let output = evenkeel(&["load"], file, "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    (code.unwrap_or_else(|| panic!("{}: {}", output.status, &said[..said.len().min(500)])), said)
}

#[test]
fn an_include_loop_is_named() {
    let case = Case::new();
    let kdl = case.file("loop.kdl", b"include \"loop.kdl\"\n");
    let conf = case.file("loop.conf", b"include loop.conf\n");
    for file in [kdl, conf] {
        let (code, said) = load(&file);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("loop."), "{said}");
    }
}

#[test]
fn a_sequence_of_four_thousand_million_is_refused() {
    let case = Case::new();
    let text = b"~SEQ(n,1,4000000000) virtual_server fwmark $n {\n~SEQ(m,1,4000000000) real_server 10.0.0.$m 80 {}\n}\n";
    let file = case.file("s.conf", text);
    let (code, said) = load(&file);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("s.conf:1") && said.contains("4000000000 turns: at most 1000000"),
        "{said}"
    );
}

#[test]
fn a_line_of_100_mb_ends_in_words() {
    let case = Case::new();
    for name in ["long.conf", "long.kdl"] {
        let path = case.folder.path().join(name);
        let mut file = BufWriter::new(File::create(&path).unwrap());
        file.write_all(b"global_defs { router_id ").unwrap();
        let piece = [b'x'; 1 << 20];
        (0..100).for_each(|_| file.write_all(&piece).unwrap());
        drop(file);
        let (code, said) = load(&path);
        assert_eq!(code, 2, "{}", &said[..said.len().min(500)]);
        assert!(said.contains(name) && said.len() < 10_000, "{} bytes of report", said.len());
    }
}

#[test]
fn nesting_a_hundred_thousand_deep_ends_in_words() {
    let case = Case::new();
    let conf = "group {\n".repeat(100_000);
    let kdl = "group {".repeat(100_000);
    for file in [case.file("deep.conf", conf.as_bytes()), case.file("deep.kdl", kdl.as_bytes())] {
        let (code, said) = load(&file);
        assert!(code == 2 || code == 1, "{code}: {}", &said[..said.len().min(500)]);
        assert!(said.contains("deep."), "{}", &said[..said.len().min(500)]);
    }
}

#[test]
fn bytes_that_are_no_text_end_in_words() {
    let case = Case::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for name in ["b.conf", "b.kdl"] {
        let (code, said) = load(&case.file(name, &bytes));
        assert!(code == 2 || code == 1, "{code}");
        assert!(said.contains(name), "{}", &said[..said.len().min(500)]);
    }
}

/// The limit is there and holds: with as little memory as this a large file ends the child, and only the child.
#[test]
fn a_limit_of_memory_ends_the_child_with_words() {
    let case = Case::new();
    let text = "vrrp_script x {\n script /bin/true\n}\n".repeat(200_000);
    let file = case.file("large.conf", text.as_bytes());
    let output = evenkeel(&["load"], &file, "ulimit -d 40000;");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), None, "ended by a signal: {}", &said[..said.len().min(500)]);
    assert!(said.contains("memory allocation of"), "{}", &said[..said.len().min(500)]);
}
