//! The report as HTML in a real browser: opened, unfolded, pointed at, by mouse and by keyboard, on a
//! screen, on a phone, in light and dark, and on paper.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Project;
use crate::common::browser::Browser;
use crate::common::made::{Cost, Made, baseline, profile};
use crate::common::regressed::{self, CALLS, LINEAR, NOISY, QUADRATIC, SCENARIO, WALL};
use serde_json::json;

/// The page of the made-up session in the folder `session`.
fn page(project: &Project) -> PathBuf {
    let said = project.run(&["report", "session", "--format", "html", "--output", "report.html"]);
    assert_eq!(said.stderr, "");
    // A user types the commands in the project's folder.
    let root = format!(" --root {}", project.root().display());
    project.write("report.html", project.read("report.html").replace(&root, ""));
    project.path("report.html")
}

/// A suite with a scenario for each verdict, the least urgent first.
fn suite() -> Project {
    let project = Project::empty();
    let mut made = Made::new();
    let plain = SCENARIO.replace("[\"callgrind\"]", "[]");
    let known = format!(
        "{plain}\n[[known_issue]]\nseries = [\"unload/task-clock\"]\nunwinders = [\"any\"]\n\
         class = \"quadratic\"\nreason = \"a list is searched\"\nexpires = \"wasmtime 52\"\n\
         link = \"https://github.com/bytecodealliance/wasmtime/issues/10084\"\n"
    );
    let control = plain.replace("[\"unload/unwind", "[\"load/task-clock\", \"unload/unwind")
        + "control = { set = { tables = \"strip\" } }\n";
    let unloading = |title: &str| ("load/task-clock", if title == "passes" { 5e3 } else { 4e3 });
    for (title, text, was, now) in [
        ("passes", &control, LINEAR, LINEAR),
        ("passes:tables=strip", &control, LINEAR, LINEAR),
        ("improved", &plain, QUADRATIC, LINEAR),
        ("known", &known, QUADRATIC, QUADRATIC),
        ("undecided", &plain, LINEAR, NOISY),
        ("failing", &plain, LINEAR, LINEAR),
        ("oldest-first", &SCENARIO.to_owned(), LINEAR, QUADRATIC),
    ] {
        if !title.contains(':') {
            project.write(&format!("xtask/scenarios/{title}.toml"), text);
            let accepted = baseline(&made.environment, &[CALLS, was]);
            project.write(&format!("baselines/{title}.toml"), accepted);
        }
        let (load, each) = unloading(title);
        made.scenario(title, &[(load, Cost::linear(each, 0.02)), CALLS, now, WALL]);
        if title == "failing" {
            made.fail_last("the program ended with exit code 1");
        }
    }
    made.check_callgrind();
    made.save(&project.path("session"));
    profile(&project.path("session"), "oldest-first", 0, &[regressed::SEARCH, regressed::FREE]);
    project
}

const WAS: Cost = Cost::linear(27_100.0, 0.02);
const SUPERLINEAR: Cost = Cost::quadratic(27_100.0, 0.724, 0.02);

/// A program whose loading was linear, and costs `now`.
fn program(now: Cost) -> Project {
    let project = Project::empty();
    let text = "format = 2\nquestion = \"Does my program load plugins in linear time?\"\n\
        expectation = \"Linear.\"\ncommand = [\"./my-program\", \"{n}\"]\ncount_with = []\n\
        unit = \"plugin\"\njudge = [\"load/task-clock\", \"unload/task-clock\"]\n\
        sizes = { from = 64, to = 4096, factor = 2 }\n";
    project.write("xtask/scenarios/my-program.toml", text);
    let mut made = Made::new();
    let unload = ("unload/task-clock", Cost::linear(4_100.0, 0.02));
    let accepted = baseline(&made.environment, &[("load/task-clock", WAS), unload]);
    let accepted = accepted.replace("wasmtime = \"48\"", "wasmtime = \"command\"");
    project.write("baselines/my-program.toml", accepted);
    made.scenario("my-program", &[("load/task-clock", now), unload]);
    made.save(&project.path("session"));
    let header = made.header().replace("\"started\":0", "\"started\":1796050000");
    project.write("session/session.json", header);
    project
}

/// Text that covers other text of its chart or leaves the chart.
const COLLISIONS: &str = "[...document.querySelectorAll('svg')].flatMap(svg => { \
    const all = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBBox()]), \
        view = svg.viewBox.baseVal, found = []; \
    all.forEach(([text, a], i) => { \
        if (a.x < 0 || a.y < 0 || a.x + a.width > view.width || a.y + a.height > view.height) \
            found.push(text + ' leaves the chart'); \
        for (const [other, b] of all.slice(i + 1)) \
            if (a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height) \
                found.push(text + ' covers ' + other); }); \
    return found; })";

