//! Tests of loading from stores through a loader.

use loadline_loader::{ArtifactStore, StoreKey, StoreOptions};

use super::*;

struct Place {
    _home: tempfile::TempDir,
    store: ArtifactStore,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(home.path().join("store"), StoreOptions::new()).unwrap();
        Place { _home: home, store }
    }
}

/// The entry is removed, so any read of the store would compile again or find nothing.
#[test]
fn what_is_loaded_already_is_not_read_again() {
    let Place { store, _home } = Place::new();
    let (loader, notes) = watched(LoaderOptions::new());
    let key = StoreKey::of(loader.engine(), &wasm(0), UnwindPolicy::Strip);
    let first = loader.load_wasm(&store, &wasm(0)).unwrap();
    assert!(store.remove(&key).unwrap());
    let again = loader.load_wasm(&store, &wasm(0)).unwrap();
    let by_key = loader.load_key(&store, &key).unwrap().unwrap();
    assert_eq!((store.counts().compiled, store.counts().found), (1, 0));
    let shared: Vec<bool> = notes.loads.lock().unwrap().iter().map(|load| load.2).collect();
    assert_eq!(shared, [false, true, true]);
    runs(&loader, &by_key, 0);
    drop((first, again, by_key));
    loader.flush();
    assert!(loader.load_key(&store, &key).unwrap().is_none());
}

#[test]
fn a_key_loads_what_another_program_has_compiled() {
    let Place { store, _home } = Place::new();
    let (loader, _) = watched(LoaderOptions::new());
    store.artifact(loader.engine(), &wasm(1)).unwrap();
    let key = |index| StoreKey::of(loader.engine(), &wasm(index), UnwindPolicy::Strip);
    runs(&loader, &loader.load_key(&store, &key(1)).unwrap().unwrap(), 1);
    assert!(loader.load_key(&store, &key(2)).unwrap().is_none());
    // Without sharing, each load reads the store.
    let (apart, notes) = watched(LoaderOptions::new().sharing(false));
    let _leases = [(), ()].map(|()| apart.load_wasm(&store, &wasm(1)).unwrap());
    assert!(notes.loads.lock().unwrap().iter().all(|load| !load.2));
}

#[test]
fn a_folder_is_loaded_by_way_of_a_store() {
    let home = tempfile::tempdir().unwrap();
    let plugins = home.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    for index in 0..3 {
        std::fs::write(plugins.join(format!("{index}.wasm")), wasm(index)).unwrap();
    }
    std::fs::write(plugins.join("broken.wat"), "(module (func").unwrap();
    std::fs::write(plugins.join("notes.txt"), "nothing").unwrap();
    let store = ArtifactStore::open(home.path().join("store"), StoreOptions::new()).unwrap();
    let (loader, notes) = watched(LoaderOptions::new());
    let loaded = loader.load_folder(&store, &plugins, go_on).unwrap();
    assert_eq!(loaded.len(), 4);
    for (index, (path, result)) in loaded[..3].iter().enumerate() {
        assert!(path.ends_with(format!("{index}.wasm")));
        runs(&loader, result.as_ref().unwrap(), index);
    }
    let error = loaded[3].1.as_ref().unwrap_err();
    assert!(matches!(error, Error::File { path, .. } if path.ends_with("broken.wat")), "{error:?}");
    let loads = notes.loads.lock().unwrap();
    assert!(loads.iter().all(|load| load.1 == Origin::Store && load.0.is_some()));
    drop(loads);
    loader.load_folder(&store, home.path().join("none"), go_on).unwrap_err();
}
