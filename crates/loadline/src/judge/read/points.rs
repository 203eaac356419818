//! Readings of benchmarks with parameters. One parameter is N; the others distinguish series.

use loadline_record::Result;
use std::collections::BTreeSet;

use super::super::series::{Design, Named, Readings, size_from_text};

/// The readings of one benchmark with one choice of parameters.
pub struct Point {
    /// The family that all sizes of one series share.
    pub family: String,
    /// Label and value of each parameter, in the tool's order.
    pub parameters: Vec<(String, String)>,
    pub readings: Vec<f64>,
}

/// The points of one family under one choice of the other parameters.
pub struct Group {
    pub family: String,
    /// All parameters except N.
    pub others: Vec<(String, String)>,
    pub readings: Readings,
}

impl Group {
    /// Returns the series of times of this group. If it has too few repetitions, `how` names the option that
    /// asks the tool for more.
    ///
    /// # Errors
    /// When the readings do not form a series.
    pub fn times(self, how: &str) -> Result<Named> {
        let others = self.others.iter().map(|(label, value)| format!("{label}={value}"));
        let others = others.collect::<Vec<_>>().join(",");
        let id = match others.as_str() {
            "" => self.family,
            others => format!("{}[{others}]", self.family),
        };
        let is_short = self.readings.fewest() < 3;
        let mut named = Design::TIME_IN_SEQUENCE.curve(id, self.readings)?;
        if is_short {
            named.notes.push(format!("at least 3 repetitions of every size are needed: {how}"));
        }
        Ok(named)
    }
}

/// Groups the points by family and parameters. Also returns a note for each family without an N.
pub fn grouped(points: Vec<Point>) -> (Vec<Group>, Vec<String>) {
    let mut families: Vec<(String, Vec<Point>)> = Vec::new();
    for point in points {
        match families.iter_mut().rev().find(|(family, _)| *family == point.family) {
            Some((_, points)) => points.push(point),
            None => families.push((point.family.clone(), vec![point])),
        }
    }
    let (mut groups, mut notes) = (Vec::new(), Vec::new());
    for (family, points) in families {
        match size_label(&points) {
            Some(label) => groups.extend(by_size(&label, points)),
            None => notes.push(format!("{family:?} is left out: none of its parameters is a size")),
        }
    }
    (groups, notes)
}

/// The parameter that is N. It is the parameter called n, or else the one with the most different whole
/// numbers. If there are several, it is the first.
fn size_label(points: &[Point]) -> Option<String> {
    let values = |label: &str| {
        let value = |point: &Point| {
            let found = point.parameters.iter().find(|(known, _)| known == label);
            found.and_then(|(_, value)| size_from_text(value)).filter(|size| *size > 0)
        };
        points.iter().map(value).collect::<Option<BTreeSet<u64>>>()
    };
    let mut best: Option<(String, usize)> = None;
    for (label, _) in &points.first()?.parameters {
        let Some(values) = values(label) else { continue };
        if label.eq_ignore_ascii_case("n") {
            return Some(label.clone());
        }
        if best.as_ref().is_none_or(|(_, most)| values.len() > *most) {
            best = Some((label.clone(), values.len()));
        }
    }
    best.map(|(label, _)| label)
}

fn by_size(label: &str, points: Vec<Point>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Point { family, parameters, readings } in points {
        let (size, others): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(known, _)| known == label);
        let Some(size) = size.first().and_then(|(_, value)| size_from_text(value)) else {
            continue;
        };
        let known = groups.iter_mut().find(|group| group.others == others);
        let group = match known {
            Some(group) => group,
            None => groups.push_mut(Group { family, others, readings: Readings::default() }),
        };
        group.readings.extend(size, readings);
    }
    groups
}
