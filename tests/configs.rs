//! Every configuration that the project shows to people loads: the twins in `configs/` to equal models, the snippets
//! of the documentation, and the keepalived.conf files that people wrote in articles. Each also loads to the same
//! model after `convert`.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel::config::{self, Config, Grammar, Host, Loaded, keywords};

/// What people find in `configs/`: each in both grammars.
fn twins() -> Vec<String> {
    let files = fs::read_dir(root().join("configs")).expect("the folder of samples");
    let names = files.flatten().filter_map(|file| {
        let stem = file.path().file_stem()?.to_str()?.to_owned();
        Some((stem, file.path().extension()?.to_str()?.to_owned()))
    });
    let mut kdl = Vec::new();
    let mut conf = Vec::new();
    for (name, ending) in names {
        if ending == "kdl" { kdl.push(name) } else { conf.push(name) }
    }
    kdl.sort();
    conf.sort();
    assert_eq!(kdl, conf, "a file without its twin");
    assert!(kdl.len() >= 19, "{kdl:?}");
    kdl
}

fn root() -> PathBuf {
    // The scripts of these files need not exist where the tests run.
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The model of a file, which must have no error.
fn model(path: &Path) -> Config {
    let Loaded { config, diagnostics, .. } = config::load_for(path, Host::Any);
    config.unwrap_or_else(|| panic!("{}", diagnostics.render(config::Style::Plain)))
}

/// Fails unless the file loads to the same model once converted, and converting that changes nothing more.
fn assert_converts(path: &Path) {
    let kdl = config::convert(path).kdl.expect("a file that loads");
    let again = config::load_text("converted.kdl", kdl.as_bytes(), Grammar::Kdl, Host::Any);
    let drawn = again.diagnostics.render(config::Style::Plain);
    assert_eq!(again.config, Some(model(path)), "{}\n{drawn}\n{kdl}", path.display());
    let twice = config::convert_text("converted.kdl", kdl.as_bytes(), Grammar::Kdl);
    assert_eq!(twice.kdl, Some(kdl), "{}", path.display());
}

#[test]
fn twins_have_nothing_to_warn_of_and_give_equal_models() {
    for name in twins() {
        let [kdl, conf] = ["kdl", "conf"].map(|ending| {
            let path = root().join(format!("configs/{name}.{ending}"));
            let Loaded { config, diagnostics, .. } = config::load_for(&path, Host::Any);
            assert_eq!(diagnostics.lines().collect::<Vec<_>>(), [""; 0]);
            config.unwrap()
        });
        assert_eq!(kdl, conf, "{name}");
    }
}

#[test]
fn what_is_converted_loads_to_the_same_model() {
    for name in twins() {
        for ending in ["kdl", "conf"] {
            assert_converts(&root().join(format!("configs/{name}.{ending}")));
        }
    }
    for path in articles() {
        assert_converts(&path);
    }
}

fn articles() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/configs")).expect("the folder of articles");
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 7);
    paths
}

/// Remarks in Chinese without a comment mark, `//` behind words, a shell command after the last brace, a brace too
/// few: keepalived runs these, so they run here. What the places are is asserted, since they are what a reader acts on.
#[test]
fn configurations_from_articles_run_with_warnings() {
    let expect: [(&str, usize, usize, &[&str]); 7] = [
        ("article-check-web", 0, 0, &["(file)", "1:13 unused", "9:3 unknown-keyword"]),
        (
            "article-dr",
            1,
            2,
            &["3:1 free-text", "21:1 free-text", "41:1 free-text", "43:33 syntax"],
        ),
        ("article-dual-1", 2, 0, &[]),
        ("article-dual-2", 2, 0, &[]),
        (
            "article-kl1",
            1,
            0,
            &[
                "1:18 free-text",
                "2:17 free-text",
                "5:23 free-text",
                "6:17 free-text",
                "7:17 free-text",
                "8:22 free-text",
                "9:16 free-text",
                "10:15 free-text",
                "11:19 free-text",
                "15:23 free-text",
                "20:1 unknown-keyword",
                "20:32 free-text",
            ],
        ),
        ("article-kl2", 1, 0, &["18:1 unknown-keyword"]),
        ("article-nginx", 1, 0, &["15:13 unused"]),
    ];
    for (path, (name, instances, real_servers, places)) in articles().iter().zip(expect) {
        assert_eq!(path.file_stem().unwrap(), name);
        let Loaded { config, diagnostics, .. } = config::load_for(path, Host::Any);
        let config = config.unwrap();
        let told: Vec<String> = diagnostics
            .iter()
            .map(|diagnostic| match diagnostic.span {
                None => "(file)".to_owned(),
                Some(span) => {
                    let place = diagnostics.sources().place(span);
                    format!("{}:{} {}", place.line, place.column, diagnostic.code)
                }
            })
            .collect();
        assert_eq!(told, places, "{name}");
        let servers = config.virtual_servers.iter().map(|server| server.real_servers.len());
        assert_eq!((config.instances.len(), servers.sum()), (instances, real_servers), "{name}");
    }
}

