//! How a session's verdicts look, and the exit code they amount to. No arithmetic but units.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use loadline_growth::{Estimate, Judgement, Rule, Sight, Verdict};
use loadline_scenario::{Absence, Environment, Means, MetricKind, SeriesName};

use crate::exit::Exit;
use crate::judgement::{Against, Judged, Outcome, Teeth};
use crate::measured::{Measured, MeasuredBefore};
use crate::session;
use crate::shard::Shard;
use crate::symbols::{GrowingSymbol, Standing, named};

/// What a session amounts to.
#[derive(Debug)]
pub struct Report {
    /// The teeth, first: where they fail nothing else counts.
    pub teeth: Vec<Teeth>,
    /// One row a judged series, in the order of scenarios.
    pub rows: Vec<Judged>,
    /// The symbols that grow beyond linear.
    pub symbols: Vec<GrowingSymbol>,
    /// Runs that failed, with their scenario.
    pub failures: Vec<String>,
}

/// What the user asked to be told by the exit code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strictness {
    /// Inconclusive series count.
    pub inconclusive: bool,
    /// Missing baselines count.
    pub no_baseline: bool,
}

impl Report {
    /// The exit code.
    pub fn exit(&self, strictness: Strictness) -> Exit {
        let mut several = Vec::new();
        if self.is_blind() {
            several.push(Exit::Blind);
        }
        let failed = |row: &Judged| matches!(row.outcome, Outcome::Failed);
        // A gate none of whose sensors can be read must not stand open.
        let not_judged = |row: &Judged| matches!(row.outcome, Outcome::NotJudged(_));
        if !self.rows.is_empty() && self.rows.iter().all(not_judged) {
            several.push(Exit::CouldNotMeasure);
        }
        if !self.failures.is_empty() || self.rows.iter().any(failed) {
            several.push(Exit::CouldNotMeasure);
        }
        let has_new_symbol = self.symbols.iter().any(|s| s.standing == Standing::Regressed);
        if self.count(|verdict| verdict == Verdict::Regressed) > 0 || has_new_symbol {
            several.push(Exit::Regressed);
        }
        if strictness.inconclusive && self.count(is_open) > 0 {
            several.push(Exit::Inconclusive);
        }
        if strictness.no_baseline && self.rows.iter().any(|row| row.has_no_baseline) {
            several.push(Exit::NoBaseline);
        }
        Exit::of(&several)
    }

    /// Whether planted growth was missed, or seen where there was none.
    pub fn is_blind(&self) -> bool {
        self.teeth.iter().any(|teeth| teeth.sight == Sight::Blind)
    }

    fn count(&self, is: impl Fn(Verdict) -> bool) -> usize {
        let verdicts = self.rows.iter().filter_map(|row| match row.outcome {
            Outcome::Verdict { verdict, .. } => Some(verdict),
            _ => None,
        });
        verdicts.filter(|verdict| is(*verdict)).count()
    }

