//! Tests of several processes and users that share one store.

use super::*;

const CHILD: &str = "LOADLINE_TEST_STORE";
/// The number of modules that each process puts into the store.
const FILLED: usize = 40;

/// This is not a test. `survives_kills` starts it in other processes.
#[test]
#[ignore = "started by another test, in processes of its own"]
fn child_fills_the_store() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let seed: u64 = std::env::var("LOADLINE_TEST_SEED").unwrap().parse().unwrap();
    let engine = engine();
    let store = ArtifactStore::open(folder, StoreOptions::new()).unwrap();
    let mut random = Rng::with_seed(seed);
    for _ in 0..4 * FILLED {
        let index = random.usize(..FILLED);
        store.artifact(&engine, &wasm(index)).unwrap();
    }
    println!("compiled {} of them", store.counts().compiled);
}

fn child(folder: &Path, seed: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child_fills_the_store", "--ignored", "--nocapture"]);
    command.env(CHILD, folder).env("LOADLINE_TEST_SEED", seed.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_compile_everything_once() {
    let place = Place::new();
    place.open(StoreOptions::new());
    let children: Vec<Child> = (0..3).map(|seed| child(&place.folder(), seed)).collect();
    let mut compiled = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, count) = text.split_once("compiled ").unwrap();
        compiled += count.split_once(' ').unwrap().0.parse::<usize>().unwrap();
    }
    assert_eq!(compiled, place.entries().len());
    assert!(compiled > FILLED / 2);
}

/// Four processes fill a store. The test kills and replaces one of them again and again.
pub fn survives_kills(n: usize) {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let mut random = Rng::with_seed(200);
    let mut seed = 0;
    let mut start = || {
        seed += 1;
        child(&place.folder(), seed)
    };
    let mut children: Vec<Child> = (0..4).map(|_| start()).collect();
    for _ in 0..n {
        std::thread::sleep(Duration::from_millis(10 + random.u64(..60)));
        let victim = random.usize(..4);
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = start();
        // Remove some entries, so that there is always something left to write.
        let entries = place.entries();
        for path in entries.iter().filter(|_| random.u8(..4) == 0) {
            let _ = fs::remove_file(path);
        }
        assert_eq!(store.verify().unwrap().set_aside.len(), 0);
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // No entry is damaged or wrong, and no lock is left.
    assert_eq!(store.verify().unwrap().set_aside.len(), 0);
    for index in 0..FILLED {
        let expected = compiled(&engine, index);
        assert_eq!(store.artifact(&engine, &wasm(index)).unwrap().bytes(), expected.bytes());
    }
    assert_eq!(place.entries().len(), FILLED);
    assert_eq!(store.counts().set_aside, 0);
}

fn compiled(engine: &Engine, index: usize) -> Artifact {
    let mut artifact = loadline_loader::compile::bytes(engine, &wasm(index)).unwrap();
    artifact.apply(UnwindPolicy::Strip).unwrap();
    artifact
}

#[test]
fn killed_writers_leave_no_torn_entry() {
    survives_kills(8);
}

#[test]
fn text_components_and_calls_go_through() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/component.wat");
    let source = fs::read(fixture).unwrap();
    for _ in 0..2 {
        assert_eq!(call(&engine, &store.load(&engine, &source).unwrap(), "double", 21), 42);
    }
    assert_eq!((store.counts().found, store.counts().compiled), (1, 1));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_shared_store_has_the_modes_of_the_umask() {
    let place = Place::new();
    let usual = place.home.path().join("usual");
    fs::write(&usual, b"").unwrap();
    let usual_folder = place.home.path().join("folder");
    fs::create_dir(&usual_folder).unwrap();
    let engine = engine();
    for (options, file, folder) in [
        (StoreOptions::new(), 0o600, 0o700),
        (StoreOptions::new().shared(), mode(&usual), mode(&usual_folder)),
    ] {
        let path = place.home.path().join(format!("store {file:o}"));
        // A umask of 002 creates folders that this crate does not trust by their owner.
        let key = Key::new([1; 32]);
        let store = ArtifactStore::open(&path, options.key(key).whoever_can_write()).unwrap();
        runs(&engine, &store, 0);
        for inner in ["", "entries", "temporary", "aside", "locks"] {
            assert_eq!(mode(&path.join(inner)), folder, "{inner}");
        }
        for inner in ["entries", "locks"] {
            let files = list(&path.join(inner));
            assert!(!files.is_empty() && files.iter().all(|path| mode(path) == file), "{inner}");
        }
    }
}

/// This is not a test. It does what a user does who may only read the store.
#[test]
#[ignore = "started by another test, in a process of another user"]
fn child_reads_the_store() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let engine = engine();
    let warnings = Arc::new(Warnings::default());
    let store =
        ArtifactStore::open(folder, StoreOptions::new().observer(warnings.clone())).unwrap();
    runs(&engine, &store, 0);
    assert_eq!((store.counts().found, store.counts().compiled), (1, 0));
    assert_eq!(warnings.0.lock().unwrap().len(), 0);
    // Another key starts with other digits, so it has no lock file yet.
    runs(&engine, &store, 1);
    assert_eq!((store.counts().found, store.counts().compiled), (1, 1));
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    println!("read it");
}

/// Simulates an image build in which root fills a store, and a service that uses the store later.
#[test]
fn a_store_of_root_is_used_by_others() {
    let place = Place::new();
    let nobody = 65_534;
    if std::os::unix::fs::chown(place.home.path(), Some(nobody), None).is_err() {
        loadline_testing::skip!("only root can become another user");
        return;
    }
    std::os::unix::fs::chown(place.home.path(), Some(0), None).unwrap();
    fs::set_permissions(place.home.path(), Permissions::from_mode(0o755)).unwrap();
    // Only root may enter the folder where the programs are built.
    let program = place.home.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let engine = engine();
    let open = |options| ArtifactStore::open(place.folder(), options);
    let store = open(StoreOptions::new().shared()).unwrap();
    runs(&engine, &store, 0);
    for path in [place.folder()].into_iter().chain(FOLDERS.map(|name| place.folder().join(name))) {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&place.entries()[0], Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "processes::child_reads_the_store", "--ignored", "--nocapture"]);
    command.env(CHILD, place.folder()).uid(nobody).gid(nobody).current_dir("/");
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            loadline_testing::skip!("others may not run programs from here ({error})");
            return;
        }
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("read it"), "{output:?}");
}

const FOLDERS: [&str; 4] = ["entries", "temporary", "aside", "locks"];
