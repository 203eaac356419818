//! Observers that forward load records and warnings to `tracing` and to `metrics`.
//!
//! Each observer is behind a feature with the name of its crate. Both features are off by default.

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;

#[cfg(feature = "tracing")]
mod tracing {
    use crate::watch::{CompileRecord, Eviction, LoadObserver, LoadRecord, UnloadRecord, Warning};

    /// Emits events of `tracing` with the target `loadline`.
    ///
    /// Warnings have level `WARN`, and everything else has level `DEBUG`. Durations are in nanoseconds.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Tracing;

    impl LoadObserver for Tracing {
        fn loaded(&self, record: &LoadRecord<'_>) {
            tracing::debug!(
                target: "loadline",
                name = record.name,
                number = record.number,
                origin = record.origin.name(),
                is_shared = record.is_shared,
                bytes = record.contents.bytes,
                functions = record.contents.functions,
                fdes = record.contents.fdes,
                registrations = record.registrations,
                mappings = record.mappings,
                prepare_ns = record.prepare.as_nanos() as u64,
                deserialize_ns = record.deserialize.as_nanos() as u64,
                "loaded"
            );
        }

        fn unloaded(&self, record: &UnloadRecord) {
            tracing::debug!(
                target: "loadline",
                number = record.number,
                bytes = record.contents.bytes,
                waited_ns = record.waited.as_nanos() as u64,
                took_ns = record.took.as_nanos() as u64,
                "unloaded"
            );
        }

        fn compiled(&self, record: &CompileRecord) {
            tracing::debug!(
                target: "loadline",
                key = %record.key,
                bytes = record.contents.bytes,
                functions = record.contents.functions,
                took_ns = record.took.as_nanos() as u64,
                "compiled"
            );
        }

        fn evicted(&self, eviction: &Eviction) {
            match eviction {
                Eviction::Entry { key, bytes } => {
                    tracing::debug!(target: "loadline", %key, bytes, "evicted from a store");
                }
                Eviction::Module { number, bytes } => {
                    tracing::debug!(target: "loadline", number, bytes, "evicted from memory");
                }
            }
        }

        fn warn(&self, warning: &Warning) {
            tracing::warn!(target: "loadline", "{warning}");
        }
    }
}

#[cfg(feature = "metrics")]
mod metrics {
    use crate::watch::{CompileRecord, Eviction, LoadObserver, LoadRecord, UnloadRecord, Warning};

    /// Records counters and histograms of `metrics`. Histograms are in seconds.
    ///
    /// | name | kind | labels |
    /// |---|---|---|
    /// | `loadline_loads_total` | counter | `origin`, `shared` |
    /// | `loadline_loaded_bytes_total` | counter | `origin` |
    /// | `loadline_registrations_total` | counter | |
    /// | `loadline_prepare_seconds`, `loadline_deserialize_seconds` | histogram | `origin` |
    /// | `loadline_unloads_total` | counter | |
    /// | `loadline_unload_wait_seconds`, `loadline_unload_seconds` | histogram | |
    /// | `loadline_compiles_total` | counter | |
    /// | `loadline_compile_seconds` | histogram | |
    /// | `loadline_evictions_total` | counter | `from`: `store` or `memory` |
    /// | `loadline_warnings_total` | counter | |
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Metrics;

    impl LoadObserver for Metrics {
        fn loaded(&self, record: &LoadRecord<'_>) {
            let origin = record.origin.name();
            let shared = if record.is_shared { "yes" } else { "no" };
            metrics::counter!("loadline_loads_total", "origin" => origin, "shared" => shared)
                .increment(1);
            metrics::histogram!("loadline_prepare_seconds", "origin" => origin)
                .record(record.prepare);
            if record.is_shared {
                return;
            }
            metrics::counter!("loadline_loaded_bytes_total", "origin" => origin)
                .increment(record.contents.bytes as u64);
            metrics::histogram!("loadline_deserialize_seconds", "origin" => origin)
                .record(record.deserialize);
            if let Some(registrations) = record.registrations {
                metrics::counter!("loadline_registrations_total").increment(registrations);
            }
        }

        fn unloaded(&self, record: &UnloadRecord) {
            metrics::counter!("loadline_unloads_total").increment(1);
            metrics::histogram!("loadline_unload_wait_seconds").record(record.waited);
            metrics::histogram!("loadline_unload_seconds").record(record.took);
        }

        fn compiled(&self, record: &CompileRecord) {
            metrics::counter!("loadline_compiles_total").increment(1);
            metrics::histogram!("loadline_compile_seconds").record(record.took);
        }

        fn evicted(&self, eviction: &Eviction) {
            let from = match eviction {
                Eviction::Entry { .. } => "store",
                Eviction::Module { .. } => "memory",
            };
            metrics::counter!("loadline_evictions_total", "from" => from).increment(1);
        }

        fn warn(&self, _: &Warning) {
            metrics::counter!("loadline_warnings_total").increment(1);
        }
    }
}
