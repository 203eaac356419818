//! Tests of single entries: listing, removal, events, and copies for other machines.

use loadline_loader::store::StoredEntry;
use loadline_loader::{CompileRecord, Eviction};

use super::*;

fn key(engine: &Engine, index: usize) -> StoreKey {
    StoreKey::of(engine, &wasm(index), UnwindPolicy::Strip)
}

#[test]
fn entries_are_listed_and_removed_by_key() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    (0..3).for_each(|index| runs(&engine, &store, index));
    for index in 0..3 {
        let path = place.folder().join("entries").join(key(&engine, index).to_string());
        let then = SystemTime::now() - Duration::from_secs(3600 - index as u64);
        File::open(path).unwrap().set_modified(then).unwrap();
    }
    runs(&engine, &store, 0); // Used a moment ago.
    fs::write(place.folder().join("entries/stray"), b"").unwrap();
    let entries = store.entries().unwrap();
    let keys: Vec<StoreKey> = entries.iter().map(|entry: &StoredEntry| entry.key).collect();
    assert_eq!(keys, [1, 2, 0].map(|index| key(&engine, index)));
    assert!(entries.iter().all(|entry| entry.bytes > 1000));

    let held = store.hold(&keys[0]).unwrap();
    assert!(store.remove(&keys[0]).unwrap());
    assert!(!store.remove(&keys[0]).unwrap());
    drop(held);
    assert!(store.get(&keys[0]).unwrap().is_none());
    assert!(store.get(&keys[1]).unwrap().is_some());
}

/// Uses the store again from within each event, which fails if a key is locked meanwhile.
#[derive(Default)]
struct Events {
    store: Mutex<Option<ArtifactStore>>,
    events: Mutex<Vec<(char, StoreKey)>>,
}

impl Events {
    fn note(&self, event: char, key: StoreKey) {
        self.events.lock().unwrap().push((event, key));
        if let Some(store) = &*self.store.lock().unwrap() {
            let locks = list(&store.folder().join("locks"));
            let is_free = |path: &PathBuf| File::open(path).unwrap().try_lock().is_ok();
            assert!(locks.iter().all(is_free), "an event while a key is locked");
        }
    }
}

impl LoadObserver for Events {
    fn compiled(&self, record: &CompileRecord) {
        assert!(record.took > Duration::ZERO && record.contents.functions == 3);
        self.note('+', record.key);
    }

    fn evicted(&self, eviction: &Eviction) {
        let Eviction::Entry { key, bytes } = eviction else { panic!("{eviction:?}") };
        assert!(*bytes > 1000);
        self.note('-', *key);
    }
}

#[test]
fn compilations_and_evictions_are_events() {
    let place = Place::new();
    let engine = engine();
    let events = Arc::new(Events::default());
    let store = place.open(StoreOptions::new().max_bytes(1).observer(events.clone()));
    *events.store.lock().unwrap() = Some(store.clone());
    (0..2).for_each(|index| runs(&engine, &store, index));
    let [zero, one] = [0, 1].map(|index| key(&engine, index));
    let expected = [('+', zero), ('-', zero), ('+', one), ('-', one)];
    assert_eq!(*events.events.lock().unwrap(), expected);
    *events.store.lock().unwrap() = None;
}

/// The bytes go through a place where anyone can change them.
#[test]
fn exported_entries_are_imported_only_as_they_were() {
    let [here, there] = [(), ()].map(|()| Place::new());
    let engine = engine();
    let keyed = |byte| StoreOptions::new().key(Key::new([byte; 32]));
    let (from, to) = (here.open(keyed(7)), there.open(keyed(7)));
    let (zero, one) = (key(&engine, 0), key(&engine, 1));
    assert!(from.export(&zero).unwrap().is_none());
    from.artifact(&engine, &wasm(0)).unwrap();
    let bytes = from.export(&zero).unwrap().unwrap();

    let is_refused = |store: &ArtifactStore, name: &StoreKey, bytes: &[u8]| {
        let error = store.import(name, bytes).unwrap_err();
        assert!(store.get(name).unwrap().is_none(), "{error:?}");
        error
    };
    let mut random = Rng::with_seed(12);
    for _ in 0..300 {
        let mut altered = bytes.clone();
        altered[random.usize(..bytes.len())] ^= 1 << random.u8(..8);
        is_refused(&to, &zero, &altered);
        is_refused(&to, &zero, &bytes[..random.usize(..bytes.len())]);
    }
    is_refused(&to, &zero, &[&bytes[..], b"\0"].concat());
    // Under another name, an entry would be the code of another module.
    let error = is_refused(&to, &one, &bytes);
    assert!(matches!(error, Error::Altered { .. }), "{error:?}");
    let other = Place::new();
    let error = is_refused(&other.open(keyed(8)), &zero, &bytes);
    assert!(matches!(error, Error::Altered { .. }), "{error:?}");
    // Without a key, anyone could have made the bytes.
    let plain = other.open(StoreOptions::new());
    let error = is_refused(&plain, &zero, &bytes);
    assert!(matches!(error, Error::NoKey), "{error:?}");
    assert!(matches!(plain.export(&zero), Err(Error::NoKey)));

    to.import(&zero, &bytes).unwrap();
    runs(&engine, &to, 0);
    assert_eq!((to.counts().found, to.counts().compiled), (1, 0));
}
