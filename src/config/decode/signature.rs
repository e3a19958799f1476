//! `auth_hmac { ... }` of an instance: keys, and how strictly others are taken at their word. A mistake about keys refuses
//! the file in either grammar: a router without its signature hears nobody, or believes everybody. Other values that are wrong
//! give way to their defaults, the strict ones, as elsewhere in a keepalived.conf.

use std::fs;
use std::time::Duration;

use vrrp::{SecretKey, SignatureMode, SignatureSpec};

use super::instance::Draft as Instance;
use super::{At, Decoder, Keyword, Keywords, acts, many};
use crate::config::diagnostic::Diagnostic;
use crate::config::source::Span;
use crate::config::tree::{Directive, Word};

/// The shortest window that follows from the interval, as keepalived's.
const LEAST_WINDOW: Duration = Duration::from_secs(5);
/// The widest window.
const MOST_WINDOW: Duration = Duration::from_secs(300);

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Draft {
    keys: Vec<(At<u8>, SecretKey)>,
    active: Option<At<u8>>,
    is_monotonic: bool,
    window: Option<Duration>,
    mode: SignatureMode,
    /// A key was given and is not one: that has been told.
    has_bad_key: bool,
}

impl Keywords for Draft {
    const BLOCK: &'static str = "auth_hmac";
    const TABLES: &'static [&'static [Keyword<Self>]] = &[&[
        many("key", "1..255 hex:DIGITS | file:PATH | TEXT", |decoder, directive, draft| {
            let key = decoder.signing_key(directive);
            draft.has_bad_key |= key.is_none();
            draft.keys.extend(key);
        }),
        acts("active_key", "1..255", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let number = decoder.number_in(word, 1..=u8::MAX);
            draft.active = number.map(|value| At { value, span: word.span });
        }),
        acts("anti_replay", "time | monotonic", |decoder, directive, draft| {
            let Some(word) = decoder.word(directive) else { return };
            let choice = decoder.choice(word, &[("time", false), ("monotonic", true)]);
            draft.is_monotonic = choice.unwrap_or_default();
        }),
        acts("time_window", "SECONDS", |decoder, directive, draft| {
            draft.window = decoder.time(directive, Duration::from_secs(1)..=MOST_WINDOW);
        }),
        acts("mode", "enforce | permissive | receive-only", |decoder, directive, draft| {
            const CHOICES: [(&str, SignatureMode); 3] = [
                ("enforce", SignatureMode::Enforce),
                ("permissive", SignatureMode::Permissive),
                ("receive-only", SignatureMode::ReceiveOnly),
            ];
            let Some(word) = decoder.word(directive) else { return };
            draft.mode = decoder.choice(word, &CHOICES).unwrap_or_default();
        }),
    ]];
}

impl Decoder<'_> {
    /// Reads the block.
    pub(super) fn auth_hmac(&mut self, directive: &Directive) -> At<Draft> {
        self.surplus(directive, 0);
        let mut value = Draft::default();
        self.block(directive, &mut value);
        At { value, span: directive.name.span }
    }

    /// `key NUMBER VALUE`. The value itself is never told.
    fn signing_key(&mut self, directive: &Directive) -> Option<(At<u8>, SecretKey)> {
        let [number, text, rest @ ..] = &directive.arguments[..] else {
            let message = "`key` takes a number and the key itself";
            let help = "write: key 1 hex:..., with 64 digits of: openssl rand -hex 32";
            self.report(Diagnostic::error("missing-value", directive.head(), message).help(help));
            return None;
        };
        if let [surplus, ..] = rest {
            self.surplus_word(surplus.span);
        }
        let at = At { value: self.number_in(number, 1..=u8::MAX)?, span: number.span };
        let (bytes, whose) = match text.text.strip_prefix("file:") {
            None => (key_bytes(&text.text), "the key".to_owned()),
            // What is on another host is not known here.
            Some(_) if !self.host.counts() => (Some(vec![0; SecretKey::LEAST]), String::new()),
            Some(path) => match fs::read_to_string(path) {
                Ok(text) => (key_bytes(text.trim_end_matches(['\r', '\n'])), format!("`{path}`")),
                Err(error) => {
                    let message = format!("`{path}` cannot be read: {error}");
                    self.report(Diagnostic::error("unreadable", text.span, message));
                    return None;
                }
            },
        };
        let Some(bytes) = bytes else {
            self.bad_key(text, format!("{whose} is not made of pairs of hexadecimal digits"));
            return None;
        };
        let length = bytes.len();
        let key = SecretKey::new(bytes);
        if key.is_none() {
            let (least, most) = (SecretKey::LEAST, SecretKey::MOST);
            self.bad_key(text, format!("{whose} has {length} bytes, {least} to {most} are wanted"));
        }
        Some((at, key?))
    }

    fn bad_key(&mut self, word: &Word, message: String) {
        let help = "32 random bytes: hex: and then what `openssl rand -hex 32` prints";
        self.report(Diagnostic::error("bad-value", word.span, message).help(help));
    }

    /// What follows from it.
    pub(super) fn finish_signature(
        &mut self,
        draft: &Instance,
        advert_int: Duration,
        strict: bool,
    ) -> Option<SignatureSpec> {
        let At { value, span } = draft.signature.as_ref()?;
        if let Some((_, keyword)) = &draft.authentication {
            self.adjusted(*keyword, "`auth_hmac` stands for `authentication`, which is left out");
        }
        let mut mode = value.mode;
        if strict && mode != SignatureMode::Enforce {
            self.against_strict(*span, "strict mode takes what is signed alone: `mode` is enforce");
            mode = SignatureMode::Enforce;
        }
        for (at, (key, _)) in value.keys.iter().enumerate() {
            let first = value.keys[..at].iter().find(|(first, _)| first.value == key.value);
            if let Some((first, _)) = first {
                let message = format!("a second key {}", key.value);
                let told = Diagnostic::error("twice", key.span, message);
                self.report(told.related(first.span, "the first"));
            }
        }
        let active = self.active_key(value, *span)?;
        let window =
            value.window.unwrap_or_else(|| (3 * advert_int).clamp(LEAST_WINDOW, MOST_WINDOW));
        Some(SignatureSpec {
            keys: value.keys.iter().map(|(number, key)| (number.value, key.clone())).collect(),
            active,
            window: (!value.is_monotonic).then_some(window),
            mode,
        })
    }

    fn active_key(&mut self, draft: &Draft, span: Span) -> Option<u8> {
        let Some(active) = draft.active else {
            let message = "`auth_hmac` has no `active_key`";
            let help = "name the key that this router signs with: active_key 1";
            self.report(Diagnostic::error("missing-keyword", span, message).help(help));
            return None;
        };
        let is_there = draft.keys.iter().any(|(number, _)| number.value == active.value);
        if !is_there && !draft.has_bad_key {
            let message = format!("there is no key {}", active.value);
            let help = format!("add: key {} hex:...", active.value);
            self.report(Diagnostic::error("unresolved", active.span, message).help(help));
        }
        is_there.then_some(active.value)
    }
}