    /// The whole text for a terminal.
    pub fn text(&self, measured: &Measured) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line(&environment_line(&measured.environment));
        measured.before.iter().for_each(|before| line(&build_line(before)));
        measured.left_out.iter().for_each(|sentence| line(sentence));
        absent_lines(measured).iter().for_each(|sentence| line(sentence));
        self.teeth_lines().iter().for_each(|sentence| line(sentence));
        line("");
        if self.is_blind() {
            line(
                "This session is blind: growth planted in it was not judged right, so it gives no verdict.",
            );
        } else {
            line(&self.table());
            self.details().iter().for_each(|sentence| line(sentence));
            self.symbol_lines().iter().for_each(|sentence| line(sentence));
        }
        self.failures.iter().for_each(|failure| line(&format!("failed: {failure}")));
        line(&format!("{}      samples: {}", self.summary(), measured.saved.display()));
        line(&measured.part.map_or_else(|| self.next(measured), next_after_part));
        text
    }

    fn teeth_lines(&self) -> Vec<String> {
        let sentence = |teeth: &Teeth| {
            let name = teeth.name.metric;
            match teeth.sight {
                Sight::Sees => format!("teeth: {name}: a planted 20 % share is seen"),
                Sight::Unsure => format!(
                    "teeth: {name}: this session cannot tell a 20 % share from none; what it calls inconclusive may be growth"
                ),
                Sight::Blind => format!(
                    "teeth: {name}: BLIND: a planted 20 % share was called harmless, or none was called growth"
                ),
            }
        };
        self.teeth.iter().map(sentence).collect()
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "scenario",
            "series",
            "tail exponent",
            "95 % interval",
            "was",
            "verdict",
        ]);
        for column in [2, 3, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for (place, row) in self.rows.iter().enumerate() {
            let Some(fold) = fold_of(row) else {
                table.add_row(cells(row));
                continue;
            };
            let is_same =
                |other: &&Judged| fold_of(other) == Some(fold) && other.scenario == row.scenario;
            // In the place of the first of them.
            if !self.rows[..place].iter().any(|other| is_same(&other)) {
                let rows: Vec<&Judged> = self.rows.iter().filter(is_same).collect();
                table.add_row(folded(fold, &rows));
            }
        }
        trimmed(&table.to_string())
    }

    /// What stands behind every row that is not plainly green.
    fn details(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for row in &self.rows {
            let mut about = Vec::new();
            if let Outcome::Verdict { verdict, judgement, costs, against, other_costs, .. } =
                &row.outcome
            {
                if *verdict != Verdict::Holds {
                    about.extend(evidence(
                        row.name,
                        *verdict,
                        judgement,
                        costs,
                        against,
                        other_costs,
                    ));
                }
                if *verdict == Verdict::Regressed {
                    about.extend(cost_table(costs, other_costs, against, row.name.metric.unit()));
                }
                about.extend(constant_change(judgement, against));
            }
            about.extend(row.notes.iter().cloned());
            if !about.is_empty() {
                sentences.push(format!("{} {}", row.scenario, row.name));
                sentences.extend(about.into_iter().map(|sentence| format!("    {sentence}")));
            }
        }
        if !sentences.is_empty() {
            sentences.push(String::new());
        }
        sentences
    }

    /// One line for each scenario and phase: the symbol behind most of its growth.
    fn symbol_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            named(&self.symbols, 1).into_iter().flat_map(symbol_line).collect();
        if !lines.is_empty() {
            lines.insert(0, "symbols that grow beyond linear, by callgrind:".to_owned());
            lines.push(String::new());
        }
        lines
    }

    /// How many series there are of each verdict.
    pub fn summary(&self) -> String {
        if self.is_blind() {
            return "blind".to_owned();
        }
        let new = self.symbols.iter().filter(|s| s.standing == Standing::Regressed).count();
        let words = [
            ("growing symbols nobody knew of", new),
            ("regressed", self.count(|v| v == Verdict::Regressed)),
            ("inconclusive", self.count(is_open)),
            ("improved", self.count(|v| v == Verdict::Improved)),
            ("holds", self.count(|v| v == Verdict::Holds)),
        ];
        let said = words.iter().filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(word, count)| format!("{count} {word}")).collect();
        if said.is_empty() { "nothing judged".to_owned() } else { said.join(", ") }
    }

    fn next(&self, measured: &Measured) -> String {
        let against = measured.before.as_ref();
        let against = against.map(|before| format!(" {}", before.build.argument));
        let against = against.unwrap_or_default();
        let first = |wanted: &dyn Fn(Verdict) -> bool| {
            self.rows.iter().find(
                |row| matches!(row.outcome, Outcome::Verdict { verdict, .. } if wanted(verdict)),
            )
        };
        if self.is_blind() {
            return "next: repeat on a quieter machine".to_owned();
        }
        if let Some(row) = first(&|v| v == Verdict::Regressed) {
            let title = &row.scenario;
            return format!("next: cargo xtask regress {title}{against} (to see it again)");
        }
        if let Some(row) = first(&is_open) {
            let title = &row.scenario;
            return format!(
                "next: cargo xtask regress {title}{against} --set processes=10 (to settle it)"
            );
        }
        if !self.failures.is_empty() && !against.is_empty() {
            return format!("next: look at the failed runs, then cargo xtask regress{against}");
        }
        if !self.failures.is_empty() {
            return "next: look at the failed runs, then cargo xtask regress --resume (to carry them out anew)"
                .to_owned();
        }
        if self.rows.iter().any(|row| row.has_no_baseline) {
            return "next: cargo xtask baseline --reason TEXT (to judge times against this machine)"
                .to_owned();
        }
        "next: nothing to do".to_owned()
    }
}

