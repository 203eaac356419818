//! The history of a scenario for a terminal: one table for each series that changed.

use comfy_table::{CellAlignment, Table, presets};
use loadline_scenario::units::{cut, short};
use loadline_verdict::trend::{Line, Origin, Step, Trend};

/// The bars of a plot, the lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Describes the current cost, and since when it is known.
fn now(line: &Line) -> String {
    let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else {
        return "not known".to_owned();
    };
    let each = short(last.per_module, line.unit);
    let Step { n, .. } = last;
    let one = &line.one;
    format!("{each} per {one} at N = {n}, since {} ({})", first.date, line.environment)
}

/// Renders the history. Unchanged counts get one line; other series, and series that the user asked for, get
/// a table.
pub fn text(trend: &Trend, is_asked: bool) -> String {
    let mut text = format!("{}\n\n", answer(trend));
    let is_steady = |line: &&Line| !is_asked && line.is_steady();
    for line in trend.series.iter().filter(|line| !is_steady(line)) {
        text.push_str(&format!("{} {}   {}\n", trend.scenario, line.series, line.environment));
        text.push_str(&table(line));
        text.push_str(&format!(" per {}  {}\n\n", line.one, plot(line)));
    }
    for line in trend.series.iter().filter(is_steady) {
        text.push_str(&format!("steady: {} {}\n", line.series, now(line)));
    }
    trend.unread.iter().for_each(|problem| text.push_str(&format!("not read: {problem}\n")));
    text
}

/// Says in one line whether the cost took a step, and which step was the last.
fn answer(trend: &Trend) -> String {
    let points = || trend.series.iter().flat_map(|line| line.points.iter().map(move |p| (line, p)));
    let is_step = |point: &Step| point.change.is_some_and(|change| change.is_step());
    let steps: Vec<_> = points().filter(|(_, point)| is_step(point)).collect();
    let Some((line, last)) = steps.iter().max_by_key(|(_, point)| point.date.clone()) else {
        let since = points().map(|(_, point)| point.date.as_str()).min().unwrap_or_default();
        return format!("{}: no step since {since}", trend.scenario);
    };
    let count = match steps.len() {
        1 => "1 step".to_owned(),
        n => format!("{n} steps, the last"),
    };
    let word = last.change.and_then(|change| change.step(line.unit)).unwrap_or_default();
    let (series, date, from) = (&line.series, &last.date, from(&last.origin));
    format!("{}: {count} on {date}: {series} {word} ({from})", trend.scenario)
}

fn table(line: &Line) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let each = format!("per {}", line.one);
    table.set_header(["date", "from", "N", &each, "exponent", "95 % interval", "step"]);
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for point in &line.points {
        let exponent = point.exponent.as_ref();
        let dash = || "–".to_owned();
        table.add_row([
            point.date.clone(),
            from(&point.origin),
            point.n.to_string(),
            short(point.per_module, line.unit),
            exponent.map_or_else(dash, |span| format!("{:.2}", span.value)),
            exponent.map_or_else(dash, |span| format!("{:.2} … {:.2}", span.low, span.high)),
            point.change.and_then(|change| change.step(line.unit)).unwrap_or_default().to_owned(),
        ]);
    }
    let lines = table.to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn from(origin: &Origin) -> String {
    match origin {
        Origin::Commit { hash, subject } => {
            format!("{} {}", &hash[..10.min(hash.len())], cut(subject))
        }
        Origin::Session(name) => format!("session {name}"),
    }
}

/// Draws one bar per point, between 0 and the largest cost.
fn plot(line: &Line) -> String {
    let dearest = line.points.iter().map(|point| point.per_module).fold(0.0, f64::max);
    let bar = |point: &Step| {
        let share = if dearest > 0.0 { point.per_module / dearest } else { 0.0 };
        BARS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1]
    };
    let bars: String = line.points.iter().map(bar).collect();
    format!("{bars}  (full height: {})", short(dearest, line.unit))
}

#[cfg(test)]
mod tests {
    use loadline_growth::{Kind, Series};
    use loadline_scenario::SeriesName;

    use loadline_verdict::compare::Change;
    use loadline_verdict::trend::{FORMAT, Point, steps_of};

    use super::*;

    fn point(hash: &str, processor: &str, cost: impl Fn(f64) -> f64) -> Point {
        let sizes: Vec<u64> = (6..13).map(|power| 1 << power).collect();
        let costs = sizes.iter().map(|n| vec![cost(*n as f64)]).collect();
        let series = Series::new(Kind::Count, sizes, costs).expect("a series").exact(true);
        let origin = Origin::Commit { hash: hash.to_owned(), subject: "why".to_owned() };
        Point { origin, when: 0, processor: processor.to_owned(), series }
    }

    /// A step is shown at the commit that caused it, and nowhere else.
    #[test]
    fn a_step_is_marked_with_its_commit() {
        let points = [
            point("aaaaaaaaaaaa", "A", |n| 12.0 * n),
            point("bbbbbbbbbbbb", "A", |n| 12.0 * n),
            point("cccccccccccc", "A", |n| 15.0 * n),
            point("dddddddddddd", "A", |n| 15.0 * n + n * n),
            point("eeeeeeeeeeee", "A", |n| 15.0 * n),
        ];
        let name: SeriesName = "load/reported".parse().expect("a series");
        let line = Line {
            series: name,
            unit: "count",
            one: "module".to_owned(),
            environment: "here".to_owned(),
            points: steps_of(name, &points),
        };
        let trend = Trend {
            format: FORMAT,
            scenario: "s".to_owned(),
            series: vec![line],
            unread: Vec::new(),
        };
        expect_test::expect![[r#"
            s: 3 steps, the last on 1970-01-01: load/reported grows less (eeeeeeeeee why)

            s load/reported   here
             date        from               N  per module  exponent  95 % interval  step
             1970-01-01  aaaaaaaaaa why  4096          12      1.00    0.99 … 1.01
             1970-01-01  bbbbbbbbbb why  4096          12      1.00    0.99 … 1.01
             1970-01-01  cccccccccc why  4096          15      1.00    0.99 … 1.01  more
             1970-01-01  dddddddddd why  4096        4111      1.99    1.98 … 2.02  GROWS FASTER
             1970-01-01  eeeeeeeeee why  4096          15      1.00    0.99 … 1.01  grows less
             per module  ▁▁▁█▁  (full height: 4111)

        "#]]
        .assert_eq(&text(&trend, true));
    }

    /// Times of another CPU in between make no step and hide none.
    #[test]
    fn times_are_compared_with_those_of_the_same_processor() {
        let points = [
            point("a", "A", |n| 100.0 * n),
            point("b", "B", |n| 300.0 * n),
            point("c", "A", |n| 100.0 * n),
        ];
        let name: SeriesName = "load/task-clock".parse().expect("a series");
        let trend = steps_of(name, &points);
        let changes: Vec<_> = trend.iter().map(|point| point.change).collect();
        assert_eq!(changes, [None, None, Some(Change::Unchanged)]);
    }
}
