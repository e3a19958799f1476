//! The status page in a real browser: Debian's Chromium without a window, steered over a pipe. The page is served as the
//! director serves it, by a director that is made up (`director`): two thousand virtual servers, events, a dying server.
//!
//! `EVENKEEL_SCREENSHOTS=FOLDER` leaves pictures there, for people to look at.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test program at the edge: it waits, measures, and fails by panicking"
)]

mod browser;
mod director;

use std::time::{Duration, Instant};

use browser::{Browser, Look};
use director::Director;

/// Longest that the page's thread may be busy with one thing.
const TASK_MAX: f64 = 50.0;
/// A machine that is busy with something else makes every task longer; the page's own long tasks come every time.
const TRIES: usize = 5;

#[test]
fn two_thousand_virtual_servers_paint_within_a_second_and_never_hold_up_the_page() {
    let director = Director::start(2000, 4);
    let mut browser = Browser::start();
    let mut figures = Vec::new();
    for _ in 0..TRIES {
        let figure = measure(&mut browser, &director);
        println!("page: {figure:?}");
        figures.push(figure);
        let best = figures.last().unwrap();
        if best.paint < 1000.0 && best.longest < TASK_MAX {
            return;
        }
    }
    panic!("first paint within 1000 ms, tasks within {TASK_MAX} ms: {figures:?}");
}

#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Figures {
    paint: f64,
    rows: f64,
    longest: f64,
    search_ms: u128,
    drawn: f64,
}

fn measure(browser: &mut Browser, director: &Director) -> Figures {
    let mut page = browser.open(&director.address(), Look::SCREEN);
    page.wait("rows", "document.querySelectorAll('#list .row').length > 10");
    let rows = page.number("performance.now()");
    let paint = page.number("performance.getEntriesByName('first-contentful-paint')[0].startTime");
    // From one end to the other, as a hand on the scroll bar would.
    page.run(
        "new Promise(done => { let step = 0; const on = () => { scrollTo(0, step * 400); \
        (step += 1) < 100 ? requestAnimationFrame(on) : done(); }; on(); })",
    );
    page.run("scrollTo(0, document.body.scrollHeight)");
    page.wait("the last row", "[...document.querySelectorAll('#list .row')].some(row => row.textContent.includes('10.14.207.100:80'))");
    page.run("scrollTo(0, 0)");
    let start = Instant::now();
    page.type_into("query", "10.7.100.100:80");
    page.wait(
        "the one that is searched",
        "document.getElementById('found').textContent.startsWith('1 virtual')",
    );
    let search_ms = start.elapsed().as_millis();
    // Some rounds of updates while the page lies open.
    page.type_into("query", "");
    page.wait("all again", "document.getElementById('found').textContent === ''");
    std::thread::sleep(Duration::from_secs(5));
    let drawn = page.number("document.querySelectorAll('#list .row').length");
    assert!(drawn < 200.0, "only what is in sight is drawn: {drawn} rows");
    let longest = page.number("Math.max(0, ...window.longTasks)");
    // The measure itself: a long task is seen.
    page.run("setTimeout(() => { const until = performance.now() + 120; while (performance.now() < until); })");
    page.wait("the long task is seen", "Math.max(0, ...window.longTasks) >= 120");
    page.close();
    Figures { paint, rows, longest, search_ms, drawn }
}

