//! Judges every series of a session together, because p-values are adjusted over all questions.

use loadline_growth::{Case, Kind, judge_suite};
use loadline_record::measured::Measured;

use crate::judged::Judged;
use crate::rules::question::Question;
use crate::rules::reference::BaselineSource;
use crate::rules::scaling;

/// Judges every judged series of `measured`. All are judged together, so that p-values can be adjusted.
pub fn judge(measured: &Measured, baselines: &dyn BaselineSource) -> Vec<Judged> {
    judge_parts(&[measured], baselines)
}

/// Judges every judged series of all `parts` as one suite. Each series has the environment of its part.
pub fn judge_parts(parts: &[&Measured], baselines: &dyn BaselineSource) -> Vec<Judged> {
    let questions_of = |measured| questions(measured, baselines);
    let questions: Vec<Question<'_>> = parts.iter().copied().flat_map(questions_of).collect();
    let cases: Vec<Case<'_>> = questions.iter().filter_map(Question::case).collect();
    let mut judgements = judge_suite(&cases).into_iter();
    let judged = questions.iter().map(|question| {
        let judgement = question.case().and_then(|_| judgements.next());
        question.answer(judgement, question.environment)
    });
    let mut judged: Vec<Judged> = judged.collect();
    for part in parts {
        judged.extend(scaling::judge(part, baselines.tau(Kind::Time, &part.environment)));
    }
    judged
}

fn questions<'a>(
    measured: &'a Measured,
    baselines: &'a dyn BaselineSource,
) -> impl Iterator<Item = Question<'a>> {
    let judged = measured.scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
    let series = judged.flat_map(|m| m.scenario.judge.iter().map(move |name| (m, *name)));
    series.map(move |(m, name)| Question::of(m, name, measured, baselines))
}
