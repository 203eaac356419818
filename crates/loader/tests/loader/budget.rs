//! Tests of the budget: what a loader keeps, what it drops first, and what it does at a limit.

use std::collections::BTreeMap;

use loadline_loader::{Budget, Eviction};

use super::*;

/// The numbers of the modules that were loaded, evicted and unloaded, in this order.
#[derive(Default)]
struct Numbers(Mutex<[Vec<u64>; 3]>);

impl LoadObserver for Numbers {
    fn loaded(&self, record: &LoadRecord<'_>) {
        self.0.lock().unwrap()[0].push(record.number);
    }

    fn evicted(&self, eviction: &Eviction) {
        let Eviction::Module { number, .. } = eviction else { panic!("{eviction:?}") };
        self.0.lock().unwrap()[1].push(*number);
    }

    fn unloaded(&self, record: &UnloadRecord) {
        self.0.lock().unwrap()[2].push(record.number);
    }
}

const ALL: u64 = u64::MAX;

fn keeping(budget: Budget) -> (Loader, Arc<Numbers>) {
    let numbers = Arc::new(Numbers::default());
    let options = LoaderOptions::new().budget(budget).observer(numbers.clone());
    (Loader::new(&engine(), options), numbers)
}

#[test]
fn the_least_recently_used_module_goes_first() {
    let (loader, numbers) = keeping(Budget { modules: 2, bytes: ALL });
    let artifacts = artifacts(3);
    for index in [0, 1, 0, 2, 0, 1] {
        runs(&loader, &loader.load(&artifacts[index]).unwrap(), index);
    }
    loader.flush();
    assert_eq!(loader.population().modules, 2);
    let [loaded, evicted, unloaded] = numbers.0.lock().unwrap().clone();
    let [zero, one, two, new_one] = [loaded[0], loaded[1], loaded[3], loaded[5]];
    assert_eq!(loaded, [zero, one, zero, two, zero, new_one]);
    assert_eq!((evicted, unloaded), (vec![one, two], vec![one, two]));
    assert_ne!(one, new_one);

    // The kept modules go with the loader.
    drop(loader);
    while numbers.0.lock().unwrap()[2].len() < 4 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn modules_with_leases_count_and_stay() {
    let artifacts = artifacts(6);
    let bytes: u64 = artifacts.iter().map(|artifact| artifact.bytes().len() as u64).sum();
    for budget in [Budget { modules: 2, bytes: ALL }, Budget { modules: ALL, bytes: bytes / 3 }] {
        let (loader, numbers) = keeping(budget);
        let leases = artifacts[..5].iter().map(|artifact| loader.load(artifact).unwrap());
        let leases: Vec<Lease> = leases.collect();
        assert_eq!(loader.population().modules, 5);
        assert!(numbers.0.lock().unwrap()[1].is_empty());
        leases.iter().enumerate().for_each(|(index, lease)| runs(&loader, lease, index));
        drop(leases);
        assert_eq!(loader.population().modules, 5);
        drop(loader.load(&artifacts[5]).unwrap());
        let left = loader.population();
        assert!(left.modules <= budget.modules && left.bytes <= budget.bytes, "{left:?}");
        assert!(left.modules >= 1, "the module that was loaded last stays");
        loader.trim(Budget { modules: 0, bytes: 0 });
        assert_eq!(loader.population(), Population::default());
    }
}

/// Threads load more modules than the budget allows. Every answer is right, and each module that was loaded
/// is unloaded once.
#[test]
fn threads_share_a_budget() {
    let (loader, numbers) = keeping(Budget { modules: 3, bytes: ALL });
    let artifacts = artifacts(8);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (loader, artifacts) = (&loader, &artifacts);
            scope.spawn(move || {
                for index in (0..8).cycle().skip(thread).step_by(thread + 1).take(200) {
                    runs(loader, &loader.load(&artifacts[index]).unwrap(), index);
                }
            });
        }
    });
    loader.trim(Budget { modules: 0, bytes: 0 });
    loader.flush();
    assert_eq!(loader.population(), Population::default());
    let [loaded, _, mut unloaded] = numbers.0.lock().unwrap().clone();
    let loaded: BTreeMap<u64, ()> = loaded.into_iter().map(|number| (number, ())).collect();
    unloaded.sort_unstable();
    assert!(loaded.into_keys().eq(unloaded));
}