/// Text, lines and points that stand out too little from what is behind them.
const FAINT: &str = "(() => { \
    const parts = colour => colour.match(/[\\d.]+/g).map(Number), \
        light = colour => parts(colour).slice(0, 3).map(v => v / 255) \
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4) \
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0), \
        behind = e => { const own = getComputedStyle(e).backgroundColor; \
            return parts(own)[3] === 0 ? behind(e.parentElement) : own; }, \
        ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); \
            return (x + 0.05) / (y + 0.05); }, \
        faint = (e, colour, least) => ratio(colour, behind(e)) < least, \
        has_text = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()); \
    const texts = [...document.querySelectorAll('body *')].filter(has_text) \
            .filter(e => !e.closest('title, desc')) \
            .filter(e => faint(e, getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color'], 4.5)), \
        lines = [...document.querySelectorAll('polyline, line.guide, circle.other, line.now')] \
            .filter(e => faint(e, getComputedStyle(e).stroke, 3)); \
    return [...texts, ...lines].map(e => e.outerHTML.slice(0, 99)); })()";

const DETAILS: &str = "[...document.querySelectorAll('main > section > details')]";

/// The page tells nothing by colour alone, nothing of it collides or leaves the screen, and tables that
/// scroll show that they do.
#[test]
#[ignore = "slow: starts a browser"]
fn the_page_is_readable_on_every_screen() {
    let Some(mut browser) = Browser::start() else {
        loadline_testing::skip!("there is no chromium");
        return;
    };
    let projects = [
        ("suite", suite()),
        ("red", program(SUPERLINEAR)),
        ("green", program(WAS)),
        ("hostile", regressed::project()),
    ];
    for (name, project) in &projects {
        let page = page(project);
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            browser.look(&page, width, scheme, "screen");
            browser.picture(&format!("{name}-{width}-{scheme}"), 4000.0);
            browser.value("document.querySelectorAll('details').forEach(d => d.open = true)");
            let wide = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= width, "{name}: {wide} of {width}");
            let spilled = "[...document.querySelectorAll('main *')].filter(e => !e.closest('.wide') \
                && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 99))";
            assert_eq!(browser.value(spilled), json!([]), "{name} {width}");
            assert_eq!(browser.value(COLLISIONS), json!([]), "{name} {width}");
            assert_eq!(browser.value(FAINT), json!([]), "{name} {scheme}");
            let hidden = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth) \
                .map(e => getComputedStyle(e).backgroundAttachment)";
            for shadow in browser.value(hidden).as_array().unwrap() {
                assert_eq!(shadow, "local, local, scroll, scroll", "{name} {width}");
            }
            browser.picture(&format!("{name}-{width}-{scheme}-open"), 12_000.0);
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// The picture in the README and the docs. `UPDATE_PICTURES=1` writes it again.
#[test]
#[ignore = "slow: starts a browser"]
fn the_picture_in_the_docs_is_small() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/img/report.png");
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        let project = program(SUPERLINEAR);
        let page = page(&project);
        let mut browser = Browser::start().expect("there is no chromium");
        browser.look(&page, 1280, "light", "screen");
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::copy(browser.picture("report", 716.0), &kept).unwrap();
    }
    assert!(fs::metadata(&kept).unwrap().len() <= 150_000);
}

#[test]
#[ignore = "slow: starts a browser"]
fn what_is_not_green_comes_first_and_open() {
    let project = suite();
    let page = page(&project);
    let Some(mut browser) = Browser::start() else {
        loadline_testing::skip!("there is no chromium");
        return;
    };
    browser.look(&page, 1280, "light", "screen");
    let names = format!("{DETAILS}.map(d => d.querySelector('h3').innerText.split(' ')[1])");
    let control = "passes:tables=strip";
    let order = ["oldest-first", "failing", "undecided", "known", "improved", "passes", control];
    assert_eq!(browser.value(&names), json!(order));
    let open = [true, true, true, false, true, false, false];
    assert_eq!(browser.value(&format!("{DETAILS}.map(d => d.open)")), json!(open));
    let title = browser.value("document.querySelector('h1').innerText");
    let title = title.as_str().unwrap();
    assert!(title.contains("oldest-first unload: was linear, now N^"), "{title}");
    // The curve of the red series is on top, ahead of those of other series.
    let first = "document.querySelector('main svg').querySelector('title').textContent";
    assert_eq!(browser.value(first), "unload/task-clock: cost of all N modules");
    // A known issue is no green tick, and a control that rises is not flat.
    let known = browser.value(&format!("{DETAILS}[3].querySelector('summary').innerText"));
    let known = known.as_str().unwrap();
    assert!(known.contains("known issue, expires with wasmtime 52 wasmtime#10084"), "{known}");
    assert!(!known.contains('✔'), "{known}");
    let control = browser.value(&format!("{DETAILS}[6].textContent"));
    assert!(!control.as_str().unwrap().contains("flat"), "{control}");
}