/// `hex:` and digits, or the text as it is; `None` for what are no digits.
fn key_bytes(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("hex:") else { return Some(text.as_bytes().to_vec()) };
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let digits = std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?;
        // `+1` is a number to the library.
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(digits, 16).ok().filter(|_| all)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grammar, Host, load_text};

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// The signature, or what is wrong.
    fn load(instance: &str, block: &str) -> Result<Option<SignatureSpec>, String> {
        let text = format!(
            "vrrp_instance one {{\ninterface eth0\nvirtual_router_id 51\npriority 100\nversion 3\n{instance}\n\
             auth_hmac {{\n{block}\n}}\nvirtual_ipaddress {{\n10.0.0.100\n}}\n}}\n"
        );
        let loaded = load_text("s.conf", text.as_bytes(), Grammar::Keepalived, Host::This);
        let told = loaded.diagnostics.lines().collect::<Vec<_>>().join("\n");
        let config = loaded.config.ok_or(told)?;
        Ok(config.instances[0].signature.clone())
    }

    #[test]
    fn a_signature_has_keys_one_of_them_active_and_defaults() {
        let key = || SecretKey::new((0..32).collect()).unwrap();
        let spec = load("", &format!("key 1 hex:{DIGITS}\nactive_key 1")).unwrap().unwrap();
        let wanted = SignatureSpec {
            keys: vec![(1, key())],
            active: 1,
            window: Some(Duration::from_secs(5)),
            mode: SignatureMode::Enforce,
        };
        assert_eq!(spec, wanted);
        let words = format!(
            "key 1 hex:{DIGITS}\nkey 9 a_pass_phrase_of_thirty_two_bytes\nactive_key 9\nmode receive-only"
        );
        let spec = load("advert_int 10", &words).unwrap().unwrap();
        assert_eq!((spec.active, spec.mode), (9, SignatureMode::ReceiveOnly));
        assert_eq!(spec.window, Some(Duration::from_secs(30)), "three intervals");
        let words =
            format!("key 1 hex:{DIGITS}\nactive_key 1\nanti_replay monotonic\ntime_window 9");
        assert_eq!(load("", &words).unwrap().unwrap().window, None);
    }

    #[test]
    fn a_key_may_be_in_a_file_with_a_line_end() {
        let path = std::env::temp_dir().join(format!("evenkeel-key-{}", std::process::id()));
        fs::write(&path, format!("hex:{DIGITS}\n")).unwrap();
        let words = format!("key 1 file:{}\nactive_key 1", path.display());
        let spec = load("", &words).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(spec.keys, [(1, SecretKey::new((0..32).collect()).unwrap())]);
        assert!(load("", &words).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn mistakes_refuse_the_file_and_no_key_is_told() {
        let good = format!("key 1 hex:{DIGITS}");
        for (block, says) in [
            (good.clone(), "no `active_key`"),
            (format!("{good}\nactive_key 2"), "there is no key 2"),
            (format!("{good}\n{good}\nactive_key 1"), "a second key 1"),
            ("key 1 hex:0011zz\nactive_key 1".into(), "not made of pairs"),
            ("key 1 hex:001\nactive_key 1".into(), "not made of pairs"),
            ("key 1 secretsecret\nactive_key 1".into(), "has 12 bytes, 32 to 64 are wanted"),
            ("key 1\nactive_key 1".into(), "a number and the key itself"),
        ] {
            let told = load("", &block).unwrap_err();
            assert!(told.contains(says), "{block}: {told}");
            assert!(
                !told.contains("secretsecret") || told.contains("key 1 secretsecret"),
                "{told}"
            );
        }
    }

    #[test]
    fn it_stands_for_authentication_and_strict_mode_enforces_it() {
        let block = format!("key 1 hex:{DIGITS}\nactive_key 1\nmode permissive");
        let spec = load("strict_mode", &block).unwrap().unwrap();
        assert_eq!(spec.mode, SignatureMode::Enforce);
        let old = "authentication {\nauth_type PASS\nauth_pass secret\n}";
        assert_eq!(load(old, &block).unwrap().unwrap().mode, SignatureMode::Permissive);
    }
}