/// What is said of a growing symbol: one line, and for what is new a second with the remedy.
fn symbol_line(growing: &GrowingSymbol) -> Vec<String> {
    let GrowingSymbol { scenario, phase, formula, share, hidden, series, .. } = growing;
    let (shown, top) = (growing.shown(), series.top_size());
    let percent = share * 100.0;
    let standing = match &growing.standing {
        Standing::Known { until, .. } => format!("known, accepted until {until}"),
        Standing::Accepted => "as in the baseline".to_owned(),
        Standing::Negligible => {
            format!("below 20 % of load + unload up to N = {}", hidden.horizon)
        }
        Standing::Doubtful => {
            format!("bent, and not foretold from; cargo xtask explain {scenario} shows it")
        }
        Standing::Regressed => "REGRESSED".to_owned(),
    };
    let hidden_until = hidden.visible_from.filter(|n| *n > top);
    let hidden_until =
        hidden_until.map(|n| format!("; hidden in the total until N ≈ {n} (foretold)"));
    let mut lines = vec![format!(
        "    {scenario} {phase}: {shown}  {formula} instructions, {percent:.0} % of {phase} at N = {top}{}; {standing}",
        hidden_until.unwrap_or_default()
    )];
    if growing.standing == Standing::Regressed {
        lines.push(match growing.cause() {
            Some(known) => format!("        {}; {}", known.cause, known.remedy),
            None => format!("        next: cargo xtask explain {scenario}"),
        });
    }
    lines
}

/// What is left to do when one part of a suite has been measured.
fn next_after_part(shard: Shard) -> String {
    let count = shard.count;
    format!("next: cargo xtask merge SESSION… (those of all {count} shards; this is {shard})")
}

/// The metrics that nothing here can count: said once, each reason with what to do.
pub fn absent_lines(measured: &Measured) -> Vec<String> {
    let wanted = |metric| measured.scenarios.iter().any(|m| m.scenario.metrics().contains(&metric));
    let mut reasons: Vec<(Absence, Vec<String>)> = Vec::new();
    for absent in measured.absent.iter().filter(|absent| wanted(absent.metric)) {
        match reasons.iter_mut().find(|(absence, _)| *absence == absent.absence) {
            Some((_, metrics)) => metrics.push(absent.metric.to_string()),
            None => reasons.push((absent.absence, vec![absent.metric.to_string()])),
        }
    }
    let sentence = |(absence, metrics): &(Absence, Vec<String>)| {
        format!("not counted: {}: {absence}; {}", metrics.join(", "), absence.remedy())
    };
    reasons.iter().map(sentence).collect()
}

/// Whether nothing has been decided.
pub fn is_open(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Inconclusive(_) | Verdict::NoBaseline)
}

/// `wasmtime 48.0.8, libgcc-list 12.0.0, AMD EPYC, linux 6.1`.
pub fn environment_line(environment: &Environment) -> String {
    let Environment { wasmtime, unwinder_family, unwinder_version, cpu, kernel, .. } = environment;
    format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}, {kernel}, {cpu}")
}

/// What the session's runs were measured in turn with.
fn build_line(before: &MeasuredBefore) -> String {
    let session::Against { name, environment, .. } = &before.build;
    let named = format!("wasmtime {}", environment.wasmtime);
    let on = if *name == named { String::new() } else { format!(", on {named}") };
    format!("measured in turn with, and judged against: {name}{on}")
}

/// Why a row stands for others of its scenario as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// A count of operations that holds.
    Holds,
    /// Nobody counts it here, for this reason.
    Absent(Absence),
}

/// Whether a row is one of many that nobody reads unless they are not as they should be.
fn fold_of(row: &Judged) -> Option<Fold> {
    match (&row.outcome, row.name.metric.means()) {
        (Outcome::Verdict { verdict: Verdict::Holds, .. }, Means::Count) => {
            row.notes.is_empty().then_some(Fold::Holds)
        }
        (Outcome::NotJudged(absence), Means::Count | Means::Callgrind) => {
            Some(Fold::Absent(*absence))
        }
        _ => None,
    }
}

/// One row for all those of a scenario.
fn folded(fold: Fold, rows: &[&Judged]) -> [String; 6] {
    let tails = rows.iter().filter_map(|row| match &row.outcome {
        Outcome::Verdict { judgement, .. } => own_tail(judgement),
        _ => None,
    });
    let steepest = tails.map(|tail| tail.value).max_by(f64::total_cmp);
    let tail = steepest.map_or_else(|| "flat".to_owned(), |value| format!("≤ {value:.2}"));
    let scenario = rows.first().map_or_else(String::new, |row| row.scenario.clone());
    let dash = || "–".to_owned();
    if let Fold::Absent(absence) = fold {
        let name = match rows {
            [only] => only.name.to_string(),
            rows => format!("{} counts", rows.len()),
        };
        let verdict = format!("not judged: {absence}");
        return [scenario, name, dash(), dash(), dash(), verdict];
    }
    let name = format!("{} operation counts", rows.len());
    [scenario, name, tail, dash(), dash(), "hold".to_owned()]
}

