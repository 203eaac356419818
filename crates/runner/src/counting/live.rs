//! The resources that the process holds at one moment, as the operating system counts them: memory, mappings
//! and descriptors.

use std::fs::File;
use std::io::Read;

use loadline_scenario::{Absence, Metric, Reading};

use super::allocator;

/// The resources that the process holds at one moment. A field is `None` if the system does not report it.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    bytes: i64,
    resident: Resident,
    mappings: Option<Mappings>,
    descriptors: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mappings {
    count: u64,
    bytes: u64,
}

impl Live {
    /// Reads the resources that the process holds now.
    pub fn now() -> Live {
        // Read in this order, so that later reads do not change earlier results.
        let (bytes, resident) = (allocator::live_bytes(), Resident::now());
        Live { bytes, resident, mappings: Mappings::now(), descriptors: descriptors() }
    }

    /// Returns the growth of each resource since `before`. If a resource has shrunk, its growth is 0.
    pub fn grown_since(&self, before: &Live) -> [(Metric, Reading); 5] {
        let bytes = self.bytes.saturating_sub(before.bytes);
        let count = |mappings: Mappings| mappings.count;
        let mapped = |mappings: Mappings| mappings.bytes;
        [
            (Metric::LiveBytes, Reading::Exact(u64::try_from(bytes).unwrap_or(0))),
            (Metric::MappingsLive, grown(before.mappings.map(count), self.mappings.map(count))),
            (Metric::MappedBytes, grown(before.mappings.map(mapped), self.mappings.map(mapped))),
            (Metric::DescriptorsLive, grown(before.descriptors, self.descriptors)),
            (Metric::ResidentBytes, grown(before.resident.0, self.resident.0)),
        ]
    }
}

fn grown(before: Option<u64>, now: Option<u64>) -> Reading {
    match (before, now) {
        (Some(before), Some(now)) => Reading::Exact(now.saturating_sub(before)),
        _ => Reading::Unavailable(Absence::NotOnThisPlatform),
    }
}

/// The size of the resident set at one moment, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Resident(Option<u64>);

impl Resident {
    /// Reads `Rss` from `/proc/self/smaps_rollup`, which walks the page tables. On many kernels, `statm` lags
    /// behind by up to dozens of pages per CPU (Documentation/filesystems/proc.rst).
    pub fn now() -> Resident {
        let mut buffer = [0; 4096];
        let read =
            File::open("/proc/self/smaps_rollup").and_then(|mut file| file.read(&mut buffer));
        let text = read.ok().and_then(|read| std::str::from_utf8(&buffer[..read]).ok());
        let row = text.and_then(|text| text.lines().find_map(|line| line.strip_prefix("Rss:")));
        let kib = row.and_then(|row| row.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        Resident(kib.map(|kib| kib * 1024))
    }

    /// Returns the growth of the resident set since this value was read. If the set has shrunk, its growth is
    /// 0.
    pub fn grown(self) -> Reading {
        grown(self.0, Resident::now().0)
    }
}

impl Mappings {
    /// Reads `/proc/self/maps`, which has one line per mapping, into a buffer on the stack. Memory that is
    /// allocated here might add a mapping.
    fn now() -> Option<Mappings> {
        let mut file = File::open("/proc/self/maps").ok()?;
        let mut buffer = [0; 16 * 1024];
        let mut lines = Lines::default();
        loop {
            match file.read(&mut buffer).ok()? {
                0 => return Some(lines.found),
                read => buffer[..read].iter().for_each(|byte| lines.push(*byte)),
            }
        }
    }
}

/// Reads `/proc/self/maps` byte by byte: `begin-end permissions …`, both in hexadecimal.
#[derive(Debug, Default)]
struct Lines {
    found: Mappings,
    begin: u64,
    number: u64,
    is_past_range: bool,
}

impl Lines {
    fn push(&mut self, byte: u8) {
        match byte {
            b'\n' => (self.number, self.is_past_range) = (0, false),
            _ if self.is_past_range => {}
            b'-' => (self.begin, self.number) = (self.number, 0),
            b' ' => {
                self.found.count += 1;
                self.found.bytes += self.number.saturating_sub(self.begin);
                self.is_past_range = true;
            }
            digit => {
                let digit = char::from(digit).to_digit(16).unwrap_or(0);
                self.number = self.number << 4 | u64::from(digit);
            }
        }
    }
}

/// Returns the number of mappings.
pub fn mappings() -> Option<u64> {
    Mappings::now().map(|mappings| mappings.count)
}

/// Returns the number of bytes of address space in all mappings.
pub fn mapped_bytes() -> Option<u64> {
    Mappings::now().map(|mappings| mappings.bytes)
}

/// Returns the number of open descriptors, without the descriptor that this function needs itself.
pub fn descriptors() -> Option<u64> {
    let listed = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(listed.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_counted_and_measured() {
        let text = "1000-3000 r--p 00000000 fe:01 12 /a-b c\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
        let mut lines = Lines::default();
        text.bytes().for_each(|byte| lines.push(byte));
        assert_eq!(lines.found, Mappings { count: 2, bytes: 0x3000 });
    }

    #[test]
    fn an_open_file_is_one_more_descriptor() {
        let Some(before) = descriptors() else {
            loadline_testing::skip!("no /proc/self/fd");
            return;
        };
        let held: Vec<File> = (0..40).map(|_| File::open("/dev/null").expect("opens")).collect();
        // Other tests of this process open a few files themselves.
        let now = descriptors().expect("as before");
        assert!(now.abs_diff(before + held.len() as u64) < 20, "{before} then {now}");
    }
}
