//! Measures the cost of one measured phase, and compares it with the least that the kernel takes for the same
//! group.
//!
//! `phase` is two laps without work in between. `enable-read` enables, reads and disables a bare `perf_event`
//! group of the same events. `read-read` reads that group twice while it runs.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("skipped: there is no perf group to compare with on this platform");
}

#[cfg(target_os = "linux")]
fn main() {
    let mut criterion = criterion::Criterion::default().configure_from_args();
    linux::bench(&mut criterion);
    criterion.final_summary();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::hint::black_box;

    use criterion::Criterion;
    use loadline_probe::{Event, Probe};
    use perf_event::events::Software;
    use perf_event::{Builder, Counter, Group};

    /// The events that CI machines can count, with perf's names for them.
    const EVENTS: [(Event, Software); 4] = [
        (Event::TaskClock, Software::TASK_CLOCK),
        (Event::PageFaults, Software::PAGE_FAULTS),
        (Event::ContextSwitches, Software::CONTEXT_SWITCHES),
        (Event::CpuMigrations, Software::CPU_MIGRATIONS),
    ];

    pub fn bench(criterion: &mut Criterion) {
        wall_time(criterion);
        for n_events in [1, 4] {
            events(criterion, n_events);
        }
    }

    fn wall_time(criterion: &mut Criterion) {
        let mut probe = started(&[Event::WallTime]);
        criterion.bench_function("wall-time/phase", |bencher| {
            bencher.iter(|| probe.measure((), || black_box(())));
        });
    }

    fn events(criterion: &mut Criterion, n_events: usize) {
        let events = &EVENTS[..n_events];
        let Some((mut group, _counters)) = bare(events) else {
            eprintln!("skipped: this user may not count {n_events} events");
            return;
        };
        let events: Vec<Event> = events.iter().map(|(event, _)| *event).collect();
        let mut probe = started(&events);
        let mut benches = criterion.benchmark_group(format!("{n_events}-events"));
        benches.bench_function("phase", |bencher| {
            bencher.iter(|| probe.measure((), || black_box(())));
        });
        benches.bench_function("enable-read", |bencher| {
            bencher.iter(|| {
                group.enable().expect("an open group");
                black_box(());
                group.disable().expect("an open group");
                group.read().expect("an open group")
            });
        });
        group.enable().expect("an open group");
        benches.bench_function("read-read", |bencher| {
            bencher.iter(|| {
                let before = group.read().expect("an open group");
                black_box(());
                (before, group.read().expect("an open group"))
            });
        });
        benches.finish();
    }

    fn started(events: &[Event]) -> Probe<()> {
        let mut probe = Probe::open(events);
        probe.start();
        probe
    }

    /// Opens the events as perf-event's own group, or returns `None` if one of them is refused.
    fn bare(events: &[(Event, Software)]) -> Option<(Group, Vec<Counter>)> {
        let mut group = Group::new().ok()?;
        let mut counters = Vec::new();
        for &(event, perf) in events {
            let mut builder = Builder::new().group(&mut group).kind(perf);
            if matches!(event, Event::ContextSwitches | Event::CpuMigrations) {
                builder.include_kernel();
            }
            counters.push(builder.build().ok()?);
        }
        Some((group, counters))
    }
}