fn cells(row: &Judged) -> [String; 6] {
    let dash = || "–".to_owned();
    let (mut tail, mut interval, mut was) = (dash(), dash(), dash());
    let verdict = match &row.outcome {
        Outcome::Verdict { verdict, judgement, other_tail, against, .. } => {
            if let Some(estimate) = own_tail(judgement) {
                tail = format!("{:.2}", estimate.value);
                interval = range(&estimate);
            } else {
                tail = "flat".to_owned();
            }
            was = match (against, other_tail) {
                (_, Some(estimate)) => range(estimate),
                (Against::Baseline | Against::Control(_) | Against::Build(_), None) => {
                    "flat".to_owned()
                }
                _ => dash(),
            };
            format!("{}{}", word(*verdict), by(against))
        }
        Outcome::NotJudged(absence) => format!("not judged: {absence}"),
        Outcome::ControlOnly => "control, not judged alone".to_owned(),
        Outcome::Failed => "FAILED".to_owned(),
    };
    [row.scenario.clone(), row.name.to_string(), tail, interval, was, verdict]
}

/// The word for a verdict on screen. What needs attention is in capitals: colour is no sign alone.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Improved => "improved",
        Verdict::Regressed => "REGRESSED",
        Verdict::Inconclusive(_) => "inconclusive",
        Verdict::NoBaseline => "inconclusive: no baseline and no control",
    }
}

fn by(against: &Against) -> String {
    match against {
        Against::Baseline | Against::Build(_) | Against::Nothing => String::new(),
        Against::Control(_) => " (beside its control)".to_owned(),
        Against::Expectation => " (as stated)".to_owned(),
    }
}

fn own_tail(judgement: &Judgement) -> Option<Estimate> {
    judgement.curve.evidence.as_ref().and_then(|evidence| evidence.tail_exponent)
}

/// An interval on screen.
pub fn range(estimate: &Estimate) -> String {
    format!("{:.2} … {:.2}", estimate.interval.low, estimate.interval.high)
}

/// The figures behind a verdict, in the reader's units.
fn evidence(
    name: SeriesName,
    verdict: Verdict,
    judgement: &Judgement,
    costs: &[(u64, f64)],
    against: &Against,
    other_costs: &[(u64, f64)],
) -> Vec<String> {
    let mut sentences = Vec::new();
    let unit = name.metric.unit();
    if let Some(pair) = judgement.pair.as_ref().and_then(|pair| pair.evidence.as_ref())
        && judgement.decided_by == Rule::Pair
    {
        let compared = match against {
            Against::Control(title) => format!("than {title}, measured beside it"),
            Against::Build(name) => format!("than with {name}, measured in turn with it"),
            _ => "than the baseline".to_owned(),
        };
        let share = pair.growth;
        let top = costs.last().map_or(0, |(n, _)| *n);
        sentences.push(if verdict == Verdict::Improved {
            let (more, whose) = (-share.value * 100.0, compared.trim_start_matches("than "));
            format!("at N = {top}, with the growth of {whose} it would cost {more:.0} % more")
        } else {
            format!(
                "at N = {top}, {:.0} % of the cost (95 %: {:.0} … {:.0} %) grows faster {compared}, by {}; p = {:.1e}",
                share.value * 100.0,
                share.interval.low * 100.0,
                share.interval.high * 100.0,
                pair.growth_name,
                judgement.holm_p.unwrap_or(pair.p),
            )
        });
        if verdict == Verdict::Regressed
            && let Some((n, cost)) = costs.last()
        {
            // Counts travel between machines; of a time only the share that grew is known.
            let without = match (name.metric.kind(), other_costs.last()) {
                (MetricKind::Count, Some((_, other))) => *other,
                _ => cost * (1.0 - share.value.min(0.99)),
            };
            sentences.push(format!(
                "at N = {n} it costs {} instead of {}",
                amount(*cost, unit),
                amount(without, unit)
            ));
        }
    }
    if verdict == Verdict::Regressed
        && let Some(sentence) = next_module(costs, other_costs, unit)
    {
        sentences.push(sentence);
    }
    if let Some(curve) = &judgement.curve.evidence
        && curve.share >= loadline_growth::MIN_SHARE
        && let Some(crossover) = curve.crossover
    {
        let weight =
            if name.metric.kind() == MetricKind::Time { " (by itself: advisory)" } else { "" };
        sentences.push(format!(
            "superlinear share {:.0} % at the top; if quadratic it overtakes the rest at N ≈ {crossover:.0}{weight}",
            curve.share * 100.0
        ));
    }
    if !costs.is_empty() {
        sentences.push(format!("per module: {}", per_module(costs, unit)));
    }
    if let Verdict::Inconclusive(doubt) = verdict {
        sentences.push(doubt.to_string());
        if let Some(share) = judgement.smallest_detectable {
            sentences.push(format!("would have seen a share of {:.0} %", share * 100.0));
        }
        sentences.extend(judgement.remedy.map(|remedy| format!("what would settle it: {remedy}")));
    }
    sentences
}

