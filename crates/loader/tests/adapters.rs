//! Tests of the adapters for `tracing` and `metrics`. They need both features: `cargo test -p loadline-loader
//! --features metrics,tracing --test adapters`.
#![cfg(all(feature = "compile", feature = "metrics", feature = "tracing"))]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use common::{artifacts, engine};
use loadline_loader::adapters::{Metrics, Tracing};
use loadline_loader::{LoadObserver, Loader, LoaderOptions, Warning};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

/// Loads the same artifact twice, so that the second load is shared, and unloads.
fn exercise(observer: Arc<dyn LoadObserver>) {
    let loader = Loader::new(&engine(), LoaderOptions::new().observer(observer.clone()));
    let artifact = artifacts(1).remove(0);
    let leases = [loader.load(&artifact).unwrap(), loader.load(&artifact).unwrap()];
    drop(leases);
    loader.flush();
    drop(loader);
    observer.warn(&Warning::NotStored { reason: "no room".to_owned() });
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<BTreeMap<String, u64>>>);

struct Note(String, Notes);

impl Note {
    fn add(&self, value: u64) {
        *self.1.0.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }
}

impl CounterFn for Note {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Note {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value));
        self.add(1);
    }
}

impl Recorder for Notes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Note(key.name().to_owned(), self.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Note(key.name().to_owned(), self.clone())))
    }
}

#[test]
fn metrics_are_counted() {
    let notes = Notes::default();
    metrics::set_global_recorder(notes.clone()).unwrap_or_else(|_| panic!("the only one"));
    exercise(Arc::new(Metrics));
    let notes = notes.0.lock().unwrap();
    assert_eq!(notes["loadline_loads_total"], 2);
    assert_eq!(notes["loadline_prepare_seconds"], 2);
    assert_eq!(notes["loadline_deserialize_seconds"], 1);
    assert!(notes["loadline_loaded_bytes_total"] > 1000);
    assert_eq!(notes["loadline_unloads_total"], 1);
    assert_eq!(notes["loadline_warnings_total"], 1);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "loadline"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Line(String);

        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }

        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

#[test]
fn events_are_traced() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    exercise(Arc::new(Tracing));
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("DEBUG message=loaded"), "{lines:?}");
    assert!(lines[0].contains("origin=\"bytes\" is_shared=false"), "{lines:?}");
    assert!(lines[1].contains("is_shared=true"), "{lines:?}");
    assert!(lines[2].contains("message=unloaded"), "{lines:?}");
    assert!(lines[3].starts_with("WARN message=cannot keep"), "{lines:?}");
}
