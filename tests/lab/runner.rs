//! A scenario as a test: where it runs, with which others, how long at most, and what a failure prints.
//!
//! The outside decides between this kernel and a booted one and sums up; the inside runs. libtest-mimic gives both
//! the command line that `cargo test` and nextest expect.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::boot::{self, End, Job};
use crate::keeper::Keeper;
use crate::{benches, kernel, scenarios};

/// Tests that run at the same time where they do not disturb each other; most of their time is waiting.
const TOGETHER: usize = 4;
/// At most this many failed scenarios run a second time; more is no accident of a busy machine.
const SECOND_TRIES: usize = 4;
/// A boot with all tests must end within this.
const BOOT_LIMIT: Duration = Duration::from_secs(20 * 60);

/// With which others a scenario may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Beside any other that says so too.
    Together,
    /// It measures times: nothing else runs meanwhile on the one CPU.
    Alone,
}

/// One promise and how it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) sharing: Sharing,
    /// After this it counts as hung.
    pub(crate) limit: Duration,
    pub(crate) run: fn(&Arc<Keeper>),
}

impl Scenario {
    /// Runs beside others.
    pub(crate) const fn together(name: &'static str, seconds: u64, run: fn(&Arc<Keeper>)) -> Self {
        Self { name, sharing: Sharing::Together, limit: Duration::from_secs(seconds), run }
    }

    /// Has the machine for itself.
    pub(crate) const fn alone(name: &'static str, seconds: u64, run: fn(&Arc<Keeper>)) -> Self {
        Self { name, sharing: Sharing::Alone, limit: Duration::from_secs(seconds), run }
    }
}

/// Our own words on the command line; the rest is libtest's.
struct Options {
    inside: bool,
    /// Benches instead of scenarios.
    measure: bool,
    shards: usize,
    shard: Option<(usize, usize)>,
    /// These scenarios and no others, one after the other.
    only: Vec<String>,
    rest: Vec<String>,
}

impl Options {
    fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            inside: false,
            measure: false,
            shards: 1,
            shard: None,
            only: Vec::new(),
            rest: Vec::new(),
        };
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            let mut number = || args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            match arg.as_str() {
                "--inside" => options.inside = true,
                "--measure" => options.measure = true,
                "--shards" => options.shards = number().ok_or("--shards wants a number")?,
                "--shard" => {
                    let (part, of) = (number(), number());
                    options.shard = part.zip(of);
                }
                "--only" => options.only.push(args.next().ok_or("--only wants a name")?),
                _ => options.rest.push(arg),
            }
        }
        Ok(options)
    }
}

/// The whole program as a test binary.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    match Options::parse(args.into_iter()) {
        Ok(options) => run(&options),
        Err(message) => {
            eprintln!("lab: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let program = ["lab".to_owned()];
    let arguments = Arguments::from_iter(program.into_iter().chain(options.rest.iter().cloned()));
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(options)).exit_code();
    }
    if options.inside || kernel::is_enough() {
        return run_here(options, arguments);
    }
    match boot::check_packages() {
        Ok(()) => run_booted(options),
        Err(message) => {
            eprintln!("lab: {message}");
            ExitCode::from(2)
        }
    }
}

// ---- inside, or on a kernel that is good enough ----

fn run_here(options: &Options, mut arguments: Arguments) -> ExitCode {
    if let Err(message) = kernel::prepare() {
        eprintln!("lab: {message}");
        return ExitCode::from(2);
    }
    keep_panic_messages();
    arguments.test_threads.get_or_insert(TOGETHER);
    libtest_mimic::run(&arguments, trials(options)).exit_code()
}

/// The scenarios of this shard, the longest first so that the last one to end is short.
fn trials(options: &Options) -> Vec<Trial> {
    let mut all = if options.measure { benches::all() } else { scenarios::all() };
    if !options.only.is_empty() {
        all.retain(|scenario| options.only.iter().any(|name| name == scenario.name));
        all.iter_mut().for_each(|scenario| scenario.sharing = Sharing::Alone);
    }
    all.sort_by_key(|scenario| {
        (scenario.sharing == Sharing::Alone, std::cmp::Reverse(scenario.limit))
    });
    let (part, of) = options.shard.unwrap_or((1, 1));
    let mine = all.into_iter().enumerate().filter(|(index, _)| index % of == part - 1);
    mine.map(|(_, scenario)| Trial::test(scenario.name, move || run_one(&scenario))).collect()
}

fn run_one(scenario: &Scenario) -> Result<(), Failed> {
    static MACHINE: RwLock<()> = RwLock::new(());
    let _beside;
    let _alone;
    match scenario.sharing {
        Sharing::Together => _beside = MACHINE.read(),
        Sharing::Alone => _alone = MACHINE.write(),
    }
    let keeper = Arc::new(Keeper::new(scenario.name));
    keeper.figure("begins");
    let start = Instant::now();
    let outcome = run_limited(scenario, &keeper);
    let report = outcome.map_err(|message| format!("{message}\n{}", keeper.logs()));
    keeper.end();
    keeper.figure(&format!("took {:.1} s", start.elapsed().as_secs_f64()));
    report.map_err(Failed::from)
}

