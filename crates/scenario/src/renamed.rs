//! The words of format 1 that have another name in format 2: for error messages, and to rewrite old files.

/// The fields of scenario files that have another name: the old name and the new one.
pub const FIELDS: [(&str, &str); 12] = [
    ("lifecycle", "load_order"),
    ("residents", "loaded_modules"),
    ("activity", "operation"),
    ("activity_every", "operation_every"),
    ("axis", "n_counts"),
    ("processes", "repetitions"),
    ("ladder", "sizes"),
    ("callgrind_ladder", "callgrind_sizes"),
    ("exact", "count_with"),
    ("known_growth", "known_issue"),
    ("until", "expires"),
    ("horizon", "extrapolate_to"),
];

/// The metrics that have another name: the old name and the new one.
pub const METRICS: [(&str, &str); 7] = [
    ("frames-registered", "unwind-tables-registered"),
    ("frames-deregistered", "unwind-tables-deregistered"),
    ("frame-entries-registered", "fdes-registered"),
    ("frame-entries-deregistered", "fdes-deregistered"),
    ("alive-bytes", "live-bytes"),
    ("mappings-alive", "mappings-live"),
    ("descriptors-alive", "descriptors-live"),
];

/// Returns the new name of `old` in `table`.
pub fn new_name(table: &[(&'static str, &'static str)], old: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == old).map(|(_, new)| *new)
}

/// Lists the fields and metrics in `table` that have another name, as `OLD is now NEW`, each once.
pub(crate) fn old_words(table: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |renamed: &[(&'static str, &'static str)], old: &str| {
        let word = new_name(renamed, old).map(|new| format!("{old} is now {new}"));
        found.extend(word.filter(|word| !found.contains(word)));
    };
    let mut values: Vec<&toml::Value> = Vec::new();
    let mut tables = vec![table];
    while let Some(table) = tables.pop() {
        table.keys().for_each(|key| note(&FIELDS, key));
        values.extend(table.values());
        while let Some(value) = values.pop() {
            match value {
                toml::Value::Table(inner) => tables.push(inner),
                toml::Value::Array(inner) => values.extend(inner),
                toml::Value::String(text) => {
                    note(&METRICS, text.rsplit('/').next().unwrap_or_default());
                }
                _ => {}
            }
        }
    }
    found
}
