//! Tests of loading from packs through a loader.

use super::*;

#[test]
fn packed_modules_are_shared_and_come_back() {
    use loadline_loader::pack::{self, Pack, PackOptions};
    use loadline_loader::wasmtime::{Config, Engine};

    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    let artifacts = artifacts(8);
    let named = artifacts.iter().enumerate().map(|(index, artifact)| (index.to_string(), artifact));
    Pack::build(&path, None, named).unwrap();
    let mut config = Config::new();
    pack::configure(&mut config);
    let notes = Arc::new(Notes::default());
    let options = LoaderOptions::new().observer(notes.clone());
    let loader = Loader::new(&Engine::new(&config).unwrap(), options);
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    for _ in 0..50 {
        // The previous module may still be unloading.
        let lease = loader.load_packed(&pack, "3").unwrap();
        runs(&loader, &lease, 3);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for index in (0..8).cycle().take(200) {
                    runs(&loader, &loader.load_packed(&pack, &index.to_string()).unwrap(), index);
                }
            });
        }
    });
    loader.flush();
    let leases = loader.load_pack(&pack, go_on);
    assert!(leases.iter().all(Result::is_ok));
    assert_eq!(pack.n_live(), 8);
    let last = notes.loads.lock().unwrap().last().unwrap().clone();
    assert_eq!((last.1, last.3, last.4), (Origin::Pack, Some(0), 0));
    pack.close().unwrap_err();
    drop(leases);
    loader.flush();
    pack.close().unwrap();
}

pub struct Tenants {
    pack: loadline_loader::pack::Pack,
    _home: tempfile::TempDir,
}

impl Tenants {
    fn new() -> Tenants {
        use loadline_loader::pack::{Pack, PackOptions};

        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tenants.pack");
        let artifacts = artifacts(2);
        let named = artifacts.iter().enumerate();
        let named = named.map(|(index, artifact)| (index.to_string(), artifact));
        Pack::build(&path, None, named).unwrap();
        Tenants { pack: Pack::open(&path, PackOptions::new()).unwrap(), _home: home }
    }

    pub fn engine() -> loadline_loader::wasmtime::Engine {
        let mut config = loadline_loader::wasmtime::Config::new();
        loadline_loader::pack::configure(&mut config);
        loadline_loader::wasmtime::Engine::new(&config).unwrap()
    }
}

/// Tests an evicted tenant whose last request still runs, a second loader, and a second engine.
#[test]
fn an_image_in_use_is_loaded_again_as_a_copy() {
    use loadline_loader::wasmtime::{Instance, Store};

    let Tenants { pack, _home } = Tenants::new();
    let engine = Tenants::engine();
    let notes = Arc::new(Notes::default());
    let options = || LoaderOptions::new().observer(notes.clone());
    let loader = Loader::new(&engine, options());
    let lease = loader.load_packed(&pack, "0").unwrap();
    let Loaded::Module(module) = &*lease else { panic!("a module") };
    let mut store = Store::new(&engine, ());
    Instance::new(&mut store, module, &[]).unwrap();
    drop(lease);
    loader.flush();
    let copy = loader.load_packed(&pack, "0").unwrap();
    runs(&loader, &copy, 0);
    // The copy is shared like any other module.
    let again = loader.load_packed(&pack, "0").unwrap();
    let others = [&engine, &Tenants::engine()].map(|engine| Loader::new(engine, options()));
    let in_others = others.each_ref().map(|loader| loader.load_packed(&pack, "0").unwrap());
    others.iter().zip(&in_others).for_each(|(loader, lease)| runs(loader, lease, 0));
    let mappings: Vec<u64> = notes.loads.lock().unwrap().iter().map(|load| load.4).collect();
    assert_eq!(mappings, [0, 2, 0, 2, 2]);
    // Copies do not keep the pack open, but the store's module does.
    assert_eq!(pack.n_live(), 1);
    drop(store);
    pack.close().unwrap();
    runs(&loader, &again, 0);
    drop(copy);
}

/// Tests a module that another thread is about to unload, and a module whose request ends late.
#[test]
fn threads_evict_and_load_the_same_tenant() {
    use loadline_loader::wasmtime::{Instance, Store};

    let Tenants { pack, _home } = Tenants::new();
    let loader = Loader::new(&Tenants::engine(), LoaderOptions::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let lease = loader.load_packed(&pack, "1").unwrap();
                    let Loaded::Module(module) = &*lease else { panic!("a module") };
                    let mut store = Store::new(loader.engine(), ());
                    Instance::new(&mut store, module, &[]).unwrap();
                    runs(&loader, &lease, 1);
                    drop(lease);
                }
            });
        }
    });
    loader.flush();
    pack.close().unwrap();
}

/// Loads the module again from within the notification of its unload.
#[derive(Default)]
struct LoadsAgain {
    state: Mutex<Option<(Loader, Arc<Tenants>)>>,
    origins: Mutex<Vec<Origin>>,
}

impl LoadObserver for LoadsAgain {
    fn loaded(&self, record: &LoadRecord<'_>) {
        self.origins.lock().unwrap().push(record.origin);
    }

    fn unloaded(&self, _: &UnloadRecord) {
        let Some((loader, tenants)) = self.state.lock().unwrap().take() else { return };
        runs(&loader, &loader.load_packed(&tenants.pack, "0").unwrap(), 0);
        loader.flush();
    }
}

/// An observer that loads and flushes must not wait for a lock of the loader, or for itself.
#[test]
fn an_observer_of_an_unload_loads_the_same_module() {
    let tenants = Arc::new(Tenants::new());
    let observer = Arc::new(LoadsAgain::default());
    let (tell, told) = std::sync::mpsc::channel();
    let of_thread = observer.clone();
    std::thread::spawn(move || {
        let options = LoaderOptions::new().observer(of_thread.clone());
        let loader = Loader::new(&Tenants::engine(), options);
        *of_thread.state.lock().unwrap() = Some((loader.clone(), tenants.clone()));
        drop(loader.load_packed(&tenants.pack, "0").unwrap());
        // This load may come while the observer loads.
        runs(&loader, &loader.load_packed(&tenants.pack, "0").unwrap(), 0);
        loader.flush();
        tell.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(60)).expect("no thread waits for itself");
    assert!(observer.origins.lock().unwrap().len() >= 3);
}

/// Each tenant has an engine and a loader of its own. All of them load in place from one pack.
#[test]
fn tenants_have_engines_of_their_own() {
    let Tenants { pack, _home } = Tenants::new();
    let notes = Arc::new(Notes::default());
    let tenants = ["0", "1"].map(|name| {
        let options = LoaderOptions::new().observer(notes.clone());
        let loader = Loader::new(&Tenants::engine(), options);
        let lease = loader.load_packed(&pack, name).unwrap();
        (loader, lease)
    });
    for (index, (loader, lease)) in tenants.iter().enumerate() {
        runs(loader, lease, index);
    }
    assert!(notes.loads.lock().unwrap().iter().all(|load| load.1 == Origin::Pack));
    assert_eq!(pack.n_live(), 2);
}
