//! How many modules fit the limits that a kernel sets for a process.

use crate::workload::corpus::LoadFrom;
use crate::workload::modules::Modules;

/// `vm.max_map_count` of a kernel with its default settings (`DEFAULT_MAX_MAP_COUNT`).
const USUAL_MAPPINGS: usize = 65_530;

impl Modules {
    /// The most modules within the kernel's default limits. The limits of this machine do not matter, so a
    /// verdict that extrapolates to this N is the same everywhere.
    #[must_use]
    pub fn largest_usual(&self) -> usize {
        self.largest_within(Some(USUAL_MAPPINGS), None).0
    }

    /// The most modules within this many mappings and file descriptors, and the limit that sets it. A module
    /// loaded from bytes takes two mappings. A module loaded from a file takes three mappings and a
    /// descriptor. A tenth of each limit is left for everything else.
    #[must_use]
    pub fn largest_within(
        &self,
        mappings: Option<usize>,
        descriptors: Option<usize>,
    ) -> (usize, String) {
        let each = match self.load_from {
            LoadFrom::Bytes | LoadFrom::Store => 2,
            LoadFrom::File => 3,
            LoadFrom::Pack => 0,
        };
        let by_mappings = mappings.filter(|_| each > 0).map(|limit| {
            (limit / 10 * 9 / each, format!("vm.max_map_count is {limit} (sysctl raises it)"))
        });
        let descriptors = descriptors.filter(|_| self.load_from == LoadFrom::File);
        let by_descriptors = descriptors.map(|limit| {
            (
                limit / 10 * 9,
                format!("the limit of file descriptors is {limit} (ulimit -n raises it)"),
            )
        });
        let both = by_mappings.into_iter().chain(by_descriptors);
        both.min_by_key(|(n, _)| *n).unwrap_or((usize::MAX, String::new()))
    }
}
