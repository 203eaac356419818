//! Paths of any bytes in requests.
#![cfg(unix)]

use std::ffi::OsStr;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use loadline_scenario::{Corpus, Request};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Both {
    request: Request,
    corpus: Corpus,
}

#[test]
fn a_request_holds_paths_that_are_no_utf_8() {
    let odd = PathBuf::from(OsStr::from_bytes(b"/r\xffoot/a.wasm"));
    let usual = PathBuf::from("/root/b c.wasm");
    let corpus = Corpus::Files(vec![odd.clone(), usual]);
    let request =
        Request::PrepareTables { functions: NonZero::new(1).unwrap(), cache: odd.clone() };
    let text = toml::to_string(&Both { request, corpus: corpus.clone() }).unwrap();
    assert!(text.contains(r#""/root/b c.wasm""#), "{text}");
    let told: Both = toml::from_str(&text).unwrap();
    assert_eq!(told.corpus, corpus);
    let Request::PrepareTables { cache, .. } = told.request else { panic!("another request") };
    assert_eq!(cache, odd);
}
