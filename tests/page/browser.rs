//! A browser without a window and its pages, spoken to in the words of the DevTools protocol: one JSON text per
//! message, each ended by a zero byte, over two pipes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

/// For one answer of the browser's, on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// For something to come true on the page.
const TRUE_WITHIN: Duration = Duration::from_secs(30);

/// Before each page's own scripts.
const WATCH: &str = "window.longTasks = []; new PerformanceObserver(list => \
    window.longTasks.push(...list.getEntries().map(entry => entry.duration))).observe({ type: 'longtask', buffered: true });";

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    width: u32,
    height: u32,
    is_dark: bool,
}

impl Look {
    pub(crate) const PHONE: Self = Self { width: 390, height: 844, is_dark: false };
    pub(crate) const SCREEN: Self = Self { width: 1280, height: 800, is_dark: false };

    pub(crate) fn dark(self) -> Self {
        Self { is_dark: true, ..self }
    }

    pub(crate) fn name(self) -> String {
        format!("{}-{}", self.width, if self.is_dark { "dark" } else { "light" })
    }
}

/// A running browser; it ends with this value.
pub(crate) struct Browser {
    process: Child,
    orders: File,
    answers: Receiver<Value>,
    next: u64,
    _folder: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        Self::start_in(None)
    }

    /// In a network namespace.
    pub(crate) fn start_in(namespace: Option<&str>) -> Self {
        assert!(
            Path::new("/usr/bin/chromium").exists(),
            "Debian's package chromium is missing: apt-get install --no-install-recommends chromium"
        );
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
            path
        };
        let (orders, answers) = (pipe("orders"), pipe("answers"));
        let mut command = match namespace {
            None => Command::new("sh"),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name, "sh"]);
                command
            }
        };
        let process = command
            .args([
                "-c",
                "exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run \
                --disable-dev-shm-usage --disable-background-networking --hide-scrollbars \
                --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"",
                "sh",
            ])
            .args([&folder.path().join("profile"), &orders, &answers])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = File::options().write(true).open(orders).unwrap();
        let answers = File::open(answers).unwrap();
        Self { process, orders, answers: read(answers), next: 0, _folder: folder }
    }

    /// A page of its own, with empty caches.
    pub(crate) fn open(&mut self, address: &str, look: Look) -> Page<'_> {
        let context = self.ask("", "Target.createBrowserContext", json!({}));
        let context = context["browserContextId"].as_str().unwrap().to_owned();
        let target = self.ask(
            "",
            "Target.createTarget",
            json!({ "url": "about:blank", "browserContextId": context }),
        );
        let target = target["targetId"].as_str().unwrap().to_owned();
        let attached =
            self.ask("", "Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let mut page = Page { browser: self, session, context };
        page.ask("Page.enable", json!({}));
        let is_phone = look.width < 600;
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": look.width, "height": look.height,
            "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone }),
        );
        let scheme = if look.is_dark { "dark" } else { "light" };
        page.ask(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        page.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        page.ask("Page.navigate", json!({ "url": address }));
        page.wait(
            "the page",
            &format!("location.href.startsWith('{address}') && document.readyState === 'complete'"),
        );
        page
    }

    fn ask(&mut self, session: &str, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut order = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            order["sessionId"] = json!(session);
        }
        let mut text = serde_json::to_vec(&order).unwrap();
        text.push(0);
        self.orders.write_all(&text).unwrap();
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(mut answer) if answer["id"] == id => {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].take();
                }
                // Events, which nobody here waits for.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{method}: no answer in {ANSWER_WITHIN:?}")
                }
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser has gone"),
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(answers: File) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for text in BufReader::new(answers).split(0) {
            let Ok(text) = text else { return };
            let told = serde_json::from_slice(&text).ok().map(|value| sender.send(value));
            if matches!(told, Some(Err(_))) {
                return;
            }
        }
    });
    receiver
}

/// One page.
pub(crate) struct Page<'a> {
    browser: &'a mut Browser,
    session: String,
    context: String,
}

impl Page<'_> {
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.clone();
        self.browser.ask(&session, method, params)
    }

    /// The value of a line of JavaScript, awaited.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let asked = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.ask("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    #[track_caller]
    pub(crate) fn number(&mut self, script: &str) -> f64 {
        let value = self.run(script);
        value.as_f64().unwrap_or_else(|| panic!("{script}: {value}"))
    }

    #[track_caller]
    pub(crate) fn text(&mut self, script: &str) -> String {
        let value = self.run(script);
        value.as_str().unwrap_or_else(|| panic!("{script}: {value}")).to_owned()
    }

    /// Until the line of JavaScript is true.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, script: &str) {
        let deadline = Instant::now() + TRUE_WITHIN;
        while self.run(&format!("Boolean({script})")) != true {
            if Instant::now() > deadline {
                let text = self.text("document.body.innerText.slice(0, 2000)");
                panic!("waited in vain for {what}; the page says:\n{text}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Replaces what stands in an input field, key by key.
    pub(crate) fn type_into(&mut self, id: &str, text: &str) {
        self.run(&format!(
            "document.getElementById('{id}').focus(); document.getElementById('{id}').select()"
        ));
        if text.is_empty() {
            self.press("Backspace");
        }
        for letter in text.chars() {
            self.ask(
                "Input.dispatchKeyEvent",
                json!({ "type": "char", "text": letter.to_string() }),
            );
        }
    }

    pub(crate) fn press(&mut self, key: &str) {
        let code = if key == "Escape" { 27 } else { 8 };
        for kind in ["keyDown", "keyUp"] {
            self.ask(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code }),
            );
        }
    }

    /// A picture of what is in sight, where `EVENKEEL_SCREENSHOTS` says.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("EVENKEEL_SCREENSHOTS") else { return };
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let folder = Path::new(&folder);
        fs::create_dir_all(folder).unwrap();
        let (coded, plain) =
            (folder.join(format!("{name}.base64")), folder.join(format!("{name}.png")));
        fs::write(&coded, answer["data"].as_str().unwrap()).unwrap();
        let decoded = Command::new("base64").arg("-d").arg(&coded).output().unwrap();
        assert!(decoded.status.success());
        fs::write(plain, decoded.stdout).unwrap();
        fs::remove_file(coded).unwrap();
    }

    pub(crate) fn close(self) {
        let context = json!({ "browserContextId": self.context });
        self.browser.ask("", "Target.disposeBrowserContext", context);
    }
}
