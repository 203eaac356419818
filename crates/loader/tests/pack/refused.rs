//! Tests of files that cannot be opened as a pack, and of artifacts that cannot be added to a pack.

use super::*;

#[test]
fn damage_is_found_by_digests() {
    survives_damage(150);
}

/// Damages a pack again and again, half of the times a pack with a key.
pub fn survives_damage(rounds_each: usize) {
    for key in [None, Some(Key::new([9; 32]))] {
        let packed = Packed::new(4, key.clone());
        let whole = fs::read(&packed.path).unwrap();
        let engine = pack_engine();
        let options = |digests| {
            let options = PackOptions::new().digests(digests);
            key.clone().into_iter().fold(options, PackOptions::key)
        };
        let mut random = Rng::with_seed(16);
        for round in 0..rounds_each {
            let mut bytes = whole.clone();
            let at = random.usize(..bytes.len() - 1);
            // Flip one bit, or sixteen bits.
            let flips = if round % 2 == 0 { 1 << random.u8(..16) } else { u16::MAX };
            bytes[at] ^= flips as u8;
            bytes[at + 1] ^= (flips >> 8) as u8;
            fs::write(&packed.path, &bytes).unwrap();
            Pack::open(&packed.path, options(Digests::AtOpen)).unwrap_err();
            // Otherwise the damage is found when the damaged artifact is loaded.
            for options in [options(Digests::AtLoad), options(Digests::AtOpen).lazy()] {
                // Where a pack cannot be lazy, everything is checked when it is opened.
                let Ok(pack) = Pack::open(&packed.path, options) else { continue };
                loads_what_is_not_damaged(&pack, &engine);
            }
        }
        for end in [0, 1, 8, 71, 72, 4096, whole.len() / 2, whole.len() - 1] {
            fs::write(&packed.path, &whole[..end]).unwrap();
            Pack::open(&packed.path, options(Digests::AtLoad)).unwrap_err();
        }
    }
}

fn loads_what_is_not_damaged(pack: &Pack, engine: &Engine) {
    let mut n_refused = 0;
    for index in 0..4 {
        match pack.load_at(engine, index) {
            Ok(loaded) => runs(engine, &loaded, index),
            Err(error) => {
                assert!(text_of(&error).contains("altered"), "{error:?}");
                n_refused += 1;
            }
        }
    }
    assert!(n_refused <= 2, "{n_refused}");
    pack.close().unwrap();
}

/// Flips bits of every field of the format, one byte at a time.
#[test]
fn damage_of_every_field_is_an_error_at_open_or_at_load() {
    let packed = Packed::new(3, None);
    let whole = fs::read(&packed.path).unwrap();
    let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    let index = number(24);
    let record = |entry: usize, field: usize| index + entry * 80 + field;
    let (image, image_bytes) = (number(record(1, 0)), number(record(1, 8)));
    let frames_bytes = number(record(1, 16));
    let frames = image + image_bytes.next_multiple_of(8);
    assert!(frames_bytes > 0, "the artifacts have tables");
    let names = record(3, 0);
    let header = [0, 7, 8, 12, 16, 23, 24, 32, 40, 45, 71, 72, 103, 104, 4095].into_iter();
    let fields = [0, 7, 8, 15, 16, 23, 24, 31, 32, 39, 40, 43, 44, 47, 48, 79];
    let fields = (0..3).flat_map(|entry| fields.map(|field| record(entry, field)));
    let images = [image, image + image_bytes / 2, image + image_bytes - 1, frames];
    let behind = [frames + frames_bytes - 1, frames + frames_bytes, names, whole.len() - 1];
    let gap = (image + image_bytes..frames).next();
    let engine = pack_engine();
    let places = header.chain(fields).chain(images).chain(behind).chain(gap);
    for (at, flip) in places.flat_map(|at| [1, 0x80, 0xff].map(|flip| (at, flip))) {
        let mut bytes = whole.clone();
        bytes[at] ^= flip;
        fs::write(&packed.path, &bytes).unwrap();
        let eager = Pack::open(&packed.path, PackOptions::new());
        assert!(eager.is_err(), "byte {at} of the file");
        let lazy = Pack::open(&packed.path, PackOptions::new().lazy());
        let Ok(pack) = lazy else { continue };
        // Only this image is damaged, or bytes that a lazy pack does not copy.
        let is_right = |entry: usize| match pack.load_at(&engine, entry) {
            Ok(loaded) => {
                runs(&engine, &loaded, entry);
                true
            }
            Err(_) => false,
        };
        let expected = at < image || at >= frames + frames_bytes;
        let found = [0, 1, 2].map(is_right);
        assert_eq!(found, [true, expected || !pack.is_lazy(), true], "byte {at} of the file");
        pack.close().unwrap();
    }
}

