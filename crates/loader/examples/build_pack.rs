//! Compiles modules and components in a build step and puts them into one pack.
//!
//! ```text
//! cargo run -p loadline-loader --example build_pack                          # builds a small pack
//! cargo run -p loadline-loader --example build_pack -- OUT.pack A.wasm B.wat # builds OUT.pack
//! ```
//!
//! If the environment variable `PACK_KEY` names a file with 32 secret bytes, this example seals the pack with
//! that key. Only programs that open the pack with the same key can then load from the pack. The engine here
//! must have the same settings as the engine that loads.

use std::error::Error;
use std::path::{Path, PathBuf};

#[cfg(not(unix))]
fn main() {
    println!("skipped: packs are for Unix");
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if let [pack, files @ ..] = &arguments[..] {
        return build(pack, files);
    }
    let home = tempfile::tempdir()?;
    let source = home.path().join("double.wat");
    let text = r#"(module (func (export "double") (param i32) (result i32)
                    (i32.shl (local.get 0) (i32.const 1))))"#;
    std::fs::write(&source, text)?;
    build(&home.path().join("plugins.pack"), &[source])
}

#[cfg(unix)]
fn build(path: &Path, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
    use loadline_loader::wasmtime::{Config, Engine};
    use loadline_loader::{Key, compile};

    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config)?;
    let key = std::env::var_os("PACK_KEY").map(Key::read).transpose()?;
    let mut writer = PackWriter::create(path, key.clone())?;
    for file in files {
        let name = file.file_stem().ok_or("a file without a name")?.to_string_lossy();
        writer.add(name, &compile::file(&engine, file)?)?;
    }
    writer.finish()?;

    // Load every artifact now, so that a bad pack fails in the build and not in production.
    let options = key.into_iter().fold(PackOptions::new(), PackOptions::key);
    let pack = Pack::open(path, options)?;
    for entry in pack.entries() {
        pack.load(&engine, entry.name())?;
        let contents = entry.contents();
        println!("{}: {} functions, {} bytes", entry.name(), contents.functions, contents.bytes);
    }
    pack.close()?;
    Ok(())
}