#[test]
fn the_pair_of_an_article_elects_its_master() {
    let [one, two] = ["article-kl1.conf", "article-kl2.conf"]
        .map(|name| model(&root().join("tests/configs").join(name)).instances.remove(0));
    assert!(one.priority > two.priority);
    assert_eq!((one.vrid, &one.authentication), (two.vrid, &two.authentication));
    assert_eq!(one.virtual_addresses, two.virtual_addresses);
    assert_eq!(one.virtual_addresses[0].label.as_deref(), Some("eth0:1"));
}

/// Fenced blocks marked `kdl` or `conf` must load; those marked `kdl wrong` or `conf wrong` must not, and say what the
/// block after them shows.
#[test]
fn every_snippet_of_the_documentation_does_what_it_says() {
    let mut pages = vec![root().join("README.md")];
    let docs = fs::read_dir(root().join("docs")).unwrap();
    pages.extend(docs.map(|file| file.unwrap().path()));
    let mut snippets = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(page).unwrap();
        let blocks = fenced(&text);
        for (at, (line, mark, snippet)) in blocks.iter().enumerate() {
            let mut marks = mark.split_whitespace();
            let grammar = match marks.next() {
                Some("kdl") => Grammar::Kdl,
                Some("conf") => Grammar::Keepalived,
                Some(_) | None => continue,
            };
            let name = format!("{}:{line}", page.display());
            let loaded = config::load_text(&name, snippet.as_bytes(), grammar, Host::Any);
            let wrong = marks.next() == Some("wrong");
            let drawn = loaded.diagnostics.render(config::Style::Plain);
            assert_eq!(loaded.config.is_none(), wrong, "{name}\n{drawn}");
            if wrong {
                let place = format!("{name}:");
                let told: Vec<String> =
                    loaded.diagnostics.lines().map(|line| line.replace(&place, "")).collect();
                let shown = &blocks.get(at + 1).expect("what is said of it").2;
                assert_eq!(told.join("\n"), shown.trim_end(), "{name}");
            }
            snippets += 1;
        }
    }
    assert!(snippets >= 5, "{snippets} snippets found");
}

/// The fenced blocks of a page: line, mark, text.
fn fenced(page: &str) -> Vec<(usize, &str, String)> {
    let mut blocks: Vec<(usize, &str, String)> = Vec::new();
    let mut open = false;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(mark), false) => blocks.push((number + 1, mark, String::new())),
            (Some(_), true) => {}
            (None, true) => {
                let text = &mut blocks.last_mut().expect("an open block").2;
                text.push_str(line);
                text.push('\n');
            }
            (None, false) => {}
        }
        open ^= line.starts_with("```");
    }
    blocks
}

/// `EVENKEEL_WRITE=1 cargo test --test configs` writes the page anew.
#[test]
fn the_keyword_reference_is_that_of_the_tables() {
    let path = root().join("docs/keywords.md");
    let wanted = keywords::reference();
    if std::env::var_os("EVENKEEL_WRITE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == wanted,
        "docs/keywords.md is old: EVENKEEL_WRITE=1 cargo test --test configs"
    );
}
