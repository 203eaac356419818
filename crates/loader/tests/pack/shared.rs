//! Tests of packs in memory that processes share. Only Linux has such memory.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::process::Stdio;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::common::{is_child, this_test};
use super::process::assert_unchangeable;
use super::*;

fn all_seals() -> SealFlags {
    SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// Fills memory with these bytes and seals it.
fn sealed(bytes: &[u8], seals: SealFlags) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut memory = File::from(memfd_create("loadline-test", flags).unwrap());
    memory.write_all(bytes).unwrap();
    fcntl_add_seals(&memory, seals).unwrap();
    memory
}

/// Runs a test in a process that has this descriptor as its standard input.
fn in_worker(test: &str, memory: &OwnedFd) {
    let mut worker = this_test(test);
    worker.stdin(Stdio::from(memory.try_clone().unwrap()));
    let output = worker.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn error_of(memory: impl AsFd, options: PackOptions) -> String {
    text_of(&Pack::open_shared(memory, options).unwrap_err())
}

#[test]
fn workers_load_from_one_copy() {
    let engine = pack_engine();
    if is_child() {
        let pack = Pack::open_shared(io::stdin(), PackOptions::new()).unwrap();
        assert!(!pack.is_lazy());
        for _ in 0..2 {
            let loaded = pack.load_all(&engine, at_least_one(2));
            for (index, loaded) in loaded.into_iter().enumerate() {
                runs(&engine, &loaded.unwrap(), index);
            }
        }
        assert_eq!(pack.counts(), (40, 40));
        return pack.close().unwrap();
    }
    let packed = Packed::new(20, None);
    let memory = Pack::share(&packed.path, PackOptions::new()).unwrap();
    fs::remove_file(&packed.path).unwrap();
    for _ in 0..2 {
        in_worker("shared::workers_load_from_one_copy", &memory);
    }
    let pack = Pack::open_shared(&memory, PackOptions::new()).unwrap();
    drop(memory);
    runs(&engine, &pack.load_at(&engine, 3).unwrap(), 3);
    pack.close().unwrap();
}

#[test]
fn a_sibling_cannot_change_what_is_shared() {
    if is_child() {
        assert_unchangeable(&File::from(io::stdin().as_fd().try_clone_to_owned().unwrap()));
        // A new descriptor of the same memory can do no more.
        let again = File::options().read(true).write(true).open("/proc/self/fd/0").unwrap();
        return assert_unchangeable(&again);
    }
    let packed = Packed::new(3, None);
    let engine = pack_engine();
    let memory = Pack::share(&packed.path, PackOptions::new()).unwrap();
    let pack = Pack::open_shared(&memory, PackOptions::new()).unwrap();
    let loaded = pack.load_at(&engine, 0).unwrap();
    in_worker("shared::a_sibling_cannot_change_what_is_shared", &memory);
    runs(&engine, &loaded, 0);
    runs(&engine, &pack.load_at(&engine, 1).unwrap(), 1);
    drop(loaded);
    pack.close().unwrap();
}

#[test]
fn memory_that_can_still_change_is_refused() {
    let packed = Packed::new(1, None);
    let bytes = fs::read(&packed.path).unwrap();
    let options = PackOptions::new;
    let changeable = "its memory can still be changed";
    assert!(error_of(File::open(&packed.path).unwrap(), options()).contains(changeable));
    assert!(error_of(sealed(&bytes, SealFlags::empty()), options()).contains(changeable));
    for missing in all_seals().iter() {
        let memory = sealed(&bytes, all_seals() - missing);
        assert!(error_of(memory, options()).contains(changeable), "{missing:?}");
    }
    let future = (all_seals() - SealFlags::WRITE) | SealFlags::FUTURE_WRITE;
    assert!(error_of(sealed(&bytes, future), options()).contains(changeable));
    Pack::open_shared(sealed(&bytes, all_seals()), options()).unwrap().close().unwrap();
}

#[test]
fn what_is_no_pack_is_refused() {
    let packed = Packed::new(3, None);
    let whole = fs::read(&packed.path).unwrap();
    let error = |bytes: &[u8]| error_of(sealed(bytes, all_seals()), PackOptions::new());
    for bytes in [&b""[..], b"loadpack", &[7; 5000], &whole[..whole.len() - 1]] {
        assert!(error(bytes).contains("not a pack"), "{}", error(bytes));
    }
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    assert!(error(&flipped(whole.len() - 1)).contains("altered"));
    assert!(error(&flipped(200)).contains("before its images"));
}

#[test]
fn each_image_is_checked_when_it_is_first_loaded() {
    let packed = Packed::new(3, None);
    let engine = pack_engine();
    let mut bytes = fs::read(&packed.path).unwrap();
    let images_end = u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize;
    bytes[4096 + 2000] ^= 1; // in the first image
    bytes[images_end - 1] ^= 1; // behind the last image
    fs::write(&packed.path, &bytes).unwrap();
    let error = Pack::share(&packed.path, PackOptions::new()).unwrap_err();
    assert!(matches!(error, Error::Entry { .. }), "{error:?}");
    let options = PackOptions::new().digests(Digests::AtLoad);
    let memory = Pack::share(&packed.path, options).unwrap();
    for options in [PackOptions::new(), PackOptions::new().digests(Digests::AtLoad)] {
        let pack = Pack::open_shared(&memory, options).unwrap();
        for _ in 0..2 {
            let errors = [0, 2].map(|index| text_of(&pack.load_at(&engine, index).unwrap_err()));
            assert!(errors[0].contains("altered"), "{}", errors[0]);
            assert!(errors[1].contains("unexpected bytes after an image"), "{}", errors[1]);
            runs(&engine, &pack.load_at(&engine, 1).unwrap(), 1);
        }
        pack.close().unwrap();
    }
}

#[test]
fn memory_of_another_user_needs_a_key_and_is_checked_at_once() {
    let key = Key::new([6; 32]);
    let packed = Packed::new(2, Some(key.clone()));
    let with_key = PackOptions::new().key(key);
    let mut bytes = fs::read(&packed.path).unwrap();
    let memory = sealed(&bytes, all_seals());
    assert!(error_of(&memory, PackOptions::new()).contains("altered"));
    assert!(error_of(&memory, PackOptions::new().whoever_can_write()).contains("no key was given"));
    Pack::open_shared(&memory, with_key.clone()).unwrap();
    bytes[4096 + 2000] ^= 1;
    let altered = sealed(&bytes, all_seals());
    Pack::open_shared(&altered, with_key.clone()).unwrap();
    for memory in [&memory, &altered] {
        if let Err(error) = fchown(memory, Some(12345), None) {
            loadline_testing::skip!("only root can change the owner of memory: {error}");
            return;
        }
    }
    assert!(error_of(&memory, PackOptions::new()).contains("belongs to user 12345"));
    Pack::open_shared(&memory, with_key.clone()).unwrap();
    assert!(error_of(&altered, with_key).contains("altered"));
}
