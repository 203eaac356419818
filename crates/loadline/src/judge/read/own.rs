//! Loadline's own form of a series: id, kind, n, and y or base and new.

use loadline_record::{Context, Error, Result, bail, ensure};

use loadline_growth::Kind;

use super::super::series::{Design, Named, Question};
use super::object::{DesignFile, Object};
use loadline_record::suggest::nearest;

const KEYS: [&str; 10] =
    ["id", "kind", "n", "y", "base", "new", "interleaved", "exact", "quantum", "design"];

/// Keys for the author's own remarks. Loadline accepts and ignores them.
pub const REMARKS: [&str; 4] = ["truth", "unit", "note", "comment"];

/// The series that `object` states. `place` is the object's place in its file.
///
/// # Errors
/// When a key is missing or unknown, or the readings do not form a series.
pub fn named(object: Object, place: usize) -> Result<Named> {
    let shown =
        object.id.as_ref().map_or_else(|| format!("number {place}"), |id| format!("{id:?}"));
    checked(object).with_context(|| format!("series {shown}"))
}

fn checked(object: Object) -> Result<Named> {
    if let Some(key) = object.unknown.first() {
        let hint = nearest(key, KEYS.into_iter()).map_or_else(
            || format!("known are {}", KEYS.join(", ")),
            |nearest| format!("did you mean {nearest:?}?"),
        );
        bail!("unknown key {key:?} ({hint})");
    }
    if let Some(key) = object.design.as_ref().and_then(DesignFile::misspelt) {
        bail!("unknown key {key:?} of its design (did you mean \"interleaved\"?)");
    }
    let id = object.id.context("it has no id")?;
    let kind = object.kind.context("it has no kind, \"count\" or \"time\"")?.into();
    let n = object.n.context("it has no n, the list of sizes")?;
    let quantum = object.quantum.unwrap_or(1.0);
    ensure!(
        quantum >= 0.0 && quantum.is_finite(),
        "its quantum is {quantum}: the step in which a count rises must be 0 or more"
    );
    // A count that was read once at each size is exact, unless the object states otherwise.
    let rows = [&object.y, &object.base, &object.new].into_iter().flatten().flatten();
    let is_read_once = rows.into_iter().all(|row| row.len() == 1);
    let in_design = object.design.and_then(|design| design.interleaved);
    let design = Design {
        kind,
        interleaved: object.interleaved.or(in_design).unwrap_or(false),
        exact: object.exact.unwrap_or(kind == Kind::Count && is_read_once),
        quantum,
    };
    let sizes: Vec<u64> = n.into_iter().map(|size| size.0).collect();
    let mut notes = Vec::new();
    let mut series = |side: &str, rows| {
        let (series, note) = design.series(sizes.clone(), rows)?;
        notes.extend(note.map(|note| format!("{side}{note}")));
        Ok::<_, Error>(series)
    };
    let question = match (object.y, object.base, object.new) {
        (Some(y), None, None) => Question::Curve(series("", y)?),
        (None, Some(base), Some(new)) => Question::Pair {
            base: series("base: ", base).context("base")?,
            new: series("new: ", new).context("new")?,
        },
        _ => bail!("it needs either y, or base and new"),
    };
    Ok(Named { id, question, notes })
}
