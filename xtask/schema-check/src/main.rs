//! `schema-check SCHEMA DOCUMENT…`: fails, and says where, when a document is not as the schema has it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use serde_json::Value;

fn main() -> ExitCode {
    match check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [schema, documents @ ..] = arguments.as_slice() else {
        return Err(anyhow!("which schema? (schema-check SCHEMA DOCUMENT…)"));
    };
    ensure!(!documents.is_empty(), "which document? (schema-check SCHEMA DOCUMENT…)");
    let schema = read(schema.as_ref())?;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema);
    let validator = validator.map_err(|error| anyhow!("cannot use the schema: {error}"))?;
    for document in documents {
        let value = read(document.as_ref())?;
        let errors = validator.iter_errors(&value);
        let errors: Vec<String> =
            errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
        ensure!(errors.is_empty(), "{}:\n{}", document.display(), errors.join("\n"));
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}
