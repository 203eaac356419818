//! The report as HTML in a real browser: opened, unfolded, pointed at, by mouse and by keyboard, on a
//! screen, on a phone, in the dark and on paper.

#![cfg(unix)]
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::common::regressed::project;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A headless Chromium that is told what to do through pipes, and has one page.
struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    n_sent: u64,
    /// Errors of the console, and requests for anything but the file.
    complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// `None` where there is no Chromium.
    fn start() -> Option<Browser> {
        let is_there = |name: &&str| {
            let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
            version.is_ok_and(|output| output.status.success())
        };
        let program =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there)?;
        let profile = TempDir::new().unwrap();
        let mut shell = Command::new("sh");
        // Chromium reads commands from descriptor 3 and answers on 4.
        shell.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", program]);
        shell.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-pipe",
        ]);
        shell.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut process = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut browser = Browser {
            process,
            to,
            from: BufReader::new(from),
            session: String::new(),
            n_sent: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", attach);
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command and returns what it answers.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.n_sent += 1;
        let mut message = json!({"id": self.n_sent, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == self.n_sent {
                assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
        }
    }

    fn wait_for(&mut self, event: &str) {
        while self.hear()["method"] != event {}
    }

    fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert!(!message.is_empty(), "the browser has ended");
        let heard: Value = serde_json::from_slice(&message[..message.len() - 1]).unwrap();
        let said = &heard["params"];
        let is_complaint = match heard["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => true,
            Some("Runtime.consoleAPICalled") => said["type"] == "error",
            Some("Network.requestWillBeSent") => {
                let url = said["request"]["url"].as_str().unwrap_or_default();
                !url.starts_with("file:") && !url.starts_with("data:")
            }
            _ => false,
        };
        if is_complaint {
            self.complaints.push(heard.to_string());
        }
        heard
    }

    fn open(&mut self, page: &Path) {
        self.ask("Page.navigate", json!({"url": format!("file://{}", page.display())}));
        self.wait_for("Page.loadEventFired");
    }

    /// What an expression in the page comes to.
    fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Moves the mouse onto the middle of the first element that `expression` finds.
    fn point_at(&mut self, expression: &str) -> (f64, f64) {
        let place = self.value(&format!(
            "(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        ));
        let (x, y) = (place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
        self.ask("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": x, "y": y}));
        (x, y)
    }

    fn click(&mut self, expression: &str) {
        let (x, y) = self.point_at(expression);
        for kind in ["mousePressed", "mouseReleased"] {
            let press = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", press);
        }
    }

    fn press(&mut self, key: &str, text: &str) {
        let code = if key == "Tab" { 9 } else { 13 };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let press = json!({"type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code});
            self.ask("Input.dispatchKeyEvent", press);
        }
    }

    fn look(&mut self, width: u64, scheme: &str, media: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1,
            "mobile": width < 600});
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask("Emulation.setEmulatedMedia", json!({"media": media, "features": features}));
    }

    /// Saves a picture of the page for a reader.
    fn picture(&mut self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-pictures");
        fs::create_dir_all(&folder).unwrap();
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        let mut decode = Command::new("base64");
        let file = fs::File::create(folder.join(format!("{name}.png"))).unwrap();
        let mut decode = decode.arg("-d").stdin(Stdio::piped()).stdout(file).spawn().unwrap();
        let text = shot["data"].as_str().unwrap();
        decode.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
        let picture = fs::read(folder.join(format!("{name}.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{name}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its children end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the made-up session's page lies.
fn page(project: &crate::common::Project) -> PathBuf {
    let said = project.run(&["report", "session", "--format", "html", "--output", "report.html"]);
    assert_eq!(said.stderr, "");
    project.path("report.html")
}

#[test]
#[ignore = "slow: starts a browser"]
fn the_page_is_read_by_mouse_by_keyboard_on_a_phone_and_on_paper() {
    let project = project();
    let page = page(&project);
    let Some(mut browser) = Browser::start() else {
        loadline_testing::skip!("there is no chromium");
        return;
    };
    browser.look(1200, "light", "screen");
    browser.open(&page);
    let opened = browser.value("performance.getEntriesByType('navigation')[0].duration");
    println!("opened in {opened} ms");
    assert!(browser.value("document.title").as_str().unwrap().contains("2 REGRESSED"));

    // What is red is unfolded, what is not is not.
    let details = "[...document.querySelectorAll('details')]";
    assert_eq!(browser.value(&format!("{details}.map(d => d.open)")), json!([true, false, true]));
    browser.click("document.querySelectorAll('summary')[1]");
    assert_eq!(browser.value(&format!("{details}[1].open")), true);
    browser.picture("light");

    // A point says what it is when pointed at.
    browser.point_at("document.querySelector('svg circle.now:last-of-type')");
    let says = browser.value("document.querySelector('circle:hover title')?.textContent");
    assert!(says.as_str().unwrap().starts_with("now, N = 4096: 183 ms (95 %: "), "{says}");

    // A link to what is folded unfolds it.
    browser.click("document.querySelectorAll('summary')[1]");
    assert_eq!(browser.value(&format!("{details}[1].open")), false);
    browser.click("document.querySelector('tbody a[href=\"#s1\"]')");
    assert_eq!(browser.value(&format!("{details}[1].open")), true);

    // The first thing by keyboard is the way past the header; a heading is unfolded by Enter.
    browser.open(&page);
    browser.press("Tab", "");
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    browser.value("document.querySelectorAll('summary')[1].focus()");
    browser.press("Enter", "\r");
    assert_eq!(browser.value(&format!("{details}[1].open")), true);

    // On a phone nothing but tables is wider than the screen; colours follow the reader.
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(background);
    browser.look(390, "dark", "screen");
    assert_ne!(browser.value(background), light);
    assert!(browser.value("document.documentElement.scrollWidth").as_u64().unwrap() <= 390);
    browser.picture("phone-dark");

    // On paper everything is unfolded.
    browser.open(&page);
    let folded = "getComputedStyle(document.querySelectorAll('details')[1], '::details-content').contentVisibility";
    assert_eq!(browser.value(folded), "hidden");
    browser.look(1000, "light", "print");
    assert_eq!(browser.value(folded), "visible");
    let height = "document.querySelectorAll('details > div')[1].getBoundingClientRect().height";
    assert!(browser.value(height).as_f64().unwrap() > 500.0);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// What screen readers go by: landmarks, headings without gaps, captions, names of pictures.
#[test]
#[ignore = "slow: starts a browser"]
fn the_page_is_found_through_without_eyes() {
    let project = project();
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
