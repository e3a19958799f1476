//! Every state with every input, against `table.txt`: reviewed by eye, rewritten with EVENKEEL_REWRITE=1.

use super::*;

type Make = fn() -> Bench;
type Input = fn(&mut Bench) -> String;

fn yielded() -> Bench {
    let mut bench = Bench::master(spec(1));
    bench.hear(id(1), GREATER, 150);
    bench
}

fn resigned() -> Bench {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.resign(id(1), now));
    bench
}

fn stopping() -> Bench {
    let mut bench = Bench::master(spec(1));
    bench.call(|routers, now| routers.shutdown(now));
    bench
}

fn failing() -> Bench {
    let mut bench = Bench::master(spec(1));
    bench.track(id(1), Tracking { fault: true, ..Tracking::default() });
    bench
}

fn left_over() -> Bench {
    let mut bench = Bench::new(vec![spec(1)], vec![]);
    bench.call(|routers, now| routers.resume(id(1), ResumeAs::BackupHolding, now));
    bench.link(id(1), up());
    bench
}

fn fault() -> Bench {
    let mut bench = Bench::started(spec(1));
    bench.link(id(1), Link { up: false, source: Some(host(US)) });
    bench
}

fn stopped() -> Bench {
    let mut bench = Bench::started(spec(1));
    bench.call(|routers, now| routers.shutdown(now));
    bench
}

const STATES: [(&str, Make); 10] = [
    ("Initialize", || Bench::new(vec![spec(1)], vec![])),
    ("Backup", || Bench::started(spec(1))),
    ("Backup that still holds", left_over),
    ("Master", || Bench::master(spec(1))),
    ("HandingOver, yielded", yielded),
    ("HandingOver, resigned", resigned),
    ("HandingOver, failing", failing),
    ("HandingOver, stopping", stopping),
    ("Fault", fault),
    ("Initialize, stopped", stopped),
];

const INPUTS: [(&str, Input); 21] = [
    ("priority 0", |b| b.hear(id(1), LESSER, 0)),
    ("lower priority", |b| b.hear(id(1), GREATER, 50)),
    ("equal priority, lesser address", |b| b.hear(id(1), LESSER, 100)),
    ("equal priority, greater address", |b| b.hear(id(1), GREATER, 100)),
    ("higher priority", |b| b.hear(id(1), LESSER, 200)),
    ("own address", |b| b.hear(id(1), US, 100)),
    ("link up", |b| b.link(id(1), up())),
    ("link down", |b| b.link(id(1), Link { up: false, source: Some(host(US)) })),
    ("no source", |b| b.link(id(1), Link { up: true, source: None })),
    ("tracking fault", |b| b.track(id(1), Tracking { fault: true, ..Tracking::default() })),
    ("tracking clear", |b| b.track(id(1), Tracking::default())),
    ("tracking pending", |b| b.track(id(1), Tracking { pending: true, ..Tracking::default() })),
    ("tracking +20", |b| b.track(id(1), Tracking { adjustment: 20, ..Tracking::default() })),
    ("address announced", |b| b.announced(vip(1))),
    ("other address announced", |b| b.announced(vip(2))),
    ("hold failed", |b| b.call(|routers, now| routers.handle_held(id(1), Held::Failed, now))),
    ("resume as Master", |b| b.call(|routers, now| routers.resume(id(1), ResumeAs::Master, now))),
    ("resign", |b| b.call(|routers, now| routers.resign(id(1), now))),
    ("removed", |b| b.call(|routers, now| routers.configure(vec![], vec![], now))),
    ("shutdown", |b| b.call(|routers, now| routers.shutdown(now))),
    ("next deadline", |b| match b.routers.poll_timeout() {
        Some(_) => b.advance_to_next(),
        None => "no deadline\n".to_owned(),
    }),
];

#[test]
fn every_state_with_every_input() {
    let mut table = String::new();
    for (state, make) in STATES {
        writeln!(table, "# {state}").unwrap();
        for (name, input) in INPUTS {
            let mut bench = make();
            // Timers that an input restarts show by it.
            bench.now += SECOND / 10;
            let before = bench.routers.view(id(1)).map(|view| view.state);
            let lines = input(&mut bench);
            let after = bench.routers.view(id(1)).map(|view| view.state);
            writeln!(table, "\n{name}:").unwrap();
            for line in lines.lines() {
                writeln!(table, "    {line}").unwrap();
            }
            if lines.is_empty() {
                writeln!(table, "    nothing").unwrap();
            }
            if let Some(at) = bench.routers.poll_timeout() {
                writeln!(table, "    next in {} ms", (at - bench.now).as_millis()).unwrap();
            }
            assert_eq!(
                before != after,
                lines.contains(" -> ") && !lines.contains("priority 100 -> 120") || after.is_none(),
                "{state}, {name}: told otherwise\n{lines}"
            );
        }
        writeln!(table).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/routers/tests/table.txt");
    if std::env::var_os("EVENKEEL_REWRITE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}
