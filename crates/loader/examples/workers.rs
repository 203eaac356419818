//! A host whose worker processes load from one copy of a pack (Linux).
//!
//! ```text
//! cargo run -p loadline-loader --example workers
//! cargo run -p loadline-loader --example workers -- 20 1000   # workers, tenants
//! ```
//!
//! The host copies the pack into memory once. The kernel keeps every process from changing that memory, and
//! frees it with the last process. Each worker inherits the memory as its standard input, and checks each
//! tenant's module when it first loads the module. To pass the memory to a process that runs already, send
//! the descriptor over a Unix socket (`SCM_RIGHTS`).

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: only Linux has memory that no process can change");
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => linux::host(4, 40),
        [workers, tenants] => linux::host(workers.parse()?, tenants.parse()?),
        ["worker", number, workers] => linux::worker(number.parse()?, workers.parse()?),
        _ => Err("usage: workers [WORKERS TENANTS]".into()),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::process::{Command, Stdio};

    use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
    use loadline_loader::wasmtime::{Config, Engine, Instance, Store};
    use loadline_loader::{Loader, LoaderOptions, compile};

    /// Builds a pack, and starts processes that load from it.
    pub fn host(workers: usize, tenants: usize) -> Result<(), Box<dyn Error>> {
        let home = tempfile::tempdir()?;
        let path = home.path().join("tenants.pack");
        let engine = engine()?;
        let mut writer = PackWriter::create(&path, None)?;
        for tenant in 0..tenants {
            let text =
                format!(r#"(module (func (export "tenant") (result i32) (i32.const {tenant})))"#);
            writer.add(tenant.to_string(), &compile::bytes(&engine, text.as_bytes())?)?;
        }
        writer.finish()?;

        let memory = Pack::share(&path, PackOptions::new())?;
        let start = |number: usize| {
            let mut worker = Command::new(std::env::current_exe()?);
            worker.args(["worker", &number.to_string(), &workers.to_string()]);
            worker.stdin(Stdio::from(memory.try_clone()?)).spawn()
        };
        let started: Result<Vec<_>, _> = (0..workers).map(start).collect();
        for mut worker in started? {
            if !worker.wait()?.success() {
                return Err("a worker failed".into());
            }
        }
        println!("{workers} workers loaded {tenants} tenants from one copy of the pack");
        Ok(())
    }

    /// Serves each tenant whose number leaves the remainder `number`.
    pub fn worker(number: usize, workers: usize) -> Result<(), Box<dyn Error>> {
        let pack = Pack::open_shared(std::io::stdin(), PackOptions::new())?;
        let engine = engine()?;
        let loader = Loader::new(&engine, LoaderOptions::new());
        for tenant in (number..pack.entries().len()).step_by(workers) {
            let lease = loader.load_packed(&pack, &tenant.to_string())?;
            let module = lease.module().ok_or("a component, not a module")?;
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, module, &[])?;
            let answer = instance.get_typed_func::<(), i32>(&mut store, "tenant")?;
            if answer.call(&mut store, ())? as usize != tenant {
                return Err("the wrong tenant answered".into());
            }
        }
        loader.flush();
        pack.close()?;
        Ok(())
    }

    fn engine() -> Result<Engine, Box<dyn Error>> {
        let mut config = Config::new();
        pack::configure(&mut config);
        Ok(Engine::new(&config)?)
    }
}
