//! Tests of files in a store that are damaged or replaced.

use super::*;

/// Damages or replaces a file of the store.
fn corrupt(random: &mut Rng, entries: &[PathBuf]) {
    let pick = |random: &mut Rng| entries[random.usize(..entries.len())].clone();
    let (one, other) = (pick(random), pick(random));
    // An earlier round may have replaced the file with anything.
    let Ok(mut bytes) = fs::read(&one) else { return };
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let write = |bytes: &[u8]| {
        fs::remove_file(&one).unwrap();
        fs::write(&one, bytes).unwrap();
        fs::set_permissions(&one, Permissions::from_mode(0o600)).unwrap();
    };
    match random.u8(..9) {
        0 => write(&bytes[..random.usize(..length)]),
        1 => {
            bytes[random.usize(..length)] ^= 1 << random.u8(..8);
            write(&bytes);
        }
        2 => {
            // Damage a byte of the header, because the reader parses the header first.
            bytes[random.usize(..length.min(72))] = random.u8(..);
            write(&bytes);
        }
        3 => {
            // Copy the middle of another entry.
            let Ok(donor) = fs::read(&other) else { return };
            let at = random.usize(..length);
            let n = random.usize(..4000).min(bytes.len() - at).min(donor.len().saturating_sub(at));
            bytes[at..at + n].copy_from_slice(&donor[at..at + n]);
            write(&bytes);
        }
        4 => {
            bytes.extend((0..random.u8(..64)).map(|_| 0u8));
            write(&bytes);
        }
        5 => {
            let Ok(other_bytes) = fs::read(&other) else { return };
            write(&other_bytes);
        }
        6 => {
            let target = one.with_extension("target");
            fs::rename(&one, &target).unwrap();
            symlink(&target, &one).unwrap();
        }
        7 => fs::set_permissions(&one, Permissions::from_mode(0o666)).unwrap(),
        _ => {
            fs::remove_file(&one).unwrap();
            if random.bool() {
                fs::create_dir(&one).unwrap();
            }
        }
    }
}

pub fn survives_corruption(n: usize, key: Option<Key>) {
    let place = Place::new();
    let engine = engine();
    let options = key.into_iter().fold(StoreOptions::new(), StoreOptions::key);
    let store = place.open(options);
    let right: Vec<Artifact> =
        (0..6).map(|index| store.artifact(&engine, &wasm(index)).unwrap()).collect();
    let entries = place.entries();
    let mut random = Rng::with_seed(10_000);
    for round in 0..n {
        corrupt(&mut random, &entries);
        for (index, right) in right.iter().enumerate() {
            // A difference of a single byte would have reached Wasmtime.
            let found = store.artifact(&engine, &wasm(index)).unwrap();
            assert_eq!(found.bytes(), right.bytes(), "round {round}");
            assert_eq!(found.contents(), right.contents(), "round {round}");
        }
        if round % 500 == 499 {
            store.gc().unwrap();
        }
    }
    let counts = store.counts();
    assert!(counts.set_aside > n as u64 / 2, "{counts:?}");
}

#[test]
fn no_corruption_reaches_wasmtime() {
    survives_corruption(150, None);
    survives_corruption(150, Some(Key::new([5; 32])));
}

/// One thread replaces the entry with sound and damaged ones all the time, while the other thread loads.
#[test]
fn an_entry_that_is_replaced_during_a_load_is_never_torn() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let right = store.artifact(&engine, &wasm(0)).unwrap();
    let path = place.entries()[0].clone();
    let whole = fs::read(&path).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Rng::with_seed(3);
            let mut file = None;
            while !is_done.load(Ordering::Relaxed) {
                let mut bytes = whole.clone();
                if random.bool() {
                    bytes[random.usize(..whole.len())] ^= 4;
                }
                let new = place.home.path().join("new");
                if random.bool() {
                    fs::write(&new, &bytes).unwrap();
                    fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
                    fs::rename(&new, &path).unwrap();
                } else {
                    // Write in place, while the reader reads.
                    file = File::options().write(true).open(&path).ok().or(file);
                    let Some(file) = &file else { continue };
                    let at = random.u64(..whole.len() as u64 - 64);
                    let part = &bytes[at as usize..at as usize + 64];
                    std::os::unix::fs::FileExt::write_all_at(file, part, at).unwrap();
                }
            }
        });
        for _ in 0..300 {
            let found = store.artifact(&engine, &wasm(0)).unwrap();
            assert_eq!(found.bytes(), right.bytes());
        }
        is_done.store(true, Ordering::Relaxed);
    });
}
