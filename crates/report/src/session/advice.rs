//! Advice on how to decide an undecided series. The series' evidence, its doubt and the last line of the
//! report give the same advice.

use loadline_growth::{Remedy, Verdict};
use loadline_record::Strictness;

use crate::session::places::ReadTexts;
use loadline_record::header::not_measured;
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_record::reproduce::Again;
use loadline_scenario::Collector;
use loadline_verdict::judged::{Against, Ground, Judged, Outcome};

/// Advice on how to decide a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The advice as a sentence without its command.
    pub sentence: String,
    /// The command that follows the advice, if one command is enough.
    pub command: Option<String>,
}

/// The inputs of advice, besides the series.
pub struct Adviser<'a> {
    pub measured: &'a Measured,
    pub texts: ReadTexts<'a>,
    pub strictness: Strictness,
}

/// The flags of an acceptance, for the user to fill in.
const ACCEPT: &str = "--accept-superlinear --reason TEXT --link URL --expires WHEN";

impl Adviser<'_> {
    /// Returns advice on how to decide `row`, or `None` if it is decided or no advice is known.
    pub fn settle(&self, row: &Judged) -> Option<Advice> {
        match &row.outcome {
            Outcome::Scaled(scaled) => {
                let one = self.scenario(&scaled.full_names[1])?;
                let Verdict::Inconclusive(doubt) = scaled.verdict else { return None };
                let series = self.scenario(&row.scenario)?.complete(row.name)?;
                Some(self.of_remedy(Remedy::of(doubt, &series), one, row.collector))
            }
            Outcome::Verdict { verdict: Verdict::NoBaseline, ground, .. } => {
                let one = self.scenario(&row.scenario)?;
                Some(self.something_to_compare_with(one, *ground))
            }
            Outcome::Verdict {
                verdict: Verdict::Inconclusive(_),
                judgement,
                against,
                may_widen,
                ..
            } => {
                let one = self.scenario(&row.scenario)?;
                match judgement.remedy? {
                    Remedy::LargerSize { size } if !may_widen => Some(Advice {
                        sentence: format!(
                            "N = {size} would decide it, and the baseline has no such size: write it again"
                        ),
                        command: Some(self.baseline(one)),
                    }),
                    Remedy::MeasureAgain if *against == Against::Baseline => Some(Advice {
                        sentence: "write the baseline again, at the sizes of today".to_owned(),
                        command: Some(self.baseline(one)),
                    }),
                    remedy => Some(self.of_remedy(remedy, one, row.collector)),
                }
            }
            _ => None,
        }
    }

    fn scenario(&self, full_name: &str) -> Option<&MeasuredScenario> {
        self.measured.scenarios.iter().find(|m| m.scenario.full_name() == full_name)
    }

    /// Returns advice for a series without a reference: add a control, or write a baseline. The baseline of a
    /// superlinear series accepts it as a known issue.
    fn something_to_compare_with(&self, one: &MeasuredScenario, ground: Ground) -> Advice {
        let (file, _) = (self.texts)(&one.scenario).scenario;
        let (other, more) = match ground {
            Ground::NotGated => ("accept it as a known issue", ACCEPT),
            _ => ("write a baseline on this machine", "--reason TEXT"),
        };
        Advice {
            sentence: format!("add a `control` to {file}, or {other}"),
            command: Some(self.again().baseline(&one.scenario, more)),
        }
    }

    fn of_remedy(&self, remedy: Remedy, one: &MeasuredScenario, collector: Collector) -> Advice {
        let regress = |changes: &[(&str, String)]| Some(self.regress(one, None, changes));
        match remedy {
            Remedy::Repetitions { .. } if !collector.is_clock() => Advice {
                sentence: "make the program's counts the same in every run, or judge its times"
                    .to_owned(),
                command: None,
            },
            Remedy::Repetitions { repetitions } => Advice {
                sentence: format!("measure every size {repetitions} times"),
                command: regress(&[("repetitions", repetitions.to_string())]),
            },
            Remedy::LargerSize { size } => match self.refusal(&one.scenario.full_name(), size) {
                Some(why) => Advice {
                    sentence: format!(
                        "N = {size} would decide it, but cannot be measured here: {why}"
                    ),
                    command: None,
                },
                None => {
                    let measured = one.scenario.sizes_by(collector);
                    let sizes: Vec<u64> =
                        measured.iter().map(|n| *n as u64).chain([size]).collect();
                    let key = match collector {
                        Collector::Callgrind => "callgrind_sizes",
                        Collector::Clock | Collector::Count => "sizes",
                    };
                    Advice {
                        sentence: format!("measure N = {size} as well"),
                        command: regress(&[(key, format!("{sizes:?}"))]),
                    }
                }
            },
            Remedy::IdleProcessors => {
                Advice { sentence: remedy.to_string(), command: regress(&[]) }
            }
            Remedy::Sizes { .. }
            | Remedy::FewerSizes { .. }
            | Remedy::WiderRange { .. }
            | Remedy::MeasureAgain => Advice { sentence: remedy.to_string(), command: None },
        }
    }

    /// Returns why the machine refused to measure the scenario `full_name` at N = `size`, or `None` if it did
    /// not.
    fn refusal(&self, full_name: &str, size: u64) -> Option<&str> {
        let start = not_measured(full_name, size);
        self.measured.left_out.iter().find_map(|sentence| sentence.strip_prefix(&start))
    }

    fn again(&self) -> &Again {
        &self.measured.again
    }

    /// Returns the command that measures `one` again, with `changes`.
    pub fn regress(
        &self,
        one: &MeasuredScenario,
        seed: Option<u64>,
        changes: &[(&str, String)],
    ) -> String {
        let against = self.measured.before.as_ref().map(|before| before.build.argument.as_str());
        self.again().regress(&one.scenario, against, self.strictness, seed, changes)
    }

    /// Returns the command that writes a baseline of `one`.
    fn baseline(&self, one: &MeasuredScenario) -> String {
        self.again().baseline(&one.scenario, "--reason TEXT")
    }
}

impl Advice {
    /// Formats the advice with its command on one line.
    pub fn line(&self) -> String {
        match &self.command {
            Some(command) => format!("{}: {command}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}
