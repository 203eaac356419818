//! Finds the known name that is most like a misspelt one.

use loadline_scenario::renamed::{FIELDS, new_name};

/// Shortens toml's message about an unknown key or value: names the nearest known name instead of all of
/// them.
pub fn with_nearest(error: &str) -> String {
    let lines = error.lines().map(|line| suggestion(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

fn suggestion(line: &str) -> Option<String> {
    let (unknown, expected) = line.split_once(", expected ")?;
    let rest = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| Some(unknown.split_once(start)?.1))?;
    let name = rest.strip_suffix('`')?;
    // The names stand between backticks, and the text after the last name is not part of the list.
    let parts: Vec<&str> = expected.split('`').collect();
    let mut known = parts.iter().skip(1).step_by(2).copied();
    let after = parts.last().copied().unwrap_or_default();
    if let Some(new) = new_name(&FIELDS, name)
        && known.clone().any(|known| known == new)
    {
        return Some(format!("{unknown}, it is called `{new}` now{after}"));
    }
    let nearest = nearest(name, &mut known)?;
    Some(format!("{unknown}, did you mean `{nearest}`?{after}"))
}

/// Finds the known name most like `name`, or `None` if none is similar.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.7).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest_one() {
        let many = "line 2\nunknown field `jugde`, expected one of `format`, `judge`, `jobs`";
        assert_eq!(with_nearest(many), "line 2\nunknown field `jugde`, did you mean `judge`?");
        let two = "unknown field `tos`, expected `from` or `to` (x)";
        assert_eq!(with_nearest(two), "unknown field `tos`, did you mean `to`? (x)");
        let value = "unknown variant `hold-al`, expected one of `hold-all`, `churn`";
        assert_eq!(with_nearest(value), "unknown variant `hold-al`, did you mean `hold-all`?");
        let old = "unknown field `ladder`, expected one of `format`, `sizes`, `load_order`";
        assert_eq!(with_nearest(old), "unknown field `ladder`, it is called `sizes` now");
        for other in ["missing field `a`", "unknown field `zzz`, expected `format`", ""] {
            assert_eq!(with_nearest(other), other);
        }
    }
}
