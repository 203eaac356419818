//! The limited resources of a process: how much it uses, and how much it may use.

use std::fmt;

/// A limited resource of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Memory mappings.
    Mappings,
    /// Open files (file descriptors).
    Descriptors,
    /// Bytes of address space.
    AddressSpace,
    /// Bytes of memory.
    Memory,
}

pub(super) const RESOURCES: [Resource; 4] =
    [Resource::Mappings, Resource::Descriptors, Resource::AddressSpace, Resource::Memory];

impl Resource {
    /// Returns how to raise the limit, and how a loader can need less.
    pub const fn remedy(self) -> &'static str {
        match self {
            Resource::Mappings => {
                "raise it with `sysctl vm.max_map_count=…`, or load from a pack, which takes one mapping for all"
            }
            Resource::Descriptors => {
                "raise it with `ulimit -n`, or drop instances of modules that have data segments"
            }
            Resource::AddressSpace => "raise it with `ulimit -v`, or unload modules",
            Resource::Memory => "raise the control group's `memory.max`, or unload modules",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Mappings => "mappings (vm.max_map_count)",
            Resource::Descriptors => "open files (RLIMIT_NOFILE)",
            Resource::AddressSpace => "bytes of address space (RLIMIT_AS)",
            Resource::Memory => "bytes of memory (memory.max, or what the machine has left)",
        })
    }
}

/// The used amount of a resource, and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The largest amount that may be used.
    pub limit: u64,
    /// The amount that is used now.
    pub used: u64,
}

impl Usage {
    /// Returns the amount that is still free.
    pub fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The used amounts and limits of the resources that this process can run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    usages: [Option<Usage>; RESOURCES.len()],
}

impl Headroom {
    /// Counts the amounts that are used now. Counting takes longer the more mappings there are: about 15 ms
    /// for 60,000 mappings.
    pub fn now() -> Headroom {
        Headroom { usages: RESOURCES.map(platform::usage) }
    }

    /// Returns the usage of one resource, or `None` if it has no limit or is unknown.
    pub fn of(&self, resource: Resource) -> Option<Usage> {
        self.usages[resource as usize]
    }
}

/// An amount of each resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Memory mappings.
    pub mappings: u64,
    /// Open files.
    pub descriptors: u64,
    /// Bytes of memory and of address space. A reserve includes another 128 MiB of address space, because the
    /// allocator takes address space in large blocks.
    pub bytes: u64,
}

impl Amounts {
    pub(super) fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Mappings => self.mappings,
            Resource::Descriptors => self.descriptors,
            Resource::AddressSpace | Resource::Memory => self.bytes,
        }
    }
}

/// The default reserve for the rest of the program, which needs less than this between two counts.
pub const RESERVE: Amounts = Amounts { mappings: 512, descriptors: 32, bytes: 64 << 20 };

#[cfg(target_os = "linux")]
pub(super) mod platform {
    use std::fs;
    use std::path::Path;

    use rustix::process::{self, getrlimit};

    use super::{Resource, Usage};

    pub(crate) fn usage(resource: Resource) -> Option<Usage> {
        match resource {
            Resource::Mappings => {
                let limit = number("/proc/sys/vm/max_map_count")?;
                let maps = fs::read("/proc/self/maps").ok()?;
                let used = maps.iter().filter(|byte| **byte == b'\n').count() as u64;
                Some(Usage { limit, used })
            }
            Resource::Descriptors => {
                let limit = getrlimit(process::Resource::Nofile).current?;
                // The count includes the descriptor that reads the folder, which is closed afterwards.
                let used = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64;
                Some(Usage { limit, used })
            }
            Resource::AddressSpace => {
                let limit = getrlimit(process::Resource::As).current?;
                let statm = fs::read_to_string("/proc/self/statm").ok()?;
                let pages: u64 = statm.split_whitespace().next()?.parse().ok()?;
                Some(Usage { limit, used: pages * rustix::param::page_size() as u64 })
            }
            Resource::Memory => match (control_group(), machine()) {
                (Some(group), Some(machine)) if group.left() < machine.left() => Some(group),
                (group, machine) => machine.or(group),
            },
        }
    }

    fn control_group() -> Option<Usage> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        tightest(Path::new("/sys/fs/cgroup"), group)
    }

    /// Returns the limit and usage of the group with the least free memory, among `group` and its parent
    /// groups. A limit applies to all groups below it, even if their own `memory.max` says `max`. Usage does
    /// not include memory that the kernel could reclaim at once (the kernel's `cgroup-v2.rst`).
    pub(super) fn tightest(root: &Path, group: &str) -> Option<Usage> {
        let own = Path::new(group.trim_start_matches('/'));
        let limits = own.ancestors().filter_map(|group| limit_of(&root.join(group)));
        limits.min_by_key(|usage| usage.left())
    }

    fn limit_of(folder: &Path) -> Option<Usage> {
        let limit = number(folder.join("memory.max"))?;
        let used = number(folder.join("memory.current"))?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let reclaimable = field(&stat, "inactive_file").unwrap_or(0);
        Some(Usage { limit, used: used.saturating_sub(reclaimable) })
    }

    fn machine() -> Option<Usage> {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let (total, available) = (field(&text, "MemTotal:")?, field(&text, "MemAvailable:")?);
        Some(Usage { limit: total * 1024, used: total.saturating_sub(available) * 1024 })
    }

    fn field(text: &str, name: &str) -> Option<u64> {
        let mut lines = text.lines().map(str::split_whitespace);
        let line = lines.find_map(|mut words| (words.next() == Some(name)).then_some(words));
        line?.next()?.parse().ok()
    }

    fn number(path: impl AsRef<Path>) -> Option<u64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) mod platform {
    use super::{Resource, Usage};

    pub(crate) fn usage(_: Resource) -> Option<Usage> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_headroom() {
        let headroom = Headroom::now();
        if !cfg!(target_os = "linux") {
            assert_eq!(headroom, Headroom::default());
            return;
        }
        for resource in [Resource::Mappings, Resource::Memory] {
            let usage = headroom.of(resource).expect("Linux tells");
            assert!(usage.used > 0 && usage.left() > 0, "{resource}: {usage:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_limit_of_a_group_around_the_own_one_counts() {
        let root = std::env::temp_dir().join(format!("loadline-groups-{}", std::process::id()));
        let own = root.join("a.slice/b.service");
        std::fs::create_dir_all(&own).expect("a folder");
        let group = |folder: &std::path::Path, limit: &str, used: &str| {
            std::fs::write(folder.join("memory.max"), limit).expect("a file");
            std::fs::write(folder.join("memory.current"), used).expect("a file");
            std::fs::write(folder.join("memory.stat"), "anon 1\ninactive_file 10\n")
                .expect("a file");
        };
        group(&own, "max\n", "50\n");
        // The topmost group has no limit.
        assert_eq!(platform::tightest(&root, "/a.slice/b.service"), None);
        group(&root.join("a.slice"), "300\n", "110\n");
        let slice = Some(Usage { limit: 300, used: 100 });
        assert_eq!(platform::tightest(&root, "/a.slice/b.service"), slice);
        assert_eq!(platform::tightest(&root, "/a.slice"), slice);
        group(&own, "120\n", "20\n");
        let tightest = platform::tightest(&root, "/a.slice/b.service");
        assert_eq!(tightest, Some(Usage { limit: 120, used: 10 }));
        assert_eq!(platform::tightest(&root, "/"), None);
        std::fs::remove_dir_all(&root).expect("the folder was made above");
    }
}