#[test]
#[ignore = "slow: starts a browser"]
fn the_page_is_read_by_mouse_by_keyboard_on_a_phone_and_on_paper() {
    let project = regressed::project();
    let page = page(&project);
    let Some(mut browser) = Browser::start() else {
        loadline_testing::skip!("there is no chromium");
        return;
    };
    browser.look(&page, 1280, "light", "screen");
    let opened = browser.value("performance.getEntriesByType('navigation')[0].duration");
    println!("opened in {opened} ms");
    assert!(browser.value("document.title").as_str().unwrap().contains("2 REGRESSED"));

    // A point says what it is when pointed at.
    browser.point_at("document.querySelector('svg circle.now:last-of-type')");
    let says = browser.value("document.querySelector('circle:hover title')?.textContent");
    assert!(says.as_str().unwrap().starts_with("now, N = 4096: 183 ms (95 %: "), "{says}");

    let is_open = |place: usize| format!("document.querySelectorAll('details')[{place}].open");
    assert_eq!(browser.value(&is_open(1)), false);
    browser.click("document.querySelectorAll('summary')[1]");
    assert_eq!(browser.value(&is_open(1)), true);

    // The first thing by keyboard is the way past the header; a heading is unfolded by Enter.
    browser.open(&page);
    browser.press("Tab", "");
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    browser.value("document.querySelectorAll('summary')[1].focus()");
    browser.press("Enter", "\r");
    assert_eq!(browser.value(&is_open(1)), true);

    // Colours follow the reader.
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(background);
    browser.look(&page, 1280, "dark", "screen");
    assert_ne!(browser.value(background), light);

    // On paper everything is unfolded.
    browser.open(&page);
    let folded = "getComputedStyle(document.querySelectorAll('details')[1], '::details-content').contentVisibility";
    assert_eq!(browser.value(folded), "hidden");
    browser.look(&page, 1000, "light", "print");
    assert_eq!(browser.value(folded), "visible");
    let height = "document.querySelectorAll('details > div')[1].getBoundingClientRect().height";
    assert!(browser.value(height).as_f64().unwrap() > 200.0);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// What screen readers go by: landmarks, headings without gaps, captions, names of pictures.
#[test]
#[ignore = "slow: starts a browser"]
fn the_page_is_found_through_without_eyes() {
    let project = regressed::project();
    let page = page(&project);
    let Some(mut browser) = Browser::start() else {
        loadline_testing::skip!("there is no chromium");
        return;
    };
    browser.open(&page);
    for (what, selector) in [
        ("landmarks", "header, main, nav, footer, section[aria-labelledby]"),
        ("pictures", "svg[role=img] > title + desc"),
        ("tables", "table > caption"),
    ] {
        let count = browser.value(&format!("document.querySelectorAll('{selector}').length"));
        assert!(count.as_u64().unwrap() >= 4, "{what}: {count}");
    }
    let nameless = "[...document.querySelectorAll('table:not(:has(> caption)), svg:not([aria-labelledby]), th:not([scope])')].length";
    assert_eq!(browser.value(nameless), 0);
    let references = "[...document.querySelectorAll('[aria-labelledby]')].flatMap(e => e.getAttribute('aria-labelledby').split(' ')).filter(id => !document.getElementById(id))";
    assert_eq!(browser.value(references), json!([]));
    let twice = "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.filter((id, i) => ids.indexOf(id) != i); })()";
    assert_eq!(browser.value(twice), json!([]));
    let levels =
        browser.value("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])");
    let levels: Vec<u64> = serde_json::from_value(levels).unwrap();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    // The words that were made to break out are words.
    assert_eq!(browser.value("document.querySelectorAll('main b, script').length"), 0);
    let text = browser.value("document.body.innerText");
    assert!(text.as_str().unwrap().contains("</script><b>"), "{text}");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
