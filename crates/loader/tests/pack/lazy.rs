//! Tests of packs whose images are filled when they are first loaded. Only Linux has such packs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use loadline_loader::Origin;

use super::process::{forked, status_of};
use super::*;

/// Opens a pack lazily, or returns `None` if this system cannot.
fn lazily(path: &Path, options: PackOptions) -> Option<Pack> {
    let pack = Pack::open(path, options.lazy()).unwrap();
    if !pack.is_lazy() {
        loadline_testing::skip!("this system has no memory that only one mapping can write to");
        return None;
    }
    Some(pack)
}

/// One mapping of a pack's memory.
struct Mapped {
    range: std::ops::Range<usize>,
    allowed: String,
    rss_kb: usize,
}

/// Returns the mappings of memory that lazy packs use.
fn of_packs() -> Vec<Mapped> {
    let text = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut found: Vec<Mapped> = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some((start, end)) = words[0].split_once('-') {
            is_ours = line.contains("memfd:loadline-pack");
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            if is_ours {
                let (range, allowed) = (number(start)..number(end), words[1].to_owned());
                found.push(Mapped { range, allowed, rss_kb: 0 });
            }
        } else if is_ours && words[0] == "Rss:" {
            found.last_mut().unwrap().rss_kb = words[1].parse().unwrap();
        }
    }
    found
}

/// Reads memory of this process, whatever its protection.
fn memory(range: &std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = vec![0; range.len()];
    let memory = File::open("/proc/self/mem").unwrap();
    memory.read_exact_at(&mut bytes, range.start as u64).unwrap();
    bytes
}

