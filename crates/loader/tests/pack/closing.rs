//! Tests of closing packs that are in use, or that several threads have.

use std::sync::Arc;
use std::time::Duration;

use super::*;

/// Other threads may still have the pack, and load from it while it is closed.
#[test]
fn a_shared_pack_is_closed_for_all_threads() {
    if !alone("closing::a_shared_pack_is_closed_for_all_threads") {
        return;
    }
    let packed = Packed::new(3, None);
    let engine = pack_engine();
    let loader = Loader::new(&engine, LoaderOptions::new());
    let pack = Arc::new(packed.open());
    let start = range(&pack.load(&engine, "module 0000").unwrap()).start as usize;
    std::thread::scope(|scope| {
        let loads = |name: &'static str| {
            let (engine, pack) = (engine.clone(), Arc::clone(&pack));
            move || loop {
                std::thread::sleep(Duration::from_micros(200));
                match pack.load(&engine, name) {
                    Ok(loaded) => runs(&engine, &loaded, usize::from(name == "module 0001")),
                    Err(Error::Closed { path }) => return assert_eq!(path, pack.path()),
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let threads = ["module 0000", "module 0001"].map(|name| scope.spawn(loads(name)));
        while pack.close().is_err() {}
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert!(!is_mapped(start), "the memory is freed although handles of the pack exist");
    pack.close().unwrap();
    let (published, withdrawn) = pack.counts();
    assert_eq!((pack.n_live(), published), (0, withdrawn));
    assert!(published > 0);
    assert!(matches!(loader.load_packed(&pack, "module 0002"), Err(Error::Closed { .. })));
    let all = pack.load_all(&engine, NonZeroUsize::MIN);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|loaded| matches!(loaded, Err(Error::Closed { .. }))));
}

#[test]
fn a_pack_in_use_stays() {
    if !alone("closing::a_pack_in_use_stays") {
        return;
    }
    let packed = Packed::new(3, None);
    let engine = pack_engine();
    let pack = packed.open();
    let loaded = pack.load(&engine, "module 0000").unwrap();
    let clone = loaded.clone();
    drop(loaded);
    let still = pack.close().unwrap_err();
    assert_eq!(still.modules, 1);
    assert!(still.to_string().contains("1 of its modules live"), "{still}");
    runs(&engine, &clone, 0);

    // A store keeps a module alive after all its handles are dropped.
    let Loaded::Module(module) = clone else { panic!("a module") };
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    drop(module);
    pack.close().unwrap_err();
    let function = instance.get_typed_func::<i32, i32>(&mut store, "m000000").unwrap();
    assert_eq!(function.call(&mut store, 21).unwrap(), 28);
    drop(store);
    pack.close().unwrap();

    // Dropping the pack leaves its memory to the module.
    let pack = packed.open();
    let loaded = pack.load(&engine, "module 0001").unwrap();
    let start = range(&loaded).start as usize;
    drop(pack);
    runs(&engine, &loaded, 1);
    assert!(is_mapped(start));
    drop(loaded);
    packed.open().close().unwrap();
}
