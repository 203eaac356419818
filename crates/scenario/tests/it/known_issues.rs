//! Known issues depend on unwinder and fields.

use loadline_scenario::{GrowthClass, Metric, Phase, Scenario, SeriesName};

use crate::example::{EXAMPLE, with};

#[test]
fn known_growth_depends_on_unwinder_and_fields() {
    let series = SeriesName::new(Phase::Unload, Metric::TaskClock);
    let kept = Scenario::parse("example", EXAMPLE).expect("a scenario");
    assert!(kept.known(series, "libgcc-list").is_some());
    assert!(kept.known(series, "libgcc-tree").is_none());
    let stripped = with(&[("tables", "strip")]).expect("tables can be stripped");
    assert!(stripped.known(series, "libgcc-list").is_none());
    assert_eq!(kept.expected(series, "libgcc-list"), Some(GrowthClass::Quadratic));
    assert_eq!(kept.expected(series, "llvm"), None);
    assert!(kept.grows_under("libgcc-list") && !kept.grows_under("libgcc-tree"));
    assert!(!stripped.grows_under("libgcc-list"));
}