/// These bytes are mapped with the images, so they could be executed.
#[test]
fn what_lies_behind_the_header_is_refused() {
    use std::os::unix::fs::FileExt;

    let key = Key::new([4; 32]);
    let packed = Packed::new(1, Some(key.clone()));
    let whole = fs::read(&packed.path).unwrap();
    for digests in [Digests::AtOpen, Digests::AtLoad] {
        let options = PackOptions::new().key(key.clone()).digests(digests);
        for (at, bytes) in [(200, vec![0xC3; 3896]), (4095, vec![1])] {
            fs::write(&packed.path, &whole).unwrap();
            let file = fs::File::options().write(true).open(&packed.path).unwrap();
            file.write_all_at(&bytes, at).unwrap();
            let error = Pack::open(&packed.path, options.clone()).unwrap_err();
            assert!(text_of(&error).contains("not a pack"), "{error:?}");
        }
        fs::write(&packed.path, &whole).unwrap();
        Pack::open(&packed.path, options).unwrap();
    }
}

#[test]
fn only_the_right_key_opens_a_pack() {
    let (right, wrong) = (Key::new([1; 32]), Key::new([2; 32]));
    let packed = Packed::new(1, Some(right.clone()));
    for options in [PackOptions::new(), PackOptions::new().key(wrong)] {
        let error = Pack::open(&packed.path, options).unwrap_err();
        assert!(text_of(&error).contains("altered"), "{error:?}");
    }
    Pack::open(&packed.path, PackOptions::new().key(right)).unwrap();
    let plain = Packed::new(1, None);
    Pack::open(&plain.path, PackOptions::new().key(Key::new([0; 32]))).unwrap_err();
}

#[test]
fn files_that_others_can_write_are_refused() {
    let key = Key::new([3; 32]);
    let packed = Packed::new(1, Some(key.clone()));
    let options = PackOptions::new().key(key);
    let refused = |path: &Path, options: PackOptions| {
        let error = Pack::open(path, options).unwrap_err();
        assert!(matches!(error, Error::Exposed { .. }), "{error:?}");
    };
    fs::set_permissions(&packed.path, Permissions::from_mode(0o666)).unwrap();
    refused(&packed.path, options.clone());
    refused(&packed.path, PackOptions::new().whoever_can_write());
    Pack::open(&packed.path, options.clone().whoever_can_write()).unwrap();
    fs::set_permissions(&packed.path, Permissions::from_mode(0o600)).unwrap();
    Pack::open(&packed.path, options.clone()).unwrap();
    fs::set_permissions(packed.home.path(), Permissions::from_mode(0o770)).unwrap();
    refused(&packed.path, options.clone());
    fs::set_permissions(packed.home.path(), Permissions::from_mode(0o700)).unwrap();

    let link = packed.home.path().join("link.pack");
    std::os::unix::fs::symlink(&packed.path, &link).unwrap();
    Pack::open(&link, options.clone()).unwrap();
    Pack::open(&link, options.clone().whoever_can_write()).unwrap();
    // Only root can change the owner of a link.
    if std::os::unix::fs::lchown(&link, Some(12345), None).is_ok() {
        refused(&link, options.clone());
        Pack::open(&link, options.whoever_can_write()).unwrap();
    }
}

#[test]
fn a_file_that_claims_more_than_there_is_memory_is_refused() {
    let packed = Packed::new(1, None);
    let mut bytes = fs::read(&packed.path).unwrap();
    // The end of the images, and the length of the index after them.
    let huge = 1u64 << 43;
    for (end, index) in [(huge, 16u64), (4096, huge)] {
        bytes[24..32].copy_from_slice(&end.to_le_bytes());
        bytes[32..40].copy_from_slice(&index.to_le_bytes());
        fs::write(&packed.path, &bytes).unwrap();
        let file = fs::File::options().write(true).open(&packed.path).unwrap();
        if file.set_len(end + index).is_err() {
            loadline_testing::skip!("this file system has no files of that length");
            return;
        }
        drop(file);
        let error = text_of(&Pack::open(&packed.path, PackOptions::new()).unwrap_err());
        // The error names the full amount that opening would take, whichever part of it is large.
        let needed = format!("{} more bytes", end + index);
        assert!(!cfg!(target_os = "linux") || error.contains(&needed), "{error}");
    }
}