#[test]
fn a_dying_server_shows_without_a_touch() {
    let director = Director::start(3, 3);
    let mut browser = Browser::start();
    let mut page = browser.open(&director.address(), Look::SCREEN);
    let row = "[...document.querySelectorAll('#list .server')].find(row => row.textContent.includes('10.1.0.2:80'))";
    page.wait("the server is up", &format!("{row}?.textContent.includes('UP')"));
    assert_eq!(page.text("document.getElementById('live').textContent"), "live");
    director.fail("10.1.0.2:80", "HTTP_GET http://10.1.0.2:80/health: answered 503, wanted 200");
    let start = Instant::now();
    page.wait("it is shown down", &format!("{row}?.textContent.includes('DOWN')"));
    println!("page: a dead server showed after {:?}", start.elapsed());
    assert!(page.text(&format!("{row}.textContent")).contains("answered 503, wanted 200"));
    page.wait("the event", "document.getElementById('event-list').textContent.includes('10.1.0.2:80 of TCP 10.7.0.100:80')");
    // The details of that server, opened by its button and closed by the keyboard.
    page.run(&format!("{row}.querySelector('button').click()"));
    page.wait("details", "document.getElementById('detail').open && document.getElementById('checks').children.length === 1");
    assert!(
        page.text("document.getElementById('detail-title').textContent")
            .starts_with("10.1.0.2:80 of")
    );
    page.press("Escape");
    page.wait("closed", "!document.getElementById('detail').open");
    director.silence();
    page.wait("the loss is told", "document.getElementById('live').className === 'lost'");
}

#[test]
fn foreign_text_stays_text() {
    let director = Director::start(1, 1);
    let mut browser = Browser::start();
    let mut page = browser.open(&director.address(), Look::SCREEN);
    page.wait("a row", "document.querySelector('#list .server')");
    let evil = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>\"'&lt;";
    director.fail("10.1.0.1:80", evil);
    page.wait(
        "the cause",
        "document.querySelector('#list .server .cause').textContent.includes('<img')",
    );
    page.run("document.querySelector('#list .server button').click()");
    page.wait("details", "document.getElementById('detail').open");
    page.wait(
        "the event",
        "document.getElementById('event-list').textContent.includes('<script>')",
    );
    assert_eq!(page.number("document.images.length + (window.hit ?? 0)"), 0.0);
    // The policy itself: the browser refuses markup from a script and code in the page.
    assert_eq!(page.text("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken' } catch { return 'refused' } })()"), "refused");
}

#[test]
fn it_is_readable_on_a_phone_and_a_screen_by_day_and_by_night() {
    let director = Director::start(40, 3);
    director.fail("10.1.0.2:80", "HTTP_GET http://10.1.0.2:80/health: answered 503, wanted 200");
    director.fail("10.1.3.1:80", "TCP_CHECK 10.1.3.1:80: connection refused");
    let mut browser = Browser::start();
    for look in [Look::SCREEN, Look::SCREEN.dark(), Look::PHONE, Look::PHONE.dark()] {
        let mut page = browser.open(&director.address(), look);
        page.wait("rows", "document.querySelectorAll('#list .row').length > 5");
        // Long enough for the plots to have something to show.
        std::thread::sleep(Duration::from_secs(5));
        let beyond = page
            .number("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(beyond, 0.0, "{look:?}: nothing to scroll sideways for");
        let small = page.text("[...document.querySelectorAll('button, input, summary')].filter(e => e.checkVisibility() \
            && e.getBoundingClientRect().height < 22).map(e => e.outerHTML).join()");
        assert_eq!(small, "", "{look:?}: targets that a finger cannot hit");
        let weak = page.text(CONTRAST);
        assert_eq!(weak, "", "{look:?}: texts with too little contrast");
        let nameless = page.text("[...document.querySelectorAll('button, input, a')].filter(e => \
            !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML).join()");
        assert_eq!(nameless, "", "{look:?}: controls without a name");
        page.screenshot(&look.name());
        page.run("document.querySelector('#list .server button').click()");
        page.wait("details", "document.getElementById('detail').open");
        page.screenshot(&format!("{}-detail", look.name()));
        page.close();
    }
}

/// Texts whose contrast with what lies behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r"(() => {
    const parts = colour => colour.match(/[\d.]+/g).map(Number);
    const light = colour => { const [r, g, b] = parts(colour).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if ((parts(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
    return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .filter(e => { const a = light(getComputedStyle(e).color), b = light(behind(e));
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map(e => e.outerHTML).join();
})()";

#[test]
fn what_is_served_says_its_type_and_its_policy() {
    let director = Director::start(1, 1);
    for path in ["/", "/page.css", "/page.js", "/model.js", "/icon.svg"] {
        let head = director.head(path);
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
        assert!(!head.contains("unsafe-inline"), "{path}: {head}");
    }
}