/// What one more module costs at the top, and what it costs on the other side, or where that is not
/// known at the bottom.
fn next_module(costs: &[(u64, f64)], other_costs: &[(u64, f64)], unit: &str) -> Option<String> {
    let between = |costs: &[(u64, f64)], place: usize| -> Option<f64> {
        let [(n, cost), (more, dearer)] = costs.get(place..place + 2)? else { return None };
        Some((dearer - cost).max(0.0) / (more - n) as f64)
    };
    let top = costs.last()?.0;
    let now = between(costs, costs.len().checked_sub(2)?)?;
    let (instead, from) = match other_costs.len().checked_sub(2) {
        Some(place) => (between(other_costs, place)?, String::new()),
        None => (between(costs, 0)?, format!(" at N = {}", costs[0].0)),
    };
    let (now, instead) = (amount(now, unit), amount(instead, unit));
    Some(format!("the next module at N = {top} costs {now} instead of {instead}{from}"))
}

/// The cost at every N beside that of the other side, one line a side.
fn cost_table(
    costs: &[(u64, f64)],
    other_costs: &[(u64, f64)],
    against: &Against,
    unit: &str,
) -> Vec<String> {
    let row = |name: &str, cells: Vec<String>| std::iter::once(name.to_owned()).chain(cells);
    let amounts =
        |costs: &[(u64, f64)]| costs.iter().map(|(_, cost)| amount(*cost, unit)).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_row(row("N", costs.iter().map(|(n, _)| n.to_string()).collect()));
    table.add_row(row("now", amounts(costs)));
    if !other_costs.is_empty() {
        let name = match against {
            Against::Baseline => "baseline",
            Against::Build(_) => "before",
            _ => "control",
        };
        table.add_row(row(name, amounts(other_costs)));
    }
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A change that is no growth: shown, and not gated.
fn constant_change(judgement: &Judgement, against: &Against) -> Option<String> {
    if !matches!(against, Against::Baseline | Against::Build(_)) {
        return None;
    }
    let pair = judgement.pair.as_ref()?.evidence.as_ref()?;
    let factor = pair.factor_without_growth;
    let differs = factor.interval.low > 1.10 || factor.interval.high < 1.0 / 1.10;
    differs.then(|| {
        format!(
            "×{:.2} at every N (95 %: {:.2} … {:.2}), growth apart; not gated",
            factor.value, factor.interval.low, factor.interval.high
        )
    })
}

/// The cost per module at the smallest, a middle and the largest N.
fn per_module(costs: &[(u64, f64)], unit: &str) -> String {
    let picked = [0, costs.len() / 2, costs.len() - 1];
    let mut shown = String::new();
    for (place, index) in picked.into_iter().enumerate() {
        let (n, cost) = costs[index];
        let separator = if place == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(shown, "{separator}{} at N = {n}", amount(cost / n as f64, unit));
    }
    shown
}

/// A cost with a unit people have.
pub fn amount(cost: f64, unit: &str) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let fitting = steps.iter().find(|(size, _)| cost >= *size).or(steps.last());
        let (size, unit) = fitting.copied().unwrap_or((1.0, ""));
        format!("{} {unit}", digits(cost / size))
    };
    match unit {
        "ns" => scaled(&[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")]),
        "bytes" => scaled(&[(1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "bytes")]),
        _ => digits(cost),
    }
}

fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Without the blanks that a table puts at the end of lines.
pub fn trimmed(table: &str) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