/// Adds an empty section with the name that `Config::guest_debug` uses. The Wasmtime of these tests is built
/// without that setting.
fn with_bytecode(artifact: &Artifact) -> Artifact {
    const ENTRY: usize = 64;

    let mut bytes = artifact.bytes().to_vec();
    let number = |at: usize, n: usize| {
        let mut number = [0; 8];
        number[..n].copy_from_slice(&artifact.bytes()[at..at + n]);
        u64::from_le_bytes(number) as usize
    };
    // From the ELF header: the position and number of the section headers, and the index of the section with
    // names.
    let (table, n_sections, names) = (number(40, 8), number(60, 2), number(62, 2));
    let names_header = table + names * ENTRY;
    let (names_at, names_bytes) = (number(names_header + 24, 8), number(names_header + 32, 8));
    let mut new_names = artifact.bytes()[names_at..names_at + names_bytes].to_vec();
    new_names.extend(b".wasmtime.wasm_bytecode\0");
    let new_names_at = bytes.len();
    bytes.extend(&new_names);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let new_table = bytes.len();
    bytes.extend_from_within(table..table + n_sections * ENTRY);
    let mut section = [0u8; ENTRY];
    section[..4].copy_from_slice(&(names_bytes as u32).to_le_bytes());
    section[4] = 1; // bytes of the program
    section[24..32].copy_from_slice(&(new_table as u64).to_le_bytes());
    section[48] = 1; // aligned to nothing
    bytes.extend(section);
    let names_header = new_table + names * ENTRY;
    bytes[names_header + 24..names_header + 32].copy_from_slice(&new_names_at.to_le_bytes());
    bytes[names_header + 32..names_header + 40].copy_from_slice(&new_names.len().to_le_bytes());
    bytes[40..48].copy_from_slice(&new_table.to_le_bytes());
    bytes[60..62].copy_from_slice(&(n_sections as u16 + 1).to_le_bytes());
    vouched(bytes)
}

#[allow(unsafe_code)]
fn vouched(bytes: Vec<u8>) -> Artifact {
    // SAFETY: this release wrote the artifact. Only an empty section was added, which contains no wasm.
    unsafe { Artifact::trusted(bytes) }.unwrap()
}

#[test]
fn what_is_for_debugging_guests_is_copied() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("debug.pack");
    let artifact = artifacts(1).remove(0);
    let named = [("debug", &with_bytecode(&artifact)), ("usual", &artifact)];
    Pack::build(&path, None, named).unwrap();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    let engine = pack_engine();
    let debug = [(), ()].map(|()| pack.load(&engine, "debug").unwrap());
    assert_eq!(pack.n_live(), 0);
    let usual = pack.load(&engine, "usual").unwrap();
    assert_eq!(pack.n_live(), 1);
    drop(usual);
    pack.close().unwrap();
    debug.iter().for_each(|loaded| runs(&engine, loaded, 0));
}

#[test]
fn a_pack_is_this_users_alone_unless_it_is_shared() {
    let packed = Packed::new(1, None);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&packed.path), 0o600);
    let usual = packed.home.path().join("usual");
    fs::write(&usual, b"").unwrap();
    let shared = packed.home.path().join("shared.pack");
    let mut writer = PackWriter::create(&shared, None).unwrap().shared();
    writer.add("some", &packed.artifacts[0]).unwrap();
    writer.finish().unwrap();
    assert_eq!(mode(&shared), mode(&usual));
    assert_eq!(fs::read_dir(packed.home.path()).unwrap().count(), 3);
}

#[test]
fn names_are_unique_and_a_failed_build_leaves_nothing() {
    let packed = Packed::new(1, None);
    let before = fs::read(&packed.path).unwrap();
    let artifact = &packed.artifacts[0];
    let error = Pack::build(&packed.path, None, [("a", artifact), ("a", artifact)]).unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error:?}");
    let long = "x".repeat(5000);
    Pack::build(&packed.path, None, [(long, artifact)]).unwrap_err();
    assert_eq!(fs::read(&packed.path).unwrap(), before);
    assert_eq!(fs::read_dir(packed.home.path()).unwrap().count(), 1);
    let none: [(&str, &Artifact); 0] = [];
    Pack::build(&packed.path, None, none).unwrap();
    assert_eq!(packed.open().entries().len(), 0);
}