/// Runs the body on a thread of its own; one that hangs is given up, and what it waited for is taken away by the keeper.
fn run_limited(scenario: &Scenario, keeper: &Arc<Keeper>) -> Result<(), String> {
    let (sender, receiver) = sync_channel(1);
    let (body, own) = (scenario.run, Arc::clone(keeper));
    thread::Builder::new()
        .name(scenario.name.to_owned())
        .spawn(move || {
            let result = panic::catch_unwind(AssertUnwindSafe(|| body(&own)));
            let _ = sender.send(result.map_err(|_| panic_message()));
        })
        .map_err(|e| format!("cannot start a thread: {e}"))?;
    match receiver.recv_timeout(scenario.limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(format!("hung: not over after {:?}", scenario.limit)),
        Err(RecvTimeoutError::Disconnected) => Err("its thread went away".to_owned()),
    }
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic's text belongs into the report of its test, not between the others' lines.
fn keep_panic_messages() {
    panic::set_hook(Box::new(|info| PANIC.with(|kept| *kept.borrow_mut() = info.to_string())));
}

fn panic_message() -> String {
    PANIC.with(|kept| kept.take())
}

// ---- outside ----

/// What the boots have said together.
#[derive(Default)]
struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    filtered_out: u64,
    /// Tests that ended badly.
    failures: Vec<String>,
    /// Tests whose end was not seen although their boot is over.
    lost: Vec<String>,
}

fn run_booted(options: &Options) -> ExitCode {
    let start = Instant::now();
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for part in 1..=options.shards {
            let summary = &summary;
            scope.spawn(move || run_shard(options, part, summary));
        }
    });
    let mut sum = summary.into_inner().unwrap();
    try_again(options, &mut sum);
    for name in &sum.failures {
        println!("test {name} ... FAILED");
    }
    for name in &sum.lost {
        println!("lab: no end seen of {name}");
    }
    let is_good = sum.failed == 0 && sum.lost.is_empty();
    println!(
        "test result: {}. {} passed; {} failed; {} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if is_good { "ok" } else { "FAILED" },
        sum.passed,
        sum.failed + sum.lost.len() as u64,
        sum.ignored,
        sum.filtered_out,
        start.elapsed().as_secs_f64()
    );
    // 101 is what libtest ends with when a test failed.
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// Runs the few that failed once more, each with a fresh kernel's machine for itself, and says so: what fails beside
/// three others on a machine that others use too, and not alone, was the machine. What fails twice has failed.
fn try_again(options: &Options, sum: &mut Summary) {
    let count = sum.failures.len();
    if options.measure || !sum.lost.is_empty() || count == 0 || count > SECOND_TRIES {
        return;
    }
    println!("lab: a second try, alone: {}", sum.failures.join(", "));
    let only = sum.failures.iter().flat_map(|name| ["--only".to_owned(), name.clone()]);
    let again = Mutex::new(Summary::default());
    run_boot(options, "a second try", only.collect(), &again);
    let again = again.into_inner().unwrap();
    let mended = again.passed.min(sum.failed);
    sum.passed += mended;
    sum.failed -= mended;
    sum.lost.extend(again.lost);
    for name in sum.failures.iter().filter(|name| !again.failures.contains(name)) {
        println!("lab: {name} failed beside others and passed alone");
    }
    sum.failures = again.failures;
}

fn run_shard(options: &Options, part: usize, summary: &Mutex<Summary>) {
    let shard = ["--shard".to_owned(), part.to_string(), options.shards.to_string()];
    run_boot(options, &format!("boot {part}"), shard.to_vec(), summary);
}

fn run_boot(options: &Options, what: &str, which: Vec<String>, summary: &Mutex<Summary>) {
    let mut args = vec!["--inside".to_owned()];
    args.extend(which);
    if options.measure {
        args.push("--measure".to_owned());
    }
    if !std::io::stdout().is_terminal() {
        args.extend(["--color", "never"].map(str::to_owned)); // inside it is always a terminal
    }
    args.extend(options.rest.iter().cloned());
    let mut open = BTreeSet::new();
    let mut closed = false;
    let end = boot::run(&Job { args, limit: BOOT_LIMIT, wire: None }, |line| {
        if let Some(counts) = line.strip_prefix("test result: ") {
            summary.lock().unwrap().add(counts);
            closed = true;
            return;
        }
        match note_progress(line, &mut open) {
            // The word that test runners look for is said once, at the end, of what failed for good.
            Some(name) => {
                println!("test {name} ... did not pass");
                summary.lock().unwrap().failures.push(name);
            }
            None => println!("{line}"),
        }
    });
    let complaint = match end {
        Ok(End::Status(_)) if closed => return,
        Ok(End::Status(status)) => format!("the tests ended early with status {status}"),
        Ok(End::Crashed(words)) => format!("the booted kernel went away; its last words:\n{words}"),
        Ok(End::TooLong(limit)) => {
            format!("the boot took longer than {limit:?} and was switched off")
        }
        Err(message) => message,
    };
    println!("lab: {complaint}");
    let mut summary = summary.lock().unwrap();
    summary.lost.extend(open);
    summary.lost.push(what.to_owned());
}

/// Keeps the names of tests that have begun ("NAME: begins") and not ended ("test NAME ... ok"); gives the name of one
/// that ended badly.
fn note_progress(line: &str, open: &mut BTreeSet<String>) -> Option<String> {
    if let Some(name) = line.trim_start().strip_suffix(": begins") {
        open.insert(name.to_owned());
    }
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ...")?;
    open.remove(name.trim());
    outcome.contains("FAILED").then(|| name.trim().to_owned())
}

impl Summary {
    /// Adds a line like "ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 4s".
    fn add(&mut self, counts: &str) {
        let count = |what: &str| -> u64 {
            let before = counts.split(what).next().unwrap_or("");
            before
                .trim_end()
                .rsplit([' ', '.', ';'])
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed");
        self.ignored += count("ignored");
        self.filtered_out += count("filtered out");
    }
}
