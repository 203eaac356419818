//! Finds the phases that a program's sources mark: [`Marks`].

use loadline_scenario::Phase;

/// The text before a phase's name in the sources of a program that marks it.
const MARKERS: [&str; 7] =
    ["loadline:phase=", "measure(\"", "phase(\"", "phase('", "_begin(\"", "Phase(\"", "Begin(\""];

/// The text that shows that a program waits for the answer to each marker.
const WAITS: [&str; 6] = [
    "LOADLINE_ACK",
    "loadline_harness",
    "from loadline import",
    "loadline.h\"",
    "./loadline",
    "/loadline\"",
];

/// The sentence in each of the files that are copied next to a program.
const COPY: &str = "for Loadline. Copy this file next to your program.";

/// The phases that sources mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The phases, in their order in a report.
    pub phases: Vec<Phase>,
    /// Whether the program waits for Loadline's answer to each marker.
    pub is_acknowledged: bool,
}

impl Marks {
    /// The marks in `sources`. A program of which no source names Loadline marks nothing.
    pub fn of(sources: impl Iterator<Item = String>) -> Marks {
        let mut marks = Marks::default();
        let sources: Vec<String> = sources.collect();
        if !sources.iter().any(|source| source.to_lowercase().contains("loadline")) {
            return marks;
        }
        for source in sources {
            marks.is_acknowledged |= WAITS.iter().any(|sign| source.contains(sign));
            // A copied helper shows in a comment how it is called.
            if source.contains(COPY) {
                continue;
            }
            let names = MARKERS.iter().flat_map(|marker| source.split(marker).skip(1));
            let names = names.map(|rest| {
                let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
                rest.split(|c| !is_name(c)).next().unwrap_or_default()
            });
            marks.phases.extend(names.filter_map(|name| name.parse::<Phase>().ok()));
        }
        // No program marks these two.
        marks.phases.retain(|phase| !matches!(phase, Phase::Total | Phase::Run));
        marks.phases.sort_unstable();
        marks.phases.dedup();
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_its_markers() {
        let of = |source: &str| Marks::of(std::iter::once(source.to_owned()));
        let script = "const { phase } = require(\"./loadline\");\nphase('load', () => 1);";
        let marks = of(script);
        assert_eq!((marks.phases, marks.is_acknowledged), (vec![Phase::Load], true));
        let plain = of("echo loadline:phase=unload; echo loadline:phase=none");
        assert_eq!((plain.phases, plain.is_acknowledged), (vec![Phase::Unload], false));
        assert_eq!(of("timer.measure(\"load\")"), Marks::default());
        // A file that is copied as it is marks no phase by itself.
        for helper in ["loadline.py", "loadline.js", "loadline.h", "loadline.go"] {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
            let text = std::fs::read_to_string(format!("{path}/{helper}")).expect("a helper");
            let marks = of(&text);
            assert_eq!((marks.phases, marks.is_acknowledged), (Vec::new(), true), "{helper}");
        }
    }
}
