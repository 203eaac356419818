//! Formats figures and names for people.

/// The most characters of a function's name that are shown.
const NAME_WIDTH: usize = 44;

/// Writes `old → new`, or only one text if both are the same.
pub fn arrow(old: &str, new: &str) -> String {
    if old == new { old.to_owned() } else { format!("{old} → {new}") }
}

/// Formats a count with its noun: `1 run`, `2 runs`. The noun gets an `s` for all counts but 1.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Formats a cost in a common unit, with at most four digits.
pub fn short(cost: f64, unit: &str) -> String {
    let size = cost.abs();
    let sign = if cost < 0.0 { "−" } else { "" };
    if size == 0.0 {
        return "0".to_owned();
    }
    if unit != "count" {
        return format!("{sign}{}", amount(size, unit));
    }
    let scaled = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e5, "k")];
    let fitting = scaled.iter().find(|(from, _)| size >= *from);
    // A fitted whole number may be off by a rounding error.
    let is_whole = (size - size.round()).abs() < 1e-6 * size;
    match fitting {
        Some((1e5, suffix)) => format!("{sign}{} {suffix}", amount(size / 1e3, "count")),
        Some((from, suffix)) => format!("{sign}{} {suffix}", amount(size / from, "count")),
        None if is_whole || size >= 1000.0 => format!("{sign}{size:.0}"),
        None => format!("{sign}{}", amount(size, "count")),
    }
}

/// Formats a factor, with more digits near 1.
pub fn factor(factor: f64) -> String {
    match factor {
        0.0 => "0".to_owned(),
        f if f >= 100.0 => format!("{f:.0}"),
        f if f >= 10.0 => format!("{f:.1}"),
        f if f < 0.01 || (f - 1.0).abs() < 0.005 => format!("{f:.4}"),
        f => format!("{f:.2}"),
    }
}

/// Formats a share in percent, with its sign.
pub fn percent(share: f64) -> String {
    let sign = if share < 0.0 { "−" } else { "+" };
    format!("{sign}{:.0} %", share.abs() * 100.0)
}

/// Shortens a long name by cutting out its middle.
pub fn cut(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= NAME_WIDTH {
        return name.to_owned();
    }
    let (head, tail) = (NAME_WIDTH / 3, NAME_WIDTH - NAME_WIDTH / 3 - 1);
    let first: String = characters[..head].iter().collect();
    let last: String = characters[characters.len() - tail..].iter().collect();
    format!("{first}…{last}")
}

/// Formats a cost in a common unit.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0, "run"), "0 runs");
        assert_eq!(counted(1, "run"), "1 run");
        assert_eq!(counted(2, "run"), "2 runs");
    }
}