/// Flips a bit in the middle of the image that begins at page `page` of the file.
fn flip(path: &Path, page: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let (mut byte, at) = ([0], page * 4096 + 2000);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn images_are_read_when_they_are_first_loaded() {
    let packed = Packed::new(20, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    let early = pack.load_at(&engine, 7).unwrap();
    runs(&engine, &early, 7);
    assert_eq!((pack.n_live(), pack.counts()), (1, (1, 0)));
    assert!(matches!(pack.load_at(&engine, 7), Err(Error::Loaded { .. })));
    drop(early);
    fs::write(&packed.path, b"").unwrap();
    runs(&engine, &pack.load_at(&engine, 7).unwrap(), 7);
    for _ in 0..2 {
        let error = pack.load_at(&engine, 8).unwrap_err();
        assert!(text_of(&error).contains("cannot read"), "{error:?}");
    }
    assert_eq!(pack.n_live(), 0);
    pack.close().unwrap();
}

#[test]
fn everything_in_a_lazy_pack_runs() {
    let key = Key::new([5; 32]);
    let packed = Packed::new(40, Some(key.clone()));
    let engine = pack_engine();
    for digests in [Digests::AtOpen, Digests::AtLoad] {
        let options = PackOptions::new().key(key.clone()).digests(digests);
        let Some(pack) = lazily(&packed.path, options) else { return };
        for _ in 0..2 {
            let loaded = pack.load_all(&engine, at_least_one(3));
            for (index, loaded) in loaded.into_iter().enumerate() {
                runs(&engine, &loaded.unwrap(), index);
            }
        }
        assert_eq!((pack.n_live(), pack.counts()), (0, (80, 80)));
        pack.close().unwrap();
    }
}

#[test]
fn only_checked_bytes_become_executable() {
    if !alone("lazy::only_checked_bytes_become_executable") {
        return;
    }
    let packed = Packed::new(6, None);
    let engine = pack_engine();
    // Each image takes the same number of pages.
    let pages = (fs::metadata(&packed.path).unwrap().len() / 4096 - 1) / 6;
    let bad = |index: u64| 1 + index * pages;
    flip(&packed.path, bad(3));
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    for _ in 0..2 {
        let error = pack.load_at(&engine, 3).unwrap_err();
        assert!(text_of(&error).contains("altered"), "{error:?}");
    }
    let others = [0, 5].map(|index| pack.load_at(&engine, index).unwrap());
    runs(&engine, &others[0], 0);
    let maps = of_packs();
    let allowed: Vec<&str> = maps.iter().map(|mapped| mapped.allowed.as_str()).collect();
    assert!(allowed == ["rw-s", "r-xs"] || allowed == ["r-xs", "rw-s"], "{allowed:?}");
    let executable = maps.iter().find(|mapped| mapped.allowed == "r-xs").unwrap();
    let filled = memory(&executable.range);
    let is_filled = |page: &[u8]| page.iter().any(|byte| *byte != 0);
    for (page, bytes) in filled.chunks(4096).enumerate() {
        let image = (page as u64).checked_sub(1).map(|page| page / pages);
        let expected = image.is_some_and(|image| image == 0 || image == 5);
        assert!(expected || !is_filled(bytes), "page {page} was filled");
    }
    assert_eq!(filled[4096..4100], *b"\x7fELF");
    // A repaired file can be loaded, because nothing was copied of the damaged file.
    flip(&packed.path, bad(3));
    runs(&engine, &pack.load_at(&engine, 3).unwrap(), 3);
    drop(others);
    pack.close().unwrap();
}

#[test]
fn memory_follows_what_was_loaded_and_goes_with_the_pack() {
    if !alone("lazy::memory_follows_what_was_loaded_and_goes_with_the_pack") {
        return;
    }
    let packed = Packed::new(30, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    let rss = |allowed: &str| {
        let maps = of_packs();
        maps.iter().find(|mapped| mapped.allowed == allowed).unwrap().rss_kb
    };
    assert_eq!((rss("r-xs"), rss("rw-s")), (0, 0));
    let image_kb = packed.artifacts[0].contents().bytes.div_ceil(4096) * 4;
    let mut loaded = Vec::new();
    for (n, index) in [0, 10, 20].into_iter().enumerate() {
        loaded.push(pack.load_at(&engine, index).unwrap());
        assert!(rss("r-xs") <= (n + 1) * (image_kb + 8), "{} KB of {n}", rss("r-xs"));
        assert!(rss("r-xs") > n * 4);
        // Each page is mapped once, so it counts once.
        assert_eq!(rss("rw-s"), 0);
    }
    drop(loaded);
    assert!(rss("r-xs") > 0, "unloaded images stay, to be loaded again");
    pack.close().unwrap();
    assert_eq!(of_packs().len(), 0);
}

#[test]
fn threads_fill_different_images_at_once() {
    let packed = Packed::new(16, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (pack, engine) = (&pack, &engine);
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed);
                for _ in 0..200 {
                    let index = random.usize(..16);
                    match pack.load_at(engine, index) {
                        Ok(loaded) => runs(engine, &loaded, index),
                        Err(Error::Loaded { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
    });
    let (published, withdrawn) = pack.counts();
    assert!(published >= 16 && published == withdrawn, "{published}, {withdrawn}");
    pack.close().unwrap();
}

#[test]
fn a_loader_loads_in_place_and_copies_what_is_in_use() {
    let packed = Packed::new(2, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    let origins = std::sync::Arc::new(Origins::default());
    let loader = Loader::new(&engine, LoaderOptions::new().observer(origins.clone()));
    let direct = pack.load_at(&engine, 0).unwrap();
    let leases = [0, 1].map(|index| loader.load_packed(&pack, &name(index)).unwrap());
    assert_eq!(*origins.0.lock().unwrap(), [Origin::PackCopy, Origin::Pack]);
    leases.iter().enumerate().for_each(|(index, lease)| runs(&engine, lease, index));
    drop((leases, direct));
    loader.flush();
    pack.close().unwrap();
}

#[derive(Default)]
struct Origins(Mutex<Vec<Origin>>);

impl loadline_loader::LoadObserver for Origins {
    fn loaded(&self, record: &loadline_loader::LoadRecord<'_>) {
        self.0.lock().unwrap().push(record.origin);
    }
}

/// Tries to write to the memory as a debugger of the same user would: through a descriptor of it.
#[test]
fn no_other_mapping_can_be_made_writable() {
    if !alone("lazy::no_other_mapping_can_be_made_writable") {
        return;
    }
    let packed = Packed::new(2, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    let loaded = pack.load_at(&engine, 0).unwrap();
    let executable = of_packs().into_iter().find(|mapped| mapped.allowed == "r-xs").unwrap();
    let std::ops::Range { start, end } = executable.range;
    assert!(!can_be_made_writable(start));
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert!(!target.to_string_lossy().contains("loadline-pack"), "a descriptor is open");
    }
    // Root can get a descriptor again.
    let path = format!("/proc/self/map_files/{start:x}-{end:x}");
    match File::options().read(true).write(true).open(path) {
        Ok(file) => super::process::assert_unchangeable(&file),
        Err(error) => loadline_testing::skip!("no descriptor of the memory: {error}"),
    }
    runs(&engine, &loaded, 0);
    drop(loaded);
    pack.close().unwrap();
}

#[allow(unsafe_code)]
fn can_be_made_writable(page: usize) -> bool {
    let (page, flags) = (page as *mut libc::c_void, libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: nothing runs in the first page of a pack, which holds no image.
    unsafe { libc::mprotect(page, 4096, flags) == 0 }
}

#[test]
fn a_forked_process_loads_copies_of_what_was_not_filled() {
    if !alone("lazy::a_forked_process_loads_copies_of_what_was_not_filled") {
        return;
    }
    let packed = Packed::new(4, None);
    let engine = pack_engine();
    let Some(pack) = lazily(&packed.path, PackOptions::new()) else { return };
    let filled = pack.load_at(&engine, 0).unwrap();
    let writable = of_packs().into_iter().find(|mapped| mapped.allowed == "rw-s").unwrap();
    let mut held = Some((pack, filled));
    let child = forked(|| {
        let (pack, filled) = held.take().unwrap();
        // The address may be used for something else in the child.
        let other = super::process::map_at(writable.range.start);
        runs(&engine, &filled, 0);
        for index in 1..4 {
            let copies = [(), ()].map(|()| pack.load_at(&engine, index).unwrap());
            copies.iter().for_each(|copy| runs(&engine, copy, index));
        }
        assert_eq!((pack.n_live(), pack.counts()), (1, (1, 0)));
        drop(filled);
        runs(&engine, &pack.load_at(&engine, 0).unwrap(), 0);
        // The child can open packs of its own.
        let own = packed.open_lazily();
        assert!(own.is_lazy());
        let loaded = own.load_at(&engine, 1).unwrap();
        assert_eq!(own.n_live(), 1);
        runs(&engine, &loaded, 1);
        drop((pack, loaded));
        own.close().unwrap();
        assert_eq!(super::process::byte_at(other), 7, "closing a pack unmapped other memory");
    });
    assert_eq!(status_of(child), 0);
    let (pack, filled) = held.unwrap();
    // The child and its end changed nothing here.
    runs(&engine, &pack.load_at(&engine, 1).unwrap(), 1);
    assert_eq!(pack.n_live(), 1);
    drop(filled);
    pack.close().unwrap();
}

impl Packed {
    fn open_lazily(&self) -> Pack {
        Pack::open(&self.path, PackOptions::new().lazy()).unwrap()
    }
}

#[test]
fn the_second_mapping_counts_as_address_space() {
    if !alone("lazy::the_second_mapping_counts_as_address_space") {
        return;
    }
    let packed = Packed::new(1, None);
    let mut bytes = fs::read(&packed.path).unwrap();
    let images = 3u64 << 30;
    bytes[24..32].copy_from_slice(&images.to_le_bytes());
    bytes[32..40].copy_from_slice(&0u64.to_le_bytes());
    fs::write(&packed.path, &bytes).unwrap();
    File::options().write(true).open(&packed.path).unwrap().set_len(images).unwrap();
    super::process::limit_address_space(4 << 30);
    let error = Pack::open(&packed.path, PackOptions::new().lazy()).unwrap_err();
    let text = text_of(&error);
    assert!(text.contains(&format!("{} more bytes of address space", 2 * images)), "{text}");
    // One mapping fits. The index is empty, so its seal does not match.
    let error = text_of(&Pack::open(&packed.path, PackOptions::new()).unwrap_err());
    assert!(error.contains("altered"), "{error}");
}
